/* The tags and the note that this browser's review has for the image of the page. */
(() => {
  "use strict";
  const { dom } = window.reportgen;
  const line = document.getElementById("review-tags");
  if (!line) return;
  const first = dom.find(line, "a");
  const show = () => {
    /** @type {{ tags?: unknown, note?: unknown }} */
    let item = {};
    try {
      item =
        JSON.parse(localStorage.getItem(`reportgen-review-${line.dataset.report}`) ?? "{}")?.items?.[
          line.dataset.image ?? ""
        ] ?? {};
    } catch {
      // no store, or nothing that a review wrote
    }
    const tags = Array.isArray(item.tags) ? item.tags.map(String) : [];
    const chips = tags.map((tag) => dom.element("span", { className: "tag", textContent: tag }));
    const note =
      typeof item.note === "string" && item.note ? [dom.element("span", { textContent: `“${item.note}”` })] : [];
    first.textContent = chips.length || note.length ? "Reviewed:" : "Review this image";
    line.replaceChildren(first, ...chips, ...note);
  };
  window.addEventListener("storage", show);
  window.addEventListener("pageshow", show); // "back" from the review page
  show();
})();
