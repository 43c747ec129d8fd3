/* Mosaics of a section, with a tile for each channel or filter: they are sorted together, and the pointer or the arrow
   keys choose a tile, which leads to its page. */
(() => {
  "use strict";
  const { boxes, data: site, dom, state } = window.reportgen;
  const { element } = dom;

  /**
   * @typedef {object} MosaicData
   * @property {{ columns: number, width: number, height: number, gap: number, count: number }} sheet
   * @property {string} noun - what a tile is: `channel` or `filter`
   * @property {string} pages - folder of the tiles' pages
   * @property {string[]} sorts - fields that the tiles can be sorted by
   * @property {Record<string, number[]>} fields - values of every tile
   * @property {number} sheets - so many of the section's figures are mosaics
   * @property {{ sheet: number, window: Box, size: Point }} [preview] - the figure after them shows the chosen tile
   */

  /** @param {HTMLCanvasElement} canvas */
  const contextOf = (canvas) => /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));

  /**
   * @param {HTMLElement} section
   * @param {MosaicData} data
   */
  const start = (section, data) => {
    const { columns, width, height, gap, count } = data.sheet;
    const size = /** @type {Point} */ ([
      columns * (width + gap) - gap,
      Math.ceil(count / columns) * (height + gap) - gap,
    ]);
    const frames = /** @type {HTMLElement[]} */ ([...section.querySelectorAll(".frame")]);
    const order = Array.from({ length: count }, (_, tile) => tile);
    let selected = 0; // a place in the order

    const options = [data.noun, ...data.sorts].map((name) => [name, name === data.noun ? "number" : name]);
    const sortBy = dom.select("sort by", /** @type {[string, string][]} */ (options));
    const readout = element("p", {
      className: "quiet readout",
      ariaLive: "polite",
      textContent:
        `Point at a ${data.noun}, or focus a mosaic and use the arrow keys; ` + "a click or Enter opens its page.",
    });
    const tools = element("div", { className: "tools" }, dom.labelled("sort by ", sortBy));
    dom.find(section, ".view-head").after(tools, readout);

    /** @param {number} tile */
    const page = (tile) => `${site.root}${data.pages}${String(tile).padStart(4, "0")}.html`;
    /** @param {number} place @returns {Point} */
    const corner = (place) => [(place % columns) * (width + gap), Math.floor(place / columns) * (height + gap)];

    const sheets = frames.slice(0, data.sheets).map((frame) => {
      const photo = /** @type {HTMLImageElement} */ (dom.find(frame, "img"));
      const canvas = element("canvas", { width: size[0], height: size[1] });
      const cursor = boxes.rect("preview", [0, 0, width, height]);
      cursor.setAttribute("visibility", "hidden");
      const svg = boxes.svg(size);
      svg.append(cursor);
      frame.append(canvas, svg);
      frame.tabIndex = 0;
      frame.role = "group";
      frame.ariaLabel = `${photo.alt}; arrow keys choose, Enter opens`;
      photo.loading = "eager";
      return { frame, canvas, cursor, photo };
    });
    const draw = async () => {
      for (const { canvas, photo } of sheets) {
        await photo.decode();
        const context = contextOf(canvas);
        context.clearRect(0, 0, ...size);
        order.forEach((tile, place) => {
          context.drawImage(photo, ...corner(tile), width, height, ...corner(place), width, height);
        });
        photo.style.visibility = "hidden";
      }
    };

    /** @type {HTMLCanvasElement | null} */
    let overlay = null;
    /** @param {number} tile */
    const preview = (tile) => {
      if (!data.preview) return;
      const { sheet, window: area, size: imageSize } = data.preview;
      if (!overlay) {
        overlay = element("canvas", { width: imageSize[0], height: imageSize[1] });
        frames[data.sheets].append(overlay);
      }
      const [x0, y0, x1, y1] = area;
      const context = contextOf(overlay);
      context.clearRect(0, 0, ...imageSize);
      context.imageSmoothingEnabled = false;
      context.globalAlpha = 0.8;
      context.drawImage(sheets[sheet].photo, ...corner(tile), width, height, x0, y0, x1 - x0, y1 - y0);
    };
    const show = () => {
      const tile = order[selected];
      const [x, y] = corner(selected);
      for (const { cursor } of sheets) {
        for (const [key, value] of Object.entries({ x, y, visibility: "visible" })) {
          cursor.setAttribute(key, String(value));
        }
      }
      const values = Object.entries(data.fields).map(([name, field]) => `${name} ${field[tile]}`);
      const link = element("a", { href: page(tile), textContent: `${data.noun} ${tile}` });
      readout.replaceChildren(link, ` · ${values.join(" · ")}`);
      preview(tile);
    };
    /** @param {string} name */
    const sort = (name) => {
      const values = data.fields[name];
      order.sort((a, b) => (values ? values[b] - values[a] : 0) || a - b);
      selected = 0;
      return draw();
    };

    sortBy.addEventListener("input", async () => {
      state.write({ sort: sortBy.value === data.noun ? "" : sortBy.value });
      await sort(sortBy.value);
      show();
    });
    for (const { frame } of sheets) {
      frame.addEventListener("pointermove", (event) => {
        const area = frame.getBoundingClientRect();
        const x = ((event.clientX - area.left) / area.width) * size[0];
        const y = ((event.clientY - area.top) / area.height) * size[1];
        const place = Math.floor(y / (height + gap)) * columns + Math.floor(x / (width + gap));
        if (place < 0 || place >= count || place === selected) return;
        selected = place;
        show();
      });
      frame.addEventListener("click", () => {
        location.href = page(order[selected]);
      });
      frame.addEventListener("keydown", (event) => {
        const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[event.key];
        if (event.key === "Enter") location.href = page(order[selected]);
        if (!step) return;
        event.preventDefault();
        event.stopPropagation();
        selected = Math.min(Math.max(selected + step, 0), count - 1);
        show();
      });
    }

    const restore = async () => {
      const given = state.read();
      const isSorted = data.sorts.includes(given.sort);
      const tile = state.number(given[data.noun], -1);
      const isChosen = order.includes(tile);
      if (!isSorted && !isChosen) return;
      if (isSorted) sortBy.value = given.sort;
      await sort(sortBy.value);
      if (!isChosen) return;
      selected = order.indexOf(tile);
      show();
      frames[frames.length - 1].scrollIntoView({ block: "nearest" });
    };
    restore();
  };

  for (const script of document.querySelectorAll("section.view > script[type='application/json']")) {
    const data = dom.json(script);
    if (data.sheet) start(/** @type {HTMLElement} */ (script.parentElement), data);
  }
})();
