/* Beside the embedding map: the selected images as figures and pictures; without a selection, the list of regions. */
window.reportgen.embeddingPanel = (panel, images, regions, choose) => {
  "use strict";
  const { entries, grouped } = regions;
  const { data, dom, imageFigures } = window.reportgen;
  const { element } = dom;
  const { count } = imageFigures;
  const words = imageFigures.words(images);
  const MOST = 60; // pictures
  const MOST_CLASSES = 3;
  const Z = 1.959964; // of a 95 % interval

  /** @param {number} share */
  const percent = (share) => `${Math.round(100 * share)} %`;
  /**
   * Wilson's 95 % interval, for independent images.
   * @param {number} some
   * @param {number} n
   * @returns {Point}
   */
  const wilson = (some, n) => {
    const middle = (some + (Z * Z) / 2) / (n + Z * Z);
    const half = (Z / (n + Z * Z)) * Math.sqrt((some * (n - some)) / n + (Z * Z) / 4);
    return [Math.max(0, middle - half), Math.min(1, middle + half)];
  };
  /**
   * @param {string} title
   * @param {"label" | "prediction"} of
   * @param {number[]} rows
   */
  const classes = (title, of, rows) => {
    /** @type {Map<number, number>} */
    const counts = new Map();
    for (const i of rows) {
      for (const k of data.classesOf(images, of, i)) counts.set(k, (counts.get(k) ?? 0) + 1);
    }
    const most = [...counts].sort((a, b) => b[1] - a[1]).slice(0, MOST_CLASSES);
    if (!most.length) return "";
    const texts = most.map(([k, n]) => `${imageFigures.className(images, k)} ${percent(n / rows.length)}`);
    return element("p", {}, element("span", { className: "quiet", textContent: `${title}: ` }), texts.join(", "));
  };
  /**
   * @param {number[]} rows
   * @param {RegionEntry | undefined} entry - the region that they are
   */
  const errors = (rows, entry) => {
    const labelled = rows.filter((i) => imageFigures.isWrong(images, i) !== null);
    const wrong = labelled.filter((i) => imageFigures.isWrong(images, i)).length;
    if (!labelled.length) return element("p", { className: "quiet", textContent: words.unlabelled });
    const [, , ...known] = entry?.errors ?? [];
    const bounds = known.length || grouped ? known : wilson(wrong, labelled.length);
    const interval = bounds.length ? ` (${bounds.map(percent).join(" to ")})` : "";
    const figure = element("strong", { textContent: percent(wrong / labelled.length) + interval });
    const counts = `, ${count(wrong)} of ${count(labelled.length)} ${words.labelled}`;
    return element("p", {}, `${words.wrong}: `, figure, counts);
  };
  /** @param {number} i */
  const picture = (i) => {
    const text = `${imageFigures.title(images, i)}: ${images.name[i]}`;
    const part = imageFigures.part(images, i);
    const photo = part
      ? imageFigures.cut(part, text)
      : element("img", { loading: "lazy", alt: text, title: text, src: data.root + images.photo[i] });
    const link = imageFigures.link(images, i, photo);
    link.className = imageFigures.isWrong(images, i) ? "wrong" : "";
    return element("li", {}, link);
  };

  const showRegions = () => {
    const named = entries.map((entry, region) => ({ ...entry, region })).filter(({ text }) => text);
    const hint = "Select images with the legend, a region, the lasso or the box. Their pictures appear here.";
    const rows = named.map(({ text, images: n, errors: wrong, region }) => {
      const share = wrong ? `${percent(wrong[0] / wrong[1])} wrong` : "";
      const figures = element("span", { className: "quiet", textContent: `${count(n)} ${share}` });
      return element(
        "li",
        {},
        dom.button(text, () => choose(region)),
        figures,
      );
    });
    panel.replaceChildren(
      element("h2", { textContent: named.length ? "Regions" : "Selection" }),
      element("p", { className: "quiet", textContent: hint }),
      element("ul", { className: "region-list" }, ...rows),
    );
  };
  /** @type {EmbeddingPanel["show"]} */
  const show = (rows, isFiltered, region) => {
    panel.scrollTop = 0;
    if (!isFiltered) {
      showRegions();
      return;
    }
    const entry = entries[region];
    const more = rows.length - MOST;
    panel.replaceChildren(
      element("h2", { textContent: entry ? entry.text || `Region ${region + 1}` : "Selection" }),
      element("p", {
        className: "quiet",
        textContent: entry ? `Region of ${count(entry.images)} images: ${entry.how}` : "",
      }),
      element("p", { textContent: `${count(rows.length)} of ${count(images.n)} images` }),
    );
    if (!rows.length) return;
    panel.append(
      errors(rows, rows.length === entry?.images ? entry : undefined),
      classes("Labels", "label", rows),
      classes("Predictions", "prediction", rows),
      element("ul", { className: "thumbs" }, ...rows.slice(0, MOST).map(picture)),
    );
    const text = more > 0 ? `${count(more)} more in the list below` : "";
    panel.append(element("p", { className: "quiet", textContent: text }));
  };
  return { show };
};
