/* The large figure of a short page: the photograph with the activation map of a class, and the boxes. */
window.reportgen.shortImageFigure = (image) => {
  "use strict";
  const { about, chunk, first } = image;
  const { boxes, cam, constants, dom, imageFigures, shortImages } = window.reportgen;
  const { element, svg } = dom;
  const WIDTH = 560;
  const { size, window: area } = about;
  const highest = Math.max(0, ...about.classes.map(([column]) => chunk.high[first + column]));

  /** @param {number} column @param {number} width */
  const drawn = (column, width) => {
    const canvas = element("canvas", { width, height: Math.max(1, Math.round((width * size[1]) / size[0])) });
    if (!(chunk.high[first + column] > 0)) return canvas; // no evidence
    cam.draw(canvas, shortImages.grid(chunk, first + column), highest, constants.overlayOpacity, area, size);
    return canvas;
  };
  /** @type {ShortImageFigure["small"]} */
  const small = (column) => {
    const photo = imageFigures.cut(about.photo, "");
    return element("span", { className: "frame" }, photo, drawn(column, 76));
  };

  const frame = element("span", { className: "frame" });
  const caption = element("figcaption");
  const outline = boxes.svg(size);
  for (const box of about.ground_truth) outline.append(boxes.rect("under", box), boxes.rect("ground-truth", box));
  const dashed = svg("g");
  if (about.predicted) dashed.append(boxes.rect("under", about.predicted), boxes.rect("predicted", about.predicted));
  outline.append(dashed);

  /** @param {string} kind @param {string} text */
  const key = (kind, text) => {
    const line = svg(
      "svg",
      { viewBox: "0 0 22 10", "aria-hidden": "true" },
      svg("path", { class: kind, d: "M1 5h20" }),
    );
    return element("span", {}, /** @type {Node} */ (line), text);
  };
  const legend = element("span", { className: "legend" });
  if (about.ground_truth.length) legend.append(key("ground-truth", "ground-truth box"));
  if (about.predicted) legend.append(key("predicted", "predicted box"));
  const scale = element("span", { textContent: `colours from 0 to ${about.scale}` });
  const tools = element("div", { className: "tools" }, scale, legend);

  /** @type {ShortImageFigure["show"]} */
  const show = (column) => {
    const name = about.classes.find(([one]) => one === column)?.[1] ?? "";
    const isPredicted = column === about.classes[0][0];
    const photo = imageFigures.cut(about.photo, `${about.name} with the activation map of ${name}`);
    dashed.setAttribute("visibility", isPredicted ? "visible" : "hidden"); // the box is that of this map
    frame.replaceChildren(photo, drawn(column, WIDTH), outline);
    caption.textContent = chunk.caption.replace("{name}", name) + (isPredicted ? about.box_caption : "");
  };
  return { figure: element("figure", { className: "viewer" }, frame, tools, caption), show, small };
};
