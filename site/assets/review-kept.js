/* What a review keeps in this browser: of an image its tags, a note, when and by whom; undo, export and import. */
window.reportgen.keptReview = (table) => {
  "use strict";
  const R = window.reportgen, KEY = `reportgen-review-${table.report}`, HEADER = ["report", "reviewer", "id", "name", "tags", "note", "time"];
  const here = new Set(table.id), undo = [];
  const kept = { tags: ["label error", "part only", "background", "several objects", "box too loose", "bad true box", "looks fine"], reviewer: "", items: new Map() };
  let stored = true;

  const texts = (value) => Array.isArray(value) && value.every((one) => typeof one === "string");
  const valid = (it) => it && texts(it.tags) && typeof it.note === "string" && Number.isFinite(new Date(it.time).getTime());
  // Another tab may have written since, so every change begins with what is stored. What could not be stored is here alone.
  const read = () => {
    let past = {};
    try { if (stored) past = JSON.parse(localStorage.getItem(KEY)) ?? {}; } catch (error) { stored = error instanceof SyntaxError; }
    if (texts(past.tags)) kept.tags = past.tags;
    if (typeof past.reviewer === "string") kept.reviewer = past.reviewer;
    if (past.items) kept.items = new Map(Object.entries(past.items).filter(([, it]) => valid(it)));
  };
  const change = (edit) => {
    read();
    edit();
    try { localStorage.setItem(KEY, JSON.stringify({ ...kept, items: Object.fromEntries(kept.items) })); stored = true; } catch { stored = false; }
  };
  // changes: pairs of an image's id and its new item, or none
  const put = (changes, toUndo = true) => change(() => {
    const before = changes.map(([id]) => [id, kept.items.get(id)]);
    for (const [id, it] of changes) if (it) kept.items.set(id, it); else kept.items.delete(id);
    if (toUndo) undo.push(before);
  });
  const back = () => {
    const before = undo.pop() ?? [];
    put(before.map(([id, it]) => [id, it && { ...it, exported: false }]), false);
    return before.map(([id]) => id);
  };
  const item = (id) => kept.items.get(id) ?? { tags: [], note: "" };
  const edit = (i, next, toUndo) => {
    const { tags, note } = { ...item(table.id[i]), ...next };
    put([[table.id[i], { tags, note, name: table.name[i], time: Date.now() }]], toUndo);
  };

  const done = () => [...kept.items].filter(([id, it]) => here.has(id) && (it.tags.length || it.note));
  const own = ([, it]) => !it.by || it.by === kept.reviewer;
  const open = () => done().filter(own).filter(([, it]) => !it.exported).length;
  // The JSON file is one voice, so that nobody's is counted twice when files are merged; the table tells whose each row is.
  const exportAs = (form) => {
    const name = `review${kept.reviewer ? `-${kept.reviewer.replaceAll(/[^A-Za-z0-9]+/g, "-")}` : ""}`, mine = done().filter(own);
    if (form === "json") {
      const items = mine.map(([id, { tags, note, name: file, time }]) => ({ id, tags, note, name: file, time }));
      R.download(`${name}.json`, JSON.stringify({ format: 1, report: table.report, reviewer: kept.reviewer, tags: kept.tags, items }, null, 1), "application/json");
    } else {
      const rows = done().map(([id, it]) => [table.report, it.by ?? kept.reviewer, id, it.name, it.tags.join("; "), it.note, new Date(it.time).toISOString()]);
      R.download(`${name}.csv`, R.csv(HEADER, rows), "text/csv");
    }
    change(() => { for (const [id] of mine) kept.items.set(id, { ...kept.items.get(id), exported: true }); });
  };

  const fromJson = (text) => {
    const other = JSON.parse(text);
    if (other.format !== 1 || !Array.isArray(other.items)) throw new Error("it is not an export of a review");
    return other.items.map((it) => ({ ...it, report: other.report, by: other.reviewer }));
  };
  const fromCsv = (text) => {
    const [header, ...rows] = R.readCsv(text);
    if (String(header) !== String(HEADER)) throw new Error("it is not an export of a review");
    return rows.map(([report, by, id, name, tags, note, time]) => ({ report, by, id, name, tags: tags ? tags.split("; ") : [], note, time: Date.parse(time) }));
  };
  // Takes over what is newer. Errors: for a file that is no export of this report, of which nothing is taken.
  const take = (text) => {
    const others = /^\s*[[{]/.test(text) ? fromJson(text) : fromCsv(text);
    if (!others.every((it) => valid(it) && typeof it.id === "string")) throw new Error("an item of it has no id, tags, note or time");
    const known = others.filter((it) => here.has(it.id));
    if (others.some((it) => it.report !== table.report) || (others.length && !known.length)) throw new Error("it belongs to another report");
    read();
    const differs = (it) => { const mine = item(it.id); return mine.note !== it.note || String([...mine.tags].sort()) !== String([...it.tags].sort()); };
    const different = known.filter(differs), conflicts = different.filter(({ id }) => item(id).tags.length || item(id).note).map((it) => it.name);
    const newer = different.filter((it) => !(item(it.id).time >= it.time));
    put(newer.map(({ id, tags, note, name, time, by }) => [id, { tags: [...new Set(tags)], note, name: String(name), time, by: String(by ?? ""), exported: true }]));
    const gone = others.length - known.length;
    return `${newer.length} taken over, ${conflicts.length} in conflict${conflicts.length ? ` (the later one stands): ${conflicts.slice(0, 8).join(", ")}` : ""}${gone ? `, ${gone} of images that are not here` : ""}`;
  };

  read();
  window.addEventListener("storage", (event) => { if (event.key === KEY) read(); });
  return { kept, item, edit, change, back, done, open, exportAs, take, stored: () => stored };
};
