/* The live page: an image, its changes, what the network predicts for it, and where it finds evidence. */
(() => {
  "use strict";
  const { data, dom, liveAnswer, livePixels, state } = window.reportgen;
  const { element, button } = dom;
  const holder = dom.byId("live");
  const images = data.chunk("images");
  const needed = ["WebAssembly", "Worker", "DecompressionStream", "createImageBitmap"];
  const missing = needed.filter((name) => !(name in window));
  if (missing.length) {
    const link = element("a", { href: `${data.root}images/index.html`, textContent: "Open all images" });
    const text = `The network cannot run in this browser, which has no ${missing.join(", no ")}. `;
    const what = "What the report stores of its images: the predicted class with its activation map. ";
    holder.append(element("p", { className: "empty" }, text, what, link));
    data.loadScripts("live-stored.js").then(() => holder.append(window.reportgen.liveStored(images)));
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
    await data.loadScripts("live-facts.js", "live-classes.js", "live-tools.js");
    const live = data.chunk("live");
    /** @type {LiveImage | undefined} */
    let image;
    /** @type {LiveResult | undefined} */
    let original; // of the image without changes
    /** @type {LiveResult | undefined} */
    let current;
    let chosen = -1; // −1: the predicted class
    let occluding = 0; // which occlusion map is being computed; 0: none

    const figure = window.reportgen.liveFigure(live);
    const tools = window.reportgen.liveTools(live, figure.frame, (changes, isFinal) => {
      edits = changes;
      stop();
      predict().catch(fail);
      if (isFinal) write();
    });
    const { editor } = tools;
    let edits = editor.none();
    const classes = window.reportgen.liveClasses(live, (k) => {
      chosen = k === current?.answer.order[0] ? -1 : k;
      stop();
      if (live.has_gradient) predict().catch(fail);
      else show();
      write();
    });
    const compare = dom.checkbox(false);
    compare.addEventListener("change", show);
    const occlude = button("Occlusion map", () => (occluding ? stop() : computeOcclusion().catch(fail)));
    const save = button("Save as PNG", () => {
      const [name, result] = [image?.name ?? "", compare.checked ? original : current];
      const card = () => result && window.reportgen.liveCard(figure.picture(640), name, live, result.answer);
      data.loadScripts("live-card.js").then(card, fail);
    });
    const actions = element(
      "div",
      { className: "tools live-actions" },
      ...tools.buttons,
      dom.labelled(compare, "show the original"),
      occlude,
      save,
    );
    const facts = element("dl");
    const sources = window.reportgen.liveSources(images, live, { open, fail: say });
    const right = element("div", {}, ...classes.elements, facts);
    figure.element.append(tools.element, actions);
    const two = element("div", { className: "two live-two" }, figure.element, right);
    holder.append(...sources.elements, status, two);
    const network = await window.reportgen.liveNetwork(live, (text) => say(`${text} …`));
    await data.loadScripts("live-sections.js");
    const sections = await window.reportgen.liveSections(images, live, {
      changed: (isOther) => {
        write();
        if (isOther) predict().catch(fail);
        else show();
      },
      fail,
    });
    holder.append(...sections.elements);

    function write() {
      const { row } = image ?? {};
      const place = { image: row === undefined ? "" : images.id[row], class: chosen < 0 ? "" : chosen };
      state.write({ ...place, ...editor.toState(edits), ...sections.toState() });
    }

    /** @param {LiveImage} opened */
    async function open(opened) {
      stop();
      const isNext = opened.isMoving && image?.isMoving;
      image = opened;
      original = undefined;
      sources.mark(image.row);
      if (!isNext) {
        edits = restored ?? editor.none();
        restored = undefined;
        tools.start(edits);
      }
      if (!opened.isMoving) write();
      await predict();
    }

    let isBusy = false;
    let isOutdated = false;
    /** Runs the network on the image as it is now. While it runs, only the last of further changes is kept. */
    async function predict() {
      isOutdated = true;
      if (isBusy || !network) return;
      isBusy = true;
      try {
        while (isOutdated && image) {
          isOutdated = false;
          const asked = image;
          const wanted = sections.outputs();
          const edited = editor.isNone(edits)
            ? null
            : await liveAnswer.run(network, live, editor.apply(asked.pixels, edits), wanted, chosen);
          const k = edited ? edited.k : chosen; // the map of the same class is compared
          if (original?.of !== asked || !liveAnswer.has(original, live, wanted, k)) {
            original = { ...(await liveAnswer.run(network, live, asked.pixels, wanted, k)), of: asked };
          }
          if (asked !== image) continue;
          current = edited ?? original;
          const [best] = current.answer.order;
          say(`${asked.name}: ${live.classes[best]}, ${current.answer.scores[best].toFixed(2)}`);
          show();
        }
      } finally {
        isBusy = false;
      }
    }

    /** @param {LiveResult} result */
    const classShown = ({ answer }) => (chosen < 0 ? answer.order[0] : chosen);
    function show() {
      if (!image || !current || !original) return;
      const k = classShown(current);
      const result = compare.checked ? original : current;
      const other = result === original ? current : original;
      figure.showImage(result.pixels, image.window, image.name);
      classes.show(result.answer, k, current === original || result === original ? undefined : original.answer);
      const [grid, otherGrid] = [result, other].map(({ outputs }) =>
        liveAnswer.activationMap(outputs, network.weights, k, live),
      );
      figure.showMap(grid, live.classes[k], compare.checked && current !== original, otherGrid);
      facts.replaceChildren(...window.reportgen.liveFacts(images, live, image, result, k));
      sections.show(result, image, result === original);
    }

    function stop() {
      occluding = 0;
      occlude.textContent = "Occlusion map";
    }
    async function computeOcclusion() {
      if (!current) return;
      compare.checked = false;
      show();
      const own = (occluding = Date.now());
      occlude.textContent = "Stop";
      await data.loadScripts("live-occlusion.js");
      const occlusion = window.reportgen.liveOcclusion(live);
      const k = classShown(current);
      const clean = current.answer.scores[k];
      const values = livePixels.normalize(current.pixels, live.preprocessing);
      await occlusion.run(network, values, k, clean, (drops, done, total) => {
        if (occluding !== own) return false;
        say(`Occlusion map: ${done} of ${total} places`);
        figure.showOcclusion(occlusion, drops, live.classes[k]);
        return true;
      });
      if (occluding === own) stop();
    }

    /** @type {Edits | undefined} */
    let restored; // those of the address, for the image that is opened next
    const restore = async () => {
      const given = state.read();
      chosen = state.number(given.class, -1);
      if (chosen >= live.classes.length) chosen = -1;
      const row = sources.rows.find((one) => images.id[one] === given.image) ?? sources.rows[0];
      restored = editor.fromState(given);
      await sections.fromState(given);
      if (row !== undefined) await sources.openRow(row);
    };
    state.onChange(() => restore().catch(fail));
    await restore();
  };
  begin().catch(fail);
})();
