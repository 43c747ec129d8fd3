/* The state of a page in its address (`#key=value&…`), so that every view can be linked to. */
window.reportgen.state = (() => {
  "use strict";
  // Browsers refuse more than 100 changes of the address in 30 s: the first of several is written at once, the last
  // one when this many milliseconds have passed.
  const PAUSE = 350;
  /** @type {[string, string][] | null} */
  let waiting = null;
  let timer = 0;

  const read = () => Object.fromEntries(new URLSearchParams(location.hash.slice(1)));

  const flush = () => {
    if (timer || !waiting) return;
    const hash = new URLSearchParams(waiting).toString();
    waiting = null;
    if (hash === location.hash.slice(1)) return;
    history.replaceState(null, "", hash ? `#${hash}` : location.pathname + location.search);
    timer = setTimeout(() => {
      timer = 0;
      flush();
    }, PAUSE);
  };
  /** @type {State["write"]} */
  const write = (state) => {
    waiting = [];
    for (const [key, value] of Object.entries(state)) {
      if (value !== "" && value != null) waiting.push([key, String(value)]);
    }
    flush();
  };

  /** @type {State["onChange"]} */
  const onChange = (act) => {
    window.addEventListener("hashchange", () => {
      if (location.hash && !location.hash.includes("=")) return; // a link to a part of the page, such as #main
      waiting = null;
      act();
    });
  };

  /** @type {State["number"]} */
  const number = (text, otherwise) => (text?.trim() && Number.isFinite(Number(text)) ? Number(text) : otherwise);

  return { read, write, onChange, number };
})();
