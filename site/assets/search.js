/* The search dialog: `/` or the button in the header; pages, classes, images and units by a part of their name. */
(() => {
  "use strict";
  const { data, dom, selection, shortcuts } = window.reportgen;
  const { element } = dom;
  const MOST = 14;

  /** @typedef {{ kind: string, name: string, url: string, lower: string }} Entry */
  /** @type {Entry[] | null} */
  let entries = null;

  const loadEntries = async () => {
    await data.load("search", "images");
    const { pages, classes, layers } = data.chunk("search");
    /** @type {Entry[]} */
    const found = [];
    /** @type {(kind: string, name: string, url: string) => void} */
    const add = (kind, name, url) => found.push({ kind, name, url, lower: name.toLowerCase() });
    for (const [name, url] of pages) add("page", name, url);
    for (const [name, url] of classes) add("class", name, url);
    if (data.has("images")) {
      const images = data.chunk("images");
      images.name.forEach((name, i) => add("image", name, data.imagePage(images, i)));
    }
    for (const [name, folder, units] of layers) {
      add("layer", name, `${folder}index.html`);
      for (let unit = 0; unit < units; unit++) {
        add("unit", `${name} unit ${unit}`, `${folder}${String(unit).padStart(4, "0")}.html`);
      }
    }
    return found;
  };

  /**
   * Names that begin with the text come first, then those with a word that does, then the rest.
   * @param {Entry[]} all
   * @param {string} text
   */
  const matching = (all, text) => {
    if (!text) return all.slice(0, MOST);
    /** @type {Entry[][]} */
    const ranks = [[], [], []];
    for (const entry of all) {
      const at = entry.lower.indexOf(text);
      if (at >= 0) ranks[at === 0 ? 0 : /[a-z0-9]/.test(entry.lower[at - 1]) ? 2 : 1].push(entry);
      if (ranks[0].length >= MOST) break;
    }
    return ranks.flat().slice(0, MOST);
  };

  const input = element("input", {
    type: "text",
    autocomplete: "off",
    spellcheck: false,
    role: "combobox",
    ariaLabel: "Go to a page, class, image or unit",
    ariaExpanded: "true",
    ariaAutoComplete: "list",
  });
  input.setAttribute("aria-controls", "search-list");
  const list = element("ul", { id: "search-list", role: "listbox", ariaLabel: "Results" });
  const status = element("p", { className: "quiet", hidden: true, role: "status" });
  const dialog = element(
    "dialog",
    { className: "search", ariaLabel: "Go to" },
    input,
    list,
    status,
    shortcuts.toggle(),
  );

  /** @type {Entry[]} */
  let shown = [];
  let selected = 0;
  let isEntered = false; // Enter was pressed before the entries were loaded

  /** @param {number} index */
  const select = (index) => {
    selected = Math.min(Math.max(index, 0), shown.length - 1);
    [...list.children].forEach((item, i) => item.setAttribute("aria-selected", String(i === selected)));
    if (shown.length) {
      input.setAttribute("aria-activedescendant", `search-${selected}`);
      list.children[selected].scrollIntoView({ block: "nearest" });
    } else input.removeAttribute("aria-activedescendant");
  };
  /** @param {Entry} entry */
  const go = (entry) => {
    location.href = selection.link(data.root + entry.url);
    dialog.close();
  };
  const show = () => {
    shown = entries ? matching(entries, input.value.trim().toLowerCase()) : [];
    const items = shown.map((entry, i) => {
      const name = element("span", { className: "name", textContent: entry.name });
      const kind = element("span", { className: "quiet", textContent: entry.kind });
      const item = element("li", { id: `search-${i}`, role: "option" }, name, kind);
      item.addEventListener("click", () => go(entry));
      return item;
    });
    list.replaceChildren(...items);
    if (entries) status.hidden = shown.length > 0;
    select(0);
  };
  const open = async () => {
    input.value = "";
    isEntered = false;
    dialog.showModal();
    status.textContent = "No page, class, image or unit has this name.";
    try {
      entries ??= await loadEntries();
    } catch (error) {
      status.textContent = `The search does not work: ${/** @type {Error} */ (error).message}.`;
      status.hidden = false;
      return;
    }
    show();
    if (isEntered && dialog.open && shown.length) go(shown[0]);
  };

  input.addEventListener("input", show);
  dialog.addEventListener("keydown", (event) => {
    event.stopPropagation();
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      event.preventDefault();
      select(selected + step);
    } else if (event.key === "Enter" && event.target === input) {
      event.preventDefault();
      if (shown.length) go(shown[selected]);
      else isEntered = !entries;
    }
  });
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
  const button = dom.button("", open, "Search");
  button.className = "go";
  const lens = { class: "lens", viewBox: "0 0 16 16", "aria-hidden": "true" };
  button.append(
    dom.svg("svg", lens, dom.svg("path", { d: "M7 2a5 5 0 100 10A5 5 0 007 2zM10.7 10.7L14.5 14.5" })),
    element("span", { textContent: "Search…" }),
    element("kbd", { textContent: "/" }),
  );
  dom.find(document, "header.top").append(button);
  document.body.append(dialog);
  shortcuts.listen((key) => (key === "/" ? open : undefined));
})();
