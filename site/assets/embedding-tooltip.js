/* The card next to the pointer on the embedding map: the image there, its label and its prediction. */
window.reportgen.embeddingTooltip = (stage, surface, images) => {
  "use strict";
  const { dom, imageFigures } = window.reportgen;
  const { element } = dom;
  const [WIDTH, HEIGHT, DISTANCE] = [190, 250, 24]; // CSS pixels
  const card = element("div", { className: "tooltip", hidden: true });
  stage.append(card);
  let shown = -1;

  /** @type {EmbeddingTooltip["show"]} */
  const show = (i, u = 0, v = 0) => {
    surface.style.cursor = i >= 0 ? "pointer" : "";
    card.hidden = i < 0;
    if (i < 0) {
      shown = -1;
      return;
    }
    if (i !== shown) {
      card.replaceChildren(
        imageFigures.picture(images, i, true),
        element("span", { className: "name" }, imageFigures.title(images, i)),
        imageFigures.outcomeChip(images, i),
        element("span", { className: "quiet" }, imageFigures.prediction(images, i)),
        element("span", { className: "quiet" }, images.name[i]),
      );
      shown = i;
    }
    const isRightFree = u + DISTANCE + WIDTH <= stage.clientWidth;
    card.style.left = `${isRightFree ? u + DISTANCE : Math.max(0, u - DISTANCE - WIDTH)}px`;
    card.style.top = `${Math.max(0, Math.min(v, stage.clientHeight - HEIGHT))}px`;
  };
  return { show };
};
