/* Changes of the live page's image, all in the network's input: what the network sees is what is shown. */
window.reportgen.liveEdits = (fill) => {
  "use strict";
  const { liveResize } = window.reportgen;
  const { round, min, max, floor, hypot } = Math;

  /** @type {LiveEdits["none"]} */
  const none = () => ({ square: null, erased: [], shift: [0, 0], zoom: 100, turn: 0, bright: 100, blur: 0 });

  /**
   * A picture of the same size, each pixel read at a place of the old one: bilinear; the fill outside of it.
   * @param {Pixels} image
   * @param {(x: number, y: number) => Point} placeOf
   * @returns {Pixels}
   */
  const moved = ({ data, width, height, channels }, placeOf) => {
    const made = new Uint8ClampedArray(data.length);
    /** @param {number} x @param {number} y @param {number} c */
    const at = (x, y, c) =>
      x < 0 || y < 0 || x >= width || y >= height ? fill[c] : data[(y * width + x) * channels + c];
    for (let y = 0, p = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const [u, v] = placeOf(x, y);
        const [left, top] = [floor(u), floor(v)];
        const [a, b] = [u - left, v - top];
        for (let c = 0; c < channels; c++) {
          const upper = at(left, top, c) * (1 - a) + (a && at(left + 1, top, c) * a);
          const lower = b && at(left, top + 1, c) * (1 - a) + (a && at(left + 1, top + 1, c) * a);
          made[p++] = upper * (1 - b) + lower * b;
        }
      }
    }
    return { data: made, width, height, channels };
  };

  /** @param {Pixels} image @param {number} degrees */
  const turned = (image, degrees) => {
    const angle = (degrees * Math.PI) / 180;
    const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
    const [cx, cy] = [(image.width - 1) / 2, (image.height - 1) / 2];
    return moved(image, (x, y) => [cx + (x - cx) * cos + (y - cy) * sin, cy + (y - cy) * cos - (x - cx) * sin]);
  };

  /** The middle of an image, enlarged. @param {Pixels} image @param {number} percent */
  const zoomed = (image, percent) => {
    const { width, height } = image;
    const [w, h] = [(width * 100) / percent, (height * 100) / percent];
    /** @type {Box} */
    const box = [(width - w) / 2, (height - h) / 2, (width + w) / 2, (height + h) / 2];
    return liveResize.resize(image, [width, height], { interpolation: "bilinear", height_first: false }, box);
  };

  /** A Gaussian, cut at three standard deviations; edge pixels repeat. @param {Pixels} image @param {number} sigma */
  const blurred = (image, sigma) => {
    const reach = Math.ceil(3 * sigma);
    const weights = Array.from({ length: 2 * reach + 1 }, (_, i) => Math.exp(-((i - reach) ** 2) / (2 * sigma ** 2)));
    const sum = weights.reduce((a, b) => a + b);
    const { width, height, channels } = image;
    let values = Float32Array.from(image.data);
    for (const [length, step, lines] of [
      [width, channels, height],
      [height, width * channels, width],
    ]) {
      const across = step === channels ? width * channels : channels;
      const made = new Float32Array(values.length);
      for (let line = 0; line < lines; line++) {
        for (let i = 0; i < length; i++) {
          for (let c = 0; c < channels; c++) {
            let total = 0;
            for (let w = -reach; w <= reach; w++) {
              total += weights[w + reach] * values[line * across + min(max(i + w, 0), length - 1) * step + c];
            }
            made[line * across + i * step + c] = total / sum;
          }
        }
      }
      values = made;
    }
    return { ...image, data: Uint8ClampedArray.from(values) };
  };

  /**
   * Fills the pixels of a box for which a test holds.
   * @param {Pixels} image
   * @param {Box} box
   * @param {(x: number, y: number) => boolean} isIn
   */
  const paint = ({ data, width, height, channels }, [x0, y0, x1, y1], isIn) => {
    for (let y = max(round(y0), 0); y < min(round(y1), height); y++) {
      for (let x = max(round(x0), 0); x < min(round(x1), width); x++) {
        if (isIn(x, y)) data.set(fill, (y * width + x) * channels);
      }
    }
  };

  /** @type {LiveEdits["apply"]} */
  const apply = (original, { square, erased, shift: [dx, dy], zoom, turn, bright, blur }) => {
    let image = original;
    if (dx || dy) image = moved(image, (x, y) => [x - dx, y - dy]);
    if (zoom !== 100) image = zoomed(image, zoom);
    if (turn) image = turned(image, turn);
    if (bright !== 100) image = { ...image, data: image.data.map((value) => (value * bright) / 100) };
    if (blur) image = blurred(image, blur);
    if (square || erased.length) image = { ...image, data: image.data.slice() };
    for (const [x, y, r] of erased) {
      paint(image, [x - r, y - r, x + r + 1, y + r + 1], (u, v) => hypot(u - x, v - y) <= r);
    }
    if (square) paint(image, [square[0], square[1], square[0] + square[2], square[1] + square[2]], () => true);
    return image;
  };

  // `square=40.60.32&erased=1.2.8_3.4.8&shift=-5.0&zoom=120&turn=-15&bright=80&blur=2`
  /** @type {LiveEdits["toState"]} */
  const toState = (edits) => {
    const empty = none();
    return {
      square: edits.square?.join(".") ?? "",
      erased: edits.erased.map((dot) => dot.join(".")).join("_"),
      shift: edits.shift.some(Boolean) ? edits.shift.join(".") : "",
      ...Object.fromEntries(NUMBERS.map(([key]) => [key, edits[key] === empty[key] ? "" : edits[key]])),
    };
  };
  /** @type {LiveEdits["fromState"]} */
  const fromState = (state) => {
    const edits = none();
    /** @param {string | undefined} text @param {number} count */
    const whole = (text, count) => {
      const values = (text ?? "").split(".").map(Number);
      return values.length === count && values.every((v) => Number.isInteger(v) && Math.abs(v) < 1e4) ? values : null;
    };
    edits.square = /** @type {any} */ (whole(state.square, 3));
    for (const dot of (state.erased ?? "").split("_")) {
      const values = whole(dot, 3);
      if (values) edits.erased.push(/** @type {any} */ (values));
    }
    edits.shift = /** @type {any} */ (whole(state.shift, 2)) ?? [0, 0];
    for (const [key, least, most] of NUMBERS) {
      const value = Number(state[key] || edits[key]);
      if (value >= least && value <= most) edits[key] = value;
    }
    return edits;
  };
  /** @type {LiveEdits["numbers"]} */
  const NUMBERS = [
    ["zoom", 100, 400],
    ["turn", -180, 180],
    ["bright", 0, 300],
    ["blur", 0, 10],
  ];

  /** @type {LiveEdits["isNone"]} */
  const isNone = (edits) => JSON.stringify(edits) === JSON.stringify(none());
  return { none, apply, toState, fromState, isNone, numbers: NUMBERS };
};
