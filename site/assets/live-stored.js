/* What the report stores of its images, for browsers in which the network cannot run. */
window.reportgen.liveStored = (images) => {
  "use strict";
  const { dom, imageFigures, state } = window.reportgen;
  const { element } = dom;
  const SHOWN = 20;
  const wanted = images.id.indexOf(state.read().image);
  const rows = Array.from({ length: Math.min(images.n, SHOWN) }, (_, i) => i).filter((row) => row !== wanted);
  const cards = (wanted < 0 ? rows : [wanted, ...rows]).slice(0, SHOWN).map((row) => {
    const name = element("span", {
      className: "name",
      textContent: imageFigures.className(images, images.predicted[row]),
    });
    const score = element("span", { className: "quiet", textContent: imageFigures.share(images.score[row]) });
    const card = imageFigures.link(images, row, imageFigures.picture(images, row), name, score);
    card.className = "card";
    return element("li", {}, card);
  });
  return element("ul", { className: "strips live-strips" }, ...cards);
};
