/* Controls of the embedding map: layout, colours, filters and legend. */
window.reportgen.embeddingControls = (chunk, actions) => {
  "use strict";
  const { dom } = window.reportgen;
  const { element, button, labelled } = dom;
  const PLAY_INTERVAL = 2200; // milliseconds
  const ANY = /** @type {[string, string][]} */ ([["", "any"]]);
  const axes = chunk.axes_explained.map((share, axis) => [
    String(axis + 1),
    `${axis + 1} (${(100 * share).toFixed(1)} %)`,
  ]);
  const axisOptions = /** @type {[string, string][]} */ (axes);
  const selects = {
    layout: dom.select("layout", chunk.layouts),
    x: dom.select("across", axisOptions),
    y: dom.select("down", axisOptions),
    colour: dom.select("colour", [["", "…"]]),
    label: dom.select("label", ANY),
    predicted: dom.select("prediction", ANY),
    outcome: dom.select("outcome", ANY),
  };
  for (const [key, select] of Object.entries(selects)) {
    select.addEventListener("input", () => actions.set({ [key]: select.value }));
  }
  /** @param {keyof typeof selects} key */
  const field = (key) => labelled(selects[key].ariaLabel ?? "", selects[key]);
  const axisFields = [field("x"), field("y")];
  const predictedName = new Text("prediction"); // of several labels, another one

  const tools = ["lasso", "box"].map((tool) => {
    const made = button(tool, () => {
      const chosen = actions.tool(tool);
      for (const other of tools) other.ariaPressed = String(other.textContent === chosen);
    });
    made.ariaPressed = "false";
    return made;
  });
  let timer = 0;
  const nextLayout = () => {
    const { selectedIndex, length } = selects.layout;
    selects.layout.selectedIndex = (selectedIndex + 1) % length;
    actions.set({ layout: selects.layout.value });
  };
  const togglePlay = () => {
    clearInterval(timer);
    timer = timer ? 0 : setInterval(nextLayout, PLAY_INTERVAL);
    if (timer) nextLayout();
    play.textContent = timer ? "stop" : "play";
  };
  const play = button("play", togglePlay);
  const count = element("output", { className: "count" });
  const clear = button("clear", actions.clear);
  const layoutControls = element(
    "div",
    { className: "filters" },
    field("layout"),
    ...axisFields,
    field("colour"),
    play,
    button("+", actions.zoomIn, "zoom in"),
    button("−", actions.zoomOut, "zoom out"),
    button("fit", actions.fit, "fit the whole map"),
    ...tools,
    button("select visible", actions.selectVisible),
  );
  const filterControls = element(
    "div",
    { className: "filters" },
    field("label"),
    labelled(predictedName, selects.predicted),
    field("outcome"),
    count,
    clear,
    button("export CSV", actions.exportCsv),
  );
  const legend = element("div", { className: "legend-row" });

  /** @type {EmbeddingControls["offer"]} */
  const offer = (images, colourings) => {
    /** @param {Integers} column @returns {[string, string][]} */
    const classes = (column) => {
      const numbers = [...new Set(column)].filter((k) => k >= 0);
      const options = numbers.map((k) => /** @type {[string, string]} */ ([String(k), images.classes[k]]));
      return [...ANY, ...options.sort((a, b) => a[1].localeCompare(b[1]))];
    };
    const used = new Set(images.outcome);
    dom.setOptions(
      selects.colour,
      colourings.map(({ key, label }) => [key, label]),
    );
    dom.setOptions(selects.label, classes(images.label_sets ?? images.label));
    dom.setOptions(selects.predicted, classes(images.predicted));
    const predicted = colourings.find(({ key }) => key === "predicted");
    if (predicted) selects.predicted.ariaLabel = predictedName.data = predicted.label;
    dom.setOptions(selects.outcome, [...ANY, ...images.outcomes.filter((_, k) => used.has(k))]);
  };
  /** @type {EmbeddingControls["fill"]} */
  const fill = (state) => {
    for (const [key, select] of Object.entries(selects)) dom.setValue(select, state[key], key === "y" ? 1 : 0);
    for (const each of axisFields) each.hidden = selects.layout.value !== "pca";
  };
  /** @type {EmbeddingControls["showCount"]} */
  const showCount = (rows, isFiltered) => {
    count.textContent = `${rows.toLocaleString("en")} of ${chunk.n.toLocaleString("en")} images`;
    clear.disabled = !isFiltered;
  };
  /** @type {EmbeddingControls["showLegend"]} */
  const showLegend = ({ legend: entries, more = 0, filter }, state) => {
    const chosen = (filter && state[filter]?.split(",")) || [];
    /** @param {string} value */
    const toggle = (value) => {
      const next = chosen.includes(value) ? chosen.filter((other) => other !== value) : [...chosen, value];
      if (filter) actions.set({ [filter]: next.join(",") });
    };
    const keys = entries.map(([rgb, text, value]) => {
      const swatch = element("i");
      swatch.style.background = `rgb(${rgb.join(" ")})`;
      if (value === undefined) return element("span", {}, swatch, text);
      const made = button("", () => toggle(value));
      made.append(swatch, text);
      made.ariaPressed = String(chosen.includes(value));
      return made;
    });
    legend.replaceChildren(...keys);
    if (more > 0) legend.append(element("span", {}, `and ${more} more`));
  };
  return { layoutControls, filterControls, legend, togglePlay, offer, fill, showCount, showLegend };
};
