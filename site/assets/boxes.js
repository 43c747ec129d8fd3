/* Boxes: the predicted box of an activation map at any threshold, IoU, and drawing. */
window.reportgen.boxes = (() => {
  "use strict";
  const { svg: svgElement } = window.reportgen.dom;

  /**
   * The bounding box of the largest 8-connected region of free cells; among equals the first in reading order.
   * @param {Uint8Array} free - 1 in the cells of the regions; used up
   * @param {number} width - of a row of `free`, with a border of one cell at all sides that is not free
   * @returns {Box} first and last column and row, without the border
   */
  const largestRegion = (free, width) => {
    const neighbours = [-width - 1, -width, -width + 1, -1, 1, width - 1, width, width + 1];
    const stack = new Int32Array(free.length);
    /** @type {Box} */
    let largest = [0, 0, 0, 0];
    let most = 0;
    for (let start = 0; start < free.length; start++) {
      if (!free[start]) continue;
      let [count, top, left, right, upper, lower] = [0, 1, width, 0, width, 0];
      stack[0] = start;
      free[start] = 0;
      while (top) {
        const p = stack[--top];
        const y = Math.floor(p / width);
        const x = p - y * width;
        count++;
        if (x < left) left = x;
        if (x > right) right = x;
        if (y < upper) upper = y;
        if (y > lower) lower = y;
        for (let k = 0; k < 8; k++) {
          if (!free[p + neighbours[k]]) continue;
          free[p + neighbours[k]] = 0;
          stack[top++] = p + neighbours[k];
        }
      }
      if (count > most) {
        most = count;
        largest = [left - 1, upper - 1, right - 1, lower - 1];
      }
    }
    return largest;
  };

  // The recipe "paper" (`metrics/localization/boxes.py`).
  /** @type {Boxes["predicted"]} */
  const predicted = ({ values, peak, ...input }, threshold, [x0, y0, x1, y1], [width, height]) => {
    if (!(peak > 0)) return null;
    const bordered = input.width + 2;
    const free = new Uint8Array(bordered * (input.height + 2));
    for (let y = 0, p = 0; y < input.height; y++) {
      for (let x = 0; x < input.width; x++, p++) {
        free[(y + 1) * bordered + x + 1] = Number(values[p] >= threshold * peak);
      }
    }
    const [left, upper, right, lower] = largestRegion(free, bordered);
    /** @param {number} column */
    const toX = (column) => Math.min(Math.max(x0 + (column / input.width) * (x1 - x0), 0), width);
    /** @param {number} row */
    const toY = (row) => Math.min(Math.max(y0 + (row / input.height) * (y1 - y0), 0), height);
    return [toX(left), toY(upper), toX(right + 1), toY(lower + 1)];
  };

  /** @type {Boxes["iou"]} */
  const iou = (a, b) => {
    const width = Math.max(0, Math.min(a[2], b[2]) - Math.max(a[0], b[0]));
    const height = Math.max(0, Math.min(a[3], b[3]) - Math.max(a[1], b[1]));
    const shared = width * height;
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared);
  };

  /** @type {Boxes["svg"]} */
  const svg = ([width, height]) =>
    svgElement("svg", {
      class: "boxes",
      viewBox: `0 0 ${width} ${height}`,
      preserveAspectRatio: "none",
      "aria-hidden": "true",
    });

  /** @type {Boxes["rect"]} */
  const rect = (className, [left, upper, right, lower]) =>
    svgElement("rect", { class: className, x: left, y: upper, width: right - left, height: lower - upper });

  return { predicted, iou, svg, rect };
})();
