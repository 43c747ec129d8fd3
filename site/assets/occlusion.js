/* Occlusion sensitivity: the pointer or the arrow keys move the occluding square; the scores there are read. */
(() => {
  "use strict";
  const { boxes, dom } = window.reportgen;
  const section = document.getElementById("occlusion");
  if (!section) return;
  /**
   * @typedef {object} OcclusionData
   * @property {Point} size - of the image
   * @property {Box} window
   * @property {Point} input - width and height of the network's input
   * @property {number} side - of the square, in pixels of the input
   * @property {number[]} rows - upper edges of the square
   * @property {number[]} columns - left edges of the square
   * @property {string[]} names
   * @property {number[][]} classes - indices into names, for every position
   * @property {number[][]} scores - in per cent
   */
  /** @type {OcclusionData} */
  const data = dom.json(dom.find(section, "script[type='application/json']"));
  const [width, height] = data.size;
  const [x0, y0, x1, y1] = data.window;
  const frames = /** @type {HTMLElement[]} */ ([...section.querySelectorAll(".frame")]);
  const readout = dom.element("p", {
    className: "quiet readout",
    ariaLive: "polite",
    textContent: "Move the pointer over a map, or focus one and use the arrow keys.",
  });
  dom.find(section, ".figures-three").after(readout);

  const squares = frames.map((frame) => {
    const svg = boxes.svg(data.size);
    const square = boxes.rect("ground-truth", [0, 0, 0, 0]);
    square.setAttribute("visibility", "hidden");
    svg.append(square);
    frame.append(svg);
    return square;
  });
  let row = Math.floor(data.rows.length / 2);
  let column = Math.floor(data.columns.length / 2);
  const show = () => {
    const scaleX = (x1 - x0) / data.input[0];
    const scaleY = (y1 - y0) / data.input[1];
    const attributes = {
      x: x0 + data.columns[column] * scaleX,
      y: y0 + data.rows[row] * scaleY,
      width: data.side * scaleX,
      height: data.side * scaleY,
      visibility: "visible",
    };
    for (const square of squares) {
      for (const [key, value] of Object.entries(attributes)) square.setAttribute(key, String(value));
    }
    const at = row * data.columns.length + column;
    const scores = data.classes[at].map((k, j) => `${data.names[k]} ${(data.scores[at][j] / 100).toFixed(2)}`);
    readout.textContent = `Square at ${data.columns[column]}, ${data.rows[row]}: ${scores.join(" · ")}`;
  };

  /**
   * @param {number[]} values
   * @param {number} value
   */
  const nearest = (values, value) =>
    values.reduce((best, one, j) => (Math.abs(one - value) < Math.abs(values[best] - value) ? j : best), 0);
  for (const frame of frames) {
    frame.tabIndex = 0;
    frame.addEventListener("pointermove", (event) => {
      const area = frame.getBoundingClientRect();
      const x = ((event.clientX - area.left) / area.width) * width;
      const y = ((event.clientY - area.top) / area.height) * height;
      column = nearest(data.columns, ((x - x0) / (x1 - x0)) * data.input[0] - data.side / 2);
      row = nearest(data.rows, ((y - y0) / (y1 - y0)) * data.input[1] - data.side / 2);
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
