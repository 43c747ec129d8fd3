/* The slider between the maps of the predicted class and the label. Style sheets lay the second over the first where
   scripts run; without them, the two are side by side. */
(() => {
  "use strict";
  const { dom } = window.reportgen;
  const wipe = /** @type {HTMLElement | null} */ (document.querySelector(".wipe"));
  if (!wipe) return;
  const frames = /** @type {HTMLElement[]} */ ([...wipe.querySelectorAll(".frame")]);
  const slider = dom.slider(0, 100, 50);
  slider.ariaLabel = "Share of the image with the map of the predicted class, from the left, in percent";
  const show = () => wipe.style.setProperty("--at", `${slider.value}%`);
  slider.addEventListener("input", show);
  /** @param {PointerEvent} event */
  const follow = (event) => {
    if (!event.buttons) return;
    const area = frames[0].getBoundingClientRect();
    slider.value = String((100 * (event.clientX - area.left)) / area.width);
    show();
  };
  for (const frame of frames) {
    for (const image of frame.querySelectorAll("img")) image.draggable = false;
    frame.addEventListener("pointerdown", (event) => {
      frame.setPointerCapture(event.pointerId);
      follow(event);
    });
    frame.addEventListener("pointermove", follow);
  }
  wipe.append(slider);
})();
