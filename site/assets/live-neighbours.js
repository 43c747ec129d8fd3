/* The images of the report that are nearest to the live page's image by features, with their labels. */
window.reportgen.liveNeighbours = (section, images, live, result, nearest) => {
  "use strict";
  const { dom, imageFigures } = window.reportgen;
  const { element } = dom;

  const predicted = result.answer.order[0];
  const cards = nearest.map(({ row, distance: value }) => {
    const label = images.label[row];
    const name = element("span", { className: "name", textContent: "no label" });
    if (label >= 0) {
      name.textContent = `${label === predicted ? "=" : "≠"} ${images.classes[label]}`;
      name.classList.add(label === predicted ? "same" : "other");
    }
    const distance = element("span", { className: "quiet", textContent: value.toPrecision(3) });
    const card = imageFigures.link(images, row, imageFigures.picture(images, row, true), name, distance);
    card.className = "card";
    return element("li", {}, card);
  });
  const agreeing = nearest.filter(({ row }) => images.label[row] === predicted).length;
  const caption =
    `The images of the report with the nearest features, and their Euclidean distance, from compressed features. ` +
    `${agreeing} of ${cards.length} have the label ${live.classes[predicted]}, the predicted class.`;
  const list = element("ul", { className: "strips live-strips" });
  list.append(...cards);
  const scroll = element(
    "div",
    { className: "scroll", tabIndex: 0, role: "region", ariaLabel: "Nearest images" },
    list,
  );
  section.replaceChildren(
    element("h2", { textContent: "Nearest images" }),
    scroll,
    element("p", { className: "quiet", textContent: caption }),
  );
};
