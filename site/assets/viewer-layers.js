/* Layers of the image viewer: the activation maps of its data, and the pictures of every section that names a layer. */
window.reportgen.viewerLayers = (data) => {
  "use strict";
  const { cam, data: site, dom } = window.reportgen;

  /**
   * The cell whose centre is nearest to a place, or −1 if that is further away than half a cell.
   * @param {number[]} centres - rising
   * @param {number} place
   */
  const nearest = (centres, place) => {
    const half = Math.max(...centres.slice(1).map((centre, k) => centre - centres[k])) / 2;
    if (place < centres[0] - half || place > centres[centres.length - 1] + half) return -1;
    /** @param {number} k */
    const distance = (k) => Math.abs(centres[k] - place);
    return centres.reduce((best, _, k) => (distance(k) < distance(best) ? k : best), 0);
  };

  /**
   * @param {Cells | undefined} cells
   * @param {number} layer
   */
  const cellReader = (cells, layer) => {
    if (!cells?.layers[layer]) return () => "";
    const { values, names, codes, top = 0, decade = 1 } = cells.layers[layer];
    const bytes = codes ? site.decodeBase64(codes) : new Uint8Array();
    /** @type {ViewerLayer["valueAt"]} */
    return (x, y) => {
      const column = nearest(cells.x, x);
      const row = nearest(cells.y, y);
      if (row < 0 || column < 0) return "no value here";
      const k = row * cells.x.length + column;
      if (values) return names ? names[values[k]] : String(values[k]);
      const magnitude = bytes[k] ? top * 10 ** ((bytes[k] - 255) / decade) : 0;
      return String(Number(magnitude.toPrecision(2)));
    };
  };

  /** @type {ViewerLayer[]} */
  const layers = data.cams.map(({ name, caption, grid }) => ({
    name,
    group: "Activation maps",
    caption,
    grid,
    picture: null,
    valueAt: (x, y) => `${cam.valueAt(grid, x, y).toFixed(2)}${data.unit}`,
  }));

  /**
   * A copy of a figure's layer for the viewer.
   * @param {Element} original
   */
  const copyOf = (original) => {
    const copy = /** @type {HTMLElement} */ (original.cloneNode(true));
    copy.style.imageRendering = getComputedStyle(original).imageRendering;
    if (original instanceof HTMLImageElement) {
      Object.assign(copy, { loading: "eager", src: original.src });
    }
    return copy;
  };
  for (const section of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("section[data-layer]"))) {
    const script = section.querySelector(":scope > script[type='application/json']");
    /** @type {Cells | undefined} */
    const cells = script ? dom.json(script).cells : undefined;
    const group = section.dataset.layer ?? "";
    [...section.querySelectorAll("figure:has(.layer)")].forEach((figure, k) => {
      const name = figure.querySelector(".name")?.textContent ?? group;
      const caption = figure.querySelector("figcaption")?.textContent ?? "";
      layers.push({
        name,
        group,
        caption: `${name}. ${caption}`.trim(),
        grid: null,
        picture: copyOf(dom.find(figure, ".layer")),
        valueAt: cellReader(cells, k),
      });
    });
  }
  return layers;
};
