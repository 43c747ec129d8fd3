/* Mosaics of one section: their tiles are sorted together; the pointer or the arrow keys choose one, which leads to its page. */
(() => {
  "use strict";
  const root = document.documentElement.dataset.root;
  const start = (section, data) => {
    const { columns, width, height, gap, count } = data.sheet;
    const rows = Math.ceil(count / columns), wide = width + gap, high = height + gap;
    const frames = [...section.querySelectorAll(".frame")], sheets = frames.slice(0, data.sheets);
    const svgNs = "http://www.w3.org/2000/svg";
    const names = Object.keys(data.fields);
    let order = [...Array(count).keys()], place = 0;

    const tools = document.createElement("div");
    tools.className = "tools";
    const label = document.createElement("label"), choice = document.createElement("select");
    choice.append(...[data.noun, ...data.sorts].map((name) => new Option(name === data.noun ? "number" : name, name)));
    label.append("sort by ", choice);
    const readout = document.createElement("p");
    readout.className = "quiet readout";
    readout.setAttribute("aria-live", "polite");
    readout.textContent = `Point at a ${data.noun}, or focus a mosaic and use the arrow keys; a click or Enter opens its page.`;
    tools.append(label);
    section.querySelector(".view-head").after(tools, readout);

    const page = (tile) => `${root}${data.pages}${String(tile).padStart(4, "0")}.html`;
    const drawn = sheets.map((frame) => {
      const canvas = document.createElement("canvas"), photo = frame.querySelector("img");
      const svg = document.createElementNS(svgNs, "svg"), cursor = document.createElementNS(svgNs, "rect");
      canvas.width = columns * wide - gap;
      canvas.height = rows * high - gap;
      svg.setAttribute("class", "boxes");
      svg.setAttribute("viewBox", `0 0 ${canvas.width} ${canvas.height}`);
      for (const [key, value] of Object.entries({ class: "live", width, height, visibility: "hidden" })) cursor.setAttribute(key, value);
      svg.append(cursor);
      frame.append(canvas, svg);
      frame.tabIndex = 0;
      frame.setAttribute("role", "group");
      frame.setAttribute("aria-label", `${photo.alt}; arrow keys choose, Enter opens`);
      photo.loading = "eager";
      return { canvas, cursor, photo };
    });
    const corner = (n) => [(n % columns) * wide, Math.floor(n / columns) * high];
    const draw = async () => {
      for (const { canvas, photo } of drawn) {
        await photo.decode();
        const context = canvas.getContext("2d");
        context.clearRect(0, 0, canvas.width, canvas.height);
        order.forEach((tile, n) => context.drawImage(photo, ...corner(tile), width, height, ...corner(n), width, height));
        photo.style.visibility = "hidden";
      }
    };

    let over = null;
    const preview = (tile) => {
      if (!data.preview) return;
      const { sheet, window: [x0, y0, x1, y1], size } = data.preview;
      if (!over) {
        over = document.createElement("canvas");
        [over.width, over.height] = size;
        frames[data.sheets].append(over);
      }
      const context = over.getContext("2d");
      context.clearRect(0, 0, ...size);
      context.imageSmoothingEnabled = false;
      context.globalAlpha = 0.8;
      context.drawImage(drawn[sheet].photo, ...corner(tile), width, height, x0, y0, x1 - x0, y1 - y0);
    };
    const show = () => {
      const tile = order[place], [x, y] = corner(place), link = document.createElement("a");
      for (const { cursor } of drawn) {
        cursor.setAttribute("x", x);
        cursor.setAttribute("y", y);
        cursor.setAttribute("visibility", "visible");
      }
      link.href = page(tile);
      link.textContent = `${data.noun} ${tile}`;
      readout.replaceChildren(link, ` · ${names.map((name) => `${name} ${data.fields[name][tile]}`).join(" · ")}`);
      preview(tile);
    };
    const sort = (name) => {
      const values = data.fields[name];
      order = [...Array(count).keys()];
      if (values) order.sort((a, b) => values[b] - values[a] || a - b);
      place = 0;
      return draw();
    };
    choice.addEventListener("input", async () => {
      history.replaceState(null, "", choice.value === data.noun ? location.pathname : `#sort=${choice.value}`);
      await sort(choice.value);
      show();
    });
    for (const frame of sheets) {
      frame.addEventListener("pointermove", (event) => {
        const area = frame.getBoundingClientRect();
        const x = ((event.clientX - area.left) / area.width) * (columns * wide - gap);
        const y = ((event.clientY - area.top) / area.height) * (rows * high - gap);
        const at = Math.floor(y / high) * columns + Math.floor(x / wide);
        if (at >= 0 && at < count && at !== place) { place = at; show(); }
      });
      frame.addEventListener("click", () => { location.href = page(order[place]); });
      frame.addEventListener("keydown", (event) => {
        const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[event.key];
        if (event.key === "Enter") location.href = page(order[place]);
        if (!step) return;
        event.preventDefault();
        event.stopPropagation();
        place = Math.min(Math.max(place + step, 0), count - 1);
        show();
      });
    }
    const state = new URLSearchParams(location.hash.slice(1)), wanted = state.get("sort"), chosen = Number(state.get(data.noun) ?? -1);
    if (data.sorts.includes(wanted)) choice.value = wanted;
    if (order.includes(chosen) || choice.value === wanted) {
      sort(choice.value).then(() => {
        if (!order.includes(chosen)) return;
        place = order.indexOf(chosen);
        show();
        frames.at(-1).scrollIntoView({ block: "nearest" });
      });
    }
  };
  for (const script of document.querySelectorAll("section.view > script[type='application/json']")) {
    const data = JSON.parse(script.textContent);
    if (data.sheet) start(script.parentElement, data);
  }
})();
