/* The line that selects images on the embedding map, and its text in the address. */
window.reportgen.embeddingLasso = (() => {
  "use strict";
  const MOST_POINTS = 60;

  /** @type {EmbeddingLasso["format"]} */
  const format = (layout, line) => {
    const step = Math.ceil(line.length / MOST_POINTS);
    const points = line.filter((_, j) => j % step === 0);
    return `${layout}:${points.map((point) => point.map((value) => Number(value.toFixed(4))).join(",")).join(";")}`;
  };

  /** @type {EmbeddingLasso["parse"]} */
  const parse = (text) => {
    if (!text) return null;
    const [layout, points = ""] = text.split(":");
    return { layout, points: points.split(";").map((point) => /** @type {Point} */ (point.split(",").map(Number))) };
  };

  // Even-odd rule.
  /** @type {EmbeddingLasso["contains"]} */
  const contains = (points, x, y) => {
    let isInside = false;
    let [bx, by] = points[points.length - 1];
    for (const [ax, ay] of points) {
      if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) isInside = !isInside;
      [bx, by] = [ax, ay];
    }
    return isInside;
  };

  /** @type {EmbeddingLasso["box"]} */
  const box = ([left, top], [right, bottom]) => [
    [left, top],
    [right, top],
    [right, bottom],
    [left, bottom],
  ];

  return { format, parse, contains, box };
})();
