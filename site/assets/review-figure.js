/* The image of a review: photograph, activation map, ground-truth boxes, and a preview of the predicted box. */
window.reportgen.reviewFigure = (images, cams) => {
  "use strict";
  const { boxes, cam, constants, data, dom, imageFigures, shortImages, state } = window.reportgen;
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

  /**
   * What is drawn of image i, whose place in the chunk is k.
   * @param {number} i
   * @param {number} k
   */
  const ofChunk = (i, k) => {
    const source = data.root + images.photo[i];
    if (photo.getAttribute("src") !== source) {
      Object.assign(photo, { width: images.width[i], height: images.height[i], src: source, alt: images.name[i] });
    }
    const texts = cams.ground_truth[k] ? cams.ground_truth[k].split(";") : [];
    return {
      picture: photo,
      grid: shortImages.grid(cams, k),
      high: cams.high[k],
      area: /** @type {Box} */ ([...cams.window.subarray(4 * k, 4 * k + 4)]),
      groundTruth: texts.map((text) => /** @type {Box} */ (text.split(",").map(Number))),
    };
  };
  /** The same of an image without a full page. @param {number} i @param {ImagePart} part */
  const ofShort = async (i, part) => {
    const [, id] = data.imagePage(images, i).split("id=");
    const { about, chunk, first } = await shortImages.load(id, images.short_bits);
    const picture = imageFigures.cut(part, images.name[i]);
    picture.setAttribute("preserveAspectRatio", "xMidYMid meet");
    const [grid, high] = [shortImages.grid(chunk, first), chunk.high[first]];
    return { picture, grid, high, area: about.window, groundTruth: about.ground_truth };
  };

  let shown = -1;
  /** @type {ReviewFigure["show"]} */
  const show = async (i) => {
    percent.textContent = `${threshold.value} %`;
    shown = i;
    const part = imageFigures.part(images, i);
    const { picture, grid, high, area, groundTruth } = part
      ? await ofShort(i, part)
      : ofChunk(i, imageFigures.place(images, i));
    if (shown !== i) return; // another image came first
    /** @type {Point} */
    const size = [images.width[i], images.height[i]];
    frame.replaceChildren(picture);
    if (showCam.checked && high > 0) {
      canvas.height = Math.max(1, Math.round((WIDTH * size[1]) / size[0]));
      cam.draw(canvas, grid, high, constants.overlayOpacity, area, size);
      frame.append(canvas);
    }
    if (!showBoxes.checked) return;
    const svg = boxes.svg(size);
    svg.setAttribute("preserveAspectRatio", "xMidYMid meet"); // as the photograph
    for (const truth of groundTruth) svg.append(boxes.rect("under", truth), boxes.rect("ground-truth", truth));
    const box = boxes.predicted(cam.enlarge(grid, cams.input), Number(threshold.value) / 100, area, size);
    if (box) svg.append(boxes.rect("under", box), boxes.rect("preview", box));
    frame.append(svg);
  };
  /** @type {ReviewFigure["preload"]} */
  const preload = (i) => {
    if (i !== undefined && images.photo[i]) new Image().src = data.root + images.photo[i];
  };
  const viewState = () => ({
    threshold: Number(threshold.value) === 100 * constants.threshold ? "" : threshold.value,
    cam: showCam.checked ? "" : "off",
    boxes: showBoxes.checked ? "" : "off",
  });
  return { frame, controls, threshold, cam: showCam, boxes: showBoxes, show, preload, viewState };
};
