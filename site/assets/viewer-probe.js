/* The place in the image viewer whose value is read: under the pointer, or under a cross that the arrow keys move. */
window.reportgen.viewerProbe = (frame, read, leave) => {
  "use strict";
  const { boxes } = window.reportgen;
  const STEP = 2;
  const ARM = 1.5;
  const cross = boxes.svg([100, 100]);
  const lines = [boxes.rect("ground-truth", [0, 0, 0, 0]), boxes.rect("ground-truth", [0, 0, 0, 0])];
  cross.append(...lines);
  /** @type {Point | null} */
  let place = null; // of the cross, in per cent of the frame

  frame.tabIndex = 0;
  frame.role = "group";
  frame.ariaLabel = "Image; the arrow keys read the values of the layer";
  frame.addEventListener("pointermove", (event) => {
    const area = frame.getBoundingClientRect();
    read((event.clientX - area.left) / area.width, (event.clientY - area.top) / area.height);
  });
  frame.addEventListener("pointerleave", leave);
  frame.addEventListener("blur", () => {
    cross.remove();
    place = null;
  });
  frame.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] }[event.key];
    if (!step) return;
    event.preventDefault();
    event.stopPropagation();
    const [x, y] = (place ?? [50, 50]).map((value, axis) => Math.min(Math.max(value + step[axis], 0), 100));
    place = [x, y];
    if (!cross.isConnected) frame.append(cross);
    const shapes = [
      { x: x - ARM, y, width: 2 * ARM, height: 0 },
      { x, y: y - ARM, width: 0, height: 2 * ARM },
    ];
    shapes.forEach((shape, i) => {
      for (const [key, value] of Object.entries(shape)) lines[i].setAttribute(key, String(value));
    });
    read(x / 100, y / 100);
  });
};
