/* The review: a queue from any filter, one image at a time; tags, a note, undo; kept in this browser, exported and imported. */
(() => {
  "use strict";
  const R = window.reportgen, M = R.map, table = R.chunks.images, maps = R.chunks.maps, { element } = R;
  const place = document.getElementById("review");
  const review = R.keptReview(table), { kept } = review;
  const state = R.readState();
  const filter = Object.fromEntries(Object.entries(state).filter(([key]) => !["at", "sort", "page", "map", "boxes", "t"].includes(key)));
  const queue = R.sorted(table, R.select(table, filter), state.sort ?? "");
  let at = Math.max(0, queue.findIndex((i) => table.id[i] === state.at));
  const change = (i, next) => { review.edit(i, next); show(); };

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
  const threshold = element("input", { type: "range", min: 1, max: 90, value: state.t || 20 }), percent = element("output", {});
  const showMap = element("input", { type: "checkbox", checked: state.map !== "0" }), showBoxes = element("input", { type: "checkbox", checked: state.boxes !== "0" });
  const button = (text, action) => { const made = element("button", { type: "button", textContent: text }); made.addEventListener("click", action); return made; };
  const move = (step) => { at = Math.min(Math.max(at + step, 0), queue.length - 1); show(); };
  const back = () => {
    const ids = review.back();
    if (ids.length === 1) at = Math.max(0, queue.findIndex((i) => table.id[i] === ids[0]));
    show();
  };
  const toggle = (tag) => { const i = queue[at], on = review.item(table.id[i]).tags; change(i, { tags: on.includes(tag) ? on.filter((t) => t !== tag) : [...on, tag] }); };
  let written = false; // a note is kept letter by letter, and undone as one
  note.addEventListener("input", () => { review.edit(queue[at], { note: note.value }, !written); written = true; tell(); });
  for (const input of [threshold, showMap, showBoxes]) input.addEventListener("input", () => draw());

  const tagField = element("input", { type: "text", value: kept.tags.join(", ") });
  tagField.addEventListener("change", () => {
    const wanted = new Set(tagField.value.split(/[,;]/).map((t) => t.trim()).filter(Boolean));
    review.change(() => { kept.tags = [...wanted].slice(0, 9); });
    show();
  });
  const who = element("input", { type: "text", value: kept.reviewer, autocomplete: "off" });
  who.addEventListener("change", () => { review.change(() => { kept.reviewer = who.value.trim(); }); tell(); });
  const save = (form) => { review.exportAs(form); tell(); };
  const file = element("input", { type: "file", accept: ".json,.csv" });
  const merged = element("p", { className: "quiet" });
  merged.setAttribute("role", "status");
  file.addEventListener("change", async () => {
    try {
      merged.textContent = review.take(await file.files[0].text());
      show();
    } catch (error) { merged.textContent = `not imported: ${error.message}`; }
    file.value = "";
  });

  place.append(head, bar, saved, element("div", { className: "two" },
    element("div", {}, frame, element("div", { className: "tools" }, element("label", {}, showMap, "map"), element("label", {}, showBoxes, "boxes"), element("label", {}, "threshold", threshold, percent)),
      element("p", { className: "quiet", textContent: "Colour: the map of the predicted class on its own scale. White: the true box. Dotted: the map's box at this threshold, a preview; the report's own is on the image's page." })),
    element("div", {}, title, facts, element("p", {}, link), tags, element("label", { className: "note-field" }, "note", note),
      element("div", { className: "tools" }, button("← back", () => move(-1)), button("next →", () => move(1)), button("undo", back)))),
    element("details", {}, element("summary", { textContent: "Export, import, tags, keys" }),
      element("div", { className: "tools" }, button("export JSON", () => save("json")), button("export CSV", () => save("csv")), element("label", {}, "import JSON or CSV", file)), merged,
      element("div", { className: "tools" }, element("label", {}, "your name", who), element("label", { className: "long" }, "tags, up to nine", tagField), R.keySwitch()),
      element("p", { className: "quiet", textContent: "j next · k back · 1–9 tag · 0 clear · u undo · n note · c map · b boxes · [ ] threshold · ? this help" })));

  const grid = (i) => {
    const [h, w] = maps.shape, cells = Array.from(maps.grid.subarray(i * h * w, (i + 1) * h * w), (v) => maps.low[i] + (v / 255) * (maps.high[i] - maps.low[i]));
    return Array.from({ length: h }, (_, y) => cells.slice(y * w, (y + 1) * w));
  };
  const windowOf = (i) => Array.from(maps.window.subarray(4 * i, 4 * i + 4));
  const draw = () => {
    const i = queue[at], size = [table.width[i], table.height[i]], cells = grid(i);
    R.writeState({ ...state, at: table.id[i], t: threshold.value === "20" ? "" : threshold.value, map: showMap.checked ? "" : "0", boxes: showBoxes.checked ? "" : "0" });
    percent.textContent = `${threshold.value} %`;
    frame.replaceChildren(photo);
    if (showMap.checked && maps.high[i] > 0) { canvas.height = Math.max(1, Math.round((280 * size[1]) / size[0])); M.draw(canvas, cells, maps.high[i], 0.62, windowOf(i), size); frame.append(canvas); }
    if (!showBoxes.checked) return;
    const svg = M.layer(size), box = M.box(M.enlarged(cells, maps.input), threshold.value / 100, windowOf(i), size);
    for (const text of maps.true[i] ? maps.true[i].split(";") : []) { const t = text.split(",").map(Number); svg.append(M.rectangle("under", t), M.rectangle("true", t)); }
    if (box) svg.append(M.rectangle("under", box), M.rectangle("live", box));
    frame.append(svg);
  };
  const tell = () => {
    const known = queue.filter((j) => { const it = review.item(table.id[j]); return it.tags.length || it.note; }).length, open = review.open();
    head.textContent = `${at + 1} of ${queue.length}, ${known} reviewed`;
    bar.value = known;
    saved.textContent = review.stored() ? `Saved in this browser only${open ? `, ${open} not exported` : review.done().length ? ", all exported" : ""}.` : "This browser keeps nothing for this page: export before you close it.";
  };
  const show = () => {
    const i = queue[at], it = review.item(table.id[i]);
    written = false;
    tell();
    photo.src = R.root + table.photo[i];
    photo.alt = table.name[i];
    title.replaceChildren(R.className(table, table.label[i] < 0 ? table.predicted[i] : table.label[i]), " ", R.chip(...table.kinds[table.kind[i]]));
    facts.textContent = `${table.name[i]} · predicted ${R.className(table, table.predicted[i])}, ${R.share(table.score[i])}` + (table.iou[i] < 0 ? "" : ` · IoU ${R.share(table.iou[i])}`);
    link.href = R.root + table.page[i];
    // Made again only when the tags change: who is about to press one must not lose it
    if (String([...tags.children].map((one) => one.value)) !== String(kept.tags)) tags.replaceChildren(...kept.tags.map((tag, k) => Object.assign(button(`${k + 1}  ${tag}`, () => toggle(tag)), { value: tag })));
    for (const one of tags.children) one.setAttribute("aria-pressed", it.tags.includes(one.value));
    if (note.value !== it.note) note.value = it.note;
    draw();
  };
  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.target.closest("textarea, input[type=text]")) { if (event.key === "Escape") event.target.blur(); return; }
    if (!R.keys()) return;
    const actions = { j: () => move(1), k: () => move(-1), u: back, n: () => note.focus(), 0: () => change(queue[at], { tags: [] }),
      c: () => { showMap.checked = !showMap.checked; draw(); }, b: () => { showBoxes.checked = !showBoxes.checked; draw(); },
      "[": () => { threshold.value = Number(threshold.value) - 1; draw(); }, "]": () => { threshold.value = Number(threshold.value) + 1; draw(); },
      "?": () => { place.querySelector("details").open = true; } };
    const digit = Number(event.key);
    if (digit >= 1 && digit <= kept.tags.length) actions[event.key] = () => toggle(kept.tags[digit - 1]);
    if (actions[event.key]) { event.preventDefault(); actions[event.key](); }
  });
  window.addEventListener("storage", show);
  R.onState(() => location.reload()); // another queue; our own changes do not come here
  show();
})();
