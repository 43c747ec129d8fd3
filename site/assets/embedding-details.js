/* What the page of the embedding map shows of the images once the dots are drawn: list, panel, regions and colours. */
window.reportgen.embeddingDetails = async (parts) => {
  "use strict";
  const { chunk, urls, stage, surface } = parts;
  const R = window.reportgen;
  const { data } = R;
  for (const url of [...urls.images, ...urls.regions]) await data.loadScript(url);
  await data.loadScripts("image-filter.js", "image-figures.js", "embedding-selection.js");
  await data.loadScripts("embedding-colours.js", "embedding-regions.js", "embedding-tooltip.js");
  await data.loadScripts("embedding-table.js", "embedding-panel.js");
  const images = data.chunk("images");
  const found = data.chunk("regions");
  const regions = R.embeddingRegions(stage, found);
  const layouts = chunk.layouts.map(([name]) => name);
  /** @param {string} layout */
  const kept = (layout) => /** @type {Int8Array | undefined} */ (found[`kept_${layout}`]);
  return {
    images,
    panel: R.embeddingPanel(parts.panel, images, found, parts.chooseRegion),
    regions,
    selection: R.embeddingSelection(images, regions, layouts, parts.layoutOf),
    table: R.embeddingTable(parts.list),
    tooltip: R.embeddingTooltip(stage, surface, images),
    colourings: (layout) => R.embeddingColours(images, chunk, kept(layout), found.neighbours),
  };
};
