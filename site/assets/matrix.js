/* A large confusion matrix that zooms: the pointer names a cell, a click leads to its images; arrows, plus and minus move it. */
(() => {
  "use strict";
  const R = window.reportgen, { element } = R, table = R.chunks.matrix, size = table.class.length;
  const holder = document.getElementById("matrix");
  const picture = document.getElementById("matrix-still").querySelector("img");
  const surface = element("canvas", { tabIndex: 0, className: "surface" }), reading = element("output", { className: "count" });
  surface.setAttribute("role", "application");
  surface.setAttribute("aria-label", "Confusion matrix. Arrow keys move it, plus and minus zoom, 0 shows all. The list above holds the largest cells.");
  const stage = element("div", { className: "map" }, surface);
  const button = (text, act, label) => { const made = element("button", { type: "button", textContent: text }); made.setAttribute("aria-label", label); made.addEventListener("click", act); return made; };
  const cells = new Map();
  for (let k = 0; k < table.row.length; k++) cells.set(table.row[k] * size + table.column[k], table.count[k]);
  let frame = 0;
  const cellAt = (u, v) => {
    const [x, y] = camera.toMap(u, v).map((at) => Math.floor(at * size));
    return x >= 0 && y >= 0 && x < size && y < size ? [y, x, cells.get(y * size + x) ?? 0] : null;
  };
  const draw = () => {
    frame = 0;
    const ratio = Math.min(window.devicePixelRatio || 1, 2), width = stage.clientWidth, height = stage.clientHeight, scale = camera.scale();
    surface.width = Math.round(width * ratio);
    surface.height = Math.round(height * ratio);
    const context = surface.getContext("2d"), [left, top] = camera.toScreen(0, 0), cell = scale / size;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.imageSmoothingEnabled = scale < picture.naturalWidth;
    context.drawImage(picture, left, top, scale, scale);
    const style = getComputedStyle(stage);
    context.font = `12px ${style.fontFamily}`;
    context.fillStyle = style.color;
    if (cell < 13) return;
    for (let k = 0; k < size; k++) {
      const x = left + (k + 0.5) * cell, y = top + (k + 0.5) * cell;
      context.textAlign = "right";
      if (y > 0 && y < height && left < width) context.fillText(table.name[k].slice(0, 28), Math.max(left - 6, 150), y + 4);
    }
  };
  const redraw = () => { frame ||= requestAnimationFrame(draw); };
  const camera = R.camera(surface, {
    moved: redraw, drawing: () => {}, lasso: () => {}, choose: () => {}, unchoose: () => {}, play: () => {},
    hover: (u, v) => {
      const found = u === null ? null : cellAt(u, v);
      reading.textContent = found ? `${table.name[found[0]]} taken for ${table.name[found[1]]}: ${found[2]}` : "";
    },
    tap: (u, v) => {
      const found = cellAt(u, v);
      if (found?.[2]) location.href = `${R.root}images/index.html#label=${table.class[found[0]]}&predicted=${table.class[found[1]]}`;
    },
  });
  holder.append(element("div", { className: "filters" }, button("+", () => camera.zoomAt(1.6), "zoom in"), button("−", () => camera.zoomAt(1 / 1.6), "zoom out"), button("all", () => camera.whole(), "show the whole matrix"), reading), stage);
  holder.hidden = false;
  const ready = () => { document.getElementById("matrix-still").hidden = true; new ResizeObserver(redraw).observe(stage); redraw(); };
  if (picture.complete) ready();
  else picture.addEventListener("load", ready);
})();
