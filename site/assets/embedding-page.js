/* The page of the embedding map: dots first, then what is known of the images, then their thumbnails. Its state is the
   address. */
(() => {
  "use strict";
  const R = window.reportgen;
  const { data, dom, embeddingLasso, state: address } = R;
  const FILTERS = [...R.selection.keys, "lasso"];
  const [DIMMED, FAINTEST, STRONGEST] = [22, 50, 235]; // opacities of dots
  /** @type {Rgb} */
  const LOADING = [128, 128, 128];
  const chunk = data.chunk("places");
  const urls = dom.json(dom.byId("embedding-data"));
  const holder = dom.byId("embedding");
  let state = address.read();
  /** @type {ImagesChunk | null} */
  let images = null;
  /** @type {Uint8Array | null} */
  let matches = null; // of the images, those that pass the filters; null for all
  /** @type {Point[] | null} */
  let line = null; // while it is drawn

  const positions = R.embeddingPositions(chunk);
  const layoutName = () => (positions.names.includes(state.layout) ? state.layout : positions.names[0]);
  /** @param {string} name */
  const layoutOf = (name) => positions.of(name, Number(state.x ?? 1) - 1, Number(state.y ?? 2) - 1);
  const colours = new Uint8Array(4 * chunk.n).fill(LOADING[0]);

  // ------------------------------------------------------------------------------------------------ parts
  const parts = R.embeddingStage(chunk, urls.atlases.length);
  const { stage, surface, renderer } = parts;
  const transition = R.embeddingTransition(layoutOf(layoutName()), () => {
    camera.extent = transition.extent();
    drawing.redraw();
  });
  const thumbnails = R.embeddingThumbnails(chunk);
  const tooltip = R.embeddingTooltip(stage, surface);
  const list = dom.element("div", { className: "listing" });
  const table = R.embeddingTable(list);
  const selectVisible = () => {
    const [w, h] = [stage.clientWidth, stage.clientHeight];
    /** @type {Point[]} */
    const corners = [
      [0, 0],
      [w, 0],
      [w, h],
      [0, h],
    ];
    select(corners.map(([u, v]) => camera.toMap(u, v)));
  };
  const controls = R.embeddingControls(chunk, {
    set: (change) => set(change),
    clear: () => set(Object.fromEntries(FILTERS.map((key) => [key, ""]))),
    lasso: () => {
      camera.lassoing = !camera.lassoing;
      stage.classList.toggle("lassoing", camera.lassoing);
      return camera.lassoing;
    },
    selectVisible,
    exportCsv: table.exportCsv,
    zoomIn: () => camera.zoomAt(1.6),
    zoomOut: () => camera.zoomAt(1 / 1.6),
    fit: () => camera.fit(),
  });
  const camera = R.camera(surface, {
    moved: () => {
      drawing.show();
      state.at = [camera.x, camera.y, camera.zoom].map((value) => value.toFixed(4)).join(",");
      address.write(state);
    },
    hover: (u, v = 0) => tooltip.show(images, u === null ? -1 : pick(u, v), u ?? 0, v),
    tap: (u, v) => {
      const i = pick(u, v);
      if (images && i >= 0) location.href = R.selection.link(data.root + images.page[i]);
    },
    drawing: (drawn) => {
      line = drawn;
      drawing.show();
    },
    lasso: (drawn) => select(drawn),
    enter: selectVisible,
    escape: () => set({ lasso: "" }),
    space: controls.togglePlay,
  });
  /** @param {number} u @param {number} v */
  const pick = (u, v) => R.embeddingPick(u, v, camera, thumbnails.sprites, transition, matches);
  const selectionLine = () => {
    const lasso = embeddingLasso.parse(state.lasso);
    if (line || !lasso || lasso.layout !== layoutName() || !transition.isDone()) return line;
    return [...lasso.points, lasso.points[0]];
  };
  const drawing = R.embeddingDrawing({
    ...parts,
    camera,
    transition,
    thumbnails,
    colours,
    matches: () => matches,
    line: selectionLine,
  });

  // ------------------------------------------------------------------------------------------------ images
  /** @param {Point[]} points */
  const select = (points) => set({ lasso: embeddingLasso.format(layoutName(), points) });

  const colourings = () => (images ? R.embeddingColours(images, chunk) : []);
  const paint = () => {
    const all = colourings();
    const colouring = all.find(({ key }) => key === state.colour) ?? all[0];
    const { of, legend, more = 0 } = colouring?.make() ?? { of: () => LOADING, legend: [] };
    const opacity = Math.min(STRONGEST, Math.max(FAINTEST, STRONGEST * Math.sqrt(40000 / chunk.n)));
    for (let i = 0, at = 0; i < chunk.n; i++) {
      for (const channel of of(i)) colours[at++] = channel;
      colours[at++] = matches && !matches[i] ? DIMMED : opacity;
    }
    renderer.paint(colours);
    controls.showLegend(legend, more);
    drawing.redraw();
  };
  const filter = () => {
    if (!images) return;
    let rows = R.imageFilter.select(images, state);
    const lasso = embeddingLasso.parse(state.lasso);
    if (lasso && positions.names.includes(lasso.layout)) {
      const { xy } = layoutOf(lasso.layout);
      rows = rows.filter((i) => embeddingLasso.contains(lasso.points, xy[2 * i], xy[2 * i + 1]));
    }
    matches = null;
    if (rows.length < chunk.n) {
      matches = new Uint8Array(chunk.n);
      for (const i of rows) matches[i] = 1;
    }
    R.selection.provide(() => (images && state.lasso ? R.imageFilter.chosen(images, rows) : null));
    const isFiltered = FILTERS.some((key) => state[key]);
    controls.showCount(rows.length, isFiltered);
    table.show(rows);
    paint();
  };

  // ------------------------------------------------------------------------------------------------ state
  /** @param {Record<string, string>} change */
  const set = (change) => {
    state = { ...state, ...change };
    address.write(state);
    controls.fill(state);
    if (transition.start(layoutOf(layoutName()))) renderer.move(transition.from, transition.to.xy);
    if (FILTERS.some((key) => key in change)) filter();
    else if ("colour" in change) paint();
    drawing.redraw();
  };
  const restore = () => {
    state = address.read();
    const [x, y, zoom] = (state.at ?? "").split(",").map(Number);
    if (zoom > 0 && Number.isFinite(x + y)) Object.assign(camera, { x, y, zoom });
    set({});
    filter();
  };

  // ------------------------------------------------------------------------------------------------ loading
  /** @param {number} k */
  const loadAtlas = async (k) => {
    await data.loadScript(urls.atlases[k]);
    const image = dom.element("img", { src: `data:image/jpeg;base64,${data.chunk(`atlas-${k}`).jpeg}` });
    data.drop(`atlas-${k}`);
    await image.decode();
    if (renderer.addAtlas(k, image)) thumbnails.add(k);
    drawing.redraw();
  };
  const load = async () => {
    try {
      await data.loadScripts("image-filter.js");
      await data.loadScript(urls.images);
      images = data.chunk("images");
      controls.offer(images, colourings());
      controls.fill(state);
      filter();
      for (let k = 0; k < urls.atlases.length; k++) await loadAtlas(k);
    } catch (error) {
      stage.after(Object.assign(dom.empty(`${/** @type {Error} */ (error).message}.`), { role: "status" }));
    }
  };

  holder.append(controls.layoutControls, stage, controls.legend, controls.filterControls, list);
  holder.hidden = false;
  dom.byId("stills").hidden = true;
  camera.extent = transition.to.extent;
  renderer.move(transition.from, transition.to.xy);
  paint();
  restore();
  new ResizeObserver(drawing.redraw).observe(stage);
  address.onChange(restore);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);
  requestAnimationFrame(load);
})();
