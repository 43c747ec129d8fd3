/* The live page's figure: the network's input with the activation map of a class over it. */
window.reportgen.liveFigure = (live) => {
  "use strict";
  const { cam, constants, dom, livePixels } = window.reportgen;
  const { element, labelled } = dom;
  const { width, height } = live.preprocessing;

  const photo = element("canvas", { className: "photo", width, height });
  photo.role = "img";
  photo.ariaLabel = "no image is open yet";
  const canvas = element("canvas", { width: 2 * width, height: 2 * height });
  canvas.ariaHidden = "true";
  const frame = element("span", { className: "frame" }, photo, canvas);
  const showMap = dom.checkbox(true);
  const opacity = dom.slider(0, 100, Math.round(100 * constants.overlayOpacity));
  const [start, end] = [element("span"), element("span")];
  const stops = Array.from({ length: 9 }, (_, i) => dom.svg("stop", { offset: i / 8 }));
  const scale = element("span", { className: "scale" }, start, gradient(), end);
  scale.hidden = true; // until there is a map
  const caption = element("figcaption");
  const tools = element("div", { className: "tools" }, labelled(showMap, "map"), labelled("opacity", opacity), scale);
  const figure = element("figure", { className: "viewer live-figure" }, frame, tools, caption);
  const applyOpacity = () => {
    canvas.style.opacity = String(showMap.checked ? Number(opacity.value) / 100 : 0);
  };
  for (const control of [showMap, opacity]) control.addEventListener("input", applyOpacity);
  applyOpacity();

  function gradient() {
    const fill = dom.svg("linearGradient", { id: "live-scale" }, ...stops);
    const bar = dom.svg("rect", { width: 120, height: 10, fill: "url(#live-scale)" });
    const attributes = { viewBox: "0 0 120 10", preserveAspectRatio: "none", "aria-hidden": "true" };
    return dom.svg("svg", attributes, dom.svg("defs", {}, fill), bar);
  }

  /** @param {(share: number) => Rgb} colourOf - of a share from 0 to 1 */
  const fillScale = (colourOf) => {
    stops.forEach((stop, i) => stop.setAttribute("stop-color", `rgb(${colourOf(i / 8).map(Math.round)})`));
  };
  let aspect = 1;
  /** @type {LiveFigure["showImage"]} */
  const showImage = (pixels, [x0, y0, x1, y1], name) => {
    livePixels.draw(photo, pixels);
    photo.ariaLabel = name;
    aspect = (x1 - x0) / (y1 - y0);
    frame.style.aspectRatio = String(aspect);
    frame.style.setProperty("--aspect", String(aspect));
  };

  /** @type {LiveFigure["showMap"]} */
  const drawMap = (grid, name, isOriginal, other) => {
    const method = live.has_gradient ? "Grad-CAM" : "Class activation map (CAM)";
    caption.textContent = grid ? `${method} of ${name}${isOriginal ? ", image without changes" : ""}.` : live.no_map;
    const top = grid ? Math.max(cam.maximum(grid), other ? cam.maximum(other) : 0) : 0;
    for (const part of [...tools.children]) part.toggleAttribute("hidden", !grid);
    start.textContent = "0";
    end.textContent = `${top.toFixed(1)} logit`;
    scale.hidden = top <= 0;
    fillScale(cam.colour);
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    context.clearRect(0, 0, canvas.width, canvas.height);
    if (grid && top > 0) cam.draw(canvas, grid, top, 1, [0, 0, width, height], [width, height]);
  };

  /** @type {LiveFigure["showOcclusion"]} */
  const showOcclusion = (occlusion, drops, name) => {
    const limit = occlusion.draw(canvas, drops);
    const { side } = live.occlusion;
    caption.textContent =
      `Drop of the probability of ${name} by the place of a square of ${side} × ${side} pixels. Orange: the ` +
      "probability falls; blue: it rises.";
    for (const part of [...tools.children]) part.toggleAttribute("hidden", false);
    start.textContent = `rises by ${limit.toFixed(2)}`;
    end.textContent = `falls by ${limit.toFixed(2)}`;
    fillScale(cam.signedColour);
  };
  /** @type {LiveFigure["picture"]} */
  const picture = (wide) => {
    const high = Math.round(wide / aspect);
    const made = element("canvas", { width: wide, height: high });
    const context = /** @type {CanvasRenderingContext2D} */ (made.getContext("2d"));
    context.imageSmoothingQuality = "high";
    context.drawImage(photo, 0, 0, wide, high);
    context.globalAlpha = Number(canvas.style.opacity);
    context.drawImage(canvas, 0, 0, wide, high);
    return made;
  };

  return { element: figure, frame, showImage, showMap: drawMap, showOcclusion, picture };
};
