/* Orders of the images. */
window.reportgen.imageOrder = (() => {
  "use strict";
  /** @type {Record<string, number>} */
  const RANKS = { class: 0, inexact: 0, unlabelled: 2, right: 3, exact: 3 }; // others: wrong boxes
  /** @type {Record<string, (images: ImagesChunk) => (a: number, b: number) => number>} */
  const orders = {
    // wrong classes, then wrong boxes, the most confident first; then the rest, the least confident first
    mistakes: (images) => {
      const ranks = images.outcomes.map(([outcome]) => RANKS[outcome] ?? 1);
      return (a, b) => {
        const rank = ranks[images.outcome[a]];
        const isMistake = rank < RANKS.unlabelled;
        return rank - ranks[images.outcome[b]] || (images.score[b] - images.score[a]) * (isMistake ? 1 : -1);
      };
    },
    "score-": (images) => (a, b) => images.score[b] - images.score[a],
    "score+": (images) => (a, b) => images.score[a] - images.score[b],
    // images without an IoU come last
    "iou+": (images) => (a, b) =>
      Number(images.iou[a] < 0) - Number(images.iou[b] < 0) || images.iou[a] - images.iou[b],
    "iou-": (images) => (a, b) => images.iou[b] - images.iou[a],
    name: (images) => {
      const names = window.reportgen.imageFilter.lowerNames(images);
      return (a, b) => (names[a] < names[b] ? -1 : names[a] > names[b] ? 1 : a - b);
    },
    label: (images) => (a, b) => images.label[a] - images.label[b],
  };
  /** @type {ImageOrder["sorted"]} */
  const sorted = (images, rows, order = "") =>
    Object.hasOwn(orders, order) ? rows.toSorted(orders[order](images)) : rows;

  /** @type {ImageOrder["isOrder"]} */
  const isOrder = (text) => Object.hasOwn(orders, text);

  return { sorted, isOrder };
})();
