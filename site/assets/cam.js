/* Activation maps drawn from their numbers, by the rules of the pictures that the report holds (`draw/overlay.py`). */
window.reportgen.cam = (() => {
  "use strict";
  const { inferno, diverging, overlayRamp } = window.reportgen.constants;

  /**
   * Colours of a share in [0, 1], between these at equal distances.
   * @param {string[]} colours
   * @returns {(share: number) => Rgb}
   */
  const scale = (colours) => {
    const anchors = colours.map((colour) => [0, 2, 4].map((at) => parseInt(colour.slice(at, at + 2), 16)));
    return (share) => {
      const position = share * (anchors.length - 1);
      const i = Math.min(Math.floor(position), anchors.length - 2);
      return anchors[i].map((value, c) => value + (position - i) * (anchors[i + 1][c] - value));
    };
  };
  const colour = scale(inferno);
  const signedColour = scale(diverging);

  /**
   * The two cells around each of some places in [0, 1] of an axis of n cells, and the share of the second.
   * @param {number[]} places
   * @param {number} n
   */
  const between = (places, n) =>
    places.map((place) => {
      const position = Math.min(Math.max(place * n - 0.5, 0), n - 1);
      const i = Math.floor(position);
      return { i, next: Math.min(i + 1, n - 1), share: position - i };
    });
  /**
   * The values where the columns xs and the rows ys cross: bilinear, half-pixel centres, clamped at the edges.
   * @param {Grid} grid
   * @param {number[]} xs
   * @param {number[]} ys
   */
  const sample = (grid, xs, ys) => {
    const values = new Float64Array(xs.length * ys.length);
    const columns = between(xs, grid[0].length);
    let p = 0;
    for (const row of between(ys, grid.length)) {
      const line = grid[row.i].map((value, j) => value + row.share * (grid[row.next][j] - value));
      for (const { i, next, share } of columns) values[p++] = line[i] + share * (line[next] - line[i]);
    }
    return values;
  };
  /** @type {Cam["valueAt"]} */
  const valueAt = (grid, x, y) => sample(grid, [x], [y])[0];

  // Row by row: all values of large maps are more arguments than a function may have.
  /** @type {Cam["maximum"]} */
  const maximum = (...grids) => grids.flat().reduce((most, row) => Math.max(most, ...row), -Infinity);

  /** @param {number} n */
  const centres = (n) => Array.from({ length: n }, (_, i) => (i + 0.5) / n);

  /** @type {Cam["enlarge"]} */
  const enlarge = (grid, [width, height]) => {
    const values = sample(grid, centres(width), centres(height));
    return { values, width, height, peak: values.reduce((a, b) => Math.max(a, b)) };
  };

  // The canvas covers the whole image; what lies outside of the window is no input of the network and stays clear.
  /** @type {Cam["draw"]} */
  const draw = (canvas, grid, top, opacity, [x0, y0, x1, y1], [width, height]) => {
    const palette = new Uint8ClampedArray(4 * 256);
    for (let step = 0; step < 256; step++) {
      palette.set([...colour(step / 255), opacity * Math.min(255, step * overlayRamp)], 4 * step);
    }
    const colours = new Uint32Array(palette.buffer);
    const xs = centres(canvas.width).map((x) => (x * width - x0) / (x1 - x0));
    const ys = centres(canvas.height).map((y) => (y * height - y0) / (y1 - y0));
    const inWindow = xs.map((x) => x >= 0 && x <= 1);
    const values = sample(grid, xs, ys);
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    const picture = context.createImageData(canvas.width, canvas.height);
    const pixels = new Uint32Array(picture.data.buffer);
    ys.forEach((y, row) => {
      if (y < 0 || y > 1) return;
      for (let column = 0, p = row * xs.length; column < xs.length; column++, p++) {
        if (inWindow[column]) pixels[p] = colours[Math.round(255 * Math.min(Math.max(values[p] / top, 0), 1))];
      }
    });
    context.putImageData(picture, 0, 0);
  };

  return { colour, signedColour, valueAt, maximum, enlarge, draw };
})();
