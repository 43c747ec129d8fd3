/* Zoom of the image viewer: the frame becomes larger than the region that it scrolls in. */
window.reportgen.viewerZoom = (frame, changed) => {
  "use strict";
  const HIGHEST = 8;
  const LEAST_HEIGHT = 240;
  const region = window.reportgen.dom.element("div", { className: "zoom" });
  frame.before(region);
  region.append(frame);

  /** @type {ViewerZoom} */
  const zoom = {
    level: 1,
    set: (level) => {
      const before = zoom.level;
      const middle = [region.scrollLeft + region.clientWidth / 2, region.scrollTop + region.clientHeight / 2];
      zoom.level = Math.min(Math.max(level, 1), HIGHEST);
      if (zoom.level < 1.05) zoom.level = 1;
      const isZoomed = zoom.level > 1;
      region.style.maxHeight = isZoomed ? `${Math.max(LEAST_HEIGHT, region.clientHeight)}px` : "";
      frame.style.width = isZoomed ? `${100 * zoom.level}%` : "";
      frame.style.maxWidth = isZoomed ? "none" : "";
      const [x, y] = middle.map((at) => (at * zoom.level) / before);
      region.scrollTo(x - region.clientWidth / 2, y - region.clientHeight / 2);
      changed();
    },
  };
  return zoom;
};
