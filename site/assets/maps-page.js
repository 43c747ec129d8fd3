/* The page of maps: dots first, then what is known of the images, then their thumbnails. Its state is the address. */
(() => {
  "use strict";
  const R = window.reportgen, { element } = R, places = R.chunks.places, n = places.n, NOWHERE = 65535;
  const data = JSON.parse(document.getElementById("map-data").textContent);
  const holder = document.getElementById("map");
  let state = R.readState(), table = null, matches = null, polygon = null, moving = null, frame = 0, hovered = -1;

  // ------------------------------------------------------------------------------------------------ the map's parts
  const surface = element("canvas", { tabIndex: 0, className: "surface" }), hover = element("div", { className: "hover", hidden: true });
  surface.setAttribute("role", "application");
  surface.setAttribute("aria-label", "Map of the images. Arrow keys move it, plus and minus zoom, 0 shows all, Enter lists the images in view, Escape clears the selection, space plays. The list below holds the same images.");
  const stage = element("div", { className: "map" }, surface, hover);
  const button = (text, act, label) => { const made = element("button", { type: "button", textContent: text }); if (label) made.setAttribute("aria-label", label); made.addEventListener("click", act); return made; };
  const choice = (key, label, options) => {
    const input = element("select");
    input.setAttribute("aria-label", label);
    const fill = (list) => { input.replaceChildren(...list.map(([value, text]) => element("option", { value, textContent: text }))); input.value = state[key] ?? ""; if (input.selectedIndex < 0) input.selectedIndex = 0; };
    fill(options);
    input.addEventListener("input", () => set({ [key]: input.value }));
    return { fill, input, label: element("label", {}, label, input) };
  };
  const axes = places.axes_explained.map((share, a) => [String(a + 1), `${a + 1} (${(100 * share).toFixed(1)} %)`]);
  const layout = choice("map", "map", places.layouts), across = choice("x", "across", axes), down = choice("y", "down", axes);
  const colour = choice("colour", "colour", [["", "…"]]), label = choice("label", "label", [["", "any"]]), predicted = choice("predicted", "prediction", [["", "any"]]), kind = choice("kind", "outcome", [["", "any"]]);
  const lasso = button("lasso", () => { camera.lassoing = !camera.lassoing; lasso.setAttribute("aria-pressed", camera.lassoing); stage.classList.toggle("lassoing", camera.lassoing); });
  lasso.setAttribute("aria-pressed", "false");
  const play = button("play", () => togglePlay());
  const count = element("output", { className: "count" }), legend = element("div", { className: "legend-row" }), list = element("div", { className: "listing" });
  const listing = R.listing(list);
  const clear = button("clear", () => { polygon = null; set({ label: "", predicted: "", kind: "", lasso: "", ids: "" }); for (const c of [label, predicted, kind]) c.input.value = ""; });
  const row = (...parts) => element("div", { className: "filters" }, ...parts);
  holder.append(
    row(layout.label, across.label, down.label, colour.label, play, button("+", () => camera.zoomAt(1.6), "zoom in"), button("−", () => camera.zoomAt(1 / 1.6), "zoom out"), button("all", () => camera.whole(), "show the whole map"), lasso, button("list what is in view", () => choose())),
    stage, legend,
    row(label.label, predicted.label, kind.label, count, clear, button("export CSV", () => listing.exported())), list);
  holder.hidden = false;
  document.getElementById("stills").hidden = true;
  const asked = new URLSearchParams(location.search), flat = asked.has("canvas2d") || (n > R.MANY && !asked.has("webgl2"));
  const renderer = (flat ? null : R.webgl(n, places.side, data.atlases.length, asked.has("webgl2"))) ?? R.canvas2d(n, places.side);
  const drawing = renderer.canvas;
  drawing.className = "drawing";
  stage.prepend(drawing);
  stage.dataset.renderer = renderer.name;

  // ------------------------------------------------------------------------------------------------ where images are
  const cached = {};
  // How much of its unit square, around the middle, a map fills.
  const NARROWEST = 0.05;
  const extentOf = (of) => {
    const low = [1, 1], high = [0, 0];
    for (let j = 0; j < 2 * n; j++) {
      if (of[j] < low[j % 2]) low[j % 2] = of[j];
      if (of[j] > high[j % 2]) high[j % 2] = of[j];
    }
    return low.map((v, a) => Math.max(NARROWEST, high[a] - v));
  };
  const placesOf = (name, x = Number(state.x ?? 1) - 1, y = Number(state.y ?? 2) - 1) => {
    const key = name === "pca" ? `pca ${x} ${y}` : name;
    if (cached[key]) return cached[key];
    const [source, wide, ...columns] = name === "pca" ? [places.axes, Math.max(1, axes.length), x, y] : [places[name], 2, 0, 1];
    const made = new Float32Array(2 * n).fill(0.5);
    for (const [c, a] of columns.entries()) for (let i = 0; a < wide && i < n; i++) {
      const value = source[i * wide + a];
      made[2 * i + c] = value === NOWHERE ? NaN : value / (NOWHERE - 1);
    }
    made.extent = extentOf(made);
    return (cached[key] = made);
  };
  const current = () => (places.layouts.some(([name]) => name === state.map) ? state.map : places.layouts[0][0]);
  let from = placesOf(current()), to = from, t = 1;
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  const travel = (name) => {
    const next = placesOf(name);
    if (next === to) return;
    from = now();
    to = next;
    t = calm.matches ? 1 : 0;
    renderer.move(from, to);
    const extent = camera.extent;
    const start = performance.now();
    cancelAnimationFrame(moving);
    const step = (time) => { t = Math.min(1, Math.max(0, (time - start) / 900)); grow(extent); redraw(); if (t < 1) moving = requestAnimationFrame(step); };
    if (t < 1) moving = requestAnimationFrame(step);
    else { grow(extent); redraw(); }
  };
  const grow = (extent) => { camera.extent = extent.map((v, a) => v + eased() * (to.extent[a] - v)); };
  const eased = () => t * t * (3 - 2 * t);
  const now = () => { if (t >= 1) return to; const e = eased(); return to.map((v, j) => (Number.isNaN(from[j]) ? v : from[j] + e * (v - from[j]))); };
  let playing = 0;
  const togglePlay = () => {
    if (playing) { clearInterval(playing); playing = 0; }
    else { const on = () => { const names = places.layouts.map(([name]) => name); set({ map: names[(names.indexOf(current()) + 1) % names.length] }); layout.input.value = current(); }; playing = setInterval(on, 2200); on(); }
    play.textContent = playing ? "stop" : "play";
  };

  // ------------------------------------------------------------------------------------------------ drawing
  const colours = new Uint8Array(4 * n).fill(128);
  const arrived = new Set();
  const perAtlas = (2048 / places.side) ** 2;
  const room = 6000;
  // Slot s of the atlases holds image pictured[s]; where all images have a thumbnail, image s.
  const slots = places.pictured ? places.pictured.length : n;
  const pick = { index: new Int32Array(room), slot: new Int32Array(room), places: new Float32Array(2 * room), tints: new Uint8Array(4 * room), count: 0, size: 30 };
  // The first image of every square of the map that does not cover another; squares belong to the map, so panning does not flicker.
  const choosePictures = (width, height) => {
    const scale = camera.scale(), spacing = current() === "grid" ? scale / Math.max(...places.grid) : scale / Math.sqrt(n);
    pick.size = Math.min(Math.max(spacing * (current() === "grid" ? 0.96 : 0.8), 26), 150);
    const own = current() === "grid" && t >= 1 && spacing >= 26;
    const cell = 2 ** Math.ceil(Math.log2(pick.size / scale)), e = eased(), apart = (pick.size * 0.9) / scale;
    const left = camera.x - width / 2 / scale, right = camera.x + width / 2 / scale, top = camera.y - height / 2 / scale, bottom = camera.y + height / 2 / scale;
    const column = Math.floor(left / cell) - 1, line = Math.floor(top / cell) - 1, columns = Math.floor(right / cell) - column + 2;
    const held = new Int32Array(columns * (Math.floor(bottom / cell) - line + 2)).fill(-1);
    pick.count = 0;
    for (let k = 0; k < slots && pick.count < room; k++) {
      const i = places.pictured ? places.pictured[k] : k;
      const x = from[2 * i] + e * (to[2 * i] - from[2 * i]), y = from[2 * i + 1] + e * (to[2 * i + 1] - from[2 * i + 1]);
      if (!(x >= left && x <= right && y >= top && y <= bottom) || (matches && !matches[i]) || !arrived.has(Math.floor(k / perAtlas))) continue;
      if (!own) {
        const square = (Math.floor(y / cell) - line) * columns + Math.floor(x / cell) - column;
        if (held[square] >= 0) continue;
        let free = true;
        for (const beside of [-columns - 1, -columns, -columns + 1, -1, 1, columns - 1, columns, columns + 1]) {
          const s = held[square + beside];
          if (s >= 0 && Math.abs(pick.places[2 * s] - x) < apart && Math.abs(pick.places[2 * s + 1] - y) < apart) { free = false; break; }
        }
        if (!free) continue;
        held[square] = pick.count;
      }
      pick.index[pick.count] = i;
      pick.slot[pick.count] = k;
      pick.places.set([x, y], 2 * pick.count);
      pick.tints.set(colours.subarray(4 * i, 4 * i + 4), 4 * pick.count++);
    }
  };
  // The drawing is larger than the stage. While the map moves it is moved along; it is made anew when the map rests or leaves it.
  const carried = () => {
    if (!held) return false;
    const scale = camera.scale(), zoom = scale / held.scale, [right, down] = [held.x - camera.x, held.y - camera.y].map((v) => Math.round(v * scale * ratio()) / ratio());
    if (zoom > 2 || 2 * Math.abs(right) + stage.clientWidth > zoom * drawing.clientWidth || 2 * Math.abs(down) + stage.clientHeight > zoom * drawing.clientHeight) return false;
    drawing.style.transform = `translate(${right}px, ${down}px) scale(${zoom})`;
    resting = setTimeout(redraw, 150);
    return true;
  };
  const ratio = () => Math.min(window.devicePixelRatio || 1, n > R.MANY ? 1 : 2);
  const draw = () => {
    frame = 0;
    clearTimeout(resting);
    if (!carried()) {
      const scale = camera.scale(), { x, y } = camera, width = drawing.clientWidth, height = drawing.clientHeight;
      for (const canvas of [drawing, surface]) for (const [key, length] of [["width", canvas.clientWidth], ["height", canvas.clientHeight]])
        if (canvas[key] !== Math.round(length * ratio())) canvas[key] = Math.round(length * ratio());
      choosePictures(width, height);
      const dot = Math.min(Math.max(scale / Math.sqrt(n) / 4, 2.5), 9);
      renderer.draw({ width, height, ratio: ratio(), x, y, scale, t: eased(), dot, sprites: pick });
      drawing.style.transform = "";
      held = { x, y, scale };
    }
    const line = drawn ?? (polygon && polygon.map === current() && t >= 1 ? [...polygon.points, polygon.points[0]] : null);
    const context = surface.getContext("2d");
    if (outlined) context.clearRect(0, 0, surface.width, surface.height); // a canvas that is left alone costs nothing
    outlined = Boolean(line);
    if (line) {
      context.setTransform(ratio(), 0, 0, ratio(), 0, 0);
      context.beginPath();
      for (const [x, y] of line) context.lineTo(...camera.toScreen(x, y));
      context.strokeStyle = getComputedStyle(stage).getPropertyValue("--accent");
      context.lineWidth = 2;
      context.setLineDash([6, 4]);
      context.stroke();
      context.resetTransform();
    }
    stage.dataset.frames = Number(stage.dataset.frames ?? 0) + 1;
    stage.dataset.sprites = pick.count;
  };
  const show = () => { frame ||= requestAnimationFrame(draw); };
  const redraw = () => { held = null; show(); };
  let drawn = null, outlined = false, held = null, resting = 0;

  // ------------------------------------------------------------------------------------------------ the hand
  const nearest = (u, v) => {
    const where = now(), scale = camera.scale();
    for (let s = pick.count - 1; s >= 0; s--) {
      const [x, y] = camera.toScreen(pick.places[2 * s], pick.places[2 * s + 1]);
      if (Math.abs(x - u) <= pick.size / 2 && Math.abs(y - v) <= pick.size / 2) return pick.index[s];
    }
    const [x, y] = camera.toMap(u, v);
    let best = -1, least = (10 / scale) ** 2;
    for (let i = 0; i < n; i++) {
      const d = (where[2 * i] - x) ** 2 + (where[2 * i + 1] - y) ** 2;
      if (d < least && (!matches || matches[i])) { least = d; best = i; }
    }
    return best;
  };
  const showHover = (u, v) => {
    const i = u === null || !table ? -1 : nearest(u, v);
    surface.style.cursor = i >= 0 ? "pointer" : "";
    if (i !== hovered) {
      hovered = i;
      hover.hidden = i < 0;
      if (i >= 0) hover.replaceChildren(R.picture({ ...table, layer: [] }, i), element("span", { className: "name" }, R.className(table, table.label[i] < 0 ? table.predicted[i] : table.label[i])),
        R.chip(...table.kinds[table.kind[i]]), element("span", { className: "quiet" }, `read as ${R.className(table, table.predicted[i])}, ${R.share(table.score[i])}`), element("span", { className: "quiet" }, table.name[i]));
    }
    if (i < 0) return;
    const [w, h] = [stage.clientWidth, stage.clientHeight];
    hover.style.left = `${u + 24 + 190 > w ? Math.max(0, u - 214) : u + 24}px`;
    hover.style.top = `${Math.max(0, Math.min(v, h - 250))}px`;
  };
  const choose = () => {
    const [w, h] = [stage.clientWidth, stage.clientHeight];
    select([[0, 0], [w, 0], [w, h], [0, h]].map(([u, v]) => camera.toMap(u, v)));
  };
  const select = (line) => {
    const step = Math.ceil(line.length / 60);
    const points = line.filter((_, j) => j % step === 0).map((p) => p.map((v) => Math.round(v * 10000) / 10000));
    set({ lasso: `${current()}:${points.map((p) => p.join(",")).join(";")}` });
  };
  const camera = R.camera(surface, {
    moved: () => { show(); state.at = [camera.x, camera.y, camera.zoom].map((v) => v.toFixed(4)).join(","); R.writeState(state); },
    hover: showHover,
    tap: (u, v) => { const i = table ? nearest(u, v) : -1; if (i >= 0) location.href = R.root + table.page[i]; },
    drawing: (line) => { drawn = line; show(); },
    lasso: select, choose, unchoose: () => set({ lasso: "" }), play: () => togglePlay(),
  });
  camera.extent = to.extent;

  // ------------------------------------------------------------------------------------------------ state
  const inside = (points, x, y) => {
    let odd = false;
    for (let a = 0, b = points.length - 1; a < points.length; b = a++) {
      const [ax, ay] = points[a], [bx, by] = points[b];
      if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) odd = !odd;
    }
    return odd;
  };
  const filter = () => {
    polygon = null;
    if (state.lasso) { const [map, points] = state.lasso.split(":"); polygon = { map, points: (points ?? "").split(";").map((p) => p.split(",").map(Number)) }; }
    if (!table) return;
    let rows = R.select(table, state);
    if (polygon && places.layouts.some(([name]) => name === polygon.map)) {
      const where = placesOf(polygon.map);
      rows = rows.filter((i) => inside(polygon.points, where[2 * i], where[2 * i + 1]));
    }
    matches = rows.length === n ? null : new Uint8Array(n);
    if (matches) for (const i of rows) matches[i] = 1;
    count.textContent = `${rows.length.toLocaleString("en")} of ${n.toLocaleString("en")} images`;
    clear.disabled = !["label", "predicted", "kind", "lasso", "ids"].some((key) => state[key]);
    listing.set(rows);
    paint();
  };
  const paint = () => {
    const all = table ? R.colourings(table, places) : [];
    const [, , make] = all.find(([key]) => key === state.colour) ?? all[0] ?? [];
    const colouring = make ? make() : { of: () => [128, 128, 128], legend: [] };
    const alpha = Math.min(235, Math.max(50, 235 * Math.sqrt(40000 / n)));
    for (let i = 0, at = 0; i < n; i++) {
      const rgb = colouring.of(i);
      for (let c = 0; c < 3; c++) colours[at++] = rgb[c];
      colours[at++] = matches && !matches[i] ? 22 : alpha;
    }
    renderer.paint(colours);
    legend.replaceChildren(...colouring.legend.map(([rgb, text]) => { const swatch = element("i"); swatch.style.background = `rgb(${rgb.join(" ")})`; return element("span", {}, swatch, String(text)); }));
    if (colouring.more > 0) legend.append(element("span", {}, `and ${colouring.more} more`));
    redraw();
  };
  const set = (change) => {
    state = { ...state, ...change };
    R.writeState(state);
    for (const c of [across, down]) c.label.hidden = current() !== "pca";
    travel(current());
    if (["label", "predicted", "kind", "lasso", "ids"].some((key) => key in change)) filter();
    else if ("colour" in change) paint();
    redraw();
  };
  const restore = () => {
    state = R.readState();
    const [x, y, zoom] = (state.at ?? "").split(",").map(Number);
    if (zoom > 0 && Number.isFinite(x + y)) Object.assign(camera, { x, y, zoom });
    for (const [key, c] of Object.entries({ map: layout, x: across, y: down, colour, label, predicted, kind })) { c.input.value = state[key] ?? ""; if (c.input.selectedIndex < 0) c.input.selectedIndex = key === "y" ? 1 : 0; }
    set({});
    filter();
  };

  // ------------------------------------------------------------------------------------------------ what comes later
  const load = (url, then) => {
    const script = element("script", { src: R.root + url });
    script.addEventListener("load", () => { script.remove(); then(); });
    script.addEventListener("error", () => stage.after(element("p", { className: "empty", role: "status", textContent: `${url} cannot be read: the report is not whole (reportgen check tells more).` })));
    document.head.append(script);
  };
  const loadAtlas = (k) => {
    if (k >= data.atlases.length) return;
    load(data.atlases[k], () => {
      const image = element("img");
      image.addEventListener("load", () => { if (renderer.addAtlas(k, image)) arrived.add(k); redraw(); loadAtlas(k + 1); });
      image.src = `data:image/jpeg;base64,${R.chunks[`atlas-${k}`].jpeg}`;
      delete R.chunks[`atlas-${k}`];
    });
  };
  renderer.move(from, to);
  paint();
  restore();
  new ResizeObserver(redraw).observe(stage);
  R.onState(restore);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);
  requestAnimationFrame(() => load(data.images, () => {
    table = R.chunks.images;
    const named = (column) => [["", "any"], ...[...new Set(column)].filter((k) => k >= 0).map((k) => [String(k), table.classes[k]]).sort((a, b) => a[1].localeCompare(b[1]))];
    colour.fill(R.colourings(table, places).map(([key, text]) => [key, text]));
    label.fill(named(table.label));
    predicted.fill(named(table.predicted));
    kind.fill([["", "any"], ...table.kinds.filter((_, k) => table.kind.includes(k))]);
    filter();
    loadAtlas(0);
  }));
})();
