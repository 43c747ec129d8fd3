/* A map's small grid as colours, values and a box: the same rules as the batch's, for previews. */
window.reportgen.map = (() => {
  "use strict";
  const stops = [[0, 0, 4], [66, 10, 104], [147, 38, 103], [221, 81, 58], [252, 165, 10], [252, 255, 164]];

  // The value at x, y in [0, 1] of the window that the network saw: half-pixel centres, edges held.
  const bilinear = (grid, x, y) => {
    const at = (v, n) => Math.min(Math.max(v * n - 0.5, 0), n - 1);
    const u = at(x, grid[0].length), v = at(y, grid.length);
    const i = Math.floor(u), j = Math.floor(v), a = u - i, b = v - j;
    const i2 = Math.min(i + 1, grid[0].length - 1), j2 = Math.min(j + 1, grid.length - 1);
    return (1 - b) * ((1 - a) * grid[j][i] + a * grid[j][i2]) + b * ((1 - a) * grid[j2][i] + a * grid[j2][i2]);
  };

  const colour = (t) => {
    const p = t * (stops.length - 1), i = Math.min(Math.floor(p), stops.length - 2);
    return stops[i].map((c, k) => c + (p - i) * (stops[i + 1][k] - c));
  };

  // Recipe "paper" on the network's input grid of side n: the largest 8-connected region from threshold × maximum on.
  // Returns x0, y0, x1, y1 in pixels of the image, or null where nothing is positive.
  const box = (grid, threshold, n, [x0, y0, x1, y1], [width, height]) => {
    const values = new Float32Array(n * n);
    let peak = -Infinity;
    for (let y = 0; y < n; y++) for (let x = 0; x < n; x++) {
      const value = bilinear(grid, (x + 0.5) / n, (y + 0.5) / n);
      values[y * n + x] = value;
      peak = Math.max(peak, value);
    }
    if (!(peak > 0)) return null;
    const seen = new Uint8Array(n * n), stack = [];
    let best = null, most = 0;
    for (let start = 0; start < n * n; start++) {
      if (seen[start] || values[start] < threshold * peak) continue;
      let count = 0, left = n, right = 0, upper = n, lower = 0;
      stack.push(start);
      seen[start] = 1;
      while (stack.length) {
        const p = stack.pop(), y = Math.floor(p / n), x = p % n;
        count++;
        left = Math.min(left, x); right = Math.max(right, x + 1); upper = Math.min(upper, y); lower = Math.max(lower, y + 1);
        for (let q = Math.max(y - 1, 0); q <= Math.min(y + 1, n - 1); q++)
          for (let r = Math.max(x - 1, 0); r <= Math.min(x + 1, n - 1); r++) {
            const next = q * n + r;
            if (!seen[next] && values[next] >= threshold * peak) { seen[next] = 1; stack.push(next); }
          }
      }
      if (count > most) { most = count; best = [left, upper, right, lower]; }
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
    const context = canvas.getContext("2d"), picture = context.createImageData(canvas.width, canvas.height);
    for (let y = 0; y < canvas.height; y++) for (let x = 0; x < canvas.width; x++) {
      const u = (((x + 0.5) / canvas.width) * width - x0) / (x1 - x0), v = (((y + 0.5) / canvas.height) * height - y0) / (y1 - y0);
      if (u < 0 || u > 1 || v < 0 || v > 1) continue;
      const t = Math.min(Math.max(bilinear(grid, u, v) / top, 0), 1), [r, g, b] = colour(t);
      picture.data.set([r, g, b, 255 * opacity * Math.min(1, t * 1.5)], 4 * (y * canvas.width + x));
    }
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
  return { bilinear, box, iou, draw, rectangle, layer };
})();
