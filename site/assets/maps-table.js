/* The list beside a map: the images that fit its filters and its selection, a hundred at a time, and as CSV. */
(() => {
  "use strict";
  const PAGE = 100, REVIEWED = 1000; // more images would make too long an address
  window.reportgen.listing = (holder) => {
    const R = window.reportgen, { element } = R;
    let rows = [], page = 0;
    const show = () => {
      const table = R.chunks.images;
      const link = (i) => element("a", { href: R.root + table.page[i] }, table.name[i]);
      const line = (i) => [link(i), R.className(table, table.label[i]), R.className(table, table.predicted[i]), R.chip(...table.kinds[table.kind[i]]), R.share(table.score[i])];
      const head = ["Image", "Label", "Prediction", "Outcome", "Confidence"].map((text, j) => element("th", { scope: "col", textContent: text, className: j === 4 ? "n" : "" }));
      const body = rows.slice(page * PAGE, (page + 1) * PAGE).map((i) => element("tr", {}, ...line(i).map((content, j) => element("td", { className: j === 4 ? "n" : "" }, content))));
      const made = element("table", {}, element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...body));
      const scroll = element("div", { className: "scroll", tabIndex: 0 }, made);
      scroll.setAttribute("role", "region");
      scroll.setAttribute("aria-label", "Images of the map");
      holder.replaceChildren(rows.length ? scroll : element("p", { className: "empty", textContent: "No image fits the filters and the selection. Clear one of them." }));
      if (rows.length && rows.length <= REVIEWED) holder.append(element("p", {}, element("a", { href: `${R.root}review.html#ids=${rows.map((i) => table.id[i])}`, textContent: "review these" })));
      const last = Math.ceil(rows.length / PAGE) - 1;
      if (last < 1) return;
      const turn = (text, next) => {
        const button = element("button", { type: "button", textContent: text, disabled: next < 0 || next > last });
        button.addEventListener("click", () => { page = next; show(); });
        return button;
      };
      holder.append(element("div", { className: "tools" }, turn("← previous hundred", page - 1), `${page + 1} of ${last + 1}`, turn("next hundred →", page + 1)));
    };
    const exported = () => {
      const table = R.chunks.images;
      const header = ["id", "name", "label", "predicted", "outcome", "confidence"];
      const line = (i) => [table.id[i], table.name[i], R.className(table, table.label[i]), R.className(table, table.predicted[i]), table.kinds[table.kind[i]][1], table.score[i] / 1000];
      R.download("selection.csv", R.csv(header, rows.map(line)), "text/csv");
    };
    return { set: (next) => { rows = next; page = 0; show(); }, exported };
  };
})();
