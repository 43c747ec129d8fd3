/* Data chunks and what every feature needs of them: decode, filter, state in the address, CSV, pictures. */
window.reportgen = (() => {
  "use strict";
  const types = { u1: Uint8Array, i1: Int8Array, u2: Uint16Array, i2: Int16Array, u4: Uint32Array, i4: Int32Array, f4: Float32Array };
  const chunks = {};
  const root = document.documentElement.dataset.root || "";

  const bytes = (text) => Uint8Array.fromBase64?.(text) ?? Uint8Array.from(atob(text), (c) => c.charCodeAt(0)); // the first is 40 times as fast
  const take = (name, body) => {
    const table = { ...body };
    for (const [key, [type, text]] of Object.entries(body.columns)) {
      table[key] = new types[type](bytes(text).buffer);
    }
    for (const [key, text] of Object.entries(body.texts)) table[key] = text.split("\n");
    delete table.columns;
    delete table.texts;
    chunks[name] = table;
  };

  // A filter is a plain object of texts, as it stands in the address: {q, kind, label, predicted, scoreFrom, scoreTo, iouFrom, iouTo, side, ids, mark}
  const readState = () => Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
  // What of an address cannot be meant is as if it were not there: addresses are typed, and cut in mails.
  const number = (text) => text.trim() !== "" && Number.isFinite(Number(text)), whole = (text) => /^\d+$/.test(text);
  const sound = {
    page: whole, label: whole, predicted: whole, scoreFrom: number, scoreTo: number, iouFrom: number, iouTo: number, side: number,
    sort: (text) => Object.hasOwn(orders, text), view: (text) => text === "table",
    mark: (text, table) => table.marks.some(([name]) => name === text),
    kind: (text, table) => text.split(",").some((kind) => table.kinds.some(([name]) => name === kind)),
  };
  const clean = (table, state) => Object.fromEntries(Object.entries(state).filter(([key, value]) => !Object.hasOwn(sound, key) || sound[key](value, table)));
  // Calls back when the address is edited; a link to a place on the page (#main) is no state.
  const onState = (act) => window.addEventListener("hashchange", () => {
    if (location.hash && !location.hash.includes("=")) return;
    due = null;
    act();
  });
  // Browsers refuse more than 100 changes of the address in 30 s: the first is made at once, the last of a quick row of them 350 ms later.
  let due = null, pause = 0;
  const writeState = (state) => {
    due = Object.entries(state).filter(([, value]) => value !== "" && value != null);
    if (pause) return;
    const hash = new URLSearchParams(due).toString();
    due = null;
    if (hash === location.hash.slice(1)) return;
    history.replaceState(null, "", hash ? `#${hash}` : location.pathname + location.search);
    pause = setTimeout(() => { pause = 0; if (due) writeState(Object.fromEntries(due)); }, 350);
  };
  const lower = (table) => (table.lower ??= table.name.map((name) => name.toLowerCase())); // once: a letter typed must not wait for it
  const tests = (table, state) => {
    const found = {};
    if (state.q) {
      const q = state.q.toLowerCase(), names = lower(table), classes = new Set(Object.keys(table.classes).filter((k) => table.classes[k].toLowerCase().includes(q)).map(Number));
      found.q = (i) => names[i].includes(q) || classes.has(table.label[i]) || classes.has(table.predicted[i]);
    }
    if (state.kind) { const kinds = new Set(state.kind.split(",").map((k) => table.kinds.findIndex(([name]) => name === k))); found.kind = (i) => kinds.has(table.kind[i]); }
    if (state.label) { const k = Number(state.label); found.label = (i) => table.label[i] === k; }
    if (state.predicted) { const k = Number(state.predicted); found.predicted = (i) => table.predicted[i] === k; }
    for (const [key, column] of [["score", "score"], ["iou", "iou"]]) {
      const { [`${key}From`]: low, [`${key}To`]: high } = state;
      if (low || high) found[key] = (i) => table[column][i] >= 0 && table[column][i] >= (low ?? 0) * 10 && table[column][i] <= (high ?? 100) * 10;
    }
    if (state.side) { const side = Number(state.side); found.side = (i) => Math.min(table.width[i], table.height[i]) >= side; }
    if (state.mark) { const bit = 1 << table.marks.findIndex(([name]) => name === state.mark); found.mark = (i) => table.marked[i] & bit; }
    if (state.ids) { const ids = new Set(state.ids.split(",")); found.ids = (i) => ids.has(table.id[i]); }
    return found;
  };
  const select = (table, state, without) => {
    const use = Object.entries(tests(table, clean(table, state))).filter(([key]) => key !== without).map(([, test]) => test);
    const rows = [];
    next: for (let i = 0; i < table.n; i++) {
      for (const test of use) if (!test(i)) continue next;
      rows.push(i);
    }
    return rows;
  };
  const orders = {
    "": null,
    "score-": (t) => (a, b) => t.score[b] - t.score[a],
    "score+": (t) => (a, b) => t.score[a] - t.score[b],
    "iou+": (t) => (a, b) => (t.iou[a] < 0) - (t.iou[b] < 0) || t.iou[a] - t.iou[b], // those without one are last
    "iou-": (t) => (a, b) => t.iou[b] - t.iou[a],
    "name": (t) => { const names = lower(t); return (a, b) => (names[a] < names[b] ? -1 : names[a] > names[b] ? 1 : a - b); },
    "label": (t) => (a, b) => t.label[a] - t.label[b],
  };
  const sorted = (table, rows, order) => (Object.hasOwn(orders, order) && orders[order] ? [...rows].sort(orders[order](table)) : rows);

  const cell = (value) => {
    let text = String(value);
    if (typeof value === "string" && /^[=+\-@\t\r\n]/.test(text)) text = `'${text}`;
    return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const csv = (header, rows) => [header, ...rows].map((row) => row.map(cell).join(",")).join("\n") + "\n";
  // The rows of what `csv` wrote, or a spreadsheet made of it.
  const readCsv = (text) => {
    const rows = [[]];
    for (const [, quoted, plain, end] of text.replace(/^\ufeff/, "").matchAll(/(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n|$)/g)) {
      rows.at(-1).push((quoted?.replaceAll('""', '"') ?? plain).replace(/^'(?=[=+\-@\t\r\n])/, ""));
      if (end !== ",") rows.push([]);
    }
    return rows.filter((row) => row.length > 1);
  };
  const download = (name, text, type) => {
    const link = element("a", { href: URL.createObjectURL(new Blob([text], { type })), download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  };
  const element = (tag, properties = {}, ...children) => {
    const made = Object.assign(document.createElement(tag), properties);
    made.append(...children);
    return made;
  };
  const shapes = {
    right: "M1.5 6.5l3 3 6-7", class: "M2 2l8 8M10 2l-8 8", part: "M1 1h10v10H1zM3 3h4v4H3z", more: "M3.5 3.5h5v5h-5zM1 1h10v10H1z",
    "multi-instance": "M1 1h4v4H1zM7 7h4v4H7z", other: "M1 6h10", unlabelled: "M6 1a5 5 0 100 10 5 5 0 000-10z",
  };
  const chip = (kind, word) => {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("viewBox", "0 0 12 12");
    svg.setAttribute("aria-hidden", "true");
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    path.setAttribute("d", shapes[kind]);
    svg.append(path);
    return element("span", { className: `chip ${kind}` }, svg, word);
  };
  const picture = (table, i) => {
    const frame = element("span", { className: "frame" });
    frame.append(element("img", { className: "photo", loading: "lazy", alt: table.name[i], src: root + table.photo[i] }));
    if (table.layer[i]) frame.append(element("img", { className: "layer", loading: "lazy", alt: "", src: root + table.layer[i] }));
    return frame;
  };
  const share = (value) => (value < 0 ? "–" : (value / 1000).toFixed(2));
  const className = (table, k) => (k < 0 ? "–" : table.classes[k]);
  // Loads a chunk by its name; what is there, or what the site does not have, is no work. "chunks" tells the others' addresses.
  // Fails where the site has it and its file cannot be read.
  const load = (name) => new Promise((done, failed) => {
    const url = name === "chunks" ? "data/chunks.js" : chunks.chunks.urls[name];
    if (chunks[name] || !url) { done(); return; }
    const script = element("script", { src: root + url });
    script.addEventListener("load", () => { script.remove(); done(); });
    script.addEventListener("error", () => { script.remove(); failed(new Error(`${url} cannot be read: the report is not whole (reportgen check tells more)`)); });
    document.head.append(script);
  });
  // Shortcuts of a single character can be switched off, for all pages at once; a browser that keeps one store for each
  // file (Firefox, from a disk) for each page.
  const KEYS = "reportgen-keys", page = document.documentElement;
  const sayKeys = (on) => { page.dataset.keys = on ? "on" : "off"; for (const box of document.querySelectorAll(".key-switch input")) box.checked = on; };
  const keys = () => page.dataset.keys === "on";
  const keySwitch = () => {
    const box = element("input", { type: "checkbox", checked: keys() });
    box.addEventListener("change", () => { try { localStorage.setItem(KEYS, box.checked ? "on" : "off"); } catch { /* for this page alone */ } sayKeys(box.checked); });
    return element("label", { className: "key-switch" }, box, "single-character keys");
  };
  const readKeys = () => { try { sayKeys(localStorage.getItem(KEYS) !== "off"); } catch { sayKeys(true); } };
  readKeys();
  window.addEventListener("storage", readKeys);
  return { keys, keySwitch, load, take, bytes, chunks, root, readState, clean, onState, writeState, select, sorted, csv, readCsv, download, element, chip, picture, share, className };
})();
