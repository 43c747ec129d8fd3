/* The canvases of the embedding map: one for density and one for images, larger than the stage; above them, one for the
   line of a selection and for events. */
window.reportgen.embeddingStage = (chunk, atlases) => {
  "use strict";
  const { dom, embeddingCanvas, embeddingWebgl } = window.reportgen;
  const MANY = 200000; // images, beyond which the map is a density with some thumbnails
  const isMany = chunk.n > MANY;
  const surface = dom.element("canvas", {
    tabIndex: 0,
    className: "surface",
    role: "application",
    ariaLabel:
      "Embedding map of the images. Arrow keys move it, plus and minus zoom, 0 fits it, Enter selects the visible " +
      "images, Escape clears the selection, space plays. The list below has the same images, and a table the regions.",
  });
  // `?webgl2` and `?canvas2d` in the address choose a renderer.
  const requested = new URLSearchParams(location.search);
  const isWebgl = requested.has("webgl2") || !(requested.has("canvas2d") || isMany);
  const renderer =
    (isWebgl && embeddingWebgl(chunk.n, chunk.side, atlases, requested.has("webgl2"))) ||
    embeddingCanvas(chunk.n, chunk.side, isMany);
  renderer.canvas.className = "drawing";
  const shading = dom.element("canvas", { className: "shading" });
  const stage = dom.element("div", { className: "stage" }, shading, renderer.canvas, surface);
  stage.dataset.renderer = renderer.name;
  const ratio = () => Math.min(window.devicePixelRatio || 1, isMany ? 1 : 2);
  return { stage, surface, shading, renderer, ratio };
};
