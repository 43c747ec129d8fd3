/* Images as chips, pictures and links, drawn from the rows of the chunk `images`. */
window.reportgen.imageFigures = (() => {
  "use strict";
  const { constants, data, dom } = window.reportgen;
  const { element, svg } = dom;

  /** @type {ImageFigures["chip"]} */
  const chip = (outcome, text) => {
    const [stroked, filled] = constants.outcomeShapes[outcome];
    const shape = svg("svg", { viewBox: "0 0 12 12", "aria-hidden": "true" }, svg("path", { d: stroked }));
    if (filled) shape.append(svg("path", { d: filled, class: "solid" }));
    return element("span", { className: `chip ${outcome}` }, /** @type {Node} */ (shape), text);
  };
  /** @type {ImageFigures["outcomeChip"]} */
  const outcomeChip = (images, i) => chip(...images.outcomes[images.outcome[i]]);

  /** @type {WeakMap<ImagesChunk, { of: Int32Array, short: number }>} */
  const allPlaces = new WeakMap();
  /** @param {ImagesChunk} images */
  const placesOf = (images) => {
    let places = allPlaces.get(images);
    if (!places) {
      let [full, short] = [0, 0];
      const of = Int32Array.from(images.thumbnail, (url) => (url ? full++ : ~short++));
      allPlaces.set(images, (places = { of, short }));
    }
    return places;
  };
  /** @type {ImageFigures["place"]} */
  const place = (images, i) => placesOf(images).of[i];
  /** @type {ImageFigures["part"]} */
  const part = (images, i) => {
    if (images.thumbnail[i]) return null;
    const { tile, across } = constants.sheet;
    const [size, longest] = [[images.width[i], images.height[i]], Math.max(images.width[i], images.height[i])];
    // as `draw/tiles.py` has it
    const fitted = size.map((length) => Math.max(1, Math.floor((length * tile + (longest >> 1)) / longest)));
    const at = ~place(images, i);
    const [sheet, k] = [Math.floor(at / across ** 2), at % across ** 2];
    const rows = Math.min(across, Math.ceil((placesOf(images).short - sheet * across ** 2) / across));
    const [x, y] = [tile * (k % across), tile * Math.floor(k / across)];
    return [images.sheet[sheet], x, y, fitted[0], fitted[1], tile * across, tile * rows];
  };
  const seen = new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries) {
        if (!isIntersecting) continue;
        seen.unobserve(target);
        const image = dom.find(target, "image");
        image.setAttribute("href", image.getAttribute("data-href") ?? "");
      }
    },
    { rootMargin: "300px" },
  );
  /** @type {ImageFigures["cut"]} */
  const cut = ([url, x, y, width, height, fileWidth, fileHeight], alt) => {
    const viewBox = `${x} ${y} ${width} ${height}`;
    const file = { "data-href": data.root + url, width: fileWidth, height: fileHeight, preserveAspectRatio: "none" };
    const frame = { class: "part", viewBox, preserveAspectRatio: "xMidYMid slice" };
    const made = svg("svg", frame, svg("image", file));
    if (alt) Object.assign(made, { role: "img", ariaLabel: alt });
    else made.ariaHidden = "true";
    seen.observe(made); // a file of many photographs is loaded when one of them comes into view
    return made;
  };

  /** @type {ImageFigures["picture"]} */
  const picture = (images, i, plain = false) => {
    const own = part(images, i);
    if (own) return element("span", { className: "frame" }, cut(own, images.name[i]));
    const size = { width: images.width[i], height: images.height[i] }; // before the source
    const photo = { className: "photo", alt: images.name[i], src: data.root + images.thumbnail[i] };
    const frame = element("span", { className: "frame" }, element("img", { loading: "lazy", ...size, ...photo }));
    if (images.layer[i] && !plain) {
      const layer = { className: "layer", alt: "", src: data.root + images.layer[i] };
      frame.append(element("img", { loading: "lazy", ...size, ...layer }));
    }
    return frame;
  };
  /** @type {ImageFigures["link"]} */
  const link = (images, i, ...children) => element("a", { href: data.root + data.imagePage(images, i) }, ...children);

  /** @type {ImageFigures["className"]} */
  const className = (images, k) => (k < 0 ? "–" : images.classes[k]);
  /** @type {ImageFigures["labelText"]} */
  const labelText = (images, i) => images.labels?.[i] ?? className(images, images.label[i]);
  /** @type {ImageFigures["predictionText"]} */
  const predictionText = (images, i) => images.predictions?.[i] ?? className(images, images.predicted[i]);
  /** @type {ImageFigures["title"]} */
  const title = (images, i) =>
    images.labels || images.label[i] >= 0 ? labelText(images, i) : className(images, images.predicted[i]);

  const ONE = {
    predicted: "prediction",
    score: "confidence",
    scoreColumn: "Confidence",
    wrong: "Wrong class",
    labelled: "labelled",
    unlabelled: "None of them has a label.",
    agreement: "neighbours with its label",
  };
  const SEVERAL = {
    predicted: "most probable label",
    score: "its probability",
    scoreColumn: "Highest probability",
    wrong: "Wrong labels",
    labelled: "annotated",
    unlabelled: "None of them is annotated.",
    agreement: "neighbours with one of its labels",
  };
  /** @type {ImageFigures["words"]} */
  const words = (images) => (images.labels ? SEVERAL : ONE);
  /** @type {ImageFigures["isWrong"]} */
  const isWrong = (images, i) => {
    if (!images.labels) return images.label[i] < 0 ? null : images.label[i] !== images.predicted[i];
    const [outcome] = images.outcomes[images.outcome[i]];
    return outcome === "unlabelled" ? null : outcome === "inexact";
  };
  /** @type {ImageFigures["prediction"]} */
  const prediction = (images, i) => {
    const most = `${className(images, images.predicted[i])}, ${share(images.score[i])}`;
    return images.labels ? `predicted: ${predictionText(images, i)} · most probable: ${most}` : `predicted: ${most}`;
  };
  /** @type {ImageFigures["share"]} */
  const share = (value) => (value < 0 ? "–" : (value / constants.shareSteps).toFixed(2));
  /** @type {ImageFigures["count"]} */
  const count = (value) => value.toLocaleString("en");

  const texts = { className, labelText, predictionText, title, prediction, words };
  return { chip, outcomeChip, place, part, cut, picture, link, ...texts, isWrong, share, count };
})();
