/* When the embedding map is drawn. The drawing is larger than the stage: while the map moves, it is moved along, and it
   is made anew when the map rests or leaves it. */
window.reportgen.embeddingDrawing = (parts) => {
  "use strict";
  const { camera, colours, renderer, shading, stage, surface, thumbnails, transition } = parts;
  const { sprites } = thumbnails;
  const { canvas } = renderer;
  const REST = 150; // milliseconds without a movement
  const SHARPEST = 2; // how far the drawing is enlarged
  const [SMALLEST_DOT, LARGEST_DOT] = [2.5, 9]; // CSS pixels
  const CELL_FILLED = 0.92; // share of a grid's cell that a dot fills
  const PATH_UNITS = 1000; // of the map's side, in which contours are
  const count = colours.length / 4;
  let frame = 0;
  let rest = 0;
  let frames = 0;
  /** @type {{ x: number, y: number, scale: number } | null} */
  let drawn = null; // the camera of the drawing
  let hasLine = false;

  const moveDrawing = () => {
    if (!drawn) return false;
    const scale = camera.scale();
    const zoom = scale / drawn.scale;
    const [right, down] = [drawn.x - camera.x, drawn.y - camera.y].map(
      (value) => Math.round(value * scale * parts.ratio()) / parts.ratio(),
    );
    const isOutside =
      2 * Math.abs(right) + stage.clientWidth > zoom * canvas.clientWidth ||
      2 * Math.abs(down) + stage.clientHeight > zoom * canvas.clientHeight;
    if (zoom > SHARPEST || isOutside) return false;
    shading.style.transform = canvas.style.transform = `translate(${right}px, ${down}px) scale(${zoom})`;
    rest = setTimeout(redraw, REST);
    return true;
  };
  /**
   * Contours, and a line from each thumbnail to its image's position, where they are apart.
   * @param {View} view
   */
  const drawShading = ({ width, height, ratio, x, y, scale }) => {
    const context = /** @type {CanvasRenderingContext2D} */ (shading.getContext("2d"));
    const unit = scale * ratio;
    const ink = getComputedStyle(stage).color;
    context.resetTransform();
    context.clearRect(0, 0, shading.width, shading.height);
    context.setTransform(unit, 0, 0, unit, (width * ratio) / 2 - x * unit, (height * ratio) / 2 - y * unit);
    context.strokeStyle = context.fillStyle = ink;
    context.lineWidth = 1 / scale;
    context.globalAlpha = 0.4;
    context.beginPath();
    for (let s = 0; s < sprites.count; s++) {
      const at = 2 * s;
      if (sprites.xy[at] === sprites.dots[at] && sprites.xy[at + 1] === sprites.dots[at + 1]) continue;
      context.moveTo(sprites.dots[at], sprites.dots[at + 1]);
      context.lineTo(sprites.xy[at], sprites.xy[at + 1]);
    }
    context.stroke();
    context.scale(1 / PATH_UNITS, 1 / PATH_UNITS);
    context.lineWidth = PATH_UNITS / scale;
    for (const path of parts.contours()) {
      context.globalAlpha = 0.05;
      context.fill(path, "evenodd");
      context.globalAlpha = 0.13;
      context.stroke(path);
    }
  };
  const drawImages = () => {
    const ratio = parts.ratio();
    for (const each of [canvas, shading, surface]) {
      const [width, height] = [Math.round(each.clientWidth * ratio), Math.round(each.clientHeight * ratio)];
      if (each.width !== width) each.width = width;
      if (each.height !== height) each.height = height;
    }
    const { x, y } = camera;
    const scale = camera.scale();
    const view = { width: canvas.clientWidth, height: canvas.clientHeight, ratio, x, y, scale };
    thumbnails.choose(view, camera.zoom, transition, colours, parts.matches());
    const { cell } = transition.to;
    const dot = cell
      ? Math.max(scale * cell * CELL_FILLED, 1)
      : Math.min(Math.max(scale / Math.sqrt(count) / 4, SMALLEST_DOT), LARGEST_DOT);
    renderer.draw(view, transition.progress(), dot, sprites);
    drawShading(view);
    shading.style.transform = canvas.style.transform = "";
    drawn = { x, y, scale };
  };
  const drawLine = () => {
    const line = parts.line();
    const context = /** @type {CanvasRenderingContext2D} */ (surface.getContext("2d"));
    if (hasLine) context.clearRect(0, 0, surface.width, surface.height); // an empty canvas costs nothing
    hasLine = Boolean(line);
    if (!line) return;
    context.setTransform(parts.ratio(), 0, 0, parts.ratio(), 0, 0);
    context.beginPath();
    for (const [x, y] of line) context.lineTo(...camera.toScreen(x, y));
    context.strokeStyle = getComputedStyle(stage).getPropertyValue("--accent");
    context.lineWidth = 2;
    context.setLineDash([6, 4]);
    context.stroke();
    context.resetTransform();
  };

  const draw = () => {
    frame = 0;
    clearTimeout(rest);
    if (!moveDrawing()) drawImages();
    drawLine();
    parts.names(sprites.count ? sprites.size / 2 : 0);
    stage.dataset.frames = String(++frames);
    stage.dataset.sprites = String(sprites.count);
  };
  const show = () => {
    frame ||= requestAnimationFrame(draw);
  };
  const redraw = () => {
    drawn = null;
    show();
  };
  return { show, redraw };
};
