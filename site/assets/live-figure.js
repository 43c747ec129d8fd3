/* The live page's figure: the network's input with the activation map of a class over it. */
window.reportgen.liveFigure = (live) => {
  "use strict";
  const { cam, constants, dom, livePixels } = window.reportgen;
  const { element, labelled } = dom;
  const { width, height } = live.preprocessing;

  const photo = element("canvas", { className: "photo", width, height });
  photo.role = "img";
  const canvas = element("canvas", { width: 2 * width, height: 2 * height });
  canvas.ariaHidden = "true";
  const frame = element("span", { className: "frame" }, photo, canvas);
  const showMap = dom.checkbox(true);
  const opacity = dom.slider(0, 100, Math.round(100 * constants.overlayOpacity));
  const end = element("span");
  const scale = element("span", { className: "scale" }, element("span", { textContent: "0" }), gradient(), end);
  const caption = element("figcaption");
  const tools = element("div", { className: "tools" }, labelled(showMap, "map"), labelled("opacity", opacity), scale);
  const figure = element("figure", { className: "viewer live-figure" }, frame, tools, caption);
  const applyOpacity = () => {
    canvas.style.opacity = String(showMap.checked ? Number(opacity.value) / 100 : 0);
  };
  for (const control of [showMap, opacity]) control.addEventListener("input", applyOpacity);
  applyOpacity();

  function gradient() {
    const stops = Array.from({ length: 6 }, (_, i) =>
      dom.svg("stop", { offset: i / 5, "stop-color": `rgb(${cam.colour(i / 5).map(Math.round)})` }),
    );
    const fill = dom.svg("linearGradient", { id: "live-scale" }, ...stops);
    const bar = dom.svg("rect", { width: 120, height: 10, fill: "url(#live-scale)" });
    const attributes = { viewBox: "0 0 120 10", preserveAspectRatio: "none", "aria-hidden": "true" };
    return dom.svg("svg", attributes, dom.svg("defs", {}, fill), bar);
  }

  /** @type {LiveFigure["showImage"]} */
  const showImage = (pixels, [x0, y0, x1, y1], name) => {
    livePixels.draw(photo, pixels);
    photo.ariaLabel = name;
    frame.style.aspectRatio = String((x1 - x0) / (y1 - y0));
    frame.style.setProperty("--aspect", String((x1 - x0) / (y1 - y0)));
  };

  /** @type {LiveFigure["showMap"]} */
  const drawMap = (grid, text) => {
    caption.textContent = text;
    const top = grid ? cam.maximum(grid) : 0;
    for (const part of [...tools.children]) part.toggleAttribute("hidden", !grid);
    end.textContent = `${top.toFixed(1)} logit`;
    scale.hidden = top <= 0;
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    context.clearRect(0, 0, canvas.width, canvas.height);
    if (grid && top > 0) cam.draw(canvas, grid, top, 1, [0, 0, width, height], [width, height]);
  };

  return { element: figure, frame, tools, showImage, showMap: drawMap };
};
