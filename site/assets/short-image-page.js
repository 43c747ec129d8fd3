/* The short page of an image, which the address names: `image.html#id=…`. */
(() => {
  "use strict";
  const R = window.reportgen;
  const { data, dom, imageFigures, selection, shortImages, state } = R;
  const { element, svg } = dom;
  const holder = dom.byId("short-image");
  const steps = dom.find(document, ".around");
  const site = document.title.split(" · ").slice(1).join(" · ");

  /** @param {[string, string][] | [string, string, string][]} facts */
  const list = (facts) => {
    const lines = facts.map(([name, value, url]) => {
      const text = url ? element("a", { href: url, textContent: value }) : value;
      return element("div", {}, element("dt", { textContent: name }), element("dd", {}, text));
    });
    return element("dl", {}, ...lines);
  };
  /** @param {string} title @param {Node[]} parts */
  const section = (title, ...parts) =>
    element("section", { className: "view" }, element("h2", { textContent: title }), ...parts);

  /** @param {ShortImage} about @param {ShortImageFigure} figure */
  const classList = (about, figure) => {
    /** @type {HTMLButtonElement[]} */
    const buttons = [];
    const rows = about.classes.map(([column, name, score, role]) => {
      const show = () => {
        figure.show(column);
        for (const one of buttons) one.ariaPressed = String(one === choice);
      };
      const choice = dom.button(name, show, `map of ${name}`);
      choice.ariaPressed = String(!buttons.length);
      buttons.push(choice);
      const text = element("span", { className: "class-name" }, choice);
      if (role) text.append(" ", element("span", { className: "quiet", textContent: role }));
      const bar = svg(
        "svg",
        { class: "bar", viewBox: "0 0 100 8", preserveAspectRatio: "none", "aria-hidden": "true" },
        svg("rect", { class: "track", width: 100, height: 8 }),
        svg("rect", { class: "value", width: 100 * Number(score), height: 8 }),
      );
      const number = element("span", { className: "score", textContent: score });
      return element("li", {}, figure.small(column), text, number, /** @type {Node} */ (bar));
    });
    const made = element("ul", { className: "class-list", id: "top_classes" }, ...rows);
    made.ariaLabel = "Classes with their probabilities and activation maps";
    return made;
  };

  /** @param {ShortImage} about */
  const neighbours = (about) => {
    const signs = { same: "= ", other: "≠ ", "": "" };
    const cards = about.neighbours.map(([url, name, label, distance, relation, part]) => {
      const card = element(
        "a",
        { className: "card", href: url, title: name },
        element("span", { className: "frame" }, imageFigures.cut(part, name)),
        element("span", { className: `name ${relation}`, textContent: signs[relation] + label }),
        element("span", { className: "quiet", textContent: distance }),
      );
      return element("li", {}, card);
    });
    const scroll = element("div", { className: "scroll", tabIndex: 0, role: "region", ariaLabel: "Row of images" });
    scroll.append(element("ul", { className: "strips near" }, ...cards));
    const text =
      `Its ${cards.length} nearest neighbours, with the Euclidean distance between features ` +
      `(${holder.dataset.features}). =: same label; ≠: another label.`;
    return section("Nearest neighbours", scroll, element("p", { className: "quiet", textContent: text }));
  };

  /** @param {ShortImage} about */
  const showSteps = async (about) => {
    const names = /** @type {const} */ (["prev", "next"]);
    const texts = ["← previous", "next →"];
    steps.dataset.row = String(about.row);
    steps.replaceChildren(
      ...about.around.map((address, k) => {
        if (!address) return element("span", { ariaHidden: "true", textContent: texts[k] });
        const [href, title] = address;
        return element("a", { rel: names[k], href, title, textContent: texts[k] });
      }),
    );
    const chosen = selection.read();
    if (!Object.keys(chosen).length) return;
    await data.load("images");
    await data.loadScripts("image-filter.js", "image-order.js", "selection-steps.js");
    R.selectionSteps(data.chunk("images"), chosen);
  };

  /** @param {ShortImageData} found */
  const draw = (found) => {
    const { about } = found;
    const figure = R.shortImageFigure(found);
    figure.show(about.classes[0][0]);
    document.title = `${about.name} · ${site}`;
    const place = `image ${imageFigures.count(about.row + 1)} of ${imageFigures.count(Number(holder.dataset.total))}`;
    const review = element("a", { href: `review.html#at=${about.id.slice(0, 16)}`, textContent: "Review this image" });
    const map = `embedding/index.html#ids=${about.id.slice(0, 16)}`;
    const open = element("a", { href: map, textContent: "Show on the embedding map" });
    const right = element("div", {}, classList(about, figure), list(about.facts));
    right.append(element("p", { className: "quiet after" }, review, " · ", open));
    const sections = [neighbours(about)];
    if (about.columns.length) {
      const columns = element("div", { className: "narrow" }, list(about.columns));
      sections.push(section("Columns of the annotations", columns));
    }
    holder.replaceChildren(
      element("h1", {}, about.heading, " ", imageFigures.chip(...about.outcome)),
      element("p", { className: "quiet file", textContent: `${about.name} · ${about.size.join(" × ")} · ${place}` }),
      element("div", { className: "two" }, figure.figure, right),
      ...sections,
    );
    showSteps(about);
  };

  /** @param {string} text */
  const fail = (text) => {
    steps.replaceChildren();
    holder.replaceChildren(element("h1", { textContent: "Image" }), dom.empty(text));
  };
  let shown = "";
  const open = async () => {
    const { id = "" } = state.read();
    if (id === shown && id) return;
    shown = id;
    if (!/^[0-9a-f]{16}(\.\d+)?$/.test(id)) {
      fail("The address names no image. Choose one on the page Images.");
      return;
    }
    try {
      const found = await shortImages.load(id, Number(holder.dataset.bits));
      if (shown === id) draw(found);
    } catch (error) {
      fail(`${/** @type {Error} */ (error).message}.`);
    }
  };
  state.onChange(open);
  open();
})();
