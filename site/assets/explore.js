/* The images page as a table or wall with filters that combine; its state is the address. Without scripts the wall stays. */
(() => {
  "use strict";
  const R = window.reportgen, table = R.chunks.images, { element } = R;
  const bar = document.getElementById("explore"), results = document.getElementById("results");
  const still = document.getElementById("wall");
  const PAGE = 100;
  let state = R.clean(table, R.readState()), rows = [];
  const chosen = new Set();

  const field = (label, input) => element("label", {}, label, input);
  const number = (key, label, max) => {
    const input = element("input", { type: "number", min: 0, max, step: "any", inputMode: "decimal", value: state[key] ?? "" });
    input.setAttribute("aria-label", label);
    input.addEventListener("input", () => set(key, input.value));
    inputs[key] = input;
    return input;
  };
  const inputs = {};
  const choice = (key, label, options) => {
    const input = element("select", {});
    for (const [value, text] of options) input.append(element("option", { value, textContent: text }));
    input.setAttribute("aria-label", label);
    input.value = state[key] ?? "";
    input.addEventListener("input", () => set(key, input.value));
    inputs[key] = input;
    return field(label, input);
  };
  const set = (key, value) => {
    state = { ...state, [key]: value };
    if (key !== "page") delete state.page;
    show();
  };

  const search = element("input", { type: "search", placeholder: "name or class", value: state.q ?? "" });
  search.addEventListener("input", () => set("q", search.value));
  inputs.q = search;
  const kinds = element("div", { className: "kinds", role: "group" });
  kinds.setAttribute("aria-label", "Outcome");
  const kindBoxes = table.kinds.map(([kind, word], k) => {
    const box = element("input", { type: "checkbox" });
    const count = element("span", { className: "quiet" });
    box.addEventListener("change", () => set("kind", kindBoxes.filter((b) => b.box.checked).map((b) => b.kind).join(",")));
    const holder = element("label", {}, box, R.chip(kind, word), count);
    kinds.append(holder);
    return { kind, k, box, count, holder };
  });
  const classes = Object.entries(table.classes).sort((a, b) => a[1].localeCompare(b[1]));
  const labelled = new Set(table.label), predicted = new Set(table.predicted);
  const named = (set) => [["", "any"], ...classes.filter(([k]) => set.has(Number(k)))];
  const range = (key, label) => element("fieldset", {}, element("legend", { textContent: label }),
    number(`${key}From`, `${label}, from percent`, 100), "to", number(`${key}To`, `${label}, to percent`, 100), "%");
  const count = element("output", { className: "count" });
  const clear = element("button", { type: "button", textContent: "clear" });
  clear.addEventListener("click", () => { state = state.view ? { view: state.view } : {}; refill(); show(); });
  const review = element("a", { textContent: "review these" });
  const exported = element("button", { type: "button", textContent: "export CSV" });
  exported.addEventListener("click", () => {
    const taken = chosen.size ? [...chosen].sort((a, b) => a - b) : rows;
    const header = ["id", "name", "label", "predicted", "outcome", "confidence", "iou", "width", "height"];
    const line = (i) => [table.id[i], table.name[i], R.className(table, table.label[i]), R.className(table, table.predicted[i]),
      table.kinds[table.kind[i]][1], table.score[i] / 1000, table.iou[i] < 0 ? "" : table.iou[i] / 1000, table.width[i], table.height[i]];
    R.download("images.csv", R.csv(header, taken.map(line)), "text/csv");
  });
  bar.append(
    element("div", { className: "filters" }, field("search", search), choice("label", "label", named(labelled)), choice("predicted", "prediction", named(predicted)), choice("mark", "finding", [["", "any"], ...table.marks]),
      range("score", "confidence"), range("iou", "IoU"), field("shorter side, px", number("side", "shorter side from pixels", 100000)),
      choice("sort", "order", [["", "as in the data set"], ["score-", "surest first"], ["score+", "least sure first"], ["iou+", "lowest IoU first"], ["iou-", "highest IoU first"], ["name", "by name"], ["label", "by label"]]),
      choice("view", "show", [["", "wall"], ["table", "table"]])),
    kinds, element("div", { className: "filters" }, count, clear, exported, review));
  bar.hidden = false;

  const refill = () => { for (const [key, input] of Object.entries(inputs)) input.value = state[key] ?? ""; };
  const link = (i, ...children) => element("a", { href: R.root + table.page[i] }, ...children);
  const under = (i) => {
    const line = element("span", { className: "under-name" }, R.chip(...table.kinds[table.kind[i]]));
    if (table.iou[i] >= 0) line.append(element("span", { className: "quiet", textContent: `IoU ${R.share(table.iou[i])}` }));
    return line;
  };
  const asCard = (i) => {
    const card = link(i, R.picture(table, i), element("span", { className: "name", textContent: R.className(table, table.label[i] < 0 ? table.predicted[i] : table.label[i]) }), under(i));
    card.className = "card";
    if (table.kinds[table.kind[i]][0] === "class") card.append(element("span", { className: "said quiet", textContent: `read as ${R.className(table, table.predicted[i])}` }));
    return element("li", {}, card);
  };
  const asRow = (i) => {
    const box = element("input", { type: "checkbox", checked: chosen.has(i) });
    box.setAttribute("aria-label", `choose ${table.name[i]}`);
    box.addEventListener("change", () => { chosen[box.checked ? "add" : "delete"](i); counts(); });
    const cells = [box, link(i, R.picture(table, i)), link(i, table.name[i]), R.className(table, table.label[i]), R.className(table, table.predicted[i]),
      R.chip(...table.kinds[table.kind[i]]), R.share(table.score[i]), R.share(table.iou[i]), `${table.width[i]} × ${table.height[i]}`];
    return element("tr", {}, ...cells.map((content, j) => element("td", { className: j > 5 ? "n" : "" }, content)));
  };
  const pager = (total, page) => {
    const nav = element("nav", { className: "pages" });
    nav.setAttribute("aria-label", "Parts");
    const last = Math.max(0, Math.ceil(total / PAGE) - 1);
    for (const p of [...new Set([0, page - 2, page - 1, page, page + 1, page + 2, last])].filter((p) => p >= 0 && p <= last)) {
      const button = element("button", { type: "button", textContent: p + 1 });
      if (p === page) button.setAttribute("aria-current", "page");
      button.addEventListener("click", () => { set("page", String(p + 1)); results.scrollIntoView(); });
      nav.append(button);
    }
    return last ? nav : "";
  };
  const counts = () => {
    count.textContent = `${rows.length.toLocaleString("en")} of ${table.n.toLocaleString("en")} images` + (chosen.size ? `, ${chosen.size} chosen` : "");
    exported.textContent = chosen.size ? "export the chosen as CSV" : "export CSV";
  };
  const show = () => {
    R.writeState(state);
    const on = new Set((state.kind ?? "").split(",")), loose = R.select(table, state, "kind");
    rows = R.sorted(table, state.kind ? loose.filter((i) => on.has(table.kinds[table.kind[i]][0])) : loose, state.sort ?? "");
    const any = Object.entries(state).some(([key, value]) => value && key !== "view");
    const kindsOf = new Uint32Array(table.kinds.length);
    for (const i of loose) kindsOf[table.kind[i]]++;
    for (const { kind, k, box, count: shown, holder } of kindBoxes) {
      box.checked = on.has(kind);
      shown.textContent = kindsOf[k].toLocaleString("en");
      holder.hidden = !kindsOf[k] && !box.checked;
    }
    counts();
    clear.disabled = !any;
    const passed = Object.fromEntries(Object.entries(state).filter(([key]) => key !== "view" && key !== "page"));
    review.href = `${R.root}review.html#${new URLSearchParams(passed)}`;
    const plain = !any && !state.view;
    still.hidden = !plain;
    results.replaceChildren();
    if (plain) return;
    const page = Math.min(Math.max(Number(state.page ?? 1) - 1, 0), Math.max(0, Math.ceil(rows.length / PAGE) - 1));
    const part = rows.slice(page * PAGE, (page + 1) * PAGE);
    if (!part.length) results.append(element("p", { className: "empty", textContent: "No image fits all of these filters. Clear one to see more." }));
    else if (state.view === "table") {
      const head = ["", "", "Name", "Label", "Prediction", "Outcome", "Confidence", "IoU", "Size"].map((text, j) => element("th", { scope: "col", textContent: text, className: j > 5 ? "n" : "" }));
      const made = element("table", { className: "explored" }, element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...part.map(asRow)));
      const scroll = element("div", { className: "scroll", tabIndex: 0 }, made);
      scroll.setAttribute("role", "region");
      scroll.setAttribute("aria-label", "Table of images");
      results.append(scroll);
    } else results.append(element("ul", { className: "cards" }, ...part.map(asCard)));
    results.append(pager(rows.length, page));
  };
  R.onState(() => { state = R.clean(table, R.readState()); refill(); show(); });
  document.addEventListener("keydown", (event) => {
    if (event.key === "f" && R.keys() && !event.altKey && !event.ctrlKey && !event.metaKey && !event.target.closest("input, select, textarea")) { event.preventDefault(); search.focus(); }
  });
  show();
})();
