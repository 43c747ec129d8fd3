/* A large confusion matrix that zooms: the cell under the pointer is read, and a click leads to its images. */
(() => {
  "use strict";
  const { camera: makeCamera, data, dom } = window.reportgen;
  const { element, button } = dom;
  const CELL_WITH_NAME = 13; // CSS pixels from which on the rows have names
  const MOST_OF_NAME = 28;
  const NAME_WIDTH = 190;
  const matrix = data.chunk("matrix");
  const size = matrix.class.length;
  const holder = dom.byId("matrix");
  const still = dom.byId("matrix-still");
  const picture = /** @type {HTMLImageElement} */ (dom.find(still, "img"));

  const surface = element("canvas", { tabIndex: 0, className: "surface", role: "application" });
  surface.ariaLabel =
    "Confusion matrix. Arrow keys move it, plus and minus zoom, 0 fits it. The list above has the largest cells.";
  const stage = element("div", { className: "stage" }, surface);
  const reading = element("output", { className: "count" });

  /** @type {Map<number, number>} */
  const counts = new Map();
  matrix.row.forEach((row, k) => counts.set(row * size + matrix.column[k], matrix.count[k]));
  /** @param {number} u @param {number} v */
  const cellAt = (u, v) => {
    const [column, row] = camera.toMap(u, v).map((at) => Math.floor(at * size));
    if (column < 0 || row < 0 || column >= size || row >= size) return null;
    return { row, column, count: counts.get(row * size + column) ?? 0 };
  };

  let frame = 0;
  const draw = () => {
    frame = 0;
    const ratio = Math.min(window.devicePixelRatio || 1, 2);
    const { clientWidth: width, clientHeight: height } = stage;
    const scale = camera.scale();
    const cell = scale / size;
    const [left, top] = camera.toScreen(0, 0);
    surface.width = Math.round(width * ratio);
    surface.height = Math.round(height * ratio);
    const context = /** @type {CanvasRenderingContext2D} */ (surface.getContext("2d"));
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.imageSmoothingEnabled = scale < picture.naturalWidth;
    context.drawImage(picture, left, top, scale, scale);
    if (cell < CELL_WITH_NAME) return;
    const style = getComputedStyle(stage);
    context.font = `12px ${style.fontFamily}`;
    context.fillStyle = style.color;
    context.strokeStyle = style.backgroundColor; // around the letters: the names may lie over the picture
    context.lineWidth = 5;
    context.lineJoin = "round";
    for (let k = 0; k < size; k++) {
      const name = matrix.name[k].slice(0, MOST_OF_NAME);
      const [x, y] = camera.toScreen((k + 0.5) / size, (k + 0.5) / size);
      if (y > 0 && y < height && left < width) drawName(context, name, Math.max(left - 6, NAME_WIDTH), y, 0);
      if (x > 0 && x < width && top < height) drawName(context, name, x, Math.max(top - 6, NAME_WIDTH), Math.PI / 2);
    }
  };
  /**
   * A name that ends at a point: of a row, or turned, of a column.
   * @param {CanvasRenderingContext2D} context
   * @param {string} name
   * @param {number} x
   * @param {number} y
   * @param {number} turn
   */
  const drawName = (context, name, x, y, turn) => {
    context.save();
    context.translate(x, y);
    context.rotate(turn);
    context.textAlign = "right";
    context.strokeText(name, 0, 4);
    context.fillText(name, 0, 4);
    context.restore();
  };
  const redraw = () => {
    frame ||= requestAnimationFrame(draw);
  };

  const camera = makeCamera(surface, {
    moved: redraw,
    hover: (u, v = 0) => {
      const cell = u === null ? null : cellAt(u, v);
      reading.textContent = cell
        ? `${matrix.name[cell.row]} predicted as ${matrix.name[cell.column]}: ${cell.count}`
        : "";
    },
    tap: (u, v) => {
      const cell = cellAt(u, v);
      if (!cell?.count) return;
      const filter = `label=${matrix.class[cell.row]}&predicted=${matrix.class[cell.column]}`;
      location.href = `${data.root}images/index.html#${filter}`;
    },
  });
  const tools = element(
    "div",
    { className: "filters" },
    button("+", () => camera.zoomAt(1.6), "zoom in"),
    button("−", () => camera.zoomAt(1 / 1.6), "zoom out"),
    button("fit", () => camera.fit(), "fit the whole matrix"),
    reading,
  );
  holder.append(tools, stage);
  holder.hidden = false;
  const start = () => {
    still.hidden = true;
    new ResizeObserver(redraw).observe(stage);
    redraw();
  };
  if (picture.complete) start();
  else picture.addEventListener("load", start);
})();
