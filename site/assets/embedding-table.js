/* The list below the embedding map: the images that pass its filters and its selection, a hundred at a time. */
window.reportgen.embeddingTable = (holder) => {
  "use strict";
  const { data, dom, imageFigures } = window.reportgen;
  const { element, button } = dom;
  const PAGE_SIZE = 100;
  const MOST_REVIEWED = 1000; // the address of a review has the ids of its images
  /** @type {number[]} */
  let rows = [];
  let page = 0;

  const draw = () => {
    const images = data.chunk("images");
    const head = ["Image", "Label", "Prediction", "Outcome", imageFigures.words(images).scoreColumn];
    /** @param {number} i */
    const line = (i) => [
      imageFigures.link(images, i, images.name[i]),
      imageFigures.labelText(images, i),
      imageFigures.predictionText(images, i),
      imageFigures.outcomeChip(images, i),
      imageFigures.share(images.score[i]),
    ];
    if (!rows.length) {
      holder.replaceChildren(dom.empty("No image passes the filters and the selection. Clear one of them."));
      return;
    }
    const part = rows.slice(page * PAGE_SIZE, (page + 1) * PAGE_SIZE);
    holder.replaceChildren(dom.table("Images of the embedding map", head, part.map(line), 4));
    if (rows.length <= MOST_REVIEWED) {
      const href = `${data.root}review.html#ids=${rows.map((i) => images.id[i])}`;
      holder.append(element("p", {}, element("a", { href, textContent: "review these" })));
    }
    const last = Math.ceil(rows.length / PAGE_SIZE) - 1;
    if (last < 1) return;
    /** @param {string} text @param {number} next */
    const turn = (text, next) => {
      const made = button(text, () => {
        page = next;
        draw();
      });
      made.disabled = next < 0 || next > last;
      return made;
    };
    const [previous, next] = [turn("← previous hundred", page - 1), turn("next hundred →", page + 1)];
    holder.append(element("div", { className: "tools" }, previous, `${page + 1} of ${last + 1}`, next));
  };

  return {
    show: (next) => {
      rows = next;
      page = 0;
      draw();
    },
    exportCsv: async () => {
      await data.loadScripts("csv.js");
      window.reportgen.csv.downloadImages("selection.csv", data.chunk("images"), rows);
    },
  };
};
