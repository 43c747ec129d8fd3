/* Tables that sort: each heading becomes a button. A cell's number is its data-value, if it has one. */
(() => {
  "use strict";
  const { button } = window.reportgen.dom;

  /**
   * @param {HTMLTableRowElement} row
   * @param {number} column
   */
  const valueOf = (row, column) => {
    const cell = row.cells[column];
    const text = cell.dataset.value ?? cell.textContent.trim();
    const number = Number(text.replaceAll(",", ""));
    return Number.isNaN(number) ? text : number;
  };
  /**
   * Numbers before texts.
   * @param {string | number} a
   * @param {string | number} b
   */
  const compare = (a, b) => {
    if (typeof a === "number" && typeof b === "number") return a - b;
    if (typeof a === "string" && typeof b === "string") return a.localeCompare(b);
    return typeof a === "number" ? -1 : 1;
  };

  for (const element of document.querySelectorAll("table.sortable")) {
    const table = /** @type {HTMLTableElement} */ (element);
    const heads = [...(table.tHead?.rows[0].cells ?? [])];
    heads.forEach((head, column) => {
      const sort = () => {
        const isDescending = head.ariaSort !== "descending";
        for (const other of heads) other.ariaSort = null;
        head.ariaSort = isDescending ? "descending" : "ascending";
        const sign = isDescending ? -1 : 1;
        const rows = [...table.tBodies[0].rows].map((row) => ({ row, value: valueOf(row, column) }));
        rows.sort((a, b) => sign * compare(a.value, b.value));
        table.tBodies[0].append(...rows.map(({ row }) => row));
      };
      head.replaceChildren(button(head.textContent, sort));
    });
  }
})();
