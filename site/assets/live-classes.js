/* The live page's predictions: the most probable classes, and any other one, as choices of the map's class. */
window.reportgen.liveClasses = (live, choose) => {
  "use strict";
  const { dom } = window.reportgen;
  const { element, svg } = dom;
  const SHOWN = 5;

  const list = element("ul", { className: "class-list", ariaLabel: "Most probable classes" });
  const options = element("datalist", { id: "live-names" });
  options.append(...live.classes.map((name) => element("option", { value: name })));
  const other = element("input", { type: "text", placeholder: "another class", ariaLabel: "another class" });
  other.setAttribute("list", options.id);
  other.addEventListener("change", () => {
    const k = live.classes.indexOf(other.value);
    if (k >= 0) choose(k);
  });
  const box = element("div", { className: "filters live-other" }, other, options);

  /** @param {number} score @param {number | undefined} before */
  const bar = (score, before) => {
    const parts = [
      svg("rect", { class: "track", width: 100, height: 8 }),
      svg("rect", { class: "value", width: 100 * score, height: 8 }),
    ];
    if (before !== undefined) parts.push(svg("rect", { class: "was", x: 99 * before, width: 1, height: 8 }));
    const attributes = { class: "bar", viewBox: "0 0 100 8", preserveAspectRatio: "none", "aria-hidden": "true" };
    return svg("svg", attributes, ...parts);
  };

  /** @param {number} score */
  const text = (score) => score.toFixed(2);
  /** @type {LiveClasses["show"]} */
  const show = ({ order, scores }, chosen, before) => {
    const shown = order.slice(0, SHOWN);
    if (!shown.includes(chosen)) shown.push(chosen);
    const focused = [...list.children].findIndex((item) => item.contains(document.activeElement));
    list.replaceChildren(
      ...shown.map((k) => {
        const name = dom.button(live.classes[k], () => choose(k), `map of ${live.classes[k]}`);
        name.ariaPressed = String(k === chosen);
        const score = element("span", { className: "score" });
        if (before) score.append(element("span", { className: "quiet", textContent: `${text(before.scores[k])} → ` }));
        score.append(text(scores[k]));
        return element("li", {}, name, score, bar(scores[k], before?.scores[k]));
      }),
    );
    list.children[focused]?.querySelector("button")?.focus();
    other.value = "";
  };
  return { elements: [list, box], show };
};
