/* The way of the images from one layout of the embedding map to the next. */
window.reportgen.embeddingTransition = (first, draw) => {
  "use strict";
  const DURATION = 900; // milliseconds
  const reducedMotion = matchMedia("(prefers-reduced-motion: reduce)");
  let time = 1; // of the way, from 0 to 1
  let frame = 0;
  let firstExtent = first.extent;

  const progress = () => time * time * (3 - 2 * time);
  /** @type {EmbeddingTransition["xy"]} */
  const xy = () => {
    if (time >= 1) return transition.to.xy;
    const share = progress();
    return transition.to.xy.map((value, j) => {
      const start = transition.from[j];
      return Number.isNaN(start) ? value : start + share * (value - start);
    });
  };
  const extent = () => {
    const [width, height] = firstExtent.map((value, axis) => value + progress() * (transition.to.extent[axis] - value));
    return /** @type {Point} */ ([width, height]);
  };
  /** @type {EmbeddingTransition["start"]} */
  const start = (layout) => {
    if (layout === transition.to) return false;
    firstExtent = extent();
    transition.from = xy();
    transition.to = layout;
    time = reducedMotion.matches ? 1 : 0;
    const startTime = performance.now();
    /** @param {number} now */
    const step = (now) => {
      time = Math.min(1, Math.max(time, (now - startTime) / DURATION));
      draw();
      if (time < 1) frame = requestAnimationFrame(step);
    };
    cancelAnimationFrame(frame);
    frame = requestAnimationFrame(step);
    return true;
  };

  /** @type {EmbeddingTransition} */
  const transition = { from: first.xy, to: first, isDone: () => time >= 1, progress, extent, xy, start };
  return transition;
};
