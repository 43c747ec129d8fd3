/* Occlusion sensitivity of the open image, as the job computes it: coarse positions first, then finer ones. */
window.reportgen.liveOcclusion = (live) => {
  "use strict";
  const { cam, liveAnswer } = window.reportgen;
  const { side, stride, fill } = live.occlusion;
  const { width, height, channels, mean, std } = live.preprocessing;
  const batchSize = live.has_gradient ? 1 : 4; // a change of the image waits for one batch at most
  const STEPS = [4, 2, 1];
  const normalized = Array.from({ length: channels }, (_, c) => (fill[c] - mean[c]) / std[c]);

  /** Edges of the square along an axis: every stride, and the far edge. @param {number} extent */
  const edges = (extent) => {
    const count = Math.floor((extent - side) / stride) + 1;
    return [...new Set([...Array.from({ length: count }, (_, i) => i * stride), extent - side])];
  };
  const [rows, columns] = [edges(height), edges(width)];

  /** @param {Float32Array} images @param {number} at @param {number} top @param {number} left */
  const cover = (images, at, top, left) => {
    for (let c = 0; c < channels; c++) {
      for (let y = top; y < top + side; y++) {
        const start = at + (c * height + y) * width + left;
        images.fill(normalized[c], start, start + side);
      }
    }
  };

  /** Places [row, column] in the order of computation, each with the step at which it is computed. */
  const order = STEPS.flatMap((step, level) =>
    rows.flatMap((_, r) =>
      columns.flatMap((__, c) => {
        const isKnown = level > 0 && r % STEPS[level - 1] === 0 && c % STEPS[level - 1] === 0;
        return r % step || c % step || isKnown ? [] : [{ r, c, step }];
      }),
    ),
  );

  /** @type {LiveOcclusion["run"]} */
  const run = async (network, image, k, clean, progress) => {
    const scores = rows.map(() => columns.map(() => 0));
    for (let start = 0; start < order.length; start += batchSize) {
      const batch = order.slice(start, start + batchSize);
      const images = new Float32Array(batch.length * image.length);
      batch.forEach(({ r, c }, i) => {
        images.set(image, i * image.length);
        cover(images, i * image.length, rows[r], columns[c]);
      });
      const { logits } = await network.run(images, ["logits"]);
      const classes = live.classes.length;
      batch.forEach(({ r, c, step }, i) => {
        const drop = clean - liveAnswer.classify(logits.subarray(i * classes, (i + 1) * classes)).scores[k];
        // Until the places around it are computed, the value is theirs as well.
        for (let y = r; y < Math.min(r + step, rows.length); y++) scores[y].fill(drop, c, c + step);
      });
      if (!progress(scores, Math.min(start + batchSize, order.length), order.length)) return;
    }
  };

  /** Index of the edge whose square is centred nearest to each pixel of an axis. */
  /** @param {number[]} starts @param {number} extent @param {number} count */
  const nearest = (starts, extent, count) =>
    Array.from({ length: count }, (_, p) => {
      const place = ((p + 0.5) / count) * extent - side / 2;
      const best = starts.reduce((a, start, i) => (Math.abs(start - place) < Math.abs(starts[a] - place) ? i : a), 0);
      return Math.abs(starts[best] - place) <= stride / 2 ? best : -1;
    });

  /** @type {LiveOcclusion["draw"]} */
  const draw = (canvas, drops) => {
    const limit = Math.max(...drops.flat().map(Math.abs));
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    const picture = context.createImageData(canvas.width, canvas.height);
    const [ys, xs] = [nearest(rows, height, canvas.height), nearest(columns, width, canvas.width)];
    ys.forEach((r, y) =>
      xs.forEach((c, x) => {
        if (r < 0 || c < 0 || !limit) return;
        const share = drops[r][c] / limit;
        picture.data.set(
          [...cam.signedColour((share + 1) / 2), 255 * Math.min(2 * Math.abs(share), 1)],
          4 * (y * canvas.width + x),
        );
      }),
    );
    context.putImageData(picture, 0, 0);
    return limit;
  };

  return { rows, columns, run, draw };
};
