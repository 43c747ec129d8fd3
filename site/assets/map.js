/* A map's small grid as colours, values and a box: the same rules as the batch's, for previews. */
window.reportgen.map = (() => {
  "use strict";
  const stops = [[0, 0, 4], [66, 10, 104], [147, 38, 103], [221, 81, 58], [252, 165, 10], [252, 255, 164]];

  const colour = (t) => {
    const p = t * (stops.length - 1), i = Math.min(Math.floor(p), stops.length - 2);
    return stops[i].map((c, k) => c + (p - i) * (stops[i + 1][k] - c));
  };

  // The values where the columns xs and the rows ys cross, in [0, 1] of the window that the network saw: half-pixel centres, edges held.
  const sampled = (grid, xs, ys) => {
    const along = (places, n) => places.map((place) => {
      const at = Math.min(Math.max(place * n - 0.5, 0), n - 1), i = Math.floor(at);
      return { i, next: Math.min(i + 1, n - 1), share: at - i };
    });
    const values = new Float64Array(xs.length * ys.length), columns = along(xs, grid[0].length);
    let p = 0;
    for (const row of along(ys, grid.length)) {
      const mixed = grid[row.i].map((value, i) => value + row.share * (grid[row.next][i] - value));
      for (const { i, next, share } of columns) values[p++] = mixed[i] + share * (mixed[next] - mixed[i]);
    }
    return values;
  };
  const bilinear = (grid, x, y) => sampled(grid, [x], [y])[0];
  const centres = (n) => Array.from({ length: n }, (_, i) => (i + 0.5) / n);

  // A map on the network's input grid of side n, and its maximum: what boxes at all thresholds are cut from.
  const enlarged = (grid, n) => { const values = sampled(grid, centres(n), centres(n)); return { values, n, peak: values.reduce((a, b) => Math.max(a, b)) }; };

  // Recipe "paper": the largest 8-connected region from threshold × maximum on; among equals the first in reading order.
  // Returns x0, y0, x1, y1 in pixels of the image, or null where nothing is positive.
  const box = ({ values, n, peak }, threshold, [x0, y0, x1, y1], [width, height]) => {
    if (!(peak > 0)) return null;
    const least = threshold * peak, wide = n + 2; // a border of what is outside saves asking for it
    const free = new Uint8Array(wide * wide), stack = new Int32Array(n * n);
    for (let y = 0, p = 0; y < n; y++) for (let x = 0; x < n; x++) if (values[p++] >= least) free[(y + 1) * wide + x + 1] = 1;
    const around = [-wide - 1, -wide, -wide + 1, -1, 1, wide - 1, wide, wide + 1];
    let best = null, most = 0;
    for (let start = 0; start < free.length; start++) {
      if (!free[start]) continue;
      let count = 0, top = 1, left = n, right = 0, upper = n, lower = 0;
      stack[0] = start;
      free[start] = 0;
      while (top) {
        const p = stack[--top], y = Math.floor(p / wide), x = p - y * wide;
        count++;
        if (x < left) left = x;
        if (x > right) right = x;
        if (y < upper) upper = y;
        if (y > lower) lower = y;
        for (let k = 0; k < 8; k++) if (free[p + around[k]]) { free[p + around[k]] = 0; stack[top++] = p + around[k]; }
      }
      if (count > most) { most = count; best = [left - 1, upper - 1, right, lower]; }
    }
    const cut = (v, limit) => Math.min(Math.max(v, 0), limit);
    return [cut(x0 + (best[0] / n) * (x1 - x0), width), cut(y0 + (best[1] / n) * (y1 - y0), height),
            cut(x0 + (best[2] / n) * (x1 - x0), width), cut(y0 + (best[3] / n) * (y1 - y0), height)];
  };

  const iou = (a, b) => {
    const w = Math.min(a[2], b[2]) - Math.max(a[0], b[0]), h = Math.min(a[3], b[3]) - Math.max(a[1], b[1]);
    const shared = Math.max(w, 0) * Math.max(h, 0);
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared);
  };

  // Draws the grid over a canvas that covers the whole image; what lies outside the window was not seen and stays clear.
  const draw = (canvas, grid, top, opacity, [x0, y0, x1, y1], [width, height]) => {
    const tints = new Uint8ClampedArray(1024), words = new Uint32Array(tints.buffer);
    for (let t = 0; t < 256; t++) tints.set([...colour(t / 255), opacity * Math.min(255, t * 1.5)], 4 * t);
    const xs = centres(canvas.width).map((x) => (x * width - x0) / (x1 - x0)), ys = centres(canvas.height).map((y) => (y * height - y0) / (y1 - y0));
    const seen = (v) => v >= 0 && v <= 1, inside = xs.map(seen), values = sampled(grid, xs, ys);
    const context = canvas.getContext("2d"), picture = context.createImageData(canvas.width, canvas.height), pixels = new Uint32Array(picture.data.buffer);
    ys.forEach((y, row) => {
      if (seen(y)) for (let p = row * xs.length, column = 0; column < xs.length; column++, p++) if (inside[column]) pixels[p] = words[Math.round(255 * Math.min(Math.max(values[p] / top, 0), 1))];
    });
    context.putImageData(picture, 0, 0);
  };

  const svg = (tag, attributes) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  };
  const rectangle = (className, [left, upper, right, lower]) =>
    svg("rect", { class: className, x: left, y: upper, width: right - left, height: lower - upper });
  const layer = ([width, height]) => svg("svg", { class: "boxes", viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", "aria-hidden": "true" });
  return { bilinear, enlarged, box, iou, draw, rectangle, layer };
})();
