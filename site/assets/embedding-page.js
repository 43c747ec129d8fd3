/* The page of the embedding map: dots first, then what is known of images and regions, then thumbnails. Its state is
   the address. */
(() => {
  "use strict";
  const R = window.reportgen;
  const { data, dom, embeddingLasso, state: address } = R;
  const [DIMMED, FAINTEST, STRONGEST] = [22, 50, 235]; // opacities of dots
  /** @type {Rgb} */
  const LOADING = [128, 128, 128];
  if (!data.has("places")) {
    dom.byId("embedding").classList.add("missing"); // the pictures of the maps are shown
    return;
  }
  const chunk = data.chunk("places");
  const urls = dom.json(dom.byId("embedding-data"));
  const holder = dom.byId("embedding");
  let state = address.read();
  /** @type {EmbeddingDetails | null} */
  let details = null; // what is shown of the images, when it is loaded
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
  const side = dom.element("section", { className: "map-panel", tabIndex: 0, ariaLabel: "Selection" });
  const list = dom.element("div", { className: "listing" });
  const selectVisible = () => {
    const [left, top] = camera.toMap(0, 0);
    const [right, bottom] = camera.toMap(stage.clientWidth, stage.clientHeight);
    select(embeddingLasso.box([left, top], [right, bottom]));
  };
  const controls = R.embeddingControls(chunk, {
    set: (change) => set(change),
    clear: () => set(details?.selection.none ?? {}),
    tool: (tool) => {
      camera.tool = camera.tool === tool ? "" : tool;
      stage.classList.toggle("selecting", camera.tool !== "");
      return camera.tool;
    },
    selectVisible,
    exportCsv: () => details?.table.exportCsv(),
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
    hover: (u, v = 0) => {
      if (!details) return;
      const region = u === null ? -1 : details.regions.at(u, v);
      details.tooltip.show(u === null || region >= 0 ? -1 : pick(u, v), u ?? 0, v);
      if (region >= 0) surface.style.cursor = "pointer";
    },
    tap: (u, v) => {
      if (!details) return;
      const [region, i] = [details.regions.at(u, v), pick(u, v)];
      if (region >= 0) chooseRegion(region);
      else if (i >= 0) location.href = R.selection.link(data.root + data.imagePage(details.images, i));
    },
    drawing: (drawn) => {
      line = drawn;
      drawing.show();
    },
    lasso: (drawn) => select(drawn),
    enter: selectVisible,
    escape: () => set({ lasso: "", region: "" }),
    space: controls.togglePlay,
  });
  /** @param {number} u @param {number} v */
  const pick = (u, v) => R.embeddingPick(u, v, camera, thumbnails.sprites, transition, matches);
  const selectionLine = () => {
    const lasso = embeddingLasso.parse(state.lasso);
    if (line || !lasso || lasso.layout !== layoutName() || !transition.isDone()) return line;
    return [...lasso.points, lasso.points[0]];
  };
  const contours = () => {
    const isKnown = layoutName() !== "pca" || layoutOf("pca") === positions.of("pca");
    return (isKnown && transition.isDone() && details?.regions.contours[layoutName()]) || [];
  };
  const drawing = R.embeddingDrawing({
    ...parts,
    camera,
    transition,
    thumbnails,
    colours,
    matches: () => matches,
    line: selectionLine,
    contours,
    names: (lift) =>
      details?.regions.draw(camera, transition.isDone() ? layoutName() : "", lift, details.selection.region(state)),
  });

  // ------------------------------------------------------------------------------------------------ images
  /** @param {Point[]} points */
  const select = (points) => set({ lasso: embeddingLasso.format(layoutName(), points), region: "" });
  /** @param {number} region - from 0; the address and `regions.csv` number them from 1 */
  const chooseRegion = (region) => set({ region: String(region + 1), lasso: "" });

  const paint = () => {
    const all = details?.colourings(layoutName()) ?? [];
    const chosen = all.find(({ key }) => key === state.colour) ?? all[0];
    const colouring = chosen?.make() ?? { of: () => LOADING, legend: [] };
    const opacity = Math.min(STRONGEST, Math.max(FAINTEST, STRONGEST * Math.sqrt(40000 / chunk.n)));
    for (let i = 0, at = 0; i < chunk.n; i++) {
      for (const channel of colouring.of(i)) colours[at++] = channel;
      colours[at++] = matches && !matches[i] ? DIMMED : opacity;
    }
    renderer.paint(colours);
    controls.showLegend(colouring, state);
    drawing.redraw();
  };
  const filter = () => {
    if (!details) return;
    const { selection, table, panel } = details;
    const rows = selection.rows(state);
    matches = null;
    if (rows.length < chunk.n) {
      matches = new Uint8Array(chunk.n);
      for (const i of rows) matches[i] = 1;
    }
    const isFiltered = selection.isMade(state);
    controls.showCount(rows.length, isFiltered);
    table.show(rows);
    panel.show(rows, isFiltered, selection.region(state));
    paint();
  };

  // ------------------------------------------------------------------------------------------------ state
  /** @param {Record<string, string>} change */
  const set = (change) => {
    state = { ...state, ...change };
    address.write(state);
    controls.fill(state);
    if (transition.start(layoutOf(layoutName()))) renderer.move(transition.from, transition.to.xy);
    if (details?.selection.isPart(change)) filter();
    else if ("colour" in change || ("layout" in change && state.colour === "kept")) paint();
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
      details = await R.embeddingDetails({ chunk, urls, stage, surface, panel: side, list, chooseRegion, layoutOf });
      controls.offer(details.images, details.colourings(layoutName()));
      controls.fill(state);
      filter();
      for (let k = 0; k < urls.atlases.length; k++) await loadAtlas(k);
    } catch (error) {
      stage.after(Object.assign(dom.empty(`${/** @type {Error} */ (error).message}.`), { role: "status" }));
    }
  };

  const map = dom.element("div", {}, stage, controls.legend);
  const both = dom.element("div", { className: "map-and-panel" }, map, side);
  holder.append(controls.layoutControls, both, controls.filterControls, list);
  camera.extent = transition.to.extent;
  renderer.move(transition.from, transition.to.xy);
  paint();
  restore();
  new ResizeObserver(drawing.redraw).observe(stage);
  address.onChange(restore);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);
  requestAnimationFrame(load);
})();
