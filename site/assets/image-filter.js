/* Filters over the images. A filter is a state, as the address holds it: texts by key. */
window.reportgen.imageFilter = (() => {
  "use strict";
  const { constants, data } = window.reportgen;
  const { shareSteps } = constants;
  const MOST_IDS = 1000; // chosen images up to which the address has their ids, which outlive a change of the data set
  const ID_DIGITS = 8;
  /** @typedef {(i: number) => boolean | number} Test */

  /** @type {WeakMap<ImagesChunk, string[]>} */
  const lowerCaseNames = new WeakMap(); // made once, so that typing a search text is not slow
  /** @type {ImageFilter["lowerNames"]} */
  const lowerNames = (images) => {
    const names = lowerCaseNames.get(images) ?? images.name.map((name) => name.toLowerCase());
    lowerCaseNames.set(images, names);
    return names;
  };

  /** @param {string} text */
  const isNumber = (text) => text.trim() !== "" && Number.isFinite(Number(text));
  /** @param {string} text */
  const isClasses = (text) => /^\d+(,\d+)*$/.test(text);
  /** @type {ImageFilter["columnGroups"]} */
  const columnGroups = (text = "") => {
    /** @type {Map<number, number[]>} */
    const groups = new Map();
    for (const pair of text.split(",").filter(Boolean)) {
      const [column, group] = pair.split(".").map(Number);
      groups.set(column, [...(groups.get(column) ?? []), group]);
    }
    return groups;
  };
  /** @type {Record<string, (text: string, images: ImagesChunk) => boolean>} */
  const isValid = {
    label: isClasses,
    predicted: isClasses,
    scoreFrom: isNumber,
    scoreTo: isNumber,
    iouFrom: isNumber,
    iouTo: isNumber,
    side: isNumber,
    rows: (text, images) => text.startsWith(`${images.n}.`),
    flag: (text, images) => images.flag_names.some(([name]) => name === text),
    finding: (text, images) => images.findings.some(([slug]) => slug === text),
    slice: (text, images) => images.slices.includes(text),
    column: (text, images) =>
      /^\d+\.\d+(,\d+\.\d+)*$/.test(text) &&
      [...columnGroups(text)].every(([k, chosen]) => chosen.every((j) => images.table_columns[k]?.groups[j] != null)),
    outcome: (text, images) => text.split(",").some((outcome) => images.outcomes.some(([name]) => name === outcome)),
  };
  // Addresses are typed by hand and cut in mails: what is not valid is ignored.
  /** @type {ImageFilter["clean"]} */
  const clean = (images, state) =>
    Object.fromEntries(
      Object.entries(state).filter(([key, value]) => !Object.hasOwn(isValid, key) || isValid[key](value, images)),
    );

  /** @type {(column: Integers, percent: string) => Test} */
  const atLeast = (column, percent) => {
    const least = Math.max(0, (Number(percent) * shareSteps) / 100); // −1: the image has no such share
    return (i) => column[i] >= least;
  };
  /** @type {(column: Integers, percent: string) => Test} */
  const atMost = (column, percent) => {
    const most = (Number(percent) * shareSteps) / 100;
    return (i) => column[i] >= 0 && column[i] <= most;
  };
  /** @type {(rows: Integers, ends: Integers, n: number) => Test} */
  const isIn = (rows, ends, n) => {
    const chosen = new Set(rows.slice(n ? ends[n - 1] : 0, ends[n]));
    return (i) => chosen.has(i);
  };
  /** @param {string} value */
  const classesOf = (value) => new Set(value.split(",").map(Number));
  /** @type {Record<string, (images: ImagesChunk, value: string) => Test>} */
  const tests = {
    q: (images, value) => {
      const text = value.toLowerCase();
      const names = lowerNames(images);
      const classes = new Set();
      for (const [k, name] of Object.entries(images.classes)) {
        if (name.toLowerCase().includes(text)) classes.add(Number(k));
      }
      const { labels, predictions } = images;
      if (labels && predictions) {
        return (i) => [names[i], labels[i], predictions[i]].some((one) => one.toLowerCase().includes(text));
      }
      return (i) => names[i].includes(text) || classes.has(images.label[i]) || classes.has(images.predicted[i]);
    },
    outcome: (images, value) => {
      const chosen = value.split(",").map((outcome) => images.outcomes.findIndex(([name]) => name === outcome));
      return (i) => chosen.includes(images.outcome[i]);
    },
    label: (images, value) => {
      const classes = classesOf(value);
      return (i) => data.classesOf(images, "label", i).some((k) => classes.has(k));
    },
    predicted: (images, value) => {
      const classes = classesOf(value);
      return (i) => classes.has(images.predicted[i]);
    },
    column: (images, value) => {
      const chosen = [...columnGroups(value)].map(
        ([k, groups]) => /** @type {[Integers, Set<number>]} */ ([images[`column_${k}`], new Set(groups)]),
      );
      return (i) => chosen.every(([column, groups]) => groups.has(column[i]));
    },
    scoreFrom: (images, value) => atLeast(images.score, value),
    scoreTo: (images, value) => atMost(images.score, value),
    iouFrom: (images, value) => atLeast(images.iou, value),
    iouTo: (images, value) => atMost(images.iou, value),
    side: (images, value) => {
      const side = Number(value);
      return (i) => Math.min(images.width[i], images.height[i]) >= side;
    },
    flag: (images, value) => {
      const bit = 1 << images.flag_names.findIndex(([name]) => name === value);
      return (i) => images.flags[i] & bit;
    },
    finding: (images, value) => {
      const n = images.findings.findIndex(([slug]) => slug === value);
      return isIn(images.finding_rows, images.finding_ends, n);
    },
    slice: (images, value) => isIn(images.slice_rows, images.slice_ends, images.slices.indexOf(value)),
    ids: (images, value) => {
      const ids = new Set(value.split(",").filter(Boolean));
      const lengths = [...new Set([...ids].map((id) => id.length))];
      return (i) => lengths.some((length) => ids.has(images.id[i].slice(0, length)));
    },
    rows: (_, value) => {
      const text = value
        .slice(value.indexOf(".") + 1)
        .replaceAll("-", "+")
        .replaceAll("_", "/");
      const bits = /^[\w+/]*$/.test(text) && text.length % 4 !== 1 ? data.decodeBase64(text) : new Uint8Array();
      return (i) => bits[i >> 3] & (1 << (i & 7));
    },
  };
  /** @type {ImageFilter["select"]} */
  const select = (images, state, without) => {
    /** @type {Test[]} */
    const active = [];
    for (const [key, value] of Object.entries(clean(images, state))) {
      if (value && key !== without && Object.hasOwn(tests, key)) active.push(tests[key](images, value));
    }
    /** @type {number[]} */
    const rows = [];
    for (let i = 0; i < images.n; i++) {
      if (active.every((test) => test(i))) rows.push(i);
    }
    return rows;
  };

  /** @type {ImageFilter["chosen"]} */
  const chosen = (images, rows) => {
    if (rows.length <= MOST_IDS) return { ids: rows.map((i) => images.id[i].slice(0, ID_DIGITS)).join(",") };
    const bits = new Uint8Array(Math.ceil(images.n / 8));
    for (const i of rows) bits[i >> 3] |= 1 << (i & 7);
    const text = btoa(Array.from(bits, (byte) => String.fromCharCode(byte)).join(""));
    return { rows: `${images.n}.${text.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "")}` };
  };

  /** @type {ImageFilter["describe"]} */
  const describe = (images, state) => {
    const { classes, outcomes, flag_names: flags, findings } = images;
    const { outcome, flag, finding, slice, label, predicted, column, q, side, ids, rows, ...given } = clean(
      images,
      state,
    );
    /** @type {(pairs: [string, string][], keys: string) => string} */
    const names = (pairs, keys) =>
      keys
        .split(",")
        .map((key) => pairs.find(([name]) => name === key)?.[1])
        .join(" or ");
    /** @param {string} key */
    const range = (key) => `${given[`${key}From`] || 0} to ${given[`${key}To`] || 100} %`;
    return [
      outcome && names(outcomes, outcome),
      flag && names(flags, flag),
      finding && names(findings, finding),
      slice && `slice ${slice}`,
      label && `label ${names(Object.entries(classes), label) || label}`,
      predicted && `predicted ${names(Object.entries(classes), predicted) || predicted}`,
      ...[...columnGroups(column)].map(([k, numbers]) => {
        const { name, groups } = images.table_columns[k];
        return `${name} ${numbers.map((j) => groups[j]).join(" or ")}`;
      }),
      (given.scoreFrom || given.scoreTo) && `confidence ${range("score")}`,
      (given.iouFrom || given.iouTo) && `IoU ${range("iou")}`,
      side && `shorter side ≥ ${side} px`,
      q && `“${q}”`,
      (ids || rows) && "chosen images",
    ]
      .filter(Boolean)
      .join(" · ");
  };

  return { clean, select, lowerNames, chosen, describe, columnGroups };
})();
