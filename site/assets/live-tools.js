/* The tools of the live page: a square, an eraser and a hand on the image, and sliders for the whole of it. */
window.reportgen.liveTools = (live, frame, changed) => {
  "use strict";
  const { dom, liveEdits } = window.reportgen;
  const { element, svg, button, labelled } = dom;
  const { width, height } = live.preprocessing;
  const editor = liveEdits(live.occlusion.fill.map((value) => Math.round(255 * value)));
  const SHORTER = Math.min(width, height);
  const UNITS = { zoom: " %", turn: "°", bright: " %", blur: " px" };
  const NAMES = { zoom: "zoom", turn: "rotation", bright: "brightness", blur: "blur" };

  let edits = editor.none();
  /** @type {string[]} */
  const history = [];
  let committed = JSON.stringify(edits);
  let shown = committed; // what the page was last told of

  const tool = dom.select("tool", [
    ["square", "occluding square"],
    ["erase", "eraser"],
    ["move", "move the image"],
  ]);
  const size = dom.slider(2, Math.round(SHORTER / 2), live.occlusion.side);
  const pixels = element("output");
  const sliders = editor.numbers.map(([key, least, most]) => {
    const input = dom.slider(least, most, edits[key]);
    const output = element("output");
    input.addEventListener("input", () => {
      edits = { ...edits, [key]: Number(input.value) };
      show();
    });
    input.addEventListener("change", commit);
    return { key, input, output, label: labelled(NAMES[key], input, output) };
  });
  const undo = button("Undo", () => {
    const last = history.pop();
    if (last) set(JSON.parse(last));
  });
  const reset = button("Reset", () => {
    edits = editor.none();
    show();
    commit();
  });

  const outline = svg("rect", { class: "ground-truth" });
  const under = svg("rect", { class: "under" });
  const attributes = { class: "boxes", viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none" };
  frame.append(svg("svg", { ...attributes, "aria-hidden": "true" }, under, outline));
  /** Place of the keyboard's square or eraser: its centre. @type {Point} */
  let cursor = [Math.round(width / 2), Math.round(height / 2)];

  function commit() {
    const now = JSON.stringify(edits);
    if (now === committed) return;
    history.push(committed);
    committed = now;
    shown = now;
    show();
    changed(edits, true);
  }
  function show() {
    for (const { key, input, output } of sliders) {
      input.value = String(edits[key]);
      output.textContent = `${edits[key]}${UNITS[key]}`.replace("-", "−");
    }
    undo.disabled = !history.length;
    reset.disabled = editor.isNone(edits);
    drawCursor();
    const now = JSON.stringify(edits);
    if (now === shown) return;
    shown = now;
    changed(edits, false);
  }
  function drawCursor() {
    const side = Number(size.value);
    pixels.textContent = `${side} px`;
    const isSquare = tool.value === "square";
    const [x, y] = isSquare && edits.square ? edits.square : cursor.map((v) => v - side / 2);
    const box = { x, y, width: side, height: side, rx: isSquare ? 0 : side / 2 };
    const isShown = isSquare ? edits.square !== null : tool.value === "erase" && frame.matches(":focus");
    for (const rect of [under, outline]) {
      for (const [key, value] of Object.entries({ ...box, visibility: isShown ? "visible" : "hidden" })) {
        rect.setAttribute(key, String(value));
      }
    }
  }
  /** @param {Edits} given */
  function set(given) {
    edits = given;
    committed = shown = JSON.stringify(edits);
    show();
    changed(edits, true);
  }

  /** Uses the tool at a place of the input. @param {Point} place */
  const use = ([x, y]) => {
    const side = Number(size.value);
    cursor = [Math.round(x), Math.round(y)];
    if (tool.value === "square") {
      edits = { ...edits, square: [Math.round(x - side / 2), Math.round(y - side / 2), side] };
    }
    if (tool.value === "erase") edits = { ...edits, erased: [...edits.erased, [...cursor, Math.round(side / 2)]] };
    show();
  };
  /** @param {PointerEvent} event @returns {Point} */
  const placeOf = (event) => {
    const area = frame.getBoundingClientRect();
    return [((event.clientX - area.left) / area.width) * width, ((event.clientY - area.top) / area.height) * height];
  };
  /** @type {{ from: Point, shift: Point } | null} */
  let drag = null;
  frame.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    event.preventDefault();
    frame.focus({ preventScroll: true });
    frame.setPointerCapture(event.pointerId);
    drag = { from: placeOf(event), shift: edits.shift };
    if (tool.value !== "move") use(drag.from);
  });
  frame.addEventListener("pointermove", (event) => {
    if (!drag) return;
    const [x, y] = placeOf(event);
    if (tool.value !== "move") return use([x, y]);
    const { from, shift } = drag;
    edits = { ...edits, shift: [Math.round(shift[0] + x - from[0]), Math.round(shift[1] + y - from[1])] };
    show();
  });
  for (const end of ["pointerup", "pointercancel"]) {
    frame.addEventListener(end, () => {
      drag = null;
      commit();
    });
  }
  frame.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    const by = event.shiftKey ? 1 : Math.max(1, Math.round(SHORTER / 28));
    if (step && tool.value === "move") {
      edits = { ...edits, shift: [edits.shift[0] + by * step[0], edits.shift[1] + by * step[1]] };
      commit();
    } else if (step) {
      cursor = [cursor[0] + by * step[0], cursor[1] + by * step[1]];
      if (tool.value === "square") use(cursor);
      drawCursor();
      commit();
    } else if ((event.key === "Enter" || event.key === " ") && tool.value !== "move") {
      use(cursor);
      commit();
    } else if (event.key === "Delete" || event.key === "Backspace") {
      edits = { ...edits, square: null };
      commit();
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  });
  size.addEventListener("input", () => {
    if (tool.value === "square" && edits.square) {
      const [x, y, side] = edits.square;
      use([x + side / 2, y + side / 2]);
    } else {
      drawCursor();
    }
  });
  size.addEventListener("change", commit);
  tool.addEventListener("change", drawCursor);
  for (const event of ["focus", "blur"]) frame.addEventListener(event, drawCursor);

  const elements = [labelled("tool", tool), labelled("size", size, pixels), ...sliders.map(({ label }) => label)];
  frame.tabIndex = 0;
  frame.role = "group";
  frame.ariaLabel = "The image: drag on it, or use the arrow keys, Enter and Delete";
  return {
    element: element("div", { className: "tools live-tools" }, ...elements),
    buttons: [undo, reset],
    editor,
    /** Shows edits that did not come from the tools: those of the address, or none for another image. */
    start: (given) => {
      history.length = 0;
      edits = given;
      committed = shown = JSON.stringify(edits);
      show();
    },
  };
};
