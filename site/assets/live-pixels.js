/* From image files to the network's input: decoding without colour management, as Pillow does, and normalization. */
window.reportgen.livePixels = (() => {
  "use strict";
  const { liveResize } = window.reportgen;

  /**
   * The pixels of what a canvas can draw: RGB, or grey where the network has one channel (Pillow's `convert("L")`).
   * @type {LivePixels["read"]}
   */
  const read = (source, [width, height], channels) => {
    const canvas = Object.assign(document.createElement("canvas"), { width, height });
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", { willReadFrequently: true }));
    context.drawImage(source, 0, 0);
    const { data } = context.getImageData(0, 0, width, height);
    const made = new Uint8ClampedArray(width * height * channels);
    for (let from = 0, to = 0; from < data.length; from += 4) {
      if (channels === 1) {
        made[to++] = (data[from] * 19595 + data[from + 1] * 38470 + data[from + 2] * 7471 + 0x8000) >> 16;
      } else {
        for (let c = 0; c < 3; c++) made[to++] = data[from + c];
      }
    }
    return { data: made, width, height, channels };
  };

  /** @type {LivePixels["decode"]} */
  const decode = async (file, channels) => {
    const bitmap = await createImageBitmap(file, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
    try {
      return read(bitmap, [bitmap.width, bitmap.height], channels);
    } finally {
      bitmap.close();
    }
  };

  /** @type {LivePixels["input"]} */
  const input = (image, how) => ({
    pixels: liveResize.input(image, how),
    window: liveResize.window([image.width, image.height], how),
    size: [image.width, image.height],
  });

  // In float32, as the job: (pixel − 255 · mean) / (255 · std).
  /** @type {LivePixels["normalize"]} */
  const normalize = ({ data, width, height, channels }, { mean, std }, into = undefined, offset = 0) => {
    const plane = width * height;
    const values = into ?? new Float32Array(channels * plane);
    for (let c = 0; c < channels; c++) {
      const [m, s] = [mean, std].map((all) => Math.fround(Math.fround(all[c]) * 255));
      const table = Float32Array.from({ length: 256 }, (_, p) => Math.fround(p - m) / s);
      for (let i = 0, at = offset + c * plane; i < plane; i++) values[at++] = table[data[i * channels + c]];
    }
    return values;
  };

  /** @type {LivePixels["draw"]} */
  const draw = (canvas, { data, width, height, channels }) => {
    Object.assign(canvas, { width, height });
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    const picture = context.createImageData(width, height);
    for (let i = 0, to = 0; i < width * height; i++, to += 4) {
      for (let c = 0; c < 3; c++) picture.data[to + c] = data[i * channels + (channels === 1 ? 0 : c)];
      picture.data[to + 3] = 255;
    }
    context.putImageData(picture, 0, 0);
  };

  return { read, decode, input, normalize, draw };
})();
