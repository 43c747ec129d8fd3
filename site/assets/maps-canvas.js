/* Draws a map on a 2-D canvas, where there is no WebGL2: dots go straight into the pixels, so many of them add up to a density. */
(() => {
  "use strict";
  window.reportgen.canvas2d = (canvas, n, side) => {
    const context = canvas.getContext("2d");
    const across = 2048 / side, sheets = [];
    let from = new Float32Array(2 * n), to = from, colours = new Uint8Array(4 * n);
    return {
      name: "2-D canvas",
      move: (a, b) => { from = a; to = b; },
      paint: (next) => { colours = next; },
      addAtlas: (k, image) => { sheets[k] = image; return true; },
      draw: ({ width, height, ratio, x, y, scale, t, dot, sprites }) => {
        const w = canvas.width, h = canvas.height, zoom = scale * ratio, wide = Math.max(1, Math.round(dot * ratio * 0.8));
        const picture = context.createImageData(w, h), pixels = picture.data;
        for (let i = 0; i < n; i++) {
          const alpha = colours[4 * i + 3];
          if (!alpha) continue;
          const px = Math.round((from[2 * i] + t * (to[2 * i] - from[2 * i]) - x) * zoom + w / 2 - wide / 2);
          const py = Math.round((from[2 * i + 1] + t * (to[2 * i + 1] - from[2 * i + 1]) - y) * zoom + h / 2 - wide / 2);
          if (!(px >= 0 && py >= 0 && px + wide < w && py + wide < h)) continue;
          for (let v = py; v < py + wide; v++) for (let u = px; u < px + wide; u++) {
            const at = 4 * (v * w + u), old = pixels[at + 3], share = alpha / (alpha + (old * (255 - alpha)) / 255);
            for (let c = 0; c < 3; c++) pixels[at + c] += share * (colours[4 * i + c] - pixels[at + c]);
            pixels[at + 3] = alpha + (old * (255 - alpha)) / 255;
          }
        }
        context.putImageData(picture, 0, 0);
        const size = sprites.size * ratio;
        for (let s = 0; s < sprites.count; s++) {
          const i = sprites.index[s], sheet = sheets[Math.floor(i / (across * across))], k = i % (across * across);
          const left = (sprites.places[2 * s] - x) * zoom + w / 2 - size / 2, top = (sprites.places[2 * s + 1] - y) * zoom + h / 2 - size / 2;
          context.fillStyle = `rgb(${sprites.tints[4 * s]} ${sprites.tints[4 * s + 1]} ${sprites.tints[4 * s + 2]})`;
          context.fillRect(left, top, size, size);
          const edge = 1.5 * ratio;
          context.drawImage(sheet, (k % across) * side, Math.floor(k / across) * side, side, side, left + edge, top + edge, size - 2 * edge, size - 2 * edge);
        }
      },
    };
  };
})();
