/* The image viewer of an image page: layers, opacity, a threshold with a preview of the predicted box, values under the
   pointer, and zoom. Its state is the address. */
(() => {
  "use strict";
  const R = window.reportgen;
  const { dom, state } = R;
  const viewer = dom.byId("viewer");
  /** @type {ViewerData} */
  const data = dom.json(dom.byId("viewer-data"));
  const [width, height] = data.size;
  const [x0, y0, x1, y1] = data.window;
  const layers = R.viewerLayers(data);
  const defaults = {
    threshold: Math.round(100 * data.threshold),
    opacity: Math.round(100 * R.constants.overlayOpacity),
  };
  const drawing = R.viewerDrawing(viewer, data);
  const controls = R.viewerControls(layers, defaults, (factor) => zoom.set(zoom.level * factor));
  const { layer, opacity, threshold, boxes, normalize, reading } = controls;
  dom.byId("viewer-controls").append(...controls.tools);
  dom.byId("viewer-controls").after(controls.help);
  let isStarted = false; // until something is changed, the picture of the page is shown

  const current = () => layers[Number(layer.value)];
  const rows = /** @type {HTMLElement[]} */ ([...document.querySelectorAll("#top_classes > li")]);
  const buttons = rows.map((row, k) => {
    const name = dom.find(row, ".class-name");
    const button = dom.button("", () => choose(k));
    button.append(...name.childNodes);
    name.append(button);
    dom.find(row, ".frame").addEventListener("click", () => choose(k));
    return button;
  });
  /** @param {number} k */
  const choose = (k) => {
    layer.value = String(k);
    update();
  };
  const show = () => {
    buttons.forEach((button, k) => (button.ariaPressed = String(layer.value === String(k))));
    const { grid } = current();
    controls.percent.textContent = `${threshold.value} %`;
    threshold.disabled = normalize.disabled = !grid;
    reading.textContent = drawing.show(current(), {
      opacity: Number(opacity.value) / (grid ? 100 : defaults.opacity), // pictures are opaque by default
      threshold: Number(threshold.value) / 100,
      showBoxes: boxes.checked,
      normalize: normalize.checked,
      isStoredBox: layer.value === "0" && Number(threshold.value) === defaults.threshold,
    });
  };
  const writeState = () =>
    state.write({
      ...R.selection.read(),
      layer: layer.value === "0" ? "" : layer.value,
      threshold: Number(threshold.value) === defaults.threshold ? "" : threshold.value,
      opacity: Number(opacity.value) === defaults.opacity ? "" : opacity.value,
      boxes: boxes.checked ? "" : "off",
      normalize: normalize.checked ? "on" : "",
      zoom: zoom.level === 1 ? "" : zoom.level.toFixed(2),
    });
  const update = () => {
    isStarted = true;
    show();
    writeState();
  };
  const zoom = R.viewerZoom(drawing.frame, writeState);
  const restore = () => {
    const given = state.read();
    dom.setValue(layer, given.layer);
    threshold.value = String(state.number(given.threshold, defaults.threshold));
    opacity.value = String(state.number(given.opacity, defaults.opacity));
    boxes.checked = given.boxes !== "off";
    normalize.checked = given.normalize === "on";
    const isChanged = ["layer", "threshold", "opacity", "boxes", "normalize"].some((key) => key in given);
    if (isStarted || isChanged) update();
    const level = state.number(given.zoom, 1);
    if (zoom.level > 1 || level > 1) zoom.set(level);
  };

  for (const input of [layer, opacity, threshold, boxes, normalize]) input.addEventListener("input", update);
  R.viewerProbe(
    drawing.frame,
    (x, y) => {
      const [u, v] = [(x * width - x0) / (x1 - x0), (y * height - y0) / (y1 - y0)];
      const isInput = u >= 0 && u <= 1 && v >= 0 && v <= 1;
      reading.textContent = isInput ? current().valueAt(u, v) : "outside the network's input";
    },
    () => {
      if (isStarted) show();
      else reading.textContent = "";
    },
  );
  /** @type {Record<string, () => void>} */
  const settings = {
    "[": () => (threshold.value = String(Number(threshold.value) - 1)),
    "]": () => (threshold.value = String(Number(threshold.value) + 1)),
    c: () => (opacity.value = Number(opacity.value) ? "0" : String(defaults.opacity)),
    b: () => (boxes.checked = !boxes.checked),
    s: () => (normalize.checked = !normalize.checked),
    m: () => (layer.value = String((Number(layer.value) + 1) % layers.length)),
  };
  /** @type {Record<string, () => void>} */
  const actions = {
    "+": () => zoom.set(zoom.level * 1.5),
    "=": () => zoom.set(zoom.level * 1.5),
    "-": () => zoom.set(zoom.level / 1.5),
    0: () => zoom.set(1),
    "?": controls.toggleHelp,
  };
  R.shortcuts.listen((key) => {
    if (!Object.hasOwn(settings, key)) return Object.hasOwn(actions, key) ? actions[key] : undefined;
    return () => {
      settings[key]();
      update();
    };
  });
  restore();
  state.onChange(restore);
})();
