/* When the embedding map is drawn. The drawing is larger than the stage: while the map moves, it is moved along, and it
   is made anew when the map rests or leaves it. */
window.reportgen.embeddingDrawing = (parts) => {
  "use strict";
  const { camera, colours, renderer, stage, surface, thumbnails, transition } = parts;
  const { sprites } = thumbnails;
  const { canvas } = renderer;
  const REST = 150; // milliseconds without a movement
  const SHARPEST = 2; // how far the drawing is enlarged
  const [SMALLEST_DOT, LARGEST_DOT] = [2.5, 9]; // CSS pixels
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
    canvas.style.transform = `translate(${right}px, ${down}px) scale(${zoom})`;
    rest = setTimeout(redraw, REST);
    return true;
  };
  const drawImages = () => {
    const ratio = parts.ratio();
    for (const each of [canvas, surface]) {
      const [width, height] = [Math.round(each.clientWidth * ratio), Math.round(each.clientHeight * ratio)];
      if (each.width !== width) each.width = width;
      if (each.height !== height) each.height = height;
    }
    const { x, y } = camera;
    const scale = camera.scale();
    const view = { width: canvas.clientWidth, height: canvas.clientHeight, ratio, x, y, scale };
    thumbnails.choose(view, transition, colours, parts.matches());
    const dot = Math.min(Math.max(scale / Math.sqrt(count) / 4, SMALLEST_DOT), LARGEST_DOT);
    renderer.draw(view, transition.progress(), dot, sprites);
    canvas.style.transform = "";
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
