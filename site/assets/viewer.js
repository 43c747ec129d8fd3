/* The large figure of an image page: layers (any stored class's map, occlusion, saliency), opacity, a threshold with a live box,
   values under the pointer or the arrow keys, shared or own scale, zoom. Its state is the address. */
(() => {
  "use strict";
  const R = window.reportgen, { element, map: M } = R;
  const viewer = document.getElementById("viewer");
  const data = JSON.parse(document.getElementById("viewer-data").textContent);
  const frame = viewer.querySelector(".frame"), still = frame.querySelector(".layer"), photo = frame.querySelector(".photo");
  const [width, height] = data.size, [x0, y0, x1, y1] = data.window;
  const highest = (maps) => Math.max(...maps.flatMap((m) => m.grid.flat()));
  const canvas = element("canvas", { width: 320, height: Math.max(1, Math.round((320 * height) / width)) });
  canvas.setAttribute("aria-hidden", "true");
  // The layers: maps that are drawn here from their numbers, then the pictures of the sections beneath.
  const layers = data.maps.map((map) => ({ name: map.name, grid: map.grid }));
  for (const section of document.querySelectorAll("#occlusion, #saliency")) {
    const { cells } = JSON.parse(section.querySelector("script").textContent);
    section.querySelectorAll("figure:has(.layer)").forEach((figure, k) => layers.push({ name: figure.querySelector(".name").textContent,
      picture: figure.querySelector(".layer").src, crisp: section.id === "occlusion", cells: { ...cells, ...cells.layers[k] } }));
  }
  // A picture's cell at a place of the window: the nearest one, unless it is further away than half a cell.
  const nearest = (centres, place) => {
    const half = Math.max(...centres.slice(1).map((centre, k) => centre - centres[k])) / 2;
    if (place < centres[0] - half || place > centres.at(-1) + half) return -1;
    return centres.reduce((best, centre, k) => (Math.abs(centre - place) < Math.abs(centres[best] - place) ? k : best), 0);
  };
  const valueAt = ({ grid, cells }, u, v) => {
    if (!(u >= 0 && u <= 1 && v >= 0 && v <= 1)) return "not seen by the network";
    if (grid) return `${M.bilinear(grid, u, v).toFixed(2)}${data.unit}`;
    const column = nearest(cells.x, u), row = nearest(cells.y, v), k = row * cells.x.length + column;
    if (row < 0 || column < 0) return "no value here";
    if (cells.names) return cells.names[cells.values[k]];
    if (cells.values) return String(cells.values[k]);
    const code = (cells.bytes ??= R.bytes(cells.codes))[k];
    return String(Number((code ? cells.top * 10 ** ((code - 255) / cells.decade) : 0).toPrecision(2)));
  };

  const labelled = (text, ...inputs) => element("label", {}, text, ...inputs);
  const button = (text, label, act) => { const made = element("button", { type: "button", textContent: text }); made.setAttribute("aria-label", label); made.addEventListener("click", act); return made; };
  const choice = element("select", {}, ...layers.map((layer, i) => element("option", { value: i, textContent: layer.name })));
  const opacity = element("input", { type: "range", min: 0, max: 100, value: 62 });
  const usual = Math.round(100 * data.threshold);
  const threshold = element("input", { type: "range", min: 1, max: 90, value: usual });
  const percent = element("output", {}), reading = element("output", { className: "reading" });
  const boxes = element("input", { type: "checkbox", checked: true }), own = element("input", { type: "checkbox" });
  const help = element("div", { className: "quiet help" }, "Keys: m next map · [ ] threshold · c map on and off · b boxes · s own scale · + − 0 zoom · ← → pages. With the picture focused, the arrow keys read values. ", R.keySwitch());
  const scroller = element("div", { className: "zoom" });
  frame.before(scroller);
  scroller.append(frame);
  frame.tabIndex = 0;
  frame.setAttribute("role", "group");
  frame.setAttribute("aria-label", "The picture; arrow keys read the map's values");
  viewer.querySelector(".tools").after(element("div", { className: "tools" }, labelled("map", choice), labelled("opacity", opacity),
    labelled("threshold", threshold, percent), labelled("boxes", boxes), labelled("own scale", own),
    button("−", "zoom out", () => zoomTo(zoom / 1.5)), button("+", "zoom in", () => zoomTo(zoom * 1.5)), button("?", "keys", () => { help.hidden = !help.hidden; }), reading), help);
  help.hidden = true;
  reading.setAttribute("aria-live", "polite");

  let svg = frame.querySelector("svg.boxes");
  if (!svg) frame.append((svg = M.layer(data.size)));
  let live = null, probe = null, zoom = 1, ready = false, painted = "";
  const picture = element("img", { className: "layer", alt: "" });
  const layer = () => layers[choice.value];
  const scaleEnd = viewer.querySelector(".scale span:last-child"), shared = highest(data.maps);

  const show = () => {
    const { grid, picture: source, crisp } = layer();
    percent.textContent = `${threshold.value} %`;
    for (const input of [threshold, own]) input.disabled = !grid;
    if (grid) {
      const top = own.checked ? Math.max(...grid.flat()) : shared;
      picture.remove();
      if (!canvas.isConnected) photo.after(canvas);
      canvas.style.opacity = opacity.value / 100;
      if (painted !== `${choice.value} ${top}`) M.draw(canvas, grid, top, 1, data.window, data.size);
      painted = `${choice.value} ${top}`;
      if (scaleEnd) scaleEnd.textContent = `${top.toFixed(1)}${data.unit}`;
    } else {
      canvas.remove();
      picture.src = source;
      picture.classList.toggle("crisp", crisp);
      picture.style.opacity = opacity.value / 62;
      photo.after(picture);
    }
    viewer.querySelector(".scale")?.toggleAttribute("hidden", !grid);
    svg.style.display = boxes.checked ? "" : "none";
    live?.remove();
    live = null;
    reading.textContent = "";
    const moved = Number(threshold.value) !== usual || Number(choice.value) !== 0;
    const box = grid && moved ? M.box((layer().enlarged ??= M.enlarged(grid, data.input)), threshold.value / 100, data.window, data.size) : null;
    if (!box) return;
    svg.append((live = M.rectangle("live", box)));
    const best = Math.max(...data.true.map((t) => M.iou(box, t)));
    reading.textContent = data.true.length ? `preview: IoU ${best.toFixed(2)}` : "preview";
  };
  const state = () => ({ map: choice.value === "0" ? "" : choice.value, t: Number(threshold.value) === usual ? "" : threshold.value, o: opacity.value === "62" ? "" : opacity.value,
    boxes: boxes.checked ? "" : "off", scale: own.checked ? "own" : "", zoom: zoom === 1 ? "" : zoom.toFixed(2) });
  const begin = () => {
    if (!ready) { ready = true; still?.remove(); }
    show();
    R.writeState(state());
  };
  const zoomTo = (next) => {
    const before = zoom, middle = [scroller.scrollLeft + scroller.clientWidth / 2, scroller.scrollTop + scroller.clientHeight / 2];
    zoom = Math.min(Math.max(next, 1), 8);
    if (zoom < 1.05) zoom = 1;
    scroller.style.maxHeight = zoom > 1 ? `${Math.max(240, frame.parentElement.clientHeight)}px` : "";
    frame.style.width = zoom > 1 ? `${100 * zoom}%` : "";
    frame.style.maxWidth = zoom > 1 ? "none" : "";
    scroller.scrollTo((middle[0] * zoom) / before - scroller.clientWidth / 2, (middle[1] * zoom) / before - scroller.clientHeight / 2);
    R.writeState(state());
  };
  for (const input of [choice, opacity, threshold, boxes, own]) input.addEventListener("input", begin);
  percent.textContent = `${threshold.value} %`;

  const read = (x, y) => {
    reading.textContent = valueAt(layer(), (x * width - x0) / (x1 - x0), (y * height - y0) / (y1 - y0));
  };
  frame.addEventListener("pointermove", (event) => {
    const area = frame.getBoundingClientRect();
    read((event.clientX - area.left) / area.width, (event.clientY - area.top) / area.height);
  });
  frame.addEventListener("pointerleave", () => (ready ? show() : (reading.textContent = "")));
  const cross = M.layer([100, 100]), lines = [M.rectangle("true", [0, 0, 0, 0]), M.rectangle("true", [0, 0, 0, 0])];
  cross.append(...lines);
  frame.addEventListener("blur", () => { cross.remove(); probe = null; });
  frame.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [-2, 0], ArrowRight: [2, 0], ArrowUp: [0, -2], ArrowDown: [0, 2] }[event.key];
    if (!step) return;
    event.preventDefault();
    event.stopPropagation();
    probe = (probe ?? [50, 50]).map((p, axis) => Math.min(Math.max(p + step[axis], 0), 100));
    if (!cross.isConnected) frame.append(cross);
    [[probe[0] - 1.5, probe[1], 3, 0], [probe[0], probe[1] - 1.5, 0, 3]].forEach(([x, y, w, h], i) => Object.entries({ x, y, width: w, height: h }).forEach(([key, value]) => lines[i].setAttribute(key, value)));
    read(probe[0] / 100, probe[1] / 100);
  });
  document.addEventListener("keydown", (event) => {
    if (!R.keys() || event.altKey || event.ctrlKey || event.metaKey || event.target.closest("input:not([type=range], [type=checkbox]), select, textarea, dialog")) return;
    const step = { "[": -1, "]": 1 }[event.key];
    if (step) threshold.value = Number(threshold.value) + step;
    else if (event.key === "c") opacity.value = Number(opacity.value) ? 0 : 62;
    else if (event.key === "b") boxes.checked = !boxes.checked;
    else if (event.key === "s") own.checked = !own.checked;
    else if (event.key === "m") choice.value = (Number(choice.value) + 1) % layers.length;
    else if (event.key === "+" || event.key === "=") return zoomTo(zoom * 1.5);
    else if (event.key === "-") return zoomTo(zoom / 1.5);
    else if (event.key === "0") return zoomTo(1);
    else if (event.key === "?") { help.hidden = !help.hidden; return; } else return;
    begin();
  });
  const restore = () => {
    const given = R.readState(), number = (text, otherwise) => (text?.trim() && Number.isFinite(Number(text)) ? text : otherwise);
    choice.value = /^\d+$/.test(given.map) && layers[given.map] ? given.map : 0;
    threshold.value = number(given.t, usual);
    opacity.value = number(given.o, 62);
    boxes.checked = given.boxes !== "off";
    own.checked = given.scale === "own";
    if (ready || ["map", "t", "o", "boxes", "scale"].some((key) => key in given)) begin();
    if (zoom > 1 || Number(given.zoom) > 1) zoomTo(Number(given.zoom) || 1);
  };
  restore();
  R.onState(restore);
})();
