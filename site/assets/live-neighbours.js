/* The images of the report that are nearest to the live page's image by features, with their labels. */
window.reportgen.liveNeighbours = (section, images, live, result, own) => {
  "use strict";
  const { data, dom, imageFigures } = window.reportgen;
  const { element } = dom;
  const SHOWN = 10;
  const { mean, axes, steps, values, index, pooled } = data.chunk("live-features");
  const count = steps.length;

  /** The features: an output of the network, or the mean or maximum of each map. */
  const features = () => {
    const { compared } = result;
    if (!pooled) return compared;
    const cells = compared.length / mean.length;
    return Float32Array.from(mean, (_, c) => {
      const map = compared.subarray(c * cells, (c + 1) * cells);
      return pooled === "max" ? map.reduce((a, b) => Math.max(a, b)) : map.reduce((a, b) => a + b) / cells;
    });
  };
  const query = features();
  const size = mean.length;
  const place = new Float64Array(count);
  let rest = 0; // square of the part that no axis has
  for (let d = 0; d < size; d++) rest += (query[d] - mean[d]) ** 2;
  for (let a = 0; a < count; a++) {
    for (let d = 0; d < size; d++) place[a] += (query[d] - mean[d]) * axes[a * size + d];
    rest -= place[a] ** 2;
  }
  const squares = Float64Array.from(index, (_, i) => {
    let square = Math.max(rest, 0);
    for (let a = 0; a < count; a++) square += (place[a] - steps[a] * values[i * count + a]) ** 2;
    return square;
  });
  const order = Array.from(squares.keys()).filter((i) => index[i] !== own);
  order.sort((i, j) => squares[i] - squares[j]);

  const predicted = result.answer.order[0];
  const cards = order.slice(0, SHOWN).map((i) => {
    const row = index[i];
    const label = images.label[row];
    const name = element("span", { className: "name", textContent: "no label" });
    if (label >= 0) {
      name.textContent = `${label === predicted ? "=" : "≠"} ${images.classes[label]}`;
      name.classList.add(label === predicted ? "same" : "other");
    }
    const distance = element("span", { className: "quiet", textContent: Math.sqrt(squares[i]).toPrecision(3) });
    const card = imageFigures.link(images, row, imageFigures.picture(images, row, true), name, distance);
    card.className = "card";
    return element("li", {}, card);
  });
  const agreeing = order.slice(0, SHOWN).filter((i) => images.label[index[i]] === predicted).length;
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
