/* The live page's image on the report's first embedding map, among the images that are nearest to it by features. */
window.reportgen.livePlace = (section, images) => {
  "use strict";
  const { data, dom } = window.reportgen;
  const { element, svg } = dom;
  const [WIDE, MARGIN, MAX_DOTS] = [560, 16, 4000];

  const chunk = data.chunk("places");
  const [name, label] = chunk.layouts[0];
  const { xy, extent } = window.reportgen.embeddingPositions(chunk).of(name);
  const scale = (WIDE - 2 * MARGIN) / extent[0];
  const high = Math.round(2 * MARGIN + scale * extent[1]);
  /** @param {number} x @param {number} y @returns {Point} */
  const at = (x, y) => [WIDE / 2 + (x - 0.5) * scale, high / 2 + (y - 0.5) * scale];
  /** @param {number} row @returns {Point} */
  const placeOf = (row) => at(xy[2 * row], xy[2 * row + 1]);

  const step = Math.max(1, Math.ceil(images.n / MAX_DOTS));
  const rows = Array.from({ length: Math.ceil(images.n / step) }, (_, i) => i * step);
  const isPlaced = (/** @type {number} */ row) => !Number.isNaN(xy[2 * row]);
  const dots = rows.filter(isPlaced).map((row) => `M${placeOf(row).map(Math.round).join(" ")}h0`);
  const near = svg("g", { class: "near" });
  const mark = svg("g", { class: "mark" }, svg("circle", { r: 9 }), svg("path", { d: "M-15 0h30M0-15v30" }));
  const drawing = svg("svg", { viewBox: `0 0 ${WIDE} ${high}`, role: "img", class: "live-map" });
  drawing.append(svg("path", { class: "dots", d: dots.join("") }), near, mark);
  const caption = element("p", { className: "quiet" });
  const link = element("a", { href: `${data.root}embedding/index.html`, textContent: "Open the embedding map" });
  const both = element("div", { className: "two" });
  both.append(drawing, element("div", {}, caption, link));
  section.replaceChildren(element("h2", { textContent: "Place on the map" }), both);

  /** @type {LivePlace} */
  return (nearest, own) => {
    const used = nearest.filter(({ row }) => isPlaced(row));
    near.replaceChildren(
      ...used.map(({ row }) => {
        const [cx, cy] = placeOf(row);
        return svg("circle", { cx, cy, r: 5 }, svg("title", {}, document.createTextNode(images.name[row])));
      }),
    );
    const isOwn = own !== undefined && isPlaced(own);
    section.hidden = !isOwn && !used.length;
    // The mean of their positions: next to a picture of the report with the same features, this is its position.
    const weights = used.map(({ distance }) => 1 / Math.max(distance, 1e-6) ** 2);
    const sum = weights.reduce((a, b) => a + b, 0);
    const mean = [0, 1].map((axis) => used.reduce((s, { row }, i) => s + weights[i] * placeOf(row)[axis], 0) / sum);
    const [x, y] = isOwn ? placeOf(own) : mean;
    mark.setAttribute("transform", `translate(${x.toFixed(1)} ${y.toFixed(1)})`);
    const how = isOwn
      ? "The cross is the position of this image on the map"
      : "The cross is the mean position of the ten nearest images, weighted with 1 ÷ distance². The map " +
        "itself is not computed again";
    caption.textContent = `${label}. ${how}. Large dots: the nearest images. Small dots: all others.`;
    drawing.ariaLabel = `${label}, with the image among its nearest images`;
  };
};
