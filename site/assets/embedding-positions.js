/* Positions of the images in every layout of the embedding map, unpacked when they are asked for. */
window.reportgen.embeddingPositions = (chunk) => {
  "use strict";
  const { noPosition } = window.reportgen.constants;
  const SMALLEST_EXTENT = 0.05; // what is narrower is not enlarged to the whole stage
  const THUMBNAIL = 0.8 / Math.sqrt(chunk.n); // about the size of thumbnails at zoom 1, which the stage must not cut
  /** @type {Map<string, Layout>} */
  const layouts = new Map();

  /**
   * @param {Float32Array} xy
   * @param {number} cell
   * @returns {Point} how much of the unit square the positions and the cells around them use
   */
  const extentOf = (xy, cell) => {
    const low = [1, 1];
    const high = [0, 0];
    for (let j = 0; j < xy.length; j++) {
      if (xy[j] < low[j % 2]) low[j % 2] = xy[j];
      if (xy[j] > high[j % 2]) high[j % 2] = xy[j];
    }
    const [width, height] = low.map((value, axis) => Math.max(SMALLEST_EXTENT, high[axis] - value + cell));
    return [width, height];
  };
  /**
   * @param {Uint16Array} packed
   * @param {number} width - columns of `packed`
   * @param {number[]} columns - those of x and y
   * @param {number} cell
   * @returns {Layout}
   */
  const unpack = (packed, width, columns, cell) => {
    const xy = new Float32Array(2 * chunk.n).fill(0.5);
    columns.forEach((column, axis) => {
      if (column >= width) return;
      for (let i = 0; i < chunk.n; i++) {
        const value = packed[i * width + column];
        xy[2 * i + axis] = value === noPosition ? NaN : value / (noPosition - 1);
      }
    });
    return { xy, cell, extent: extentOf(xy, cell || THUMBNAIL) };
  };

  /** @type {EmbeddingPositions["of"]} */
  const of = (name, x = 0, y = 1) => {
    const key = name === "pca" ? `pca ${x} ${y}` : name;
    let layout = layouts.get(key);
    if (!layout) {
      const cell = name === "grid" ? chunk.grid_cell : 0;
      layout =
        name === "pca"
          ? unpack(chunk.axes, Math.max(1, chunk.axes_explained.length), [x, y], 0)
          : unpack(/** @type {Uint16Array} */ (chunk[name]), 2, [0, 1], cell);
      layouts.set(key, layout);
    }
    return layout;
  };
  return { names: chunk.layouts.map(([name]) => name), of };
};
