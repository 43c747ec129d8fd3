/* The inside of the network for the live page's image: layer by layer, the maps of all units. */
window.reportgen.liveLayers = (section, images, live, changed) => {
  "use strict";
  const { boxes, data, dom, liveLayerMaps, livePixels } = window.reportgen;
  const { element, svg } = dom;
  const { number } = liveLayerMaps;
  const STRONGEST = 6;
  const [TILES_WIDE, TILES_HIGH] = [900, 600]; // about the size of all tiles together

  const chunk = data.chunk("live-layers");
  const maps = liveLayerMaps.of(chunk);
  /** Where the units, rows and columns of each layer begin in the chunk's columns. */
  const starts = chunk.layers.map((_, n) => {
    const before = chunk.layers.slice(0, n).map(({ shape }) => shape);
    return /** @type {Shape} */ ([0, 1, 2].map((axis) => before.reduce((sum, shape) => sum + shape[axis], 0)));
  });
  const unit = window.reportgen.liveUnit(images, live, chunk, maps);
  let at = 0;
  let chosen = -1; // −1: the strongest unit
  let u = 0; // the unit that is shown
  let columns = 1; // of tiles

  const steps = chunk.layers.map(({ name, shape }, n) => {
    const step = element("button", { type: "button", role: "radio" }, name);
    step.append(element("span", { className: "quiet", textContent: shape.join(" × ") }));
    step.addEventListener("click", () => goTo(n));
    return step;
  });
  const path = element("div", { className: "live-steps", role: "radiogroup", ariaLabel: "Layers" });
  path.append(...steps);
  path.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    goTo((at + step + steps.length) % steps.length);
    steps[at].focus();
  });

  const [about, tilesCaption] = [element("p", { className: "quiet" }), element("p", { className: "quiet" })];
  const cards = element("ul", { className: "live-units", ariaLabel: "Strongest units" });
  const tiles = element("canvas");
  const mark = boxes.rect("preview", [0, 0, 0, 0]);
  const marks = svg("svg", { class: "boxes", preserveAspectRatio: "none", "aria-hidden": "true" }, mark);
  const sheet = element("span", { className: "frame live-tiles", tabIndex: 0, role: "group" }, tiles, marks);
  sheet.addEventListener("click", (event) => {
    const area = sheet.getBoundingClientRect();
    const [, high, wide] = chunk.layers[at].shape;
    const x = Math.floor((((event.clientX - area.left) / area.width) * tiles.width) / (wide + 1));
    const y = Math.floor((((event.clientY - area.top) / area.height) * tiles.height) / (high + 1));
    choose(y * columns + x);
  });
  sheet.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[event.key];
    if (!step) return;
    event.preventDefault();
    event.stopPropagation();
    choose(u + step);
  });
  const cardsCaption =
    "The units whose largest value in this image is the most standard deviations (SD) above their mean over " +
    `${chunk.baseline}, with that value.`;
  section.replaceChildren(
    element("h2", { textContent: "Inside the network" }),
    path,
    about,
    element("div", { className: "two" }, ...unit.elements),
    element("h3", { textContent: "Strongest units" }),
    cards,
    element("p", { className: "quiet", textContent: cardsCaption }),
    element("h3", { textContent: "All units" }),
    sheet,
    tilesCaption,
  );

  /** @param {number} n */
  function goTo(n) {
    if (n === at) return;
    at = n;
    chosen = -1;
    markStep();
    changed(true);
  }
  /** @param {number} one */
  function choose(one) {
    if (one < 0 || one >= chunk.layers[at].shape[0]) return;
    chosen = one;
    changed(false);
  }
  function markStep() {
    steps.forEach((step, n) => {
      step.ariaChecked = String(n === at);
      step.tabIndex = n === at ? 0 : -1;
    });
  }

  /** @param {Float32Array} values @param {Scored[]} found @param {HTMLCanvasElement} photo @param {number} aspect */
  const showCards = (values, found, photo, aspect) => {
    const focused = [...cards.children].findIndex((item) => item.contains(document.activeElement));
    cards.replaceChildren(
      ...found.map((one) => {
        const small = element("canvas", { width: 160, height: Math.round(160 / aspect) });
        maps.drawOver(small, photo, maps.gridOf(values, one.u, chunk.layers[at].shape));
        const above = Number.isFinite(one.score) ? `, ${number(one.score)} SD` : "";
        const card = element("button", { type: "button", ariaPressed: String(one.u === u) }, small);
        card.append(
          element("span", { className: "name", textContent: `unit ${one.u}` }),
          element("span", { className: "quiet", textContent: number(one.value) + above }),
        );
        card.addEventListener("click", () => choose(one.u));
        return element("li", {}, card);
      }),
    );
    cards.children[focused]?.querySelector("button")?.focus();
  };

  /** @param {Float32Array} values */
  const showTiles = (values) => {
    const { name, shape } = chunk.layers[at];
    const [units, high, wide] = shape;
    const zoom = Math.max(1, Math.floor(Math.sqrt((TILES_WIDE * TILES_HIGH) / (units * high * wide))));
    columns = Math.min(units, Math.max(1, Math.floor(TILES_WIDE / (zoom * (wide + 1)))));
    const { low, top, isSigned } = maps.drawTiles(tiles, values, shape, columns);
    sheet.style.maxWidth = `${zoom * tiles.width}px`;
    sheet.style.aspectRatio = `${tiles.width} / ${tiles.height}`;
    sheet.ariaLabel = `The maps of all ${units} units of ${name}; the arrow keys choose one`;
    marks.setAttribute("viewBox", `0 0 ${tiles.width} ${tiles.height}`);
    const corner = { x: (u % columns) * (wide + 1), y: Math.floor(u / columns) * (high + 1) };
    for (const [key, value] of Object.entries({ ...corner, width: wide, height: high })) {
      mark.setAttribute(key, String(value));
    }
    const colours = isSigned
      ? "Orange: positive; blue: negative; black: zero."
      : "From black, the minimum, to pale yellow, the maximum.";
    tilesCaption.textContent =
      `The maps of all units, row by row, on one scale from ${number(low)} to ${number(top)}. ${colours} ` +
      "Choose one with a click, or with the arrow keys.";
  };

  /** @type {LiveLayers["show"]} */
  const show = ({ pixels, outputs }, [x0, y0, x1, y1]) => {
    const layer = chunk.layers[at];
    const values = outputs[layer.output];
    if (!values) return; // the layer was chosen while the network was running
    const aspect = (x1 - x0) / (y1 - y0);
    const [units, high, wide] = layer.shape;
    const [parameters, own] = [layer.parameters, layer.new_parameters].map((count) => count.toLocaleString("en"));
    about.textContent =
      `${units} units, each a map of ${high} × ${wide}. In pixels of the input: receptive field ${layer.field}, ` +
      `stride ${layer.stride}. ${parameters} parameters up to this layer, ${own} of them since the one before it.`;
    const [first] = starts[at];
    const [mean, deviation] = [chunk.mean, chunk.deviation].map((column) => column.subarray(first, first + units));
    const found = maps.strongest(maps.maxima(values, layer.shape), mean, deviation, STRONGEST);
    u = chosen >= 0 && chosen < units ? chosen : (found[0]?.u ?? 0);
    const photo = element("canvas");
    livePixels.draw(photo, pixels);
    unit.show({ u, grid: maps.gridOf(values, u, layer.shape), layer, starts: starts[at] }, photo, aspect);
    showCards(values, found, photo, aspect);
    showTiles(values);
  };

  markStep();
  return {
    output: () => chunk.layers[at].output,
    show,
    toState: () => ({ layer: chunk.layers[at].name, unit: chosen < 0 ? "" : chosen }),
    fromState: ({ layer, unit: given }) => {
      const found = chunk.layers.findIndex(({ name }) => name === layer);
      at = Math.max(0, found);
      chosen = window.reportgen.state.number(given, -1);
      markStep();
    },
  };
};
