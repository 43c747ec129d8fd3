/* On an image page: its place in the selection, and previous and next within the selection. */
window.reportgen.selectionSteps = (images, selection) => {
  "use strict";
  const { data, dom, imageFilter, imageOrder } = window.reportgen;
  const steps = /** @type {HTMLElement | null} */ (document.querySelector(".around"));
  const number = steps?.dataset.row ?? location.pathname.match(/\/images\/(\d{6,})-[^/]*$/)?.[1];
  if (!number || !steps) return;
  const image = Number(number);
  const rows = imageOrder.sorted(images, imageFilter.select(images, selection), selection.sort);
  const at = rows.indexOf(image);
  const text = imageFilter.describe(images, selection);

  /**
   * @param {"prev" | "next"} rel
   * @param {string} label
   * @param {number | undefined} row
   */
  const step = (rel, label, row) => {
    if (row === undefined) return dom.element("span", { ariaHidden: "true", textContent: label });
    const href = data.root + data.imagePage(images, row);
    const link = dom.element("a", { href, title: images.name[row], textContent: label });
    link.rel = rel;
    return link;
  };
  const count = rows.length.toLocaleString("en");
  const place = at < 0 ? `not among the ${count}` : `${(at + 1).toLocaleString("en")} of ${count}`;
  steps.replaceChildren(
    step("prev", "← previous", rows[at < 0 ? -1 : at - 1]),
    dom.element("span", { className: "place", textContent: text ? `${place} ${text}` : place }),
    step("next", "next →", rows[at < 0 ? 0 : at + 1]),
  );
};
