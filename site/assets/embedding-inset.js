/* Small embedding maps on an image page: all images as dots, this one and its nearest neighbours in squares. Their
   cards are there at once, so that nothing moves, and are drawn when they come into view. Without scripts the section
   is hidden, and until it is drawn it is not printed. */
(() => {
  "use strict";
  const { constants, data, dom, imageFigures } = window.reportgen;
  const { element } = dom;
  const WIDTH = 480;
  const HEIGHT = 360;
  const MARGIN = 10;
  const ZOOM = 8; // of the embedding map that a click opens
  const section = dom.byId("embedding-inset");
  const holder = dom.find(section, ".cards");
  const image = Number(section.dataset.row);

  // The neighbours are those of the section of neighbours: a row by features, then one by pixels. The address of an
  // image's page begins with its number.
  /** @type {Record<string, number[]>} */
  const neighbours = { tsne: [], "pixels-tsne": [] };
  const rows = Object.values(neighbours);
  /** @type {number[]} */
  let row = [];
  for (const item of document.querySelectorAll("#neighbours .strips li")) {
    const number = item.querySelector("a")?.href.match(/(\d{6,})-[^/]*$/);
    if (item.classList.contains("first")) row = rows.shift() ?? [];
    else if (number) row.push(Number(number[1]));
  }

  /** An empty card for each map, in the same order. */
  const cards = Object.keys(neighbours).map((layout) => {
    const canvas = element("canvas", { width: WIDTH, height: HEIGHT });
    const name = element("span", { className: "name", textContent: "\u00a0" });
    const link = element(
      "a",
      { className: "card" },
      element("span", { className: "frame" }, canvas),
      name,
      element("span", { className: "quiet", textContent: "open the embedding map here" }),
    );
    const item = element("li", {}, link);
    holder.append(item);
    return { layout, canvas, name, link, item };
  });

  /**
   * @param {PlacesChunk} places
   * @param {(typeof cards)[number]} card
   */
  const draw = (places, { layout, canvas, name, link, item }) => {
    const label = places.layouts.find(([key]) => key === layout)?.[1];
    const positions = /** @type {Uint16Array} */ (places[layout]);
    if (!label || positions[2 * image] === constants.noPosition) {
      item.remove(); // an image whose features are not finite is on no map
      return;
    }
    /** @param {number} i */
    const unit = (i) => [0, 1].map((axis) => positions[2 * i + axis] / (constants.noPosition - 1));
    /** @param {number} i @returns {Point} */
    const point = (i) => {
      const [x, y] = unit(i).map((value) => value * (HEIGHT - 2 * MARGIN) + MARGIN);
      return [(WIDTH - HEIGHT) / 2 + x, y];
    };
    canvas.role = "img";
    canvas.ariaLabel = `This image among ${imageFigures.count(places.n)} images on the map ${label}`;
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    const style = getComputedStyle(section);
    const dot = Math.min(Math.max(90 / Math.sqrt(places.n), 1), 4);
    context.fillStyle = style.color;
    context.globalAlpha = Math.min(0.6, Math.max(0.08, 30 / Math.sqrt(places.n)));
    for (let i = 0; i < places.n; i++) {
      if (positions[2 * i] === constants.noPosition) continue;
      const [x, y] = point(i);
      context.fillRect(x - dot / 2, y - dot / 2, dot, dot);
    }
    context.globalAlpha = 1;
    context.strokeStyle = style.getPropertyValue("--accent");
    /** @param {number} i @param {number} side */
    const square = (i, side) => {
      const [x, y] = point(i);
      context.strokeRect(x - side / 2, y - side / 2, side, side);
    };
    context.lineWidth = 2;
    context.setLineDash([4, 3]);
    for (const i of neighbours[layout]) square(i, 12);
    context.lineWidth = 3;
    context.setLineDash([]);
    square(image, 18);

    const [x, y] = unit(image).map((value) => value.toFixed(4));
    const state = new URLSearchParams({ layout, at: `${x},${y},${ZOOM}` });
    link.href = `${data.root}embedding/index.html#${state}`;
    name.textContent = label;
  };

  const drawAll = async () => {
    try {
      await data.load("places");
    } catch (error) {
      holder.replaceWith(dom.empty(`Not drawn: ${/** @type {Error} */ (error).message}.`));
      return;
    }
    const places = data.chunk("places");
    for (const card of cards) draw(places, card);
    section.hidden = !holder.childElementCount;
    section.dataset.drawn = "";
  };
  const observer = new IntersectionObserver(
    (entries) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      observer.disconnect();
      drawAll();
    },
    { rootMargin: "300px" },
  );
  section.hidden = false;
  observer.observe(section);
})();
