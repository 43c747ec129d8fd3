/* The colours of a map's images by what is known of them, and the legend. Until the images' data are there, all are grey. */
(() => {
  "use strict";
  const DISTINCT = [[0, 114, 178], [230, 159, 0], [0, 158, 115], [204, 121, 167], [86, 180, 233], [213, 94, 0], [184, 168, 0], [127, 127, 127]];
  const VIRIDIS = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]];
  const NONE = [150, 150, 150];
  const hue = (rank) => {
    // the golden angle keeps neighbours in the list apart; three lightnesses
    const h = (rank * 0.61803 % 1) * 6, l = 0.42 + 0.16 * (rank % 3), c = (1 - Math.abs(2 * l - 1)) * 0.6, x = c * (1 - Math.abs((h % 2) - 1)), m = l - c / 2;
    return [[c, x, 0], [x, c, 0], [0, c, x], [0, x, c], [x, 0, c], [c, 0, x]][Math.floor(h)].map((v) => Math.round(255 * (v + m)));
  };
  const ramp = (t) => {
    const p = Math.min(Math.max(t, 0), 1) * (VIRIDIS.length - 1), i = Math.min(Math.floor(p), VIRIDIS.length - 2);
    return VIRIDIS[i].map((v, c) => Math.round(v + (p - i) * (VIRIDIS[i + 1][c] - v)));
  };
  const ofClass = (column, name) => {
    const count = new Map();
    for (const k of column) count.set(k, (count.get(k) ?? 0) + 1);
    const order = [...count.keys()].filter((k) => k >= 0).sort((a, b) => count.get(b) - count.get(a) || a - b);
    const tint = new Map(order.map((k, rank) => [k, DISTINCT[rank] ?? hue(rank)]));
    return { of: (i) => tint.get(column[i]) ?? NONE, legend: order.slice(0, 12).map((k) => [tint.get(k), name(k)]), more: order.length - 12 };
  };
  const ofNumber = (column, low, high, text) => ({
    of: (i) => (column[i] < low ? NONE : ramp((column[i] - low) / (high - low || 1))),
    legend: [0, 0.25, 0.5, 0.75, 1].map((t) => [ramp(t), text(low + t * (high - low))]),
  });
  const ofOutcome = (table) => {
    const style = getComputedStyle(document.documentElement);
    const probe = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    const tint = table.kinds.map(([kind]) => {
      probe.fillStyle = style.getPropertyValue(`--${kind === "multi-instance" ? "multi" : kind === "unlabelled" ? "other" : kind}`).trim();
      probe.fillRect(0, 0, 1, 1);
      return [...probe.getImageData(0, 0, 1, 1).data.slice(0, 3)];
    });
    const used = new Set(table.kind);
    return { of: (i) => tint[table.kind[i]], legend: table.kinds.map(([, word], k) => [tint[k], word, k]).filter(([, , k]) => used.has(k)) };
  };
  const ofRight = (table) => {
    const right = (i) => (table.label[i] < 0 ? -1 : table.label[i] === table.predicted[i] ? 1 : 0);
    return { of: (i) => [DISTINCT[5], DISTINCT[2], NONE][right(i) < 0 ? 2 : right(i)], legend: [[DISTINCT[2], "class right"], [DISTINCT[5], "class wrong"], [NONE, "no label"]] };
  };
  const share = (v) => `${Math.round(v / 10)} %`;

  window.reportgen.colourings = (table, places) => {
    const name = (k) => window.reportgen.className(table, k), most = (column) => column.reduce((a, b) => Math.max(a, b), 0), least = (column) => column.reduce((a, b) => Math.min(a, b), Infinity);
    const found = [
      ["label", "label", () => ofClass(table.label, name)],
      ["predicted", "prediction", () => ofClass(table.predicted, name)],
      ["kind", "outcome", () => ofOutcome(table)],
      ["right", "right or wrong", () => ofRight(table)],
      ["score", "confidence", () => ofNumber(table.score, 0, 1000, share)],
      ["iou", "IoU", () => ofNumber(table.iou, 0, 1000, share)],
      ["width", "width in pixels", () => ofNumber(table.width, least(table.width), most(table.width), (v) => Math.round(v))],
      ["height", "height in pixels", () => ofNumber(table.height, least(table.height), most(table.height), (v) => Math.round(v))],
      ["agreement", "neighbours of its label", () => ofNumber(places.agreement, 0, most(places.agreement), (v) => Math.round(v))],
      ["hub", "how often a neighbour", () => ofNumber(places.hub, 0, most(places.hub), (v) => Math.round(v))],
    ];
    const worth = { label: table.label.some((k) => k >= 0), right: table.label.some((k) => k >= 0), agreement: places.agreement?.some((k) => k >= 0), hub: Boolean(places.hub), iou: table.iou.some((v) => v >= 0), width: least(table.width) < most(table.width), height: least(table.height) < most(table.height) };
    return found.filter(([key]) => worth[key] ?? true);
  };
})();
