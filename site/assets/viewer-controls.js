/* Controls of the image viewer. */
window.reportgen.viewerControls = (layers, defaults, zoomBy) => {
  "use strict";
  const { dom, shortcuts } = window.reportgen;
  const { element, button, labelled } = dom;
  const KEYS =
    "Keys: m next layer · [ ] threshold · c layer on and off · b boxes · s normalize per map · + − 0 zoom · " +
    "← → pages. While the image has the focus, the arrow keys read values. ";

  const layer = element("select", { ariaLabel: "layer" });
  for (const [group, members] of Map.groupBy(layers.entries(), ([, { group: name }]) => name)) {
    const options = members.map(([i, { name }]) => element("option", { value: String(i), textContent: name }));
    layer.append(element("optgroup", { label: group }, ...options));
  }
  const opacity = dom.slider(0, 100, defaults.opacity);
  const threshold = dom.slider(1, 90, defaults.threshold);
  const percent = element("output", { textContent: `${defaults.threshold} %` });
  const boxes = dom.checkbox(true);
  const normalize = dom.checkbox(false);
  const reading = element("output", { className: "reading", ariaLive: "polite" });
  const help = element("div", { className: "quiet help", hidden: true }, KEYS, shortcuts.toggle());
  const toggleHelp = () => {
    help.hidden = !help.hidden;
  };
  const tools = [
    labelled("layer", layer),
    labelled("opacity", opacity),
    labelled("threshold", threshold, percent),
    labelled("boxes", boxes),
    labelled("normalize per map", normalize),
    button("−", () => zoomBy(1 / 1.5), "zoom out"),
    button("+", () => zoomBy(1.5), "zoom in"),
    button("?", toggleHelp, "keys"),
    reading,
  ];
  return { tools, help, toggleHelp, layer, opacity, threshold, percent, boxes, normalize, reading };
};
