/* What the images of the embedding map can be coloured by, with the legend of each. */
window.reportgen.embeddingColours = (images, chunk, kept, neighbours) => {
  "use strict";
  const { constants, imageFigures } = window.reportgen;
  const { distinct, turn, lightness, saturation } = constants.classColours;
  const LEGEND_CLASSES = 12;
  /** @type {Rgb} */
  const UNKNOWN = [150, 150, 150];
  /** @type {Rgb[]} */
  const VIRIDIS = [
    [68, 1, 84],
    [59, 82, 139],
    [33, 145, 140],
    [94, 201, 98],
    [253, 231, 37],
  ];
  /** @param {string} hex @returns {Rgb} */
  const parse = (hex) => [0, 2, 4].map((at) => parseInt(hex.slice(at, at + 2), 16));
  const [, , GREEN, , , VERMILION] = distinct.map(parse);

  /**
   * The colour of the class that is the rank-th most frequent, as the pictures of the page have it
   * (`class_colours` in `gallery/pages/embedding.py`).
   * @param {number} rank
   * @returns {Rgb}
   */
  const classColour = (rank) => {
    if (rank < distinct.length) return parse(distinct[rank]);
    const hue = 12 * ((rank * turn) % 1);
    const light = lightness[rank % lightness.length];
    const amplitude = saturation * Math.min(light, 1 - light);
    return [0, 8, 4].map((channel) => {
      const k = (channel + hue) % 12;
      return Math.round(255 * (light - amplitude * Math.max(-1, Math.min(k - 3, 9 - k, 1))));
    });
  };
  /** @param {number} share @returns {Rgb} */
  const viridis = (share) => {
    const position = Math.min(Math.max(share, 0), 1) * (VIRIDIS.length - 1);
    const i = Math.min(Math.floor(position), VIRIDIS.length - 2);
    return VIRIDIS[i].map((value, c) => Math.round(value + (position - i) * (VIRIDIS[i + 1][c] - value)));
  };
  /**
   * The least and the largest value.
   * @param {Integers} column
   */
  const range = (column) => {
    let [least, most] = [Infinity, 0];
    for (const value of column) {
      if (value < least) least = value;
      if (value > most) most = value;
    }
    return /** @type {Point} */ ([least, most]);
  };

  /**
   * @param {Integers} column - −1: no group
   * @param {(k: number) => string} name
   * @param {string} filter - key of the state that a click in the legend changes
   * @param {(k: number) => string} value - of the filter
   * @returns {Colours}
   */
  const byGroup = (column, name, filter, value) => {
    /** @type {Map<number, number>} */
    const counts = new Map();
    for (const k of column) counts.set(k, (counts.get(k) ?? 0) + 1);
    counts.delete(-1);
    const order = [...counts].sort(([k, a], [j, b]) => b - a || k - j).map(([k]) => k);
    const colours = new Map(order.map((k, rank) => [k, classColour(rank)]));
    /** @param {number} k */
    const of = (k) => colours.get(k) ?? UNKNOWN;
    return {
      of: (i) => of(column[i]),
      legend: order.slice(0, LEGEND_CLASSES).map((k) => [of(k), name(k), value(k)]),
      more: order.length - LEGEND_CLASSES,
      filter,
    };
  };
  /** @param {"label" | "predicted"} key */
  const byClass = (key) => byGroup(images[key], (k) => imageFigures.className(images, k), key, String);
  /**
   * @param {Integers} column - below `low`: no value
   * @param {number} low
   * @param {number} high
   * @param {(value: number) => string} format
   * @returns {Colours}
   */
  const byNumber = (column, low, high, format) => ({
    of: (i) => (column[i] < low ? UNKNOWN : viridis((column[i] - low) / (high - low || 1))),
    legend: [0, 0.25, 0.5, 0.75, 1].map((share) => [viridis(share), format(low + share * (high - low))]),
  });
  /** @returns {Colours} */
  const byOutcome = () => {
    const style = getComputedStyle(document.documentElement);
    const canvas = document.createElement("canvas");
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", { willReadFrequently: true }));
    const colours = images.outcomes.map(([outcome]) => {
      context.fillStyle = style.getPropertyValue(`--${outcome}`).trim();
      context.fillRect(0, 0, 1, 1);
      return [...context.getImageData(0, 0, 1, 1).data.slice(0, 3)];
    });
    const used = new Set(images.outcome);
    /** @type {Legend} */
    const legend = images.outcomes.map(([outcome, text], k) => [colours[k], text, outcome]);
    return { of: (i) => colours[images.outcome[i]], legend: legend.filter((_, k) => used.has(k)), filter: "outcome" };
  };
  /** @returns {Colours} */
  const byCorrectness = () => ({
    of: (i) => {
      if (images.label[i] < 0) return UNKNOWN;
      return images.label[i] === images.predicted[i] ? GREEN : VERMILION;
    },
    legend: [
      [GREEN, "class right"],
      [VERMILION, "class wrong"],
      [UNKNOWN, "no label"],
    ],
  });

  /** @param {number} value */
  const percent = (value) => `${Math.round((100 * value) / constants.shareSteps)} %`;
  /** @param {number} value */
  const whole = (value) => String(Math.round(value));
  /** @param {Integers} column */
  const byRange = (column) => byNumber(column, ...range(column), whole);
  /** @param {Integers} column */
  const byCount = (column) => byNumber(column, 0, range(column)[1], whole);
  /** @param {Integers} column */
  const varies = (column) => range(column)[0] < range(column)[1];
  /** @type {(column: ImagesChunk["table_columns"][number], k: number) => Colouring} */
  const ofColumn = ({ name, groups, range: ends }, k) => {
    const [low, high] = ends ?? [0, 0];
    /** @param {number} step */
    const number = (step) => String(Number((low + (step / constants.shareSteps) * (high - low)).toPrecision(4)));
    const make = () =>
      ends
        ? byNumber(images[`value_${k}`], 0, constants.shareSteps, number)
        : byGroup(
            images[`column_${k}`],
            (j) => groups[j],
            "column",
            (j) => `${k}.${j}`,
          );
    return { key: `column${k}`, label: name, make };
  };
  const words = imageFigures.words(images);
  const isLabelled = images.label.some((k) => k >= 0);
  /** @type {[boolean, Colouring][]} */
  const all = [
    [isLabelled, { key: "label", label: "label", make: () => byClass("label") }],
    [true, { key: "predicted", label: words.predicted, make: () => byClass("predicted") }],
    [true, { key: "outcome", label: "outcome", make: byOutcome }],
    [isLabelled, { key: "right", label: "right or wrong class", make: byCorrectness }],
    [true, { key: "score", label: words.score, make: () => byNumber(images.score, 0, constants.shareSteps, percent) }],
    [
      images.iou.some((value) => value >= 0),
      { key: "iou", label: "IoU", make: () => byNumber(images.iou, 0, constants.shareSteps, percent) },
    ],
    [varies(images.width), { key: "width", label: "width in pixels", make: () => byRange(images.width) }],
    [varies(images.height), { key: "height", label: "height in pixels", make: () => byRange(images.height) }],
    [
      chunk.agreement.some((k) => k >= 0),
      { key: "agreement", label: words.agreement, make: () => byCount(chunk.agreement) },
    ],
    [
      Boolean(kept),
      {
        key: "kept",
        label: "neighbours kept by this map",
        make: () => byNumber(kept ?? images.iou, 0, neighbours, (value) => `${whole(value)} of ${neighbours}`),
      },
    ],
    [true, { key: "hub", label: "times a neighbour", make: () => byCount(chunk.hub) }],
  ];
  const useful = all.filter(([isUseful]) => isUseful).map(([, colouring]) => colouring);
  return [...useful, ...images.table_columns.map(ofColumn)];
};
