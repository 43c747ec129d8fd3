/* One unit of a layer in the live page's image: its map with the receptive field under the pointer, and what it is. */
window.reportgen.liveUnit = (images, live, chunk, maps) => {
  "use strict";
  const { boxes, cam, data, dom, imageFigures, liveLayerMaps, viewerProbe } = window.reportgen;
  const { element, svg } = dom;
  const { number } = liveLayerMaps;
  const { width, height } = live.preprocessing;
  /** @type {LiveUnitShown | undefined} */
  let shown;

  const canvas = element("canvas", { width: 2 * width, height: 2 * height });
  const field = [boxes.rect("under", [0, 0, 0, 0]), boxes.rect("ground-truth", [0, 0, 0, 0])];
  const outline = svg("svg", { class: "boxes", viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none" });
  outline.setAttribute("aria-hidden", "true");
  outline.append(...field);
  const frame = element("span", { className: "frame" }, canvas, outline);
  const caption = element("figcaption");
  const reading = element("p", { className: "quiet live-reading", ariaLive: "polite" });
  const figure = element("figure", { className: "viewer live-unit" }, frame, caption, reading);
  viewerProbe(
    frame,
    (x, y) => showField(x, y),
    () => hideField(),
  );
  const about = element("div");

  /** Shows the receptive field of the cell at a place in [0, 1] of the input. @param {number} x @param {number} y */
  function showField(x, y) {
    if (!shown) return;
    const { grid, layer, starts } = shown;
    const [row, column] = [
      [y, grid.length],
      [x, grid[0].length],
    ].map(([place, cells]) => Math.min(Math.max(Math.floor(place * cells), 0), cells - 1));
    const [top, bottom] = chunk.down.subarray(2 * (starts[1] + row));
    const [left, right] = chunk.across.subarray(2 * (starts[2] + column));
    for (const rect of field) {
      const box = { x: left, y: top, width: right - left, height: bottom - top, visibility: "visible" };
      for (const [key, value] of Object.entries(box)) rect.setAttribute(key, String(value));
    }
    const what = layer.is_effective ? "the part of its receptive field with 95 % of the gradient" : "receptive field";
    reading.textContent =
      `Row ${row + 1}, column ${column + 1}: ${number(grid[row][column])}. White: ${what}, ` +
      `${number(bottom - top)} × ${number(right - left)} pixels of the input.`;
  }
  function hideField() {
    for (const rect of field) rect.setAttribute("visibility", "hidden");
    reading.textContent = "Point at the image, or use the arrow keys, to see what a position of the map depends on.";
  }

  /** @param {number} unit - its place in the columns of the chunk */
  const patches = (unit) => {
    const first = chunk.patches * unit;
    const rows = Array.from(chunk.patch_image.subarray(first, first + chunk.patches)).filter((row) => row >= 0);
    const items = rows.map((row, j) => {
      const [x, y, side] = chunk.patch_crop.subarray(3 * (first + j));
      const size = { width: images.width[row], height: images.height[row], preserveAspectRatio: "none" };
      const part = imageFigures.part(images, row);
      const photo = part ? imageFigures.cut(part, "") : svg("image", { href: data.root + images.photo[row] });
      for (const [key, value] of Object.entries(size)) photo.setAttribute(key, String(value));
      const title = imageFigures.title(images, row);
      const label = { viewBox: `${x} ${y} ${side} ${side}`, role: "img", "aria-label": title };
      const link = imageFigures.link(images, row, svg("svg", label, photo));
      link.className = "patch";
      link.append(element("span", { className: "name", textContent: title }));
      return element("li", {}, link);
    });
    return element("ul", { className: "patches live-patches" }, ...items);
  };

  /** The picture of a filter of the first convolution. @param {number} u */
  const filter = (u) => {
    const weights = element("canvas", { className: "live-filter" });
    weights.role = "img";
    weights.ariaLabel = `weights of filter ${u}`;
    maps.drawFilter(weights, u);
    const text = "Its weights, from the filter's minimum to its maximum.";
    return element("figure", {}, weights, element("figcaption", { textContent: text }));
  };

  /** @type {LiveUnit["show"]} */
  const show = (now, photo, aspect) => {
    shown = now;
    const { u, grid, layer, starts } = now;
    maps.drawOver(canvas, photo, grid);
    frame.style.aspectRatio = String(aspect);
    frame.style.setProperty("--aspect", String(aspect));
    frame.ariaLabel = `Map of unit ${u} over the image; the arrow keys read its values`;
    const [low, high] = [Math.min(...grid.map((row) => Math.min(...row))), cam.maximum(grid)];
    const colours = high > 0 ? "Colours from 0 to its maximum, over the image in grey." : "No value is above 0.";
    caption.textContent = `Map of unit ${u}, from ${number(low)} to ${number(high)}. ${colours}`;
    const unit = starts[0] + u;
    const page = `${data.root}${layer.folder}${String(u).padStart(4, "0")}.html`;
    const usual = `mean over ${chunk.baseline} ${number(chunk.mean[unit])}, standard deviation `;
    const found = patches(unit);
    const text = found.children.length
      ? "Its top patches in the report: where the images with its largest values have them."
      : "It has no top patches.";
    about.replaceChildren(
      element("h3", {}, element("a", { href: page, textContent: `Unit ${u} of ${layer.name}` })),
      element("p", {
        textContent: `Largest value in this image ${number(high)}; ${usual}${number(chunk.deviation[unit])}.`,
      }),
      ...(layer.name === chunk.filters_of ? [filter(u)] : []),
      found,
      element("p", { className: "quiet", textContent: text }),
    );
    hideField();
  };
  return { elements: [figure, about], show };
};
