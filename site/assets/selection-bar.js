/* What shows the selection on every page: a bar at the lower edge, and faint pictures of the images outside of it. */
window.reportgen.selectionBar = () => {
  "use strict";
  const { data, dom, imageFilter, selection, state } = window.reportgen;
  const { element } = dom;
  const PAGES = { "images/index.html": "images", "embedding/index.html": "map", "review.html": "review" };
  const images = data.chunk("images");
  const values = selection.read();
  const text = imageFilter.describe(images, values);
  const rows = new Set(text ? imageFilter.select(images, values) : []);

  // The address of an image's full page begins with its number, that of its short page has its id.
  for (const link of document.querySelectorAll(/** @type {"a"} */ ("main a[href*='image']"))) {
    const url = link.getAttribute("href") ?? "";
    const number = url.match(/images\/(\d{6,})-/);
    const id = url.match(/image\.html#(?:.*&)?id=([0-9a-f]+)/);
    const row = number ? Number(number[1]) : id ? images.id.indexOf(id[1]) : -1;
    if (row >= 0) link.classList.toggle("outside", text !== "" && !rows.has(row));
  }

  const clear = () => {
    const others = Object.entries(state.read()).filter(([key]) => !selection.keys.includes(key));
    state.push(Object.fromEntries(others));
    window.dispatchEvent(new HashChangeEvent("hashchange"));
  };
  document.querySelector(".selection")?.remove();
  if (!text || document.getElementById("explore")) return; // the page Images shows its filters itself
  const links = element("span", { className: "go-to" });
  for (const [url, name] of Object.entries(PAGES)) {
    const entry = document.querySelector(/** @type {"a"} */ (`header.top a[href$="${url}"]`));
    if (!entry || location.pathname.endsWith(`/${url}`)) continue;
    links.append(element("a", { href: data.root + url, textContent: name }));
  }
  const count = `${rows.size.toLocaleString("en")} of ${images.n.toLocaleString("en")} images`;
  const bar = element(
    "aside",
    { className: "selection", ariaLabel: "Selection" },
    element("span", {}, element("strong", { textContent: text }), ` ${count}`),
    links,
    dom.button("clear", clear, "clear the selection"),
  );
  document.body.append(bar);
};
