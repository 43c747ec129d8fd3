/* Controls that filter and sort the images, on the page Images. */
window.reportgen.imageFilterControls = (images, actions) => {
  "use strict";
  const { dom, imageFigures, imageFilter } = window.reportgen;
  const { element, button, labelled } = dom;
  const ORDERS = /** @type {[string, string][]} */ ([
    ["", "as in the data set"],
    ["mistakes", "surest mistakes first"],
    ["score-", "most confident first"],
    ["score+", "least confident first"],
    ["iou+", "lowest IoU first"],
    ["iou-", "highest IoU first"],
    ["name", "by name"],
    ["label", "by label"],
  ]);
  /** @type {Record<string, HTMLInputElement | HTMLSelectElement>} */
  const inputs = {};

  /**
   * An input that sets a key of the state.
   * @template {HTMLInputElement | HTMLSelectElement} T
   * @param {string} key
   * @param {T} input
   */
  const bound = (key, input) => {
    let isEditing = false; // a text is one step of the browser's history, not one a letter
    input.addEventListener("input", () => {
      actions.set(key, input.value, !isEditing);
      isEditing = true;
    });
    input.addEventListener("change", () => (isEditing = false));
    inputs[key] = input;
    return input;
  };
  /**
   * @param {string} key
   * @param {string} label
   * @param {[string, string][]} options
   */
  const choice = (key, label, options) => labelled(label, bound(key, dom.select(label, options)));
  /**
   * @param {string} key
   * @param {string} label
   * @param {number} max
   */
  const number = (key, label, max) =>
    bound(
      key,
      element("input", {
        type: "number",
        min: "0",
        max: String(max),
        step: "any",
        inputMode: "decimal",
        ariaLabel: label,
      }),
    );
  /**
   * @param {string} key
   * @param {string} label
   */
  const percentRange = (key, label) =>
    element(
      "fieldset",
      {},
      element("legend", { textContent: label }),
      number(`${key}From`, `${label}, from percent`, 100),
      "to",
      number(`${key}To`, `${label}, to percent`, 100),
      "%",
    );
  const classes = Object.entries(images.classes).sort((a, b) => a[1].localeCompare(b[1]));
  /**
   * @param {Integers} column
   * @returns {[string, string][]}
   */
  const optionsOf = (column) => {
    const numbers = new Set(column);
    return [["", "any"], ...classes.filter(([k]) => numbers.has(Number(k)))];
  };

  const isMultilabel = Boolean(images.labels);
  const words = imageFigures.words(images);
  /** @param {[string, string]} _ @param {number} bit */
  const isUsed = (_, bit) => images.flags.some((flags) => (flags >> bit) & 1);
  const slices = images.slices.map((name) => /** @type {[string, string]} */ ([name, name]));
  /** @param {number} n */
  const hasImages = (n) => images.finding_ends[n] > (n ? images.finding_ends[n - 1] : 0);

  const search = bound("q", element("input", { type: "search", placeholder: "name or class" }));
  const outcomes = images.outcomes.map(([outcome, text], index) => {
    const box = dom.checkbox(false);
    const count = element("span", { className: "quiet" });
    box.addEventListener("change", () => {
      const chosen = outcomes.filter((one) => one.box.checked);
      actions.set("outcome", chosen.map((one) => one.outcome).join(","));
    });
    return { outcome, index, box, count, label: labelled(box, imageFigures.chip(outcome, text), count) };
  });
  const outcomeGroup = element("div", { className: "outcomes", role: "group", ariaLabel: "Outcome" });
  outcomeGroup.append(...outcomes.map(({ label }) => label));

  // One choice a column; all of them together are one value of the state. The legend of the map may choose several.
  let columnChoice = imageFilter.columnGroups("");
  const columns = images.table_columns.map(({ name, groups }, k) => {
    const options = groups.map((group, j) => /** @type {[string, string]} */ ([String(j), group]));
    const input = dom.select(name, [["", "any"], ...options]);
    input.addEventListener("input", () => {
      columnChoice.set(k, input.value ? [Number(input.value)] : []);
      actions.set(
        "column",
        [...columnChoice].flatMap(([column, numbers]) => numbers.map((j) => `${column}.${j}`)).join(","),
      );
    });
    return { input, label: labelled(name, input) };
  });

  const count = element("output", { className: "count" });
  const clear = button("clear", actions.clear);
  const exportCsv = button("export CSV", actions.exportCsv);
  const review = element("a", { textContent: "review these" });
  const filters = element(
    "div",
    { className: "filters" },
    labelled("search", search),
    choice("label", "label", optionsOf(images.label_sets ?? images.label)),
    choice("predicted", words.predicted, optionsOf(images.predicted)),
    choice("flag", "flag", [["", "any"], ...(isMultilabel ? images.flag_names.filter(isUsed) : images.flag_names)]),
    choice("finding", "finding", [["", "any"], ...images.findings.filter((_, n) => hasImages(n))]),
    ...(images.slices.length ? [choice("slice", "slice", [["", "any"], ...slices])] : []),
    ...columns.map(({ label }) => label),
    percentRange("score", words.score),
    ...(isMultilabel ? [] : [percentRange("iou", "IoU")]),
    labelled("shorter side, px", number("side", "shorter side from pixels", 100000)),
    choice("sort", "order", isMultilabel ? ORDERS.filter(([key]) => !/^(label|iou)/.test(key)) : ORDERS),
    choice("view", "show", [
      ["", "wall"],
      ["table", "table"],
    ]),
  );
  const isWide = matchMedia("(min-width: 900px)").matches; // on a phone, the filters would fill the window
  const more = element("details", { open: isWide }, element("summary", { textContent: "Filters" }), filters);
  const elements = [more, outcomeGroup, element("div", { className: "filters" }, count, clear, exportCsv, review)];

  /** @type {FilterControls["fill"]} */
  const fill = (state) => {
    for (const [key, input] of Object.entries(inputs)) input.value = state[key] ?? "";
    columnChoice = imageFilter.columnGroups(state.column);
    for (const [k, { input }] of columns.entries()) input.value = String(columnChoice.get(k)?.[0] ?? "");
    more.open ||= Boolean(state.column) || Object.keys(inputs).some((key) => state[key]);
  };
  /** @type {FilterControls["showOutcomes"]} */
  const showOutcomes = (rows, chosen) => {
    const counts = new Uint32Array(outcomes.length);
    for (const i of rows) counts[images.outcome[i]]++;
    for (const { outcome, index, box, count: output, label } of outcomes) {
      box.checked = chosen.has(outcome);
      output.textContent = imageFigures.count(counts[index]);
      label.hidden = !counts[index] && !box.checked;
    }
  };
  return { elements, search, count, clear, exportCsv, review, fill, showOutcomes };
};
