/* The review: a queue from any filter, one image at a time; tags, a note, undo; kept in this browser, exported and imported. */
(() => {
  "use strict";
  const R = window.reportgen, M = R.map, table = R.chunks.images, maps = R.chunks.maps, { element } = R;
  const place = document.getElementById("review");
  const KEY = `reportgen-review-${table.report}`, DEFAULT_TAGS = ["label error", "part only", "background", "several objects", "box too loose", "bad true box", "looks fine"];
  const state = R.readState();
  const filter = Object.fromEntries(Object.entries(state).filter(([key]) => !["at", "sort", "page"].includes(key)));
  const queue = R.sorted(table, R.select(table, filter), state.sort ?? "");
  let at = Math.max(0, queue.findIndex((i) => table.id[i] === state.at));
  const kept = { tags: DEFAULT_TAGS, reviewer: "", items: {}, exported: 0, keys: true };
  let stored = true;
  try { Object.assign(kept, JSON.parse(localStorage.getItem(KEY) ?? "{}")); } catch { stored = false; }
  const undo = [];
  const save = () => {
    try { localStorage.setItem(KEY, JSON.stringify(kept)); stored = true; } catch { stored = false; }
  };
  const item = (i) => kept.items[table.id[i]] ?? { tags: [], note: "" };
  const change = (i, next) => {
    undo.push([i, kept.items[table.id[i]]]);
    kept.items[table.id[i]] = { ...item(i), ...next, name: table.name[i], time: Date.now() };
    save();
    show();
  };

  if (!queue.length) {
    place.append(element("p", { className: "empty", textContent: "No image fits this filter. Choose images under Images and follow “review these”." }));
    return;
  }
  const head = element("p", { className: "quiet" });
  const bar = element("progress", { max: queue.length });
  bar.setAttribute("aria-label", "reviewed");
  const saved = element("p", { className: "quiet" });
  saved.setAttribute("role", "status");
  const frame = element("span", { className: "frame" });
  const photo = element("img", { className: "photo", alt: "" }), canvas = element("canvas", { width: 280, height: 210 });
  const title = element("h2", {}), facts = element("p", { className: "quiet" }), link = element("a", { textContent: "its page" });
  const tags = element("div", { className: "tags", role: "group" });
  tags.setAttribute("aria-label", "Tags");
  const note = element("textarea", { rows: 3 });
  const threshold = element("input", { type: "range", min: 1, max: 90, value: 20 }), percent = element("output", {});
  const showMap = element("input", { type: "checkbox", checked: true }), showBoxes = element("input", { type: "checkbox", checked: true });
  const keys = element("input", { type: "checkbox", checked: kept.keys });
  const button = (text, action) => { const made = element("button", { type: "button", textContent: text }); made.addEventListener("click", action); return made; };
  const move = (step) => { at = Math.min(Math.max(at + step, 0), queue.length - 1); show(); };
  const back = () => {
    const last = undo.pop();
    if (!last) return;
    const [i, before] = last;
    if (before) kept.items[table.id[i]] = before; else delete kept.items[table.id[i]];
    at = Math.max(0, queue.indexOf(i));
    save();
    show();
  };
  const toggle = (tag) => { const i = queue[at], on = item(i).tags; change(i, { tags: on.includes(tag) ? on.filter((t) => t !== tag) : [...on, tag] }); };
  note.addEventListener("change", () => change(queue[at], { note: note.value }));
  for (const input of [threshold, showMap, showBoxes]) input.addEventListener("input", () => draw());
  keys.addEventListener("change", () => { kept.keys = keys.checked; save(); });

  const tagField = element("input", { type: "text", value: kept.tags.join(", ") });
  tagField.addEventListener("change", () => { kept.tags = tagField.value.split(",").map((t) => t.trim()).filter(Boolean).slice(0, 9); save(); show(); });
  const who = element("input", { type: "text", value: kept.reviewer, autocomplete: "off" });
  who.addEventListener("change", () => { kept.reviewer = who.value.trim(); save(); });
  const done = () => Object.entries(kept.items).filter(([, it]) => it.tags.length || it.note);
  const exportAs = (form) => {
    const items = done().map(([id, it]) => ({ id, ...it }));
    const name = `review${kept.reviewer ? `-${kept.reviewer.replaceAll(/[^A-Za-z0-9]+/g, "-")}` : ""}`;
    if (form === "json") R.download(`${name}.json`, JSON.stringify({ format: 1, report: table.report, reviewer: kept.reviewer, tags: kept.tags, items }, null, 1), "application/json");
    else R.download(`${name}.csv`, R.csv(["report", "reviewer", "id", "name", "tags", "note", "time"], items.map((it) => [table.report, kept.reviewer, it.id, it.name, it.tags.join("; "), it.note, new Date(it.time).toISOString()])), "text/csv");
    kept.exported = Date.now();
    save();
    show();
  };
  const file = element("input", { type: "file", accept: ".json" });
  const merged = element("p", { className: "quiet" });
  merged.setAttribute("role", "status");
  file.addEventListener("change", async () => {
    try {
      const other = JSON.parse(await file.files[0].text());
      if (other.format !== 1 || !Array.isArray(other.items)) throw new Error("it is not an export of a review");
      if (other.report !== table.report) throw new Error("it belongs to another report");
      const conflicts = [];
      let taken = 0;
      for (const { id, ...it } of other.items) {
        const mine = kept.items[id];
        const same = mine && mine.note === it.note && String([...mine.tags].sort()) === String([...it.tags].sort());
        if (mine && !same && (mine.tags.length || mine.note)) conflicts.push(it.name);
        if (!same && (!mine || it.time > mine.time)) { kept.items[id] = it; taken++; }
      }
      save();
      show();
      merged.textContent = `${taken} taken over, ${conflicts.length} in conflict${conflicts.length ? ` (the later one stands): ${conflicts.slice(0, 8).join(", ")}` : ""}`;
    } catch (error) { merged.textContent = `not imported: ${error.message}`; }
    file.value = "";
  });

  place.append(head, bar, saved, element("div", { className: "two" },
    element("div", {}, frame, element("div", { className: "tools" }, element("label", {}, showMap, "map"), element("label", {}, showBoxes, "boxes"), element("label", {}, "threshold", threshold, percent))),
    element("div", {}, title, facts, element("p", {}, link), tags, element("label", { className: "note-field" }, "note", note),
      element("div", { className: "tools" }, button("← back", () => move(-1)), button("next →", () => move(1)), button("undo", back)))),
    element("details", {}, element("summary", { textContent: "Export, import, tags, keys" }),
      element("div", { className: "tools" }, button("export JSON", () => exportAs("json")), button("export CSV", () => exportAs("csv")), element("label", {}, "import JSON", file)), merged,
      element("div", { className: "tools" }, element("label", {}, "your name", who), element("label", { className: "long" }, "tags, up to nine", tagField), element("label", {}, keys, "keys")),
      element("p", { className: "quiet", textContent: "j next · k back · 1–9 tag · 0 clear · u undo · n note · c map · b boxes · [ ] threshold · ? this help" })));

  const grid = (i) => {
    const [h, w] = maps.shape, cells = Array.from(maps.grid.subarray(i * h * w, (i + 1) * h * w), (v) => maps.low[i] + (v / 255) * (maps.high[i] - maps.low[i]));
    return Array.from({ length: h }, (_, y) => cells.slice(y * w, (y + 1) * w));
  };
  const windowOf = (i) => Array.from(maps.window.subarray(4 * i, 4 * i + 4));
  const draw = () => {
    const i = queue[at], size = [table.width[i], table.height[i]], cells = grid(i);
    percent.textContent = `${threshold.value} %`;
    frame.replaceChildren(photo);
    if (showMap.checked && maps.high[i] > 0) { canvas.height = Math.max(1, Math.round((280 * size[1]) / size[0])); M.draw(canvas, cells, maps.high[i], 0.62, windowOf(i), size); frame.append(canvas); }
    if (!showBoxes.checked) return;
    const svg = M.layer(size), box = M.box(M.enlarged(cells, maps.input), threshold.value / 100, windowOf(i), size);
    for (const text of maps.true[i] ? maps.true[i].split(";") : []) { const t = text.split(",").map(Number); svg.append(M.rectangle("under", t), M.rectangle("true", t)); }
    if (box) svg.append(M.rectangle("under", box), M.rectangle("found", box));
    frame.append(svg);
  };
  const show = () => {
    const i = queue[at], it = item(i), reviewed = queue.filter((j) => item(j).tags.length || item(j).note).length;
    R.writeState({ ...state, at: table.id[i] });
    head.textContent = `${at + 1} of ${queue.length}, ${reviewed} reviewed`;
    bar.value = reviewed;
    const open = done().filter(([, x]) => x.time > kept.exported).length;
    saved.textContent = stored ? `Saved in this browser only${open ? `, ${open} not exported` : done().length ? ", all exported" : ""}.` : "This browser keeps nothing for this page: export before you close it.";
    photo.src = R.root + table.photo[i];
    photo.alt = table.name[i];
    title.replaceChildren(R.className(table, table.label[i] < 0 ? table.predicted[i] : table.label[i]), " ", R.chip(...table.kinds[table.kind[i]]));
    facts.textContent = `${table.name[i]} · predicted ${R.className(table, table.predicted[i])}, ${R.share(table.score[i])}` + (table.iou[i] < 0 ? "" : ` · IoU ${R.share(table.iou[i])}`);
    link.href = R.root + table.page[i];
    tags.replaceChildren(...kept.tags.map((tag, k) => {
      const made = button(`${k + 1}  ${tag}`, () => toggle(tag));
      made.setAttribute("aria-pressed", it.tags.includes(tag));
      return made;
    }));
    note.value = it.note;
    draw();
  };
  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.target.closest("textarea, input[type=text]")) { if (event.key === "Escape") event.target.blur(); return; }
    if (!kept.keys) return;
    const actions = { j: () => move(1), k: () => move(-1), u: back, n: () => note.focus(), 0: () => change(queue[at], { tags: [] }),
      c: () => { showMap.checked = !showMap.checked; draw(); }, b: () => { showBoxes.checked = !showBoxes.checked; draw(); },
      "[": () => { threshold.value = Number(threshold.value) - 1; draw(); }, "]": () => { threshold.value = Number(threshold.value) + 1; draw(); },
      "?": () => { place.querySelector("details").open = true; } };
    const digit = Number(event.key);
    if (digit >= 1 && digit <= kept.tags.length) actions[event.key] = () => toggle(kept.tags[digit - 1]);
    if (actions[event.key]) { event.preventDefault(); actions[event.key](); }
  });
  show();
})();
