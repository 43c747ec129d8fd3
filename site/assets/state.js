/* The state of a page in its address (`#key=value&…`), so that every view can be linked to. */
window.reportgen.state = (() => {
  "use strict";
  // Browsers refuse more than 100 changes of the address in 30 s: the first of several is written at once, the last
  // one when this many milliseconds have passed.
  const PAUSE = 350;
  /** @type {string | null} */
  let waiting = null;
  let timer = 0;
  /** @type {(() => void)[]} */
  const listeners = [];

  const read = () => Object.fromEntries(new URLSearchParams(location.hash.slice(1)));

  /** @param {boolean} isStep */
  const flush = (isStep = false) => {
    if (timer || waiting === null) return;
    const hash = waiting;
    waiting = null;
    if (hash === location.hash.slice(1)) return;
    const url = hash ? `#${hash}` : location.pathname + location.search;
    if (isStep) history.pushState(null, "", url);
    else history.replaceState(null, "", url);
    for (const act of listeners) act();
    timer = setTimeout(() => {
      timer = 0;
      flush();
    }, PAUSE);
  };
  /** @param {StateValues} state */
  const wait = (state) => {
    const entries = Object.entries(state).filter(([, value]) => value !== "" && value != null);
    waiting = new URLSearchParams(entries.map(([key, value]) => [key, String(value)])).toString();
  };
  /** @type {State["write"]} */
  const write = (state) => {
    wait(state);
    flush();
  };
  /** @type {State["push"]} */
  const push = (state) => {
    clearTimeout(timer);
    timer = 0;
    wait(state);
    flush(true);
  };

  /** @type {State["onChange"]} */
  const onChange = (act) => {
    window.addEventListener("hashchange", () => {
      if (location.hash && !location.hash.includes("=")) return; // a link to a part of the page, such as #main
      waiting = null;
      act();
    });
  };
  /** @type {State["onWrite"]} */
  const onWrite = (act) => {
    listeners.push(act);
  };

  /** @type {State["number"]} */
  const number = (text, otherwise) => (text?.trim() && Number.isFinite(Number(text)) ? Number(text) : otherwise);

  return { read, write, push, onChange, onWrite, number };
})();
