/* The review page: the images of any filter one after the other, with tags and a note for each. */
(() => {
  "use strict";
  const R = window.reportgen;
  const { data, dom, imageFigures, state } = R;
  const { element, button, labelled } = dom;
  const NO_FILTER = ["at", "sort", "page", "cam", "boxes", "threshold"];
  const images = data.chunk("images");
  const page = dom.byId("review");
  const storage = R.reviewStorage(images);
  const { saved } = storage;
  const given = state.read();
  const filter = Object.fromEntries(Object.entries(given).filter(([key]) => !NO_FILTER.includes(key)));
  const queue = R.imageOrder.sorted(images, R.imageFilter.select(images, filter), given.sort || "mistakes");
  if (!queue.length) {
    page.append(dom.empty("No image passes this filter. Choose images on the page Images and follow “review these”."));
    return;
  }
  /** @param {string} id */
  const placeOf = (id) =>
    Math.max(
      0,
      queue.findIndex((i) => images.id[i] === id),
    );
  let at = placeOf(given.at);

  // ------------------------------------------------------------------------------------------------ elements
  const figure = R.reviewFigure(images, data.chunk("cams"));
  const position = element("p", { className: "quiet" });
  const progress = element("progress", { max: queue.length, ariaLabel: "reviewed" });
  const status = element("p", { className: "quiet", role: "status" });
  const title = element("h2", { className: "one-line" });
  const name = element("p", { className: "quiet one-line" });
  const facts = element("p", { className: "quiet one-line" });
  const link = element("a", { textContent: "image page" });
  const tags = element("div", { className: "tags", role: "group", ariaLabel: "Tags" });
  const note = element("textarea", { rows: 3 });
  const noteLabel = Object.assign(labelled("note", note), { className: "note-field" });
  const ONE_LABEL =
    "Colour: activation map of the predicted class, normalized per image. White: ground-truth box. Dotted: predicted " +
    "box at this threshold, a preview; the box that the report evaluates is on the image page.";
  const SEVERAL_LABELS =
    "Colour: activation map of the most probable label, normalized per image; the image page has those of other " +
    "labels. White: ground-truth boxes of all labels. Dotted: box of the map at this threshold, a preview.";

  // ------------------------------------------------------------------------------------------------ actions
  /** @param {number} step */
  const move = (step) => {
    at = Math.min(Math.max(at + step, 0), queue.length - 1);
    show();
  };
  /** @param {number} i */
  const isReviewed = (i) => !storage.isEmpty(storage.item(images.id[i]));
  // The first image without review after this one, from the beginning again after the last.
  const skip = () => {
    const order = [...queue.keys()].map((step) => (at + 1 + step) % queue.length);
    at = order.find((place) => !isReviewed(queue[place])) ?? at;
    show();
  };
  /** @param {boolean} on */
  const setAdvance = (on) => {
    storage.change(() => {
      saved.advance = on;
    });
    show();
  };
  const undo = () => {
    const ids = storage.undo();
    if (ids.length === 1) at = placeOf(ids[0]);
    show();
  };
  /** @param {string[]} next */
  const setTags = (next) => {
    storage.edit(queue[at], { tags: next });
    show();
  };
  /** @param {string} tag */
  const toggleTag = (tag) => {
    const { tags: current } = storage.item(images.id[queue[at]]);
    if (current.includes(tag)) return setTags(current.filter((one) => one !== tag));
    setTags([...current, tag]);
    if (saved.advance) skip();
  };
  const settings = R.reviewSettings(storage, R.reviewFiles(images, storage), () => show());
  const advance = dom.checkbox(saved.advance);
  advance.addEventListener("change", () => setAdvance(advance.checked));
  const buttons = [
    button("← back", () => move(-1)),
    button("next →", () => move(1)),
    button("next without review", skip),
    button("undo", undo),
    labelled(advance, "next image after a tag"),
  ];
  const left = element("div", {}, figure.frame, figure.controls);
  left.append(element("p", { className: "quiet", textContent: images.labels ? SEVERAL_LABELS : ONE_LABEL }));
  const right = element("div", {}, title, name, facts, element("p", {}, link), tags, noteLabel);
  right.append(element("div", { className: "tools" }, ...buttons));
  page.append(position, progress, status, element("div", { className: "two" }, left, right), settings);

  // ------------------------------------------------------------------------------------------------ showing
  const drawFigure = () => {
    figure.show(queue[at]);
    figure.preload(queue[at + 1]);
    state.write({ ...given, at: images.id[queue[at]], ...figure.viewState() });
  };
  const showStatus = () => {
    const count = queue.filter(isReviewed).length;
    position.textContent = `${at + 1} of ${queue.length}, ${count} reviewed`;
    progress.value = count;
    const notExported = storage.notExported();
    const exports = notExported ? `, ${notExported} not exported` : storage.reviewed().length ? ", all exported" : "";
    status.textContent = storage.isStored()
      ? `Saved in this browser only${exports}.`
      : "This browser cannot save the review: export it before you close the page.";
  };
  let isNoteSaved = false; // a note is saved letter by letter, and undone as one
  const show = () => {
    const i = queue[at];
    const item = storage.item(images.id[i]);
    isNoteSaved = false;
    showStatus();
    title.replaceChildren(imageFigures.title(images, i), " ", imageFigures.outcomeChip(images, i));
    const texts = [imageFigures.prediction(images, i)];
    name.textContent = name.title = images.name[i];
    if (images.iou[i] >= 0) texts.push(`IoU ${imageFigures.share(images.iou[i])}`);
    facts.textContent = facts.title = texts.join(" · ");
    advance.checked = saved.advance;
    link.href = data.root + data.imagePage(images, i);
    // The buttons are made again only when the tags change, so that the one that was pressed keeps the focus.
    const shown = [.../** @type {HTMLCollectionOf<HTMLButtonElement>} */ (tags.children)];
    if (String(shown.map(({ value }) => value)) !== String(saved.tags)) {
      const made = saved.tags.map((tag, k) => button(`${k + 1}  ${tag}`, () => toggleTag(tag)));
      made.forEach((one, k) => (one.value = saved.tags[k]));
      tags.replaceChildren(...made);
    }
    for (const one of /** @type {HTMLCollectionOf<HTMLButtonElement>} */ (tags.children)) {
      one.ariaPressed = String(item.tags.includes(one.value));
    }
    if (note.value !== item.note) note.value = item.note;
    drawFigure();
  };

  // ------------------------------------------------------------------------------------------------ events
  note.addEventListener("input", () => {
    storage.edit(queue[at], { note: note.value }, !isNoteSaved);
    isNoteSaved = true;
    showStatus();
  });
  for (const input of [figure.threshold, figure.cam, figure.boxes]) input.addEventListener("input", drawFigure);
  document.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const isElsewhere = event.target instanceof Element && event.target.closest("input, select, textarea, dialog");
    if (step && !isElsewhere && !event.altKey && !event.ctrlKey && !event.metaKey) move(step);
    const isText = event.target instanceof Element && event.target.matches("textarea, input[type=text]");
    if (event.key === "Escape" && isText) /** @type {HTMLElement} */ (event.target).blur();
  });

  /** @param {number} step */
  const stepThreshold = (step) => {
    figure.threshold.value = String(Number(figure.threshold.value) + step);
    drawFigure();
  };
  /** @param {HTMLInputElement} box */
  const toggle = (box) => {
    box.checked = !box.checked;
    drawFigure();
  };
  /** @type {Record<string, () => void>} */
  const actions = {
    j: () => move(1),
    x: skip,
    a: () => setAdvance(!saved.advance),
    k: () => move(-1),
    u: undo,
    n: () => note.focus(),
    0: () => setTags([]),
    c: () => toggle(figure.cam),
    b: () => toggle(figure.boxes),
    "[": () => stepThreshold(-1),
    "]": () => stepThreshold(1),
    "?": () => (settings.open = true),
  };
  R.shortcuts.listen((key) => {
    const tag = /^[1-9]$/.test(key) ? saved.tags[Number(key) - 1] : undefined;
    if (tag !== undefined) return () => toggleTag(tag);
    return Object.hasOwn(actions, key) ? actions[key] : undefined;
  });
  window.addEventListener("storage", show);
  state.onChange(() => location.reload()); // another filter, so another queue
  show();
})();
