/* The large figure of an image page: choose a class's map, its opacity, a threshold with a live box, and read values. */
(() => {
  "use strict";
  const { element, map: M } = window.reportgen;
  const viewer = document.getElementById("viewer");
  const data = JSON.parse(document.getElementById("viewer-data").textContent);
  const frame = viewer.querySelector(".frame"), drawn = frame.querySelector(".layer");
  const [width, height] = data.size, [x0, y0, x1, y1] = data.window;
  const top = Math.max(...data.maps.flatMap((m) => m.grid.flat()));
  const canvas = element("canvas", { width: 320, height: Math.max(1, Math.round((320 * height) / width)) });
  canvas.setAttribute("aria-hidden", "true");

  const labelled = (text, ...inputs) => element("label", {}, text, ...inputs);
  const choice = element("select", {}, ...data.maps.map((map, i) => element("option", { value: i, textContent: map.name })));
  const opacity = element("input", { type: "range", min: 0, max: 100, value: 62 });
  const threshold = element("input", { type: "range", min: 1, max: 90, value: Math.round(100 * data.threshold) });
  const percent = element("output", {}), reading = element("output", {});
  const boxes = element("input", { type: "checkbox", checked: true });
  viewer.querySelector(".tools").after(element("div", { className: "tools" }, labelled("map", choice), labelled("opacity", opacity),
    labelled("threshold", threshold, percent), labelled("boxes", boxes), reading));

  let svg = frame.querySelector("svg.boxes");
  if (!svg) frame.append((svg = M.layer(data.size)));
  let live = null;

  const show = () => {
    const { grid } = data.maps[choice.value];
    percent.textContent = `${threshold.value} %`;
    M.draw(canvas, grid, top, opacity.value / 100, data.window, data.size);
    svg.style.display = boxes.checked ? "" : "none";
    live?.remove();
    live = null;
    reading.textContent = "";
    const moved = Number(threshold.value) !== Math.round(100 * data.threshold) || Number(choice.value) !== 0;
    const box = moved ? M.box(grid, threshold.value / 100, data.input, data.window, data.size) : null;
    if (!box) return;
    svg.append((live = M.rectangle("live", box)));
    const best = Math.max(...data.true.map((t) => M.iou(box, t)));
    reading.textContent = data.true.length ? `preview: IoU ${best.toFixed(2)}` : "preview";
  };
  let ready = false;
  const begin = () => {
    if (!ready) { ready = true; drawn?.remove(); frame.querySelector(".photo").after(canvas); }
    show();
  };
  for (const input of [choice, opacity, threshold, boxes]) input.addEventListener("input", begin);
  percent.textContent = `${threshold.value} %`;

  frame.addEventListener("pointermove", (event) => {
    const area = frame.getBoundingClientRect();
    const u = (((event.clientX - area.left) / area.width) * width - x0) / (x1 - x0), v = (((event.clientY - area.top) / area.height) * height - y0) / (y1 - y0);
    if (u >= 0 && u <= 1 && v >= 0 && v <= 1) reading.textContent = `${M.bilinear(data.maps[choice.value].grid, u, v).toFixed(2)} logit`;
  });
  frame.addEventListener("pointerleave", () => (ready ? show() : (reading.textContent = "")));
  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.target.closest("input, select, textarea")) return;
    const step = { "[": -1, "]": 1 }[event.key];
    if (step) threshold.value = Number(threshold.value) + step;
    else if (event.key === "c") opacity.value = Number(opacity.value) ? 0 : 62;
    else if (event.key === "b") boxes.checked = !boxes.checked;
    else return;
    begin();
  });
})();
