/* The quick switcher: `/` or the button in the header; pages, classes, images and units by a part of their name. */
(() => {
  "use strict";
  const R = window.reportgen, { element } = R, MOST = 14;
  let places = null;
  // [what, name, address]; images are those of the chunk that the table of images reads, units are counted out.
  const gather = async () => {
    for (const name of ["chunks", "switch", "images"]) await R.load(name);
    const { pages, classes, layers } = R.chunks.switch, images = R.chunks.images ?? { n: 0 };
    const found = [...pages.map(([name, url]) => ["page", name, url]), ...classes.map(([name, url]) => ["class", name, url])];
    for (let i = 0; i < images.n; i++) found.push(["image", images.name[i], images.page[i]]);
    for (const [name, folder, count] of layers) {
      found.push(["layer", name, `${folder}index.html`]);
      for (let u = 0; u < count; u++) found.push(["unit", `${name} unit ${u}`, `${folder}${String(u).padStart(4, "0")}.html`]);
    }
    places = found.map((place) => [...place, place[1].toLowerCase()]);
  };
  // Names that begin with the text come first, then words that do, then the rest; equals keep their order.
  const matching = (text) => {
    const ranks = [[], [], []];
    if (!text) return places.slice(0, MOST);
    for (const place of places) {
      const at = place[3].indexOf(text);
      if (at >= 0) ranks[at === 0 ? 0 : /[a-z0-9]/.test(place[3][at - 1]) ? 2 : 1].push(place);
      if (ranks[0].length >= MOST) break;
    }
    return ranks.flat().slice(0, MOST);
  };

  const input = element("input", { type: "text", autocomplete: "off", spellcheck: false });
  const list = element("ul", { id: "switch-list", role: "listbox" }), none = element("p", { className: "quiet", hidden: true });
  for (const [name, value] of Object.entries({ role: "combobox", "aria-label": "Go to a page, class, image or unit", "aria-controls": "switch-list", "aria-expanded": "true", "aria-autocomplete": "list" })) input.setAttribute(name, value);
  list.setAttribute("aria-label", "Places");
  none.setAttribute("role", "status");
  const dialog = element("dialog", { className: "switch" }, input, list, none, R.keySwitch());
  dialog.setAttribute("aria-label", "Go to");
  let at = 0, shown = [], entered = false;  // entered: Enter was pressed before the places were there
  const mark = (to) => {
    at = Math.min(Math.max(to, 0), shown.length - 1);
    [...list.children].forEach((item, i) => item.setAttribute("aria-selected", i === at));
    if (shown.length) { input.setAttribute("aria-activedescendant", `switch-${at}`); list.children[at].scrollIntoView({ block: "nearest" }); } else input.removeAttribute("aria-activedescendant");
  };
  const go = (i) => { location.href = R.root + shown[i][2]; dialog.close(); };
  const show = () => {
    shown = places ? matching(input.value.trim().toLowerCase()) : [];
    list.replaceChildren(...shown.map(([what, name], i) => {
      const item = element("li", { id: `switch-${i}` }, element("span", { className: "name", textContent: name }), element("span", { className: "quiet", textContent: what }));
      item.setAttribute("role", "option");
      item.addEventListener("click", () => go(i));
      return item;
    }));
    if (places) none.hidden = shown.length > 0;
    mark(0);
  };
  const open = async () => {
    input.value = "";
    entered = false;
    dialog.showModal();
    none.textContent = "Nothing of that name.";
    try { if (!places) await gather(); } catch (error) { none.textContent = `Nowhere to go: ${error.message}.`; none.hidden = false; return; }
    show();
    if (entered && dialog.open && shown.length) go(0);
  };
  input.addEventListener("input", show);
  dialog.addEventListener("keydown", (event) => {
    event.stopPropagation();
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) { event.preventDefault(); mark(at + step); }
    else if (event.key === "Enter" && event.target === input) {
      event.preventDefault();
      if (shown.length) go(at); else entered = !places;
    }
  });
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  const button = element("button", { type: "button", className: "go" }, "Go to…", element("kbd", { textContent: "/" }));
  button.addEventListener("click", open);
  document.querySelector("header.top nav").before(button);
  document.body.append(dialog);
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || !R.keys() || event.altKey || event.ctrlKey || event.metaKey || event.target.closest("textarea, select, input:not([type=range], [type=checkbox])")) return;
    event.preventDefault();
    open();
  });
})();
