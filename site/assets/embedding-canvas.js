/* Draws the embedding map on a 2-D canvas: where there is no WebGL2, and for more images than dots can show, which are
   drawn as a density. Pixels are written directly: a processor does that faster than a graphics library draws dots. */
window.reportgen.embeddingCanvas = (count, side, isMany) => {
  "use strict";
  const { atlasSide } = window.reportgen.constants;
  const DOTS_FROM = 10; // zoom from which on even many images are dots
  const BORDER = 1.5; // CSS pixels
  const canvas = document.createElement("canvas");
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const across = atlasSide / side;
  /** @type {HTMLImageElement[]} */
  const atlases = [];
  /** @type {Float32Array} */
  let from = new Float32Array(2 * count);
  let to = from;
  /** @type {Uint8Array} */
  let colours = new Uint8Array(4 * count);
  let sums = new Float32Array(0);
  let picture = context.createImageData(1, 1);

  /** @typedef {{ zoom: number, x: number, y: number, progress: number }} Frame */
  // A pixel has the mean colour of its images, the more opaque the more they are: half where they are as many as on
  // average.
  /** @param {Frame} frame */
  const drawDensity = ({ zoom, x, y, progress }) => {
    const { width, height, data } = picture;
    if (sums.length !== data.length) sums = new Float32Array(data.length);
    sums.fill(0);
    let total = 0;
    let used = 0;
    for (let i = 0; i < count; i++) {
      const px = from[2 * i] + progress * (to[2 * i] - from[2 * i]);
      const py = from[2 * i + 1] + progress * (to[2 * i + 1] - from[2 * i + 1]);
      const column = Math.floor((px - x) * zoom + width / 2);
      const row = Math.floor((py - y) * zoom + height / 2);
      if (!(column >= 0 && row >= 0 && column < width && row < height)) continue;
      const at = 4 * (row * width + column);
      const weight = colours[4 * i + 3];
      if (!sums[at + 3]) used++;
      total += weight;
      for (let c = 0; c < 3; c++) sums[at + c] += weight * colours[4 * i + c];
      sums[at + 3] += weight;
    }
    const mean = total / Math.max(1, used);
    for (let at = 0; at < sums.length; at += 4) {
      const weight = sums[at + 3];
      if (!weight) continue;
      for (let c = 0; c < 3; c++) data[at + c] = sums[at + c] / weight;
      data[at + 3] = (255 * weight) / (weight + mean);
    }
  };
  /** @param {Frame} frame @param {number} dot - side in pixels */
  const drawDots = ({ zoom, x, y, progress }, dot) => {
    const { width, height, data } = picture;
    const pixels = new Uint32Array(data.buffer);
    const whole = new Uint32Array(colours.buffer);
    for (let i = 0; i < count; i++) {
      const alpha = colours[4 * i + 3];
      if (!alpha) continue;
      const px = from[2 * i] + progress * (to[2 * i] - from[2 * i]);
      const py = from[2 * i + 1] + progress * (to[2 * i + 1] - from[2 * i + 1]);
      const left = Math.round((px - x) * zoom + width / 2 - dot / 2);
      const top = Math.round((py - y) * zoom + height / 2 - dot / 2);
      if (!(left >= 0 && top >= 0 && left + dot < width && top + dot < height)) continue;
      for (let row = top; row < top + dot; row++) {
        for (let column = left; column < left + dot; column++) {
          if (!pixels[row * width + column]) {
            pixels[row * width + column] = whole[i];
            continue;
          }
          const at = 4 * (row * width + column);
          const sum = alpha + (data[at + 3] * (255 - alpha)) / 255;
          for (let c = 0; c < 3; c++) data[at + c] += (alpha / sum) * (colours[4 * i + c] - data[at + c]);
          data[at + 3] = sum;
        }
      }
    }
  };

  /** @type {Renderer["draw"]} */
  const draw = ({ ratio, x, y, scale }, progress, dot, sprites) => {
    const { width, height } = canvas;
    const zoom = scale * ratio;
    if (picture.width !== width || picture.height !== height) picture = context.createImageData(width, height);
    picture.data.fill(0);
    if (isMany && scale < DOTS_FROM * Math.sqrt(count)) drawDensity({ zoom, x, y, progress });
    else drawDots({ zoom, x, y, progress }, Math.max(1, Math.round(dot * ratio * 0.8)));

    const size = Math.round(sprites.size * ratio);
    const border = Math.max(1, Math.floor(BORDER * ratio));
    /** @param {number} s @returns {Point} */
    const corner = (s) => [
      Math.round((sprites.xy[2 * s] - x) * zoom + (width - size) / 2),
      Math.round((sprites.xy[2 * s + 1] - y) * zoom + (height - size) / 2),
    ];
    const pixels = new Uint32Array(picture.data.buffer);
    const frames = new Uint32Array(sprites.colour.buffer);
    for (let s = 0; s < sprites.count; s++) {
      const [left, top] = corner(s);
      const [start, end] = [Math.max(left, 0), Math.min(left + size, width)];
      for (let row = Math.max(top, 0); row < Math.min(top + size, height); row++) {
        pixels.fill(frames[s] | 0xff000000, row * width + start, row * width + end);
      }
    }
    context.putImageData(picture, 0, 0);
    const inner = size - 2 * border;
    for (let s = 0; s < sprites.count; s++) {
      const [left, top] = corner(s);
      const k = sprites.slot[s] % (across * across);
      const atlas = atlases[Math.floor(sprites.slot[s] / (across * across))];
      const [sx, sy] = [(k % across) * side, Math.floor(k / across) * side];
      context.drawImage(atlas, sx, sy, side, side, left + border, top + border, inner, inner);
    }
  };

  return {
    name: "2-D canvas",
    canvas,
    move: (a, b) => {
      from = a;
      to = b;
    },
    paint: (next) => {
      colours = next;
    },
    addAtlas: (k, image) => {
      atlases[k] = image;
      return true;
    },
    draw,
  };
};
