/* Which images of the embedding map are selected: by filters, by a line around them, or as a region. */
window.reportgen.embeddingSelection = (images, regions, layouts, layoutOf) => {
  "use strict";
  const R = window.reportgen;
  const KEYS = [...R.selection.keys, "lasso", "region"];

  /** @type {EmbeddingSelection["region"]} */
  const region = (state) => (/^\d+$/.test(state.region ?? "") ? Number(state.region) - 1 : -1);
  /** @type {EmbeddingSelection["rows"]} */
  const rows = (state) => {
    let found = R.imageFilter.select(images, state);
    const lasso = R.embeddingLasso.parse(state.lasso);
    if (lasso && layouts.includes(lasso.layout)) {
      const { xy } = layoutOf(lasso.layout);
      found = found.filter((i) => R.embeddingLasso.contains(lasso.points, xy[2 * i], xy[2 * i + 1]));
    }
    if (region(state) >= 0) found = found.filter(regions.contains(region(state)));
    // Other pages have no filter for a line on this map or a region: links carry the images.
    R.selection.provide(() => (state.lasso || state.region ? R.imageFilter.chosen(images, found) : null));
    return found;
  };
  return {
    none: Object.fromEntries(KEYS.map((key) => [key, ""])),
    isMade: (state) => KEYS.some((key) => state[key]),
    isPart: (change) => KEYS.some((key) => key in change),
    region,
    rows,
  };
};
