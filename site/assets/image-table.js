/* The page Images with filters that combine, as a wall of cards or as a table. Its state is the address. Without
   scripts, and without a filter, the page's own wall is shown. */
(() => {
  "use strict";
  const R = window.reportgen;
  const { csv, data, dom, imageFigures, imageFilter, state: address } = R;
  const { element, button } = dom;
  const PAGE_SIZE = 100;
  const images = data.chunk("images");
  const bar = dom.byId("explore");
  const results = dom.byId("results");
  const wall = dom.byId("wall");
  const readState = () => {
    const { sort = "", view = "", page = "", ...filters } = address.read();
    const shown = { view: view === "table" ? view : "", page: /^\d+$/.test(page) ? page : "" };
    return { ...imageFilter.clean(images, filters), sort: R.imageOrder.isOrder(sort) ? sort : "", ...shown };
  };
  /** @type {Record<string, string>} */
  let state = readState();
  /** @type {number[]} */
  let rows = [];
  /** @type {Set<number>} */
  const selected = new Set();

  /** @type {FilterActions["set"]} */
  const set = (key, value, isStep = true) => {
    state = { ...state, [key]: value };
    if (key !== "page") delete state.page;
    if (isStep) address.push(state);
    show();
  };
  const clear = () => {
    state = state.view ? { view: state.view } : {};
    address.push(state);
    controls.fill(state);
    show();
  };
  const ticked = () => [...selected].sort((a, b) => a - b);
  const exportCsv = () => {
    csv.downloadImages("images.csv", images, selected.size ? ticked() : rows);
  };
  R.selection.provide(() => (selected.size ? imageFilter.chosen(images, ticked()) : state));
  const controls = R.imageFilterControls(images, { set, clear, exportCsv });
  bar.append(...controls.elements);

  // ------------------------------------------------------------------------------------------------ results
  /** @param {number} i */
  const card = (i) => {
    const facts = element("span", { className: "under-name" }, imageFigures.outcomeChip(images, i));
    if (images.iou[i] >= 0) {
      facts.append(element("span", { className: "quiet", textContent: `IoU ${imageFigures.share(images.iou[i])}` }));
    }
    const name = element("span", { className: "name", textContent: imageFigures.title(images, i) });
    const link = imageFigures.link(images, i, imageFigures.picture(images, i), name, facts);
    link.className = "card";
    if (["class", "inexact"].includes(images.outcomes[images.outcome[i]][0])) {
      const predicted = imageFigures.predictionText(images, i);
      link.append(element("span", { className: "prediction quiet", textContent: `predicted: ${predicted}` }));
    }
    return element("li", {}, link);
  };
  /** @param {number} i */
  const line = (i) => {
    const box = dom.checkbox(selected.has(i));
    box.ariaLabel = `select ${images.name[i]}`;
    box.addEventListener("change", () => {
      if (box.checked) selected.add(i);
      else selected.delete(i);
      showCount();
    });
    return [
      box,
      imageFigures.link(images, i, imageFigures.picture(images, i)),
      imageFigures.link(images, i, images.name[i]),
      imageFigures.labelText(images, i),
      imageFigures.predictionText(images, i),
      imageFigures.outcomeChip(images, i),
      imageFigures.share(images.score[i]),
      imageFigures.share(images.iou[i]),
      `${images.width[i]} × ${images.height[i]}`,
    ];
  };
  const { scoreColumn } = imageFigures.words(images);
  const HEAD = ["", "", "Name", "Label", "Prediction", "Outcome", scoreColumn, "IoU", "Size"];

  /**
   * Buttons of the first and the last page, and of those near the current one.
   * @param {number} last - number of the last page, from 0
   * @param {number} page
   */
  const pager = (last, page) => {
    const nav = element("nav", { className: "pages", ariaLabel: "Parts" });
    const near = [page - 2, page - 1, page, page + 1, page + 2].filter((p) => p > 0 && p < last);
    for (const p of [0, ...near, last]) {
      const turn = () => {
        set("page", String(p + 1));
        results.scrollIntoView();
      };
      const made = button(String(p + 1), turn);
      if (p === page) made.ariaCurrent = "page";
      nav.append(made);
    }
    return nav;
  };
  const showCount = () => {
    const text = `${imageFigures.count(rows.length)} of ${imageFigures.count(images.n)} images`;
    controls.count.textContent = selected.size ? `${text}, ${selected.size} selected` : text;
    controls.review.href = R.selection.link(`${data.root}review.html`);
    controls.exportCsv.textContent = selected.size ? "export selected as CSV" : "export CSV";
  };
  const showResults = () => {
    results.replaceChildren();
    const last = Math.max(0, Math.ceil(rows.length / PAGE_SIZE) - 1);
    const page = Math.min(Math.max(Number(state.page || 1) - 1, 0), last);
    const part = rows.slice(page * PAGE_SIZE, (page + 1) * PAGE_SIZE);
    if (!part.length) {
      results.append(dom.empty("No image passes all of these filters. Clear one to see more."));
    } else if (state.view === "table") {
      results.append(dom.table("Table of images", HEAD, part.map(line), 6, "image-table"));
    } else {
      results.append(element("ul", { className: "cards" }, ...part.map(card)));
    }
    if (last) results.append(pager(last, page));
  };
  const show = () => {
    address.write(state);
    const outcomes = new Set(state.outcome ? state.outcome.split(",") : []);
    const anyOutcome = imageFilter.select(images, state, "outcome");
    const filtered = outcomes.size
      ? anyOutcome.filter((i) => outcomes.has(images.outcomes[images.outcome[i]][0]))
      : anyOutcome;
    rows = R.imageOrder.sorted(images, filtered, state.sort);
    controls.showOutcomes(anyOutcome, outcomes);
    showCount();
    const isFiltered = Object.entries(state).some(([key, value]) => value && key !== "view");
    controls.clear.disabled = !isFiltered;
    wall.hidden = isFiltered || Boolean(state.view);
    if (wall.hidden) showResults();
    else results.replaceChildren();
  };

  R.shortcuts.listen((key) => (key === "f" ? () => controls.search.focus() : undefined));
  address.onChange(() => {
    state = readState();
    controls.fill(state);
    show();
  });
  controls.fill(state);
  show();
})();
