/* The units of a layer as a grid of their top patches, in any order: pictures from the sheet, values from the table. */
(() => {
  "use strict";
  const { dom } = window.reportgen;
  const { element, labelled } = dom;
  const still = dom.byId("unit-sheet");
  const sheet = /** @type {HTMLImageElement} */ (dom.find(still, "img"));
  const side = Number(still.dataset.side);
  const across = Number(still.dataset.across);
  const table = /** @type {HTMLTableElement} */ (dom.find(document, "table.units"));
  const heads = [...(table.tHead?.rows[0].cells ?? [])].map((cell) => cell.textContent.trim());

  /** @param {string} text */
  const numberOf = (text) => (text !== "" && Number.isFinite(Number(text)) ? Number(text) : -Infinity);
  const units = [...table.tBodies[0].rows].map((row, number) => {
    const texts = [...row.cells].map((cell) => cell.textContent.trim());
    const isDead = texts[2] === "dead";
    const tile = element("span", { className: "tile" });
    if (!isDead) {
      tile.style.backgroundImage = `url("${sheet.src}")`;
      tile.style.backgroundPosition = `-${(number % across) * side}px -${Math.floor(number / across) * side}px`;
    }
    const value = element("span", { className: "quiet" });
    const link = element(
      "a",
      { href: /** @type {HTMLAnchorElement} */ (dom.find(row, "a")).href },
      tile,
      texts[0],
      value,
    );
    link.title = heads.map((head, column) => `${head}: ${texts[column]}`).join("\n");
    return { texts, isDead, value, link };
  });
  /** @type {[string, string, (a: typeof units[0], b: typeof units[0]) => number][]} */
  const ORDERS = [
    ["unit", "number", () => 0],
    ["max", "largest value", (a, b) => numberOf(b.texts[1]) - numberOf(a.texts[1])],
    ["active", "active in most images", (a, b) => numberOf(b.texts[2]) - numberOf(a.texts[2])],
    [
      "class",
      "preferred class",
      (a, b) => Number(a.texts[3] === "–") - Number(b.texts[3] === "–") || a.texts[3].localeCompare(b.texts[3]),
    ],
    ["selectivity", "selectivity", (a, b) => numberOf(b.texts[5]) - numberOf(a.texts[5])],
    ["dead", "dead first", (a, b) => Number(b.isDead) - Number(a.isDead)],
  ];
  /** @type {Record<string, number>} */
  const SHOWN = { unit: 1, max: 1, active: 2, class: 3, selectivity: 5, dead: 1 };
  const grid = dom.byId("unit-grid");
  const cells = [...dom.find(grid, "ul").children];
  const order = dom.select(
    "order of the units",
    ORDERS.map(([key, text]) => [key, text]),
  );
  const show = () => {
    const [key, , compare] = ORDERS[Math.max(0, order.selectedIndex)];
    for (const { texts, isDead, value } of units) {
      const unit = key === "active" && !isDead ? " %" : "";
      value.textContent = isDead ? "dead" : texts[SHOWN[key]] + unit;
    }
    units.toSorted(compare).forEach(({ link, isDead }, k) => {
      cells[k].className = isDead ? "dead" : "";
      cells[k].replaceChildren(link);
    });
  };
  order.addEventListener("input", show);
  dom.find(grid, ".filters").append(labelled("order", order));
  show();
})();
