/* The live page's list of facts: of the image, of its place in the report, and of the prediction. */
window.reportgen.liveFacts = (images, live, image, result, k) => {
  "use strict";
  const { name, row, size } = image;
  const { answer, milliseconds } = result;
  const { logits, order } = answer;
  const { dom, imageFigures } = window.reportgen;
  const { element } = dom;
  /** @type {[string, string | Node][]} */
  const facts = [["Image", row === undefined ? name : imageFigures.link(images, row, name)]];
  facts.push(["Size", `${size[0]} × ${size[1]} pixels`]);
  if (row !== undefined) {
    const label = images.label[row];
    facts.push(["Label", label < 0 ? "none" : images.classes[label]]);
    const score = imageFigures.share(images.score[row]);
    facts.push(["In the report", `${imageFigures.className(images, images.predicted[row])}, ${score}`]);
  }
  facts.push([`Logit of ${live.classes[k]}`, logits[k].toFixed(2)]);
  if (k !== order[0]) facts.push(["Rank", `${order.indexOf(k) + 1} of ${order.length}`]);
  facts.push(["Time", `${Math.round(milliseconds)} ms`]);
  return facts.map(([term, value]) =>
    element("div", {}, element("dt", { textContent: term }), element("dd", {}, value)),
  );
};
