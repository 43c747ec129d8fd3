/* The large figure of an image page: choose a class's map, its opacity, a threshold with a live box, and read values. */
(() => {
  "use strict";
  const viewer = document.getElementById("viewer");
  const data = JSON.parse(document.getElementById("viewer-data").textContent);
  const frame = viewer.querySelector(".frame");
  const photo = frame.querySelector(".photo");
  const drawn = frame.querySelector(".layer");
  const [width, height] = data.size;
  const [x0, y0, x1, y1] = data.window;
  const top = Math.max(...data.maps.flatMap((m) => m.grid.flat()));
  const stops = [[0, 0, 4], [66, 10, 104], [147, 38, 103], [221, 81, 58], [252, 165, 10], [252, 255, 164]];
  const svgNs = "http://www.w3.org/2000/svg";

  const bilinear = (grid, x, y) => {
    // x and y in [0, 1] of the window; half-pixel centres, edges held, as in the batch
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

  // The recipe "paper" on the network's input grid: largest 8-connected region above threshold × maximum.
  const liveBox = (grid, threshold) => {
    const n = data.input, values = new Float32Array(n * n);
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

  const canvas = document.createElement("canvas");
  canvas.width = 320;
  canvas.height = Math.max(1, Math.round((320 * height) / width));
  canvas.setAttribute("aria-hidden", "true");
  const draw = (grid, opacity) => {
    const context = canvas.getContext("2d"), picture = context.createImageData(canvas.width, canvas.height);
    for (let y = 0; y < canvas.height; y++) for (let x = 0; x < canvas.width; x++) {
      const u = (((x + 0.5) / canvas.width) * width - x0) / (x1 - x0), v = (((y + 0.5) / canvas.height) * height - y0) / (y1 - y0);
      if (u < 0 || u > 1 || v < 0 || v > 1) continue;
      const t = Math.min(Math.max(bilinear(grid, u, v) / top, 0), 1);
      const [r, g, b] = colour(t);
      picture.data.set([r, g, b, 255 * opacity * Math.min(1, t * 1.5)], 4 * (y * canvas.width + x));
    }
    context.putImageData(picture, 0, 0);
  };

  const element = (tag, properties) => Object.assign(document.createElement(tag), properties);
  const labelled = (text, input) => { const label = element("label", { textContent: text }); label.append(input); return label; };
  const choice = element("select", {});
  data.maps.forEach((map, i) => choice.append(element("option", { value: i, textContent: map.name })));
  const opacity = element("input", { type: "range", min: 0, max: 100, value: 62 });
  const threshold = element("input", { type: "range", min: 1, max: 90, value: Math.round(100 * data.threshold) });
  const percent = element("output", {});
  const boxes = element("input", { type: "checkbox", checked: true });
  const reading = element("output", {});
  const tools = viewer.querySelector(".tools");
  const controls = element("div", { className: "tools" });
  const thresholdLabel = labelled("threshold", threshold);
  thresholdLabel.append(percent);
  controls.append(labelled("map", choice), labelled("opacity", opacity), thresholdLabel, labelled("boxes", boxes), reading);
  tools.after(controls);

  let svg = frame.querySelector("svg.boxes");
  if (!svg) {
    svg = document.createElementNS(svgNs, "svg");
    svg.setAttribute("class", "boxes");
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.setAttribute("preserveAspectRatio", "none");
    frame.append(svg);
  }
  const live = document.createElementNS(svgNs, "rect");
  live.setAttribute("class", "live");

  const show = () => {
    const map = data.maps[choice.value], share = threshold.value / 100;
    percent.textContent = `${threshold.value} %`;
    draw(map.grid, opacity.value / 100);
    svg.style.display = boxes.checked ? "" : "none";
    const moved = Number(threshold.value) !== Math.round(100 * data.threshold) || Number(choice.value) !== 0;
    const box = moved ? liveBox(map.grid, share) : null;
    if (box) {
      ["x", "y"].forEach((key, k) => live.setAttribute(key, box[k]));
      live.setAttribute("width", box[2] - box[0]);
      live.setAttribute("height", box[3] - box[1]);
      svg.append(live);
      reading.textContent = data.true.length ? `preview: IoU ${Math.max(...data.true.map((t) => iou(box, t))).toFixed(2)}` : "preview";
    } else {
      live.remove();
      reading.textContent = "";
    }
  };
  let ready = false;
  const begin = () => {
    if (!ready) { ready = true; if (drawn) drawn.remove(); photo.after(canvas); }
    show();
  };
  for (const input of [choice, opacity, threshold, boxes]) input.addEventListener("input", begin);
  percent.textContent = `${threshold.value} %`;
  frame.addEventListener("pointermove", (event) => {
    const area = frame.getBoundingClientRect();
    const u = (((event.clientX - area.left) / area.width) * width - x0) / (x1 - x0), v = (((event.clientY - area.top) / area.height) * height - y0) / (y1 - y0);
    if (u >= 0 && u <= 1 && v >= 0 && v <= 1) reading.textContent = `${bilinear(data.maps[choice.value].grid, u, v).toFixed(2)} logit`;
  });
  frame.addEventListener("pointerleave", () => ready ? show() : (reading.textContent = ""));
})();
