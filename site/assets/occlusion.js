/* Occlusion maps: the pointer, or the arrow keys, moves the square over the image and tells the five classes there. */
(() => {
  "use strict";
  const section = document.getElementById("occlusion");
  if (!section) return;
  const data = JSON.parse(section.querySelector("script[type='application/json']").textContent);
  const [width, height] = data.size, [x0, y0, x1, y1] = data.window;
  const svgNs = "http://www.w3.org/2000/svg";
  const frames = [...section.querySelectorAll(".frame")];
  const readout = document.createElement("p");
  readout.className = "quiet readout";
  readout.setAttribute("aria-live", "polite");
  readout.textContent = "Move the pointer over a map, or focus one and use the arrow keys.";
  section.querySelector(".figures-four").after(readout);
  const toX = (v) => x0 + (v / data.input) * (x1 - x0), toY = (v) => y0 + (v / data.input) * (y1 - y0);
  const squares = frames.map((frame) => {
    const svg = document.createElementNS(svgNs, "svg");
    svg.setAttribute("class", "boxes");
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.setAttribute("preserveAspectRatio", "none");
    const square = document.createElementNS(svgNs, "rect");
    square.setAttribute("class", frame === frames[0] ? "hiding" : "true");
    square.setAttribute("visibility", "hidden");
    svg.append(square);
    frame.append(svg);
    return square;
  });
  let row = Math.floor(data.rows.length / 2), column = Math.floor(data.columns.length / 2);
  const show = () => {
    for (const square of squares) {
      square.setAttribute("x", toX(data.columns[column]));
      square.setAttribute("y", toY(data.rows[row]));
      square.setAttribute("width", toX(data.side) - toX(0));
      square.setAttribute("height", toY(data.side) - toY(0));
      square.setAttribute("visibility", "visible");
    }
    const at = row * data.columns.length + column;
    const classes = data.classes[at].map((k, j) => `${data.names[k]} ${(data.scores[at][j] / 100).toFixed(2)}`).join(" · ");
    readout.textContent = `Square at ${data.columns[column]}, ${data.rows[row]}: ${classes}`;
  };
  const nearest = (list, value) => list.reduce((best, v, j) => (Math.abs(v - value) < Math.abs(list[best] - value) ? j : best), 0);
  for (const frame of frames) {
    frame.tabIndex = 0;
    frame.addEventListener("pointermove", (event) => {
      const area = frame.getBoundingClientRect();
      const x = ((event.clientX - area.left) / area.width) * width, y = ((event.clientY - area.top) / area.height) * height;
      column = nearest(data.columns, ((x - x0) / (x1 - x0)) * data.input - data.side / 2);
      row = nearest(data.rows, ((y - y0) / (y1 - y0)) * data.input - data.side / 2);
      show();
    });
    frame.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
      if (!step) return;
      event.preventDefault();
      event.stopPropagation();
      row = Math.min(Math.max(row + step[0], 0), data.rows.length - 1);
      column = Math.min(Math.max(column + step[1], 0), data.columns.length - 1);
      show();
    });
  }
})();
