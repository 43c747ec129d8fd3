/* Where an image stands on the maps: all images as dots, this one and those nearest to it marked; drawn when it comes into view.
   Without scripts the section is not there, and until it is drawn it is not printed. */
(() => {
  "use strict";
  const R = window.reportgen, { element } = R;
  const section = document.getElementById("place"), holder = section.querySelector(".cards"), row = Number(section.dataset.row);
  const WIDTH = 480, HEIGHT = 360, NOWHERE = 65535, NEAR = 8;
  // The rows of nearest images are those of the section above: their pages begin with their row.
  const strips = { tsne: [], "pixels-tsne": [] }, waiting = Object.values(strips);
  let strip = [];
  for (const item of document.querySelectorAll("#neighbours .strips li")) {
    const at = item.querySelector("a")?.href.match(/(\d{6,})-[^/]*$/);
    if (item.classList.contains("first")) strip = waiting.shift() ?? [];
    else if (at) strip.push(Number(at[1]));
  }
  const draw = (places, name, label) => {
    const at = (i) => [places[name][2 * i], places[name][2 * i + 1]].map((v) => v / (NOWHERE - 1));
    if (places[name][2 * row] === NOWHERE) return;
    const canvas = element("canvas", { width: WIDTH, height: HEIGHT }), context = canvas.getContext("2d");
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `This image among ${places.n.toLocaleString("en")} on the map ${label}`);
    const point = (i) => { const [x, y] = at(i); return [(WIDTH - HEIGHT) / 2 + x * (HEIGHT - 20) + 10, y * (HEIGHT - 20) + 10]; };
    const style = getComputedStyle(section), dot = Math.min(Math.max(90 / Math.sqrt(places.n), 1), 4);
    context.fillStyle = style.color;
    context.globalAlpha = Math.min(0.6, Math.max(0.08, 30 / Math.sqrt(places.n)));
    for (let i = 0; i < places.n; i++) if (places[name][2 * i] !== NOWHERE) { const [x, y] = point(i); context.fillRect(x - dot / 2, y - dot / 2, dot, dot); }
    context.globalAlpha = 1;
    context.strokeStyle = style.getPropertyValue("--accent");
    context.lineWidth = 2;
    context.setLineDash([4, 3]);
    for (const i of strips[name]) { const [x, y] = point(i); context.strokeRect(x - 6, y - 6, 12, 12); }
    context.setLineDash([]);
    context.lineWidth = 3;
    context.strokeRect(...point(row).map((v) => v - 9), 18, 18);
    const [x, y] = at(row);
    const link = element("a", { className: "card", href: `${R.root}maps/index.html#${new URLSearchParams({ map: name, at: `${x.toFixed(4)},${y.toFixed(4)},${NEAR}` })}` },
      element("span", { className: "frame" }, canvas), element("span", { className: "name", textContent: label }), element("span", { className: "quiet", textContent: "open the map here" }));
    holder.append(element("li", {}, link));
  };
  const watch = new IntersectionObserver(async (entries) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    watch.disconnect();
    try { await R.load("chunks"); await R.load("places"); } catch (error) { holder.before(element("p", { className: "empty", textContent: `Not drawn: ${error.message}.` })); return; }
    const { places } = R.chunks;
    for (const [name, label] of places.layouts) if (name in strips) draw(places, name, label);
    section.hidden = !holder.childElementCount; // an image without a finite code is on no map
  }, { rootMargin: "300px" });
  section.hidden = false;
  watch.observe(section);
})();
