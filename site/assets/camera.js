/* Pan and zoom of a surface by wheel, drag, pinch and keys; a drag with shift, or in lasso or box mode, draws a line.
   d3-zoom would replace half of this file; bundled and minified, it has 55 KB of the 60 KB that a page may load. */
window.reportgen.camera = (surface, actions) => {
  "use strict";
  const LEAST = 0.5;
  const MOST = 400;
  const FILLED = 0.92; // share of the surface that is used at zoom 1
  const KEY_STEP = 60; // CSS pixels
  const TAP = 4; // CSS pixels that the pointer may move during a tap
  const LASSO = 6; // CSS pixels from which on a line is a lasso

  const size = () => [surface.clientWidth, surface.clientHeight];
  /** @param {number} zoom */
  const limited = (zoom) => Math.min(Math.max(zoom, LEAST), MOST);
  const moved = () => {
    camera.x = Math.min(Math.max(camera.x, 0), 1);
    camera.y = Math.min(Math.max(camera.y, 0), 1);
    actions.moved();
  };

  /** @type {Camera} */
  const camera = {
    x: 0.5,
    y: 0.5,
    zoom: 1,
    extent: [1, 1],
    tool: "",
    scale: () => camera.zoom * FILLED * Math.min(...size().map((side, axis) => side / camera.extent[axis])),
    toMap: (u, v) => {
      const [width, height] = size();
      const scale = camera.scale();
      return [camera.x + (u - width / 2) / scale, camera.y + (v - height / 2) / scale];
    },
    toScreen: (x, y) => {
      const [width, height] = size();
      const scale = camera.scale();
      return [(x - camera.x) * scale + width / 2, (y - camera.y) * scale + height / 2];
    },
    // The position under u, v stays there.
    zoomAt: (factor, u = surface.clientWidth / 2, v = surface.clientHeight / 2) => {
      const [x, y] = camera.toMap(u, v);
      const before = camera.zoom;
      camera.zoom = limited(before * factor);
      camera.x = x + ((camera.x - x) * before) / camera.zoom;
      camera.y = y + ((camera.y - y) * before) / camera.zoom;
      moved();
    },
    pan: (du, dv) => {
      camera.x -= du / camera.scale();
      camera.y -= dv / camera.scale();
      moved();
    },
    fit: () => {
      Object.assign(camera, { x: 0.5, y: 0.5, zoom: 1 });
      moved();
    },
  };

  // ------------------------------------------------------------------------------------------------ pointers
  /** @param {MouseEvent} event @returns {Point} */
  const at = (event) => {
    const area = surface.getBoundingClientRect();
    return [event.clientX - area.left, event.clientY - area.top];
  };
  /** @type {Map<number, Point>} */
  const pointers = new Map();
  /** @type {Point[] | null} */
  let line = null;
  let travelled = 0;

  surface.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      const perUnit = event.deltaMode ? 0.05 : 0.0016; // lines or pixels
      camera.zoomAt(Math.exp(-event.deltaY * perUnit), ...at(event));
    },
    { passive: false },
  );
  surface.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    surface.setPointerCapture(event.pointerId);
    actions.hover?.(null);
    pointers.set(event.pointerId, at(event));
    travelled = 0;
    const isLasso = pointers.size === 1 && actions.lasso && (camera.tool || event.shiftKey);
    line = isLasso ? [camera.toMap(...at(event))] : null;
    if (line) event.preventDefault();
  });
  /** @param {Point} now @param {Point} before @param {Point} other */
  const pinch = (now, before, other) => {
    /** @param {Point} point */
    const distance = ([u, v]) => Math.hypot(u - other[0], v - other[1]);
    camera.pan((now[0] - before[0]) / 2, (now[1] - before[1]) / 2);
    if (distance(before) === 0) return;
    camera.zoomAt(distance(now) / distance(before), (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
  };
  surface.addEventListener("pointermove", (event) => {
    const now = at(event);
    const before = pointers.get(event.pointerId);
    if (!before) {
      if (event.pointerType === "mouse") actions.hover?.(...now);
      return;
    }
    travelled += Math.hypot(now[0] - before[0], now[1] - before[1]);
    if (line) {
      const [x, y] = camera.toMap(...now);
      if (camera.tool === "box") line = [line[0], [x, line[0][1]], [x, y], [line[0][0], y]];
      else line.push([x, y]);
      actions.drawing?.(line);
    } else if (pointers.size === 1) camera.pan(now[0] - before[0], now[1] - before[1]);
    else {
      const other = [...pointers].find(([id]) => id !== event.pointerId);
      if (other) pinch(now, before, other[1]);
    }
    pointers.set(event.pointerId, now);
  });
  /** @param {PointerEvent} event */
  const lift = (event) => {
    const last = pointers.get(event.pointerId);
    if (!last) return;
    pointers.delete(event.pointerId);
    if (line && travelled > LASSO) actions.lasso?.(line);
    else if (event.type === "pointerup" && travelled <= TAP) actions.tap?.(...last);
    if (line) actions.drawing?.(null);
    line = null;
  };
  surface.addEventListener("pointerup", lift);
  surface.addEventListener("pointercancel", lift);
  surface.addEventListener("pointerleave", () => actions.hover?.(null));

  // ------------------------------------------------------------------------------------------------ keys
  /** @type {Record<string, (() => void) | undefined>} */
  const keys = {
    ArrowLeft: () => camera.pan(KEY_STEP, 0),
    ArrowRight: () => camera.pan(-KEY_STEP, 0),
    ArrowUp: () => camera.pan(0, KEY_STEP),
    ArrowDown: () => camera.pan(0, -KEY_STEP),
    "+": () => camera.zoomAt(1.4),
    "=": () => camera.zoomAt(1.4),
    "-": () => camera.zoomAt(1 / 1.4),
    0: camera.fit,
    Enter: actions.enter,
    Escape: actions.escape,
    " ": actions.space,
  };
  surface.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const act = Object.hasOwn(keys, event.key) ? keys[event.key] : undefined;
    if (!act) return;
    event.preventDefault();
    act();
  });
  return camera;
};
