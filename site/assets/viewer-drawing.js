/* What the image viewer shows: a layer over the photograph, the boxes, and the scale, legend and caption that fit. */
window.reportgen.viewerDrawing = (viewer, data) => {
  "use strict";
  const { boxes, cam, dom } = window.reportgen;
  const { element } = dom;
  const [width, height] = data.size;
  const sharedMaximum = cam.maximum(...data.cams.map(({ grid }) => grid));

  const frame = dom.find(viewer, ".frame");
  const photo = dom.find(frame, ".photo");
  const canvas = element("canvas", { width: 320, height: Math.max(1, Math.round((320 * height) / width)) });
  canvas.ariaHidden = "true";
  /** @type {SVGSVGElement} */
  const svg = frame.querySelector(/** @type {"svg"} */ ("svg.boxes")) ?? boxes.svg(data.size);
  frame.append(svg);
  const predicted = [...svg.querySelectorAll(".predicted")].flatMap((rect) => [rect.previousElementSibling, rect]);
  const scale = viewer.querySelector(".scale");
  const caption = dom.find(viewer, "figcaption");
  const firstCaption = caption.textContent;
  const legend = dom.find(viewer, ".legend");
  const predictedKey = legend.querySelector(":scope > span:has(.predicted)");
  const line = dom.svg("svg", { viewBox: "0 0 22 10", "aria-hidden": "true" });
  line.append(dom.svg("path", { class: "preview", d: "M1 5h20" }));
  const previewKey = element("span", { hidden: true }, line, "predicted box (preview)");
  legend.append(previewKey);

  const drawn = { grid: /** @type {Grid | null} */ (null), top: 0 };
  /** @param {Grid} grid @param {number} top */
  const drawCam = (grid, top) => {
    if (drawn.grid !== grid || drawn.top !== top) cam.draw(canvas, grid, top, 1, data.window, data.size);
    Object.assign(drawn, { grid, top });
    const end = scale?.querySelector(":scope > span:last-child");
    if (end) end.textContent = `${top.toFixed(1)}${data.unit}`;
  };

  /** @type {Map<Grid, EnlargedCam>} */
  const enlarged = new Map();
  /** @type {SVGRectElement | null} */
  let preview = null;
  /** @param {Grid | null} grid @param {number} threshold */
  const drawPreview = (grid, threshold) => {
    preview?.remove();
    preview = null;
    const map = grid && (enlarged.get(grid) ?? cam.enlarge(grid, data.input));
    if (grid && map) enlarged.set(grid, map);
    const box = map && boxes.predicted(map, threshold, data.window, data.size);
    if (box) {
      preview = boxes.rect("preview", box);
      svg.append(preview);
    }
    previewKey.hidden = !box;
    if (!box) return "";
    const best = Math.max(...data.ground_truth.map((truth) => boxes.iou(box, truth)));
    return data.ground_truth.length ? `preview: IoU ${best.toFixed(2)}` : "preview";
  };

  /** @type {Element | null} */
  let shown = frame.querySelector(".layer"); // at first the picture that the page has without scripts
  /** @type {ViewerDrawing["show"]} */
  const show = (layer, { opacity, threshold, showBoxes, normalize, isStoredBox }) => {
    const over = layer.picture ?? canvas;
    if (layer.grid) drawCam(layer.grid, normalize ? cam.maximum(layer.grid) : sharedMaximum);
    over.style.opacity = String(opacity);
    if (shown !== over) shown?.remove();
    photo.after(over);
    shown = over;
    const isFirst = layer.grid === data.cams[0].grid;
    caption.textContent = isFirst ? firstCaption : layer.caption;
    scale?.toggleAttribute("hidden", !layer.grid);
    svg.style.display = showBoxes ? "" : "none";
    for (const part of [...predicted, predictedKey]) part?.toggleAttribute("hidden", !isFirst);
    return drawPreview(isStoredBox ? null : layer.grid, threshold);
  };
  return { frame, show };
};
