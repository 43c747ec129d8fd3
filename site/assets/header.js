/* The header: the current entry in sight, and the number of reviewed images, which the review page stores. */
(() => {
  "use strict";
  const nav = document.querySelector("header nav");
  const current = /** @type {HTMLElement | null} */ (nav?.querySelector("[aria-current]"));
  if (nav && current) nav.scrollLeft = current.offsetLeft - nav.clientWidth / 2; // one row on a phone, too long for it

  const { reviews } = document.documentElement.dataset;
  const link = nav?.querySelector("a[href$='review.html']");
  if (!reviews || !link) return;
  const count = window.reportgen.dom.element("span", { className: "count" });
  const show = () => {
    try {
      count.textContent = localStorage.getItem(`reportgen-reviewed-${reviews}`) ?? "";
    } catch {
      // then there is no count
    }
  };
  show();
  link.append(" ", count);
  window.addEventListener("storage", show);
  document.addEventListener("reviewed", show);
})();
