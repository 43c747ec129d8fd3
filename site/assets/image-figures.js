/* Images as chips, pictures and links, drawn from the rows of the chunk `images`. */
window.reportgen.imageFigures = (() => {
  "use strict";
  const { constants, data, dom } = window.reportgen;
  const { element, svg } = dom;

  /** @type {ImageFigures["chip"]} */
  const chip = (outcome, text) => {
    const [stroked, filled] = constants.outcomeShapes[outcome];
    const shape = svg("svg", { viewBox: "0 0 12 12", "aria-hidden": "true" }, svg("path", { d: stroked }));
    if (filled) shape.append(svg("path", { d: filled, class: "solid" }));
    return element("span", { className: `chip ${outcome}` }, /** @type {Node} */ (shape), text);
  };
  /** @type {ImageFigures["outcomeChip"]} */
  const outcomeChip = (images, i) => chip(...images.outcomes[images.outcome[i]]);

  /** @type {ImageFigures["picture"]} */
  const picture = (images, i, plain = false) => {
    const size = { width: images.width[i], height: images.height[i] }; // before the source
    const photo = { className: "photo", alt: images.name[i], src: data.root + images.thumbnail[i] };
    const frame = element("span", { className: "frame" }, element("img", { loading: "lazy", ...size, ...photo }));
    if (images.layer[i] && !plain) {
      const layer = { className: "layer", alt: "", src: data.root + images.layer[i] };
      frame.append(element("img", { loading: "lazy", ...size, ...layer }));
    }
    return frame;
  };
  /** @type {ImageFigures["link"]} */
  const link = (images, i, ...children) => element("a", { href: data.root + images.page[i] }, ...children);

  /** @type {ImageFigures["className"]} */
  const className = (images, k) => (k < 0 ? "–" : images.classes[k]);
  /** @type {ImageFigures["title"]} */
  const title = (images, i) => className(images, images.label[i] < 0 ? images.predicted[i] : images.label[i]);
  /** @type {ImageFigures["share"]} */
  const share = (value) => (value < 0 ? "–" : (value / constants.shareSteps).toFixed(2));
  /** @type {ImageFigures["count"]} */
  const count = (value) => value.toLocaleString("en");

  return { chip, outcomeChip, picture, link, className, title, share, count };
})();
