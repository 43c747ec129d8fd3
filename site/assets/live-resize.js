/* The job's preprocessing, pixel for pixel: Pillow's `resize` (libImaging/Resample.c), then the centre of the image. */
window.reportgen.liveResize = (() => {
  "use strict";
  const PRECISION = 2 ** 22;

  /** @param {number} x */
  const sinc = (x) => (x === 0 ? 1 : Math.sin(x * Math.PI) / (x * Math.PI));
  /** @type {Record<string, [number, (x: number) => number]>} */
  const FILTERS = {
    box: [0.5, (x) => (x > -0.5 && x <= 0.5 ? 1 : 0)],
    bilinear: [1, (x) => Math.max(1 - Math.abs(x), 0)],
    hamming: [1, (x) => (Math.abs(x) >= 1 ? 0 : sinc(x) * (0.54 + 0.46 * Math.cos(x * Math.PI)))],
    bicubic: [
      2,
      (signed) => {
        const x = Math.abs(signed);
        if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
        return x < 2 ? (((x - 5) * x + 8) * x - 4) * -0.5 : 0;
      },
    ],
    lanczos: [3, (x) => (x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0)],
  };

  /**
   * For each of `out` pixels between `from` and `to` of an axis: the first pixel that counts, and the weights of the
   * pixels from there on, in units of 1 / PRECISION.
   * @param {number} size
   * @param {number} from
   * @param {number} to
   * @param {number} out
   * @param {string} filter
   */
  const coefficients = (size, from, to, out, filter) => {
    const [radius, weight] = FILTERS[filter];
    const scale = Math.fround(to - from) / out; // of float32, as Pillow's boxes
    const stretch = Math.max(scale, 1);
    const support = radius * stretch;
    return Array.from({ length: out }, (_, i) => {
      const centre = from + (i + 0.5) * scale;
      const first = Math.max(Math.trunc(centre - support + 0.5), 0);
      const end = Math.min(Math.trunc(centre + support + 0.5), size);
      const weights = Array.from({ length: end - first }, (__, x) =>
        weight((x + first - centre + 0.5) * (1 / stretch)),
      );
      const sum = weights.reduce((a, b) => a + b, 0);
      const fixed = weights.map((w) => Math.trunc((sum ? w / sum : w) * PRECISION + (w < 0 ? -0.5 : 0.5)));
      return { first, weights: fixed };
    });
  };

  /**
   * One pass along an axis. step: between the pixels of the axis in `data`; starts: of the lines across it.
   * @param {Pixels} image
   * @param {boolean} isHorizontal
   * @param {ReturnType<typeof coefficients>} table
   * @returns {Pixels}
   */
  const pass = ({ data, width, height, channels }, isHorizontal, table) => {
    const [wide, high] = isHorizontal ? [table.length, height] : [width, table.length];
    const made = new Uint8ClampedArray(wide * high * channels);
    const step = isHorizontal ? channels : width * channels;
    for (let y = 0, p = 0; y < high; y++) {
      for (let x = 0; x < wide; x++) {
        const { first, weights } = table[isHorizontal ? x : y];
        const start = isHorizontal ? (y * width + first) * channels : (first * width + x) * channels;
        for (let c = 0; c < channels; c++) {
          let sum = PRECISION / 2;
          for (let i = 0, at = start + c; i < weights.length; i++, at += step) sum += data[at] * weights[i];
          made[p++] = Math.floor(sum / PRECISION);
        }
      }
    }
    return { data: made, width: wide, height: high, channels };
  };

  /**
   * @param {Pixels} image
   * @param {Point} size
   * @param {Box} box
   * @returns {Pixels}
   */
  const nearest = ({ data, width, channels }, [wide, high], [x0, y0, x1, y1]) => {
    const made = new Uint8ClampedArray(wide * high * channels);
    /** @param {number} from @param {number} to @param {number} out */
    const places = (from, to, out) => {
      const scale = (to - from) / out;
      let at = from + scale * 0.5; // added up, as Pillow does
      return Array.from({ length: out }, () => {
        const place = Math.floor(at);
        at += scale;
        return place;
      });
    };
    const columns = places(x0, x1, wide);
    let p = 0;
    for (const y of places(y0, y1, high)) {
      for (const x of columns) {
        for (let c = 0; c < channels; c++) made[p++] = data[(y * width + x) * channels + c];
      }
    }
    return { data: made, width: wide, height: high, channels };
  };

  /** @type {LiveResize["resize"]} */
  const resize = (image, size, { interpolation: filter, height_first: heightFirst }, box) => {
    const [x0, y0, x1, y1] = (box ?? [0, 0, image.width, image.height]).map(Math.fround);
    const isWhole = x0 === 0 && y0 === 0 && x1 === image.width && y1 === image.height;
    if (isWhole && size[0] === image.width && size[1] === image.height) return image;
    if (filter === "nearest") return nearest(image, size, [x0, y0, x1, y1]);
    const passes = [true, false].filter((isHorizontal) => {
      const [from, to, out] = isHorizontal ? [x0, x1, size[0]] : [y0, y1, size[1]];
      return out !== (isHorizontal ? image.width : image.height) || from !== 0 || to !== out;
    });
    if (heightFirst && image.height - size[1] > 2 * Math.max(image.width - size[0], 0)) passes.reverse();
    let made = image;
    for (const isHorizontal of passes) {
      const axis = isHorizontal
        ? coefficients(image.width, x0, x1, size[0], filter)
        : coefficients(image.height, y0, y1, size[1], filter);
      made = pass(made, isHorizontal, axis);
    }
    return made;
  };

  /** Of two equally near whole numbers the even one, as Python's `round`. @param {number} x */
  const round = (x) => (Math.abs(x % 1) === 0.5 ? 2 * Math.round(x / 2) : Math.round(x));

  /**
   * Size of the scaled image, and the left upper corner of the part that is cut from it.
   * @param {Point} size
   * @param {LivePreprocessing} how
   */
  const scaled = ([width, height], how) => {
    const [high, wide] = how.resized;
    /** @type {Point} */
    let size = [wide, high];
    if (!how.squash && high === wide) {
      size =
        width <= height ? [wide, Math.trunc((wide * height) / width)] : [Math.trunc((high * width) / height), high];
    } else if (!how.squash) {
      const ratio = Math.min(width / wide, height / high);
      size = [round(width / ratio), round(height / ratio)];
    }
    const cut = how.crop_offset === "floor" ? Math.floor : round;
    return { size, left: cut((size[0] - how.width) / 2), top: cut((size[1] - how.height) / 2) };
  };

  /** @type {LiveResize["window"]} */
  const windowOf = (size, how) => {
    if (how.resize === "warp") return [0, 0, ...size];
    const { size: to, left, top } = scaled(size, how);
    const [sx, sy] = [size[0] / to[0], size[1] / to[1]];
    return [left * sx, top * sy, (left + how.width) * sx, (top + how.height) * sy];
  };

  /**
   * A part of an image; what lies outside of the image is black.
   * @param {Pixels} image
   * @param {number} left
   * @param {number} top
   * @param {Point} size
   * @returns {Pixels}
   */
  const crop = ({ data, width, height, channels }, left, top, [wide, high]) => {
    const made = new Uint8ClampedArray(wide * high * channels);
    const [from, to] = [Math.max(left, 0), Math.min(left + wide, width)];
    for (let y = Math.max(top, 0); y < Math.min(top + high, height); y++) {
      const row = data.subarray((y * width + from) * channels, (y * width + to) * channels);
      made.set(row, ((y - top) * wide + from - left) * channels);
    }
    return { data: made, width: wide, height: high, channels };
  };

  /** @type {LiveResize["input"]} */
  const input = (image, how) => {
    /** @type {Point} */
    const whole = [image.width, image.height];
    /** @type {Point} */
    const target = [how.width, how.height];
    if (how.resize === "warp") return resize(image, target, how);
    const { size, left, top } = scaled(whole, how);
    if (Math.max(...size) > how.max_side) return resize(image, target, how, windowOf(whole, how));
    return crop(resize(image, size, how), left, top, target);
  };

  return { resize, window: windowOf, input };
})();
