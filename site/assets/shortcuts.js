/* Keyboard: the arrow keys open the previous and the next page; shortcuts of one character can be switched off. */
window.reportgen.shortcuts = (() => {
  "use strict";
  const { labelled, checkbox } = window.reportgen.dom;
  // Stored for all pages at once, but in a browser with a store for each file (Firefox, from a disk) for each page.
  const STORED = "reportgen-keys";
  const TEXT_FIELDS = "textarea, select, dialog, input:not([type=range], [type=checkbox])";
  const page = document.documentElement;

  /** @param {boolean} on */
  const apply = (on) => {
    page.dataset.shortcuts = on ? "on" : "off";
    for (const box of document.querySelectorAll(".shortcut-toggle input")) {
      /** @type {HTMLInputElement} */ (box).checked = on;
    }
  };
  const enabled = () => page.dataset.shortcuts === "on";
  const readStored = () => {
    try {
      apply(localStorage.getItem(STORED) !== "off");
    } catch {
      apply(true);
    }
  };

  const toggle = () => {
    const box = checkbox(enabled());
    box.addEventListener("change", () => {
      try {
        localStorage.setItem(STORED, box.checked ? "on" : "off");
      } catch {
        // then it holds for this page alone
      }
      apply(box.checked);
    });
    return Object.assign(labelled(box, "single-character keys"), { className: "shortcut-toggle" });
  };

  /** @param {KeyboardEvent} event */
  const hasModifier = (event) => event.altKey || event.ctrlKey || event.metaKey;
  /**
   * @param {KeyboardEvent} event
   * @param {string} selector
   */
  const isWithin = (event, selector) => event.target instanceof Element && event.target.closest(selector) !== null;

  /** @type {Shortcuts["listen"]} */
  const listen = (actionOf) => {
    document.addEventListener("keydown", (event) => {
      if (!enabled() || hasModifier(event) || isWithin(event, TEXT_FIELDS)) return;
      const action = actionOf(event.key);
      if (!action) return;
      event.preventDefault();
      action();
    });
  };

  document.addEventListener("keydown", (event) => {
    if (hasModifier(event) || isWithin(event, "input, select, textarea, dialog, [tabindex='0']")) return;
    const rel = { ArrowLeft: "prev", ArrowRight: "next" }[event.key];
    if (rel) document.querySelector(/** @type {"a"} */ (`a[rel=${rel}]`))?.click();
  });
  readStored();
  window.addEventListener("storage", readStored);
  return { enabled, toggle, listen };
})();
