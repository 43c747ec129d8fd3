/* What part of a map is seen, and the hand on it: wheel, drag, pinch, keys; a drag with shift or in lasso mode draws a line. */
(() => {
  "use strict";
  const DEEPEST = 400;
  window.reportgen.camera = (surface, told) => {
    // x, y: the place in the middle, in the map's unit square; extent: how much of it, around its middle, the map fills;
    // zoom 1 shows all of that. Screen coordinates are CSS pixels.
    const camera = { x: 0.5, y: 0.5, zoom: 1, extent: [1, 1], lassoing: false };
    const size = () => [surface.clientWidth, surface.clientHeight];
    camera.scale = () => camera.zoom * Math.min(...size().map((side, a) => side / camera.extent[a])) * 0.92;
    camera.toMap = (u, v) => { const [w, h] = size(), s = camera.scale(); return [camera.x + (u - w / 2) / s, camera.y + (v - h / 2) / s]; };
    camera.toScreen = (x, y) => { const [w, h] = size(), s = camera.scale(); return [(x - camera.x) * s + w / 2, (y - camera.y) * s + h / 2]; };
    const settle = () => {
      camera.zoom = Math.min(Math.max(camera.zoom, 0.5), DEEPEST);
      camera.x = Math.min(Math.max(camera.x, 0), 1);
      camera.y = Math.min(Math.max(camera.y, 0), 1);
      told.moved();
    };
    camera.zoomAt = (factor, u, v) => {
      const [w, h] = size(), [x, y] = camera.toMap(u ?? w / 2, v ?? h / 2), before = camera.zoom;
      camera.zoom = Math.min(Math.max(camera.zoom * factor, 0.5), DEEPEST);
      const kept = before / camera.zoom;
      camera.x = x + (camera.x - x) * kept;
      camera.y = y + (camera.y - y) * kept;
      settle();
    };
    camera.pan = (du, dv) => { camera.x -= du / camera.scale(); camera.y -= dv / camera.scale(); settle(); };
    camera.whole = () => { Object.assign(camera, { x: 0.5, y: 0.5, zoom: 1 }); settle(); };

    const at = (event) => { const area = surface.getBoundingClientRect(); return [event.clientX - area.left, event.clientY - area.top]; };
    const fingers = new Map();
    let line = null, travelled = 0;
    surface.addEventListener("wheel", (event) => {
      event.preventDefault();
      camera.zoomAt(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0016)), ...at(event));
    }, { passive: false });
    surface.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      surface.setPointerCapture(event.pointerId);
      told.hover(null);
      fingers.set(event.pointerId, at(event));
      travelled = 0;
      line = fingers.size === 1 && (camera.lassoing || event.shiftKey) ? [camera.toMap(...at(event))] : null;
      if (line) event.preventDefault();
    });
    surface.addEventListener("pointermove", (event) => {
      const now = at(event), before = fingers.get(event.pointerId);
      if (!before) { if (event.pointerType === "mouse") told.hover(...now); return; }
      travelled += Math.hypot(now[0] - before[0], now[1] - before[1]);
      if (line) { line.push(camera.toMap(...now)); told.drawing(line); }
      else if (fingers.size === 1) camera.pan(now[0] - before[0], now[1] - before[1]);
      else {
        const [other] = [...fingers].find(([id]) => id !== event.pointerId).slice(1);
        const apart = (p) => Math.hypot(p[0] - other[0], p[1] - other[1]);
        camera.pan((now[0] - before[0]) / 2, (now[1] - before[1]) / 2);
        if (apart(before) > 0) camera.zoomAt(apart(now) / apart(before), (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
      }
      fingers.set(event.pointerId, now);
    });
    const lift = (event) => {
      const last = fingers.get(event.pointerId);
      if (!last) return;
      fingers.delete(event.pointerId);
      if (line && travelled > 6) told.lasso(line);
      else if (event.type === "pointerup" && travelled <= 4) told.tap(...last);
      if (line) told.drawing(null);
      line = null;
    };
    surface.addEventListener("pointerup", lift);
    surface.addEventListener("pointercancel", lift);
    surface.addEventListener("pointerleave", () => told.hover(null));
    surface.addEventListener("keydown", (event) => {
      if (event.altKey || event.ctrlKey || event.metaKey) return;
      const step = 60, act = {
        ArrowLeft: () => camera.pan(step, 0), ArrowRight: () => camera.pan(-step, 0), ArrowUp: () => camera.pan(0, step), ArrowDown: () => camera.pan(0, -step),
        "+": () => camera.zoomAt(1.4), "=": () => camera.zoomAt(1.4), "-": () => camera.zoomAt(1 / 1.4), 0: camera.whole,
        Enter: told.choose, Escape: told.unchoose, " ": told.play,
      }[event.key];
      if (act) { event.preventDefault(); act(); }
    });
    return camera;
  };
})();
