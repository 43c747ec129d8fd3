/* Numbers and pictures of a layer's units, from the values that the network computed. */
window.reportgen.liveLayerMaps = (() => {
  "use strict";
  const { cam, constants } = window.reportgen;

  /** Three digits. @param {number} value */
  const number = (value) => String(Number(value.toPrecision(3))).replace("-", "−");

  /** @type {LiveLayerMaps["gridOf"]} */
  const gridOf = (values, u, [, height, width]) => {
    const start = u * height * width;
    return Array.from({ length: height }, (_, y) =>
      Array.from(values.subarray(start + y * width, start + (y + 1) * width)),
    );
  };

  /** @type {LiveLayerMaps["maxima"]} */
  const maxima = (values, [units, height, width]) => {
    const made = new Float32Array(units).fill(-Infinity);
    for (let u = 0, at = 0; u < units; u++) {
      for (let i = 0; i < height * width; i++, at++) if (values[at] > made[u]) made[u] = values[at];
    }
    return made;
  };

  // As in the report (`components/unit_figures.py`).
  /**
   * @param {number} deadRange
   * @param {Float32Array} largest
   * @param {Float32Array} mean
   * @param {Float32Array} deviation
   * @param {number} count
   * @returns {Scored[]}
   */
  const strongest = (deadRange, largest, mean, deviation, count) => {
    const units = Array.from(largest, (value, u) => {
      const above = value - mean[u];
      const rounding = deadRange * Math.abs(mean[u]);
      const otherwise = above > rounding ? Infinity : -Infinity;
      return { u, value, above, score: deviation[u] > rounding ? above / deviation[u] : otherwise };
    });
    units.sort((a, b) => (b.score === a.score ? b.above - a.above || a.u - b.u : b.score - a.score));
    return units.slice(0, count).filter(({ score }) => score > -Infinity);
  };

  /**
   * @param {number} signedShare
   * @param {HTMLCanvasElement} canvas
   * @param {Float32Array} values
   * @param {Shape} shape
   * @param {number} columns
   */
  const drawTiles = (signedShare, canvas, values, [units, height, width], columns) => {
    let [low, top] = [Infinity, -Infinity];
    for (const value of values) {
      if (value < low) low = value;
      if (value > top) top = value;
    }
    const isSigned = low < -signedShare * top;
    const limit = Math.max(-low, top);
    const [start, span] = isSigned ? [-limit, 2 * limit] : [low, top - low];
    const palette = new Uint8ClampedArray(4 * 256);
    for (let step = 0; step < 256; step++) {
      palette.set([...(isSigned ? cam.signedColour : cam.colour)(step / 255), 255], 4 * step);
    }
    const colours = new Uint32Array(palette.buffer);
    Object.assign(canvas, { width: columns * (width + 1) - 1, height: Math.ceil(units / columns) * (height + 1) - 1 });
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    const picture = context.createImageData(canvas.width, canvas.height);
    const pixels = new Uint32Array(picture.data.buffer);
    for (let u = 0, at = 0; u < units; u++) {
      const corner = Math.floor(u / columns) * (height + 1) * canvas.width + (u % columns) * (width + 1);
      for (let y = 0; y < height; y++) {
        for (let x = 0; x < width; x++) {
          pixels[corner + y * canvas.width + x] = colours[Math.round((255 * (values[at++] - start)) / (span || 1))];
        }
      }
    }
    context.putImageData(picture, 0, 0);
    return { low, top, isSigned };
  };

  /** @type {LiveLayerMaps["drawOver"]} */
  const drawOver = (canvas, photo, grid) => {
    const map = Object.assign(document.createElement("canvas"), { width: canvas.width, height: canvas.height });
    const top = cam.maximum(grid);
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    context.globalAlpha = 1;
    context.filter = "grayscale(1) brightness(0.8)"; // so that the colours are those of the map
    context.drawImage(photo, 0, 0, canvas.width, canvas.height);
    context.filter = "none";
    if (!(top > 0)) return;
    cam.draw(map, grid, top, 1, [0, 0, 1, 1], [1, 1]);
    context.globalAlpha = constants.overlayOpacity;
    context.drawImage(map, 0, 0);
  };

  // Each filter from its minimum to its maximum, as on the page Filters.
  /**
   * @param {HTMLCanvasElement} canvas
   * @param {Float32Array} filters
   * @param {number} u
   * @param {Shape} shape
   */
  const drawFilter = (canvas, filters, u, [channels, height, width]) => {
    const weights = filters.subarray(u * channels * height * width, (u + 1) * channels * height * width);
    const [low, high] = [Math.min(...weights), Math.max(...weights)];
    Object.assign(canvas, { width, height });
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    const picture = context.createImageData(width, height);
    for (let i = 0; i < height * width; i++) {
      for (let c = 0; c < 3; c++) {
        const weight = weights[(channels === 1 ? 0 : c) * height * width + i];
        picture.data[4 * i + c] = Math.round((255 * (weight - low)) / (high - low || 1));
      }
      picture.data[4 * i + 3] = 255;
    }
    context.putImageData(picture, 0, 0);
  };

  /** @type {Reportgen["liveLayerMaps"]["of"]} */
  const of = (chunk) => ({
    gridOf,
    maxima,
    drawOver,
    strongest: (...given) => strongest(chunk.dead_range, ...given),
    drawTiles: (...given) => drawTiles(chunk.signed_share, ...given),
    drawFilter: (canvas, u) => drawFilter(canvas, chunk.filters, u, chunk.filter_shape),
  });
  return { number, of };
})();
