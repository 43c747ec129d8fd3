/* Regions of the t-SNE map: which images they have, and their names on the map, those of smaller regions at a higher
   zoom. */
window.reportgen.embeddingRegions = (stage, chunk) => {
  "use strict";
  const { element } = window.reportgen.dom;
  const ZOOMS = [0, 2, 5]; // from which on the names of a level are shown
  const LINE = 24; // CSS pixels of a name's height, with its margin
  const layer = element("div", { className: "names", ariaHidden: "true" });
  const spans = chunk.entries.map(({ text }) => element("span", { textContent: text, hidden: true }));
  layer.append(...spans);
  stage.append(layer);
  /** @type {number[]} */
  const widths = [];
  /** @type {{ region: number, left: number, right: number, top: number }[]} */
  let shown = [];

  /** @type {EmbeddingRegions["draw"]} */
  const draw = (camera, layout, lift, chosen) => {
    const level = ZOOMS.filter((zoom) => camera.zoom >= zoom).length - 1;
    shown = [];
    const order = [...spans.keys()];
    if (chosen in spans) order.unshift(...order.splice(chosen, 1)); // its name is drawn in any case
    for (const region of order) {
      const entry = chunk.entries[region];
      const span = spans[region];
      const place = entry.at[layout];
      span.hidden = true;
      if (!place || !entry.text || !(entry.shown[level] || region === chosen)) continue;
      const [u, v] = camera.toScreen(...place);
      if (u < 0 || u > stage.clientWidth || v < 0 || v > stage.clientHeight) continue;
      span.hidden = false;
      const width = (widths[region] ??= span.offsetWidth);
      const left = Math.min(Math.max(u - width / 2, 0), stage.clientWidth - width);
      const top = Math.max(v - lift - LINE, 0);
      const isFree = shown.every(
        (other) => left > other.right || left + width < other.left || Math.abs(top - other.top) > LINE,
      );
      span.hidden = !isFree;
      if (!isFree) continue;
      span.style.transform = `translate(${left}px, ${top}px)`;
      span.classList.toggle("chosen", region === chosen);
      shown.push({ region, left, right: left + width, top });
    }
  };
  /** @type {EmbeddingRegions["at"]} */
  const at = (u, v) =>
    shown.find(({ left, right, top }) => u >= left && u <= right && v >= top && v <= top + LINE)?.region ?? -1;

  /** @type {EmbeddingRegions["contains"]} */
  const contains = (region) => {
    const parts = chunk.entries.map((_, part) => part === region);
    chunk.entries.forEach(({ parent }, part) => {
      if (parent >= 0 && parts[parent]) parts[part] = true;
    });
    return (i) => chunk.region[i] >= 0 && parts[chunk.region[i]];
  };

  /** @type {Record<string, Path2D[]>} */
  const contours = {};
  for (const [layout, paths] of Object.entries(chunk.contours)) {
    contours[layout] = paths.map((path) => new Path2D(path));
  }
  return { draw, at, contains, contours };
};
