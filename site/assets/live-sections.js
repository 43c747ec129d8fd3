/* What the live page shows below the image: nearest images, place on the map, and the inside of the network. */
window.reportgen.liveSections = async (images, live, actions) => {
  "use strict";
  const { data, dom } = window.reportgen;
  const { element } = dom;
  await data.load("live-features", "places");
  await data.loadScripts("live-nearest.js", "live-neighbours.js", "live-place.js", "embedding-positions.js");

  const [neighbours, placed, inside] = ["live-nearest", "live-place", "live-layers"].map((id) =>
    element("section", { className: "view", id }),
  );
  const place = data.has("places") ? window.reportgen.livePlace(placed, images) : null;
  /** @type {LiveLayers | undefined} */
  let layers; // from when the reader opens them: their maps are computed from then on

  const open = async () => {
    await data.load("live-layers");
    await data.loadScripts("boxes.js", "viewer-probe.js", "live-layer-maps.js", "live-unit.js", "live-layers.js");
    layers ??= window.reportgen.liveLayers(inside, images, live, actions.changed);
  };
  const look = dom.button("Look inside", () => {
    look.disabled = true;
    open().then(() => actions.changed(true), actions.fail);
  });
  if (live.layers) {
    const text =
      "The recorded layers, one after the other: the maps of their units, the units that are unusually active in " +
      "this image, and the top patches of each unit in the report.";
    inside.append(element("h2", { textContent: "Inside the network" }), element("p", { textContent: text }), look);
  }

  return {
    elements: [neighbours, ...(place ? [placed] : []), ...(live.layers ? [inside] : [])],
    outputs: () => [data.chunk("live-features").output, ...(layers ? [layers.output()] : [])],
    show: (result, image, isOriginal) => {
      const nearest = window.reportgen.liveNearest(result.outputs, image.row);
      window.reportgen.liveNeighbours(neighbours, images, live, result, nearest);
      place?.(nearest, isOriginal ? image.row : undefined);
      layers?.show(result, image.window);
    },
    toState: () => layers?.toState() ?? {},
    fromState: async (state) => {
      if (state.layer && live.layers) await open();
      layers?.fromState(state);
    },
  };
};
