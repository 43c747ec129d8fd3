/* The live page: an image, what the network predicts for it, and where it finds evidence. */
(() => {
  "use strict";
  const { data, dom, imageFigures, liveAnswer, livePixels, state } = window.reportgen;
  const { element } = dom;
  const holder = dom.byId("live");
  const images = data.chunk("images");
  const needed = ["WebAssembly", "Worker", "DecompressionStream", "createImageBitmap"];
  const missing = needed.filter((name) => !(name in window));
  if (missing.length) {
    const link = element("a", { href: `${data.root}images/index.html`, textContent: "The report has its results" });
    const text = `The network cannot run in this browser, which has no ${missing.join(", no ")}. `;
    holder.append(element("p", { className: "empty" }, text, link, " for the images that were audited."));
    return;
  }

  const status = element("p", { className: "quiet live-status", role: "status" });
  /** @param {string} text */
  const say = (text) => {
    status.textContent = text;
  };
  /** @param {unknown} error */
  const fail = (error) => say(error instanceof Error ? error.message : String(error));

  const begin = async () => {
    await data.load("live");
    const live = data.chunk("live");
    /** @type {LiveImage | undefined} */
    let image;
    /** @type {Answer | undefined} */
    let answer;
    /** @type {Float32Array | undefined} */
    let maps;
    let chosen = state.number(state.read().class, -1); // −1: the predicted class

    const figure = window.reportgen.liveFigure(live);
    const classes = window.reportgen.liveClasses(live, (k) => {
      chosen = k === answer?.order[0] ? -1 : k;
      show();
      write();
    });
    const facts = element("dl");
    const sources = window.reportgen.liveSources(images, live, { open, fail: say });
    const right = element("div", {}, ...classes.elements, facts);
    const two = element("div", { className: "two live-two" }, figure.element, right);
    holder.append(...sources.elements, status, two);
    const network = await window.reportgen.liveNetwork(live, (text) => say(`${text} …`));

    function write() {
      const { row } = image ?? {};
      state.write({ image: row === undefined ? "" : images.id[row], class: chosen < 0 ? "" : chosen });
    }

    /** @param {LiveImage} opened */
    async function open(opened) {
      image = opened;
      sources.mark(image.row);
      if (!opened.isMoving) write();
      await predict();
    }

    async function predict() {
      if (!image || !network) return;
      const asked = image;
      const start = performance.now();
      figure.showImage(asked.pixels, asked.window, asked.name);
      const outputs = await network.run(livePixels.normalize(asked.pixels, live.preprocessing), ["logits", "maps"]);
      if (asked !== image) return;
      maps = outputs.maps;
      answer = liveAnswer.classify(outputs.logits);
      say(`${asked.name}: ${live.classes[answer.order[0]]}, ${answer.scores[answer.order[0]].toFixed(2)}`);
      holder.dataset.milliseconds = String(Math.round(performance.now() - start));
      show();
    }

    function show() {
      if (!image || !answer || !maps) return;
      const k = chosen < 0 || chosen >= live.classes.length ? answer.order[0] : chosen;
      classes.show(answer, k);
      const grid = network.weights && liveAnswer.activationMap(maps, network.weights, k, live.feature_shape);
      figure.showMap(grid, grid ? `Class activation map (CAM) of ${live.classes[k]}.` : live.no_map);
      facts.replaceChildren(...factsOf(image, answer, k).map(fact));
    }

    /** @param {LiveImage} shown @param {Answer} found @param {number} k @returns {[string, string | Node][]} */
    function factsOf({ name, row, size }, { logits, order }, k) {
      /** @type {[string, string | Node][]} */
      const known = row === undefined ? [["Image", name]] : [["Image", imageFigures.link(images, row, name)]];
      known.push(["Size", `${size[0]} × ${size[1]} pixels`]);
      if (row !== undefined) {
        const score = imageFigures.share(images.score[row]);
        const label = images.label[row];
        known.push(["Label", label < 0 ? "none" : images.classes[label]]);
        known.push(["In the report", `${imageFigures.className(images, images.predicted[row])}, ${score}`]);
      }
      known.push([`Logit of ${live.classes[k]}`, logits[k].toFixed(2)]);
      if (k !== order[0]) known.push(["Rank", `${order.indexOf(k) + 1} of ${order.length}`]);
      known.push(["Time", `${holder.dataset.milliseconds} ms`]);
      return known;
    }
    /** @param {[string, string | Node]} row */
    function fact([name, value]) {
      return element("div", {}, element("dt", { textContent: name }), element("dd", {}, value));
    }

    const restore = async () => {
      const { image: id, class: k } = state.read();
      chosen = state.number(k, -1);
      const row = sources.rows.find((one) => images.id[one] === id) ?? sources.rows[0];
      if (row !== undefined) await sources.openRow(row);
    };
    state.onChange(() => restore().catch(fail));
    await restore();
  };
  begin().catch(fail);
})();
