/* The image of a review: photograph, activation map, ground-truth boxes, and a preview of the predicted box. */
window.reportgen.reviewFigure = (images, cams) => {
  "use strict";
  const { boxes, cam, constants, data, dom, state } = window.reportgen;
  const { element, labelled } = dom;
  const WIDTH = 280;
  const given = state.read();
  const frame = element("span", { className: "frame fixed" });
  const photo = element("img", { className: "photo" });
  const canvas = element("canvas", { width: WIDTH });
  const threshold = dom.slider(1, 90, state.number(given.threshold, 100 * constants.threshold));
  const percent = element("output");
  const showCam = dom.checkbox(given.cam !== "off");
  const showBoxes = dom.checkbox(given.boxes !== "off");
  const controls = element(
    "div",
    { className: "tools" },
    labelled(showCam, "CAM"),
    labelled(showBoxes, "boxes"),
    labelled("threshold", threshold, percent),
  );

  /** @param {number} i */
  const gridOf = (i) => {
    const [rows, columns] = cams.shape;
    const scale = (cams.high[i] - cams.low[i]) / 255;
    /** @type {Grid} */
    const grid = [];
    for (let row = 0; row < rows; row++) {
      const start = (i * rows + row) * columns;
      grid.push(Array.from(cams.grid.subarray(start, start + columns), (value) => cams.low[i] + value * scale));
    }
    return grid;
  };
  /** @param {number} i */
  const groundTruth = (i) => {
    const texts = cams.ground_truth[i] ? cams.ground_truth[i].split(";") : [];
    return texts.map((text) => /** @type {Box} */ (text.split(",").map(Number)));
  };

  /** @type {ReviewFigure["show"]} */
  const show = (i) => {
    /** @type {Point} */
    const size = [images.width[i], images.height[i]];
    const area = /** @type {Box} */ ([...cams.window.subarray(4 * i, 4 * i + 4)]);
    const grid = gridOf(i);
    const source = data.root + images.photo[i];
    if (photo.getAttribute("src") !== source) {
      Object.assign(photo, { width: size[0], height: size[1], src: source, alt: images.name[i] });
    }
    percent.textContent = `${threshold.value} %`;
    frame.replaceChildren(photo);
    if (showCam.checked && cams.high[i] > 0) {
      canvas.height = Math.max(1, Math.round((WIDTH * size[1]) / size[0]));
      cam.draw(canvas, grid, cams.high[i], constants.overlayOpacity, area, size);
      frame.append(canvas);
    }
    if (!showBoxes.checked) return;
    const svg = boxes.svg(size);
    svg.setAttribute("preserveAspectRatio", "xMidYMid meet"); // as the photograph
    for (const truth of groundTruth(i)) svg.append(boxes.rect("under", truth), boxes.rect("ground-truth", truth));
    const box = boxes.predicted(cam.enlarge(grid, cams.input), Number(threshold.value) / 100, area, size);
    if (box) svg.append(boxes.rect("under", box), boxes.rect("preview", box));
    frame.append(svg);
  };
  /** @type {ReviewFigure["preload"]} */
  const preload = (i) => {
    if (i !== undefined) new Image().src = data.root + images.photo[i];
  };
  const viewState = () => ({
    threshold: Number(threshold.value) === 100 * constants.threshold ? "" : threshold.value,
    cam: showCam.checked ? "" : "off",
    boxes: showBoxes.checked ? "" : "off",
  });
  return { frame, controls, threshold, cam: showCam, boxes: showBoxes, show, preload, viewState };
};
