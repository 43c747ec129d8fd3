/* Export and import of a review: JSON for `reportgen review` and other reviewers, CSV for spreadsheets. */
window.reportgen.reviewFiles = (images, storage) => {
  "use strict";
  const { constants, csv } = window.reportgen;
  const HEADER = ["report", "reviewer", "id", "name", "tags", "note", "time"];
  const CELL = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n|$)/g;
  const MOST_CONFLICTS_NAMED = 8;
  const { saved } = storage;

  // The JSON file has the items of one reviewer only, so that none is counted twice when files are merged. In the CSV
  // file every row has its reviewer.
  /** @type {ReviewFiles["save"]} */
  const save = (format) => {
    const suffix = saved.reviewer ? `-${saved.reviewer.replaceAll(/[^A-Za-z0-9]+/g, "-")}` : "";
    const reviewed = storage.reviewed();
    const own = reviewed.filter(([, item]) => storage.isOwn(item));
    if (format === "json") {
      const items = own.map(([id, { tags, note, name, time }]) => ({ id, tags, note, name, time }));
      const { reviewer, tags } = saved;
      const content = { format: constants.reviewFormat, report: images.report, reviewer, tags, items };
      csv.download(`review${suffix}.json`, JSON.stringify(content, null, 1), "application/json");
    } else {
      const rows = reviewed.map(([id, { tags, note, name = "", time = 0, by }]) => [
        images.report,
        by ?? saved.reviewer,
        id,
        name,
        tags.join("; "),
        note,
        new Date(time).toISOString(),
      ]);
      csv.download(`review${suffix}.csv`, csv.format(HEADER, rows), "text/csv");
    }
    storage.change(() => {
      for (const [id] of own) saved.items.set(id, { ...storage.item(id), exported: true });
    });
  };

  /** @typedef {ReviewItem & { id: string, report: string }} Imported */
  /**
   * @param {string} text
   * @returns {Imported[]}
   */
  const fromJson = (text) => {
    const { format, report, reviewer, items } = JSON.parse(text);
    if (format !== constants.reviewFormat || !Array.isArray(items)) throw new Error("it is not an export of a review");
    return items.map((item) => ({ ...item, report, by: reviewer }));
  };
  /**
   * The rows of a CSV file: one that was exported here, or that a spreadsheet made of it.
   * @param {string} text
   */
  const parseCsv = (text) => {
    /** @type {string[][]} */
    const rows = [[]];
    for (const [, quoted, plain, end] of text.replace(/^\ufeff/, "").matchAll(CELL)) {
      const value = quoted?.replaceAll('""', '"') ?? plain;
      rows[rows.length - 1].push(value.replace(/^'(?=[=+\-@\t\r\n])/, ""));
      if (end !== ",") rows.push([]);
    }
    return rows.filter((row) => row.length > 1);
  };

  /**
   * @param {string} text
   * @returns {Imported[]}
   */
  const fromCsv = (text) => {
    const [header, ...rows] = parseCsv(text);
    if (String(header) !== String(HEADER)) throw new Error("it is not an export of a review");
    return rows.map(([report, by, id, name, tags, note, time]) => ({
      report,
      by,
      id,
      name,
      tags: tags ? tags.split("; ") : [],
      note,
      time: Date.parse(time),
    }));
  };

  /** @param {Imported} imported */
  const differs = ({ id, tags, note }) => {
    const stored = storage.item(id);
    return stored.note !== note || String(stored.tags.toSorted()) !== String(tags.toSorted());
  };
  // Either the whole file is imported or, if anything in it is wrong, nothing.
  /** @type {ReviewFiles["load"]} */
  const load = (text) => {
    const items = /^\s*[[{]/.test(text) ? fromJson(text) : fromCsv(text);
    if (!items.every((item) => storage.isValid(item) && typeof item.id === "string")) {
      throw new Error("an item has no valid id, tags, note or time");
    }
    const known = items.filter(({ id }) => storage.hasImage(id));
    const isOfAnother = items.some(({ report }) => report !== images.report) || (items.length && !known.length);
    if (isOfAnother) throw new Error("it belongs to another report");
    storage.read();
    const different = known.filter(differs);
    const conflicts = different.filter(({ id }) => !storage.isEmpty(storage.item(id))).map(({ name }) => name);
    const newer = different.filter(({ id, time }) => !(Number(storage.item(id).time) >= Number(time)));
    storage.put(
      newer.map(({ id, tags, note, name, time, by }) => [
        id,
        { tags: [...new Set(tags)], note, name: String(name), time, by: String(by ?? ""), exported: true },
      ]),
    );
    let message = `${newer.length} imported, ${conflicts.length} in conflict`;
    if (conflicts.length) message += ` (the later one is used): ${conflicts.slice(0, MOST_CONFLICTS_NAMED).join(", ")}`;
    const missing = items.length - known.length;
    if (missing) message += `, ${missing} of images that are not in this report`;
    return message;
  };

  return { save, load };
};
