/* Elements that scripts add to a page. */
window.reportgen.dom = (() => {
  "use strict";

  /** @type {Dom["element"]} */
  const element = (tag, properties = {}, ...children) => {
    const made = Object.assign(document.createElement(tag), properties);
    made.append(...children);
    return made;
  };

  /** @type {Dom["svg"]} */
  const svg = (tag, attributes = {}, ...children) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value));
    made.append(...children);
    return made;
  };

  /** @type {Dom["button"]} */
  const button = (text, action, label) => {
    const made = element("button", { type: "button", textContent: text });
    if (label) made.ariaLabel = label;
    made.addEventListener("click", () => action());
    return made;
  };

  /** @type {Dom["labelled"]} */
  const labelled = (...children) => element("label", {}, ...children);

  /** @type {Dom["setOptions"]} */
  const setOptions = (select, options) => {
    select.replaceChildren(...options.map(([value, text]) => element("option", { value, textContent: text })));
  };

  /** @type {Dom["select"]} */
  const select = (label, options) => {
    const made = element("select", { ariaLabel: label });
    setOptions(made, options);
    return made;
  };

  /** @type {Dom["setValue"]} */
  const setValue = (input, value, otherwise = 0) => {
    input.value = value ?? "";
    if (input.selectedIndex < 0) input.selectedIndex = otherwise;
  };

  /** @type {Dom["checkbox"]} */
  const checkbox = (checked) => element("input", { type: "checkbox", checked });

  /** @type {Dom["slider"]} */
  const slider = (min, max, value) =>
    element("input", { type: "range", min: String(min), max: String(max), value: String(value) });

  /** @type {Dom["empty"]} */
  const empty = (text) => element("p", { className: "empty", textContent: text });

  /** @type {Dom["table"]} */
  const table = (label, head, rows, firstNumber, className = "") => {
    /** @param {number} column */
    const classOf = (column) => (column >= firstNumber ? "n" : "");
    const heads = head.map((text, j) => element("th", { scope: "col", textContent: text, className: classOf(j) }));
    const lines = rows.map((cells) =>
      element("tr", {}, ...cells.map((cell, j) => element("td", { className: classOf(j) }, cell))),
    );
    const made = element(
      "table",
      { className },
      element("thead", {}, element("tr", {}, ...heads)),
      element("tbody", {}, ...lines),
    );
    return element("div", { className: "scroll", tabIndex: 0, role: "region", ariaLabel: label }, made);
  };

  /** @type {Dom["find"]} */
  const find = (within, selector) => {
    const found = within.querySelector(selector);
    if (!found) throw new Error(`the page has no ${selector}`);
    return /** @type {any} */ (found);
  };

  /** @type {Dom["byId"]} */
  const byId = (id) => find(document, `#${id}`);

  /** @type {Dom["json"]} */
  const json = (script) => JSON.parse(script.textContent ?? "");

  return {
    element,
    svg,
    button,
    labelled,
    setOptions,
    select,
    setValue,
    checkbox,
    slider,
    empty,
    table,
    find,
    byId,
    json,
  };
})();
