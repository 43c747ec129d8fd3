/* Draws a map on a 2-D canvas: where there is no WebGL2, and for more images than dots can show, which it draws as a density. */
(() => {
  "use strict";
  // Beyond so many images a map is a density, with thumbnails of some of them; a processor draws that faster than a graphics library draws dots.
  window.reportgen.MANY = 200000;
  window.reportgen.canvas2d = (n, side) => {
    const canvas = document.createElement("canvas"), context = canvas.getContext("2d");
    const across = 2048 / side, sheets = [];
    let from = new Float32Array(2 * n), to = from, colours = new Uint8Array(4 * n), sums = new Float32Array(0), picture = null;
    // A pixel has the mean colour of its images, the more solid the more they are: half where they are as many as on average.
    const density = (pixels, w, h, zoom, x, y, t) => {
      if (sums.length !== pixels.length) sums = new Float32Array(pixels.length);
      sums.fill(0);
      let total = 0, taken = 0;
      for (let i = 0; i < n; i++) {
        const px = Math.floor((from[2 * i] + t * (to[2 * i] - from[2 * i]) - x) * zoom + w / 2), py = Math.floor((from[2 * i + 1] + t * (to[2 * i + 1] - from[2 * i + 1]) - y) * zoom + h / 2);
        if (!(px >= 0 && py >= 0 && px < w && py < h)) continue;
        const at = 4 * (py * w + px), weight = colours[4 * i + 3];
        if (!sums[at + 3]) taken++;
        total += weight;
        for (let c = 0; c < 3; c++) sums[at + c] += weight * colours[4 * i + c];
        sums[at + 3] += weight;
      }
      const mean = total / Math.max(1, taken);
      for (let at = 0; at < sums.length; at += 4) {
        const weight = sums[at + 3];
        if (!weight) continue;
        for (let c = 0; c < 3; c++) pixels[at + c] = sums[at + c] / weight;
        pixels[at + 3] = (255 * weight) / (weight + mean);
      }
    };
    const points = (pixels, w, h, zoom, x, y, t, wide) => {
      const words = new Uint32Array(pixels.buffer), tints = new Uint32Array(colours.buffer);
      for (let i = 0; i < n; i++) {
        const alpha = colours[4 * i + 3];
        if (!alpha) continue;
        const px = Math.round((from[2 * i] + t * (to[2 * i] - from[2 * i]) - x) * zoom + w / 2 - wide / 2);
        const py = Math.round((from[2 * i + 1] + t * (to[2 * i + 1] - from[2 * i + 1]) - y) * zoom + h / 2 - wide / 2);
        if (!(px >= 0 && py >= 0 && px + wide < w && py + wide < h)) continue;
        for (let v = py; v < py + wide; v++) for (let u = px; u < px + wide; u++) {
          if (!words[v * w + u]) { words[v * w + u] = tints[i]; continue; }
          const at = 4 * (v * w + u), old = pixels[at + 3], share = alpha / (alpha + (old * (255 - alpha)) / 255);
          for (let c = 0; c < 3; c++) pixels[at + c] += share * (colours[4 * i + c] - pixels[at + c]);
          pixels[at + 3] = alpha + (old * (255 - alpha)) / 255;
        }
      }
    };
    return {
      name: "2-D canvas",
      canvas,
      move: (a, b) => { from = a; to = b; },
      paint: (next) => { colours = next; },
      addAtlas: (k, image) => { sheets[k] = image; return true; },
      draw: ({ width, height, ratio, x, y, scale, t, dot, sprites }) => {
        const w = canvas.width, h = canvas.height, zoom = scale * ratio;
        if (picture?.width !== w || picture?.height !== h) picture = context.createImageData(w, h);
        const pixels = picture.data.fill(0);
        if (n > window.reportgen.MANY && scale < 10 * Math.sqrt(n)) density(pixels, w, h, zoom, x, y, t);
        else points(pixels, w, h, zoom, x, y, t, Math.max(1, Math.round(dot * ratio * 0.8)));
        const size = Math.round(sprites.size * ratio), edge = Math.max(1, Math.floor(1.5 * ratio));
        const corner = (s, axis, middle, length) => Math.round((sprites.places[2 * s + axis] - middle) * zoom + (length - size) / 2);
        const words = new Uint32Array(pixels.buffer), tints = new Uint32Array(sprites.tints.buffer);
        for (let s = 0; s < sprites.count; s++) {
          const left = corner(s, 0, x, w), top = corner(s, 1, y, h);
          for (let v = Math.max(top, 0); v < Math.min(top + size, h); v++) words.fill(tints[s] | 0xff000000, v * w + Math.max(left, 0), v * w + Math.min(left + size, w));
        }
        context.putImageData(picture, 0, 0);
        for (let s = 0; s < sprites.count; s++) {
          const i = sprites.slot[s], k = i % (across * across), inner = size - 2 * edge;
          context.drawImage(sheets[Math.floor(i / (across * across))], (k % across) * side, Math.floor(k / across) * side, side, side, corner(s, 0, x, w) + edge, corner(s, 1, y, h) + edge, inner, inner);
        }
      },
    };
  };
})();
