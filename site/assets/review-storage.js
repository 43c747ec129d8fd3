/* What a review stores in this browser: of every image its tags, a note, when and by whom. Changes can be undone. */
window.reportgen.reviewStorage = (images) => {
  "use strict";
  const KEY = `reportgen-review-${images.report}`;
  const COUNT_KEY = `reportgen-reviewed-${images.report}-${images.title}`; // for the header of every page
  const ids = new Set(images.id);
  /** @type {[string, ReviewItem | undefined][][]} */
  const past = [];
  const TAGS = [
    "label error",
    "part only",
    "background",
    "multiple instances",
    "box too large",
    "wrong ground-truth box",
    "looks fine",
  ];
  // With several labels an image, no box is judged, and an annotation may lack a label.
  const TAGS_OF_SEVERAL_LABELS = [
    "annotation lacks a label",
    "annotation has a wrong label",
    "small object",
    "part only",
    "background",
    "similar label",
    "looks fine",
  ];
  /** @type {ReviewStorage["saved"]} */
  const saved = {
    tags: images.labels ? TAGS_OF_SEVERAL_LABELS : TAGS,
    reviewer: "",
    advance: false,
    items: new Map(),
  };
  let isStored = true;

  /** @param {unknown} value */
  const isTexts = (value) => Array.isArray(value) && value.every((one) => typeof one === "string");
  /** @param {any} item */
  const isValid = (item) =>
    Boolean(item) &&
    isTexts(item.tags) &&
    typeof item.note === "string" &&
    Number.isFinite(new Date(item.time).getTime());

  // Another tab may have written since, so every change begins with what is stored. What could not be stored is only
  // here.
  const read = () => {
    /** @type {any} */
    let stored = {};
    try {
      if (isStored) stored = JSON.parse(localStorage.getItem(KEY) ?? "null") ?? {};
    } catch (error) {
      isStored = error instanceof SyntaxError;
    }
    if (isTexts(stored.tags)) saved.tags = stored.tags;
    if (typeof stored.reviewer === "string") saved.reviewer = stored.reviewer;
    saved.advance = stored.advance === true;
    if (stored.items) saved.items = new Map(Object.entries(stored.items).filter(([, item]) => isValid(item)));
  };
  /** @type {ReviewStorage["change"]} */
  const change = (act) => {
    read();
    act();
    try {
      localStorage.setItem(KEY, JSON.stringify({ ...saved, items: Object.fromEntries(saved.items) }));
      localStorage.setItem(COUNT_KEY, String(reviewed().length || ""));
      document.dispatchEvent(new Event("reviewed"));
      isStored = true;
    } catch {
      isStored = false;
    }
  };

  /**
   * @param {[string, ReviewItem | undefined][]} items - by id; undefined removes an item
   * @param {boolean} canUndo
   */
  const put = (items, canUndo = true) =>
    change(() => {
      /** @type {typeof items} */
      const before = items.map(([id]) => [id, saved.items.get(id)]);
      for (const [id, item] of items) {
        if (item) saved.items.set(id, item);
        else saved.items.delete(id);
      }
      if (canUndo) past.push(before);
    });
  const undo = () => {
    const before = past.pop() ?? [];
    const items = before.map(([id, item]) => [id, item && { ...item, exported: false }]);
    put(/** @type {[string, ReviewItem | undefined][]} */ (items), false);
    return before.map(([id]) => id);
  };

  /** @type {ReviewStorage["item"]} */
  const item = (id) => saved.items.get(id) ?? { tags: [], note: "" };
  /** @type {ReviewStorage["edit"]} */
  const edit = (i, edited, canUndo) => {
    const { tags, note } = { ...item(images.id[i]), ...edited };
    put([[images.id[i], { tags, note, name: images.name[i], time: Date.now() }]], canUndo);
  };

  /** @param {ReviewItem} one */
  const isEmpty = ({ tags, note }) => !tags.length && !note;
  const reviewed = () => [...saved.items].filter(([id, one]) => ids.has(id) && !isEmpty(one));
  /** @type {ReviewStorage["isOwn"]} */
  const isOwn = ({ by }) => !by || by === saved.reviewer;
  const notExported = () => reviewed().filter(([, one]) => isOwn(one) && !one.exported).length;

  read();
  window.addEventListener("storage", (event) => {
    if (event.key === KEY) read();
  });
  return {
    saved,
    item,
    edit,
    change,
    put,
    undo,
    read,
    reviewed,
    isOwn,
    isValid,
    isEmpty,
    hasImage: (id) => ids.has(id),
    notExported,
    isStored: () => isStored,
  };
};
