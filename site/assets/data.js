/* Data of the site: scripts ("chunks") of columns, because a page that is opened from a disk can fetch nothing else. */
window.reportgen.data = (() => {
  "use strict";
  /** @type {Record<string, new (buffer: ArrayBuffer) => ArrayBufferView>} */
  const ARRAYS = {
    u1: Uint8Array,
    i1: Int8Array,
    u2: Uint16Array,
    i2: Int16Array,
    u4: Uint32Array,
    i4: Int32Array,
    f4: Float32Array,
  };
  const root = document.documentElement.dataset.root ?? "";
  /** @type {Record<string, any>} */
  const chunks = {};

  // Uint8Array.fromBase64 is 40 times as fast, where the browser has it.
  /** @type {Data["decodeBase64"]} */
  const decodeBase64 = (text) =>
    Uint8Array.fromBase64?.(text) ?? Uint8Array.from(atob(text), (character) => character.charCodeAt(0));

  /** @type {Record<string, { urls: string[], texts: string[] }>} */
  const inPieces = {}; // of chunks that are too large for one file
  window.reportgen.take = (name, { columns, texts, pieces, piece, text: part, ...chunk }) => {
    if (pieces) {
      inPieces[name] = { urls: pieces, texts: [] };
      return;
    }
    if (piece !== undefined) {
      const { urls, texts: parts } = inPieces[name];
      parts[piece] = part ?? "";
      if (Object.keys(parts).length < urls.length) return;
      delete inPieces[name];
      window.reportgen.take(name, JSON.parse(parts.join("")));
      return;
    }
    for (const [key, [type, text]] of Object.entries(columns)) {
      chunk[key] = new ARRAYS[type](decodeBase64(text).buffer);
    }
    for (const [key, text] of Object.entries(texts)) chunk[key] = text.split("\n");
    chunks[name] = chunk;
  };

  /** @type {Data["has"]} */
  const has = (name) => name in chunks;

  /** @type {Data["chunk"]} */
  const chunk = (name) => {
    if (!has(name)) throw new Error(`the data "${name}" are not loaded`);
    return chunks[name];
  };

  /** @type {Data["drop"]} */
  const drop = (name) => {
    delete chunks[name];
  };

  /** @param {string} url @returns {Promise<void>} */
  const addScript = (url) =>
    new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = root + url;
      script.addEventListener("load", () => {
        script.remove();
        resolve();
      });
      script.addEventListener("error", () => {
        script.remove();
        reject(
          new Error(`${url} cannot be read: the report is incomplete (\`reportgen check\` lists what is missing)`),
        );
      });
      document.head.append(script);
    });

  /** @type {Map<string, Promise<void>>} */
  const loading = new Map(); // two parts of a page may ask for the same script at once
  /** @type {Data["loadScript"]} */
  const loadScript = (url) => {
    const begun = loading.get(url) ?? addScript(url).finally(() => loading.delete(url));
    loading.set(url, begun);
    return begun;
  };

  /** @type {Data["load"]} */
  const load = async (...names) => {
    if (!has("chunks")) await loadScript("data/chunks.js");
    const { urls } = chunk("chunks");
    for (const name of names) {
      if (!has(name) && urls[name]) await loadScript(urls[name]);
      await Promise.all((inPieces[name]?.urls ?? []).map(loadScript));
    }
  };
  /** @type {Data["loadScripts"]} */
  const loadScripts = async (...names) => {
    await load();
    for (const name of names) {
      const member = name.slice(0, -3).replace(/-./g, (text) => text[1].toUpperCase());
      if (!(member in window.reportgen)) await loadScript(chunk("chunks").urls[name]);
    }
  };

  /** @type {Data["imagePage"]} */
  const imagePage = (images, i) => images.page[i] || `image.html#id=${images.id[i]}`;

  /** @type {Data["classesOf"]} */
  const classesOf = (images, of, i) => {
    const [sets, ends] = [images[`${of}_sets`], images[`${of}_ends`]];
    if (sets && ends) return [...sets.subarray(i ? ends[i - 1] : 0, ends[i])];
    const k = images[of === "label" ? "label" : "predicted"][i];
    return k < 0 ? [] : [k];
  };

  return { root, decodeBase64, chunk, has, drop, loadScript, load, loadScripts, imagePage, classesOf };
})();
