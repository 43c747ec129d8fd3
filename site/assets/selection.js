/* The selection of images that travels from page to page in the address, as in `#outcome=class&label=3`.
   `site/docs/gallery.md`, "Selection", describes the keys. Every page loads this script. For a script of a page:
   - `selection.read()` is the selection; `imageFilter.select(images, selection.read())` has its rows.
   - `state.push({ ...state.read(), label: "3" })` changes it; the browser's "back" undoes this step.
   - `state.write({ ...selection.read(), layer: "2" })` keeps it, with the page's own state.
   - Links need nothing: a click adds the selection, unless the link has one of its own (`images/index.html#label=3`).
     A script that opens a page uses `location.href = selection.link(data.root + url)`.
   - `selection.provide(() => imageFilter.chosen(images, rows))` is for rows that no filter describes, such as
     ticked ones: it is what links carry instead of `read()`, unless it returns null.
   - Links to images outside of the selection get the class `outside`, which makes their pictures faint. */
window.reportgen.selection = (() => {
  "use strict";
  const { data, dom, state } = window.reportgen;
  const KEYS = "q outcome label predicted column scoreFrom scoreTo iouFrom iouTo side flag finding ids rows sort".split(
    " ",
  );
  const home = new URL(data.root || ".", location.href).href;

  /** @type {ImageSelection["of"]} */
  const of = (values) =>
    Object.fromEntries(Object.entries(values).filter(([key, value]) => value && KEYS.includes(key)));
  /** @type {ImageSelection["read"]} */
  const read = () => of(state.read());

  let current = read;
  /** @type {ImageSelection["provide"]} */
  const provide = (make) => {
    current = () => of(make() ?? state.read());
  };

  /** @type {ImageSelection["link"]} */
  const link = (url) => {
    const [page, hash = ""] = url.split("#");
    const own = Object.fromEntries(new URLSearchParams(hash));
    const isPlace = hash && !hash.includes("=");
    if (isPlace || Object.keys(of(own)).length) return url;
    const query = new URLSearchParams({ ...current(), ...own }).toString();
    return query ? `${page}#${query}` : url;
  };

  /** @type {WeakMap<HTMLAnchorElement, [string, string]>} */
  const carried = new WeakMap(); // link → its own address, and the one that it got
  /** @param {Event} event */
  const carry = ({ target }) => {
    const anchor = target instanceof Element ? target.closest("a") : null;
    const url = anchor?.getAttribute("href");
    if (!anchor || !url || url.startsWith("#") || !anchor.href.startsWith(home) || !/\.html(#|$)/.test(url)) return;
    const before = carried.get(anchor);
    const own = before?.[1] === url ? before[0] : url;
    const next = link(own);
    carried.set(anchor, [own, next]);
    if (next !== url) anchor.setAttribute("href", next);
  };
  for (const type of ["click", "auxclick", "contextmenu"]) document.addEventListener(type, carry, { capture: true });

  let shown = "{}";
  const show = async () => {
    const selection = JSON.stringify(read());
    if (selection === shown) return;
    shown = selection;
    await data.load("images");
    if (!data.has("images")) return; // the site of a comparison
    await data.loadScripts("image-filter.js", "image-order.js", "selection-bar.js", "selection-steps.js");
    window.reportgen.selectionBar();
    window.reportgen.selectionSteps(data.chunk("images"), read());
  };
  const start = () => show().catch((error) => document.body.append(dom.empty(`No selection: ${error.message}.`)));
  state.onWrite(start);
  state.onChange(start);
  start();
  return { keys: KEYS, of, read, provide, link };
})();
