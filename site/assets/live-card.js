/* The live page's result as a picture: what is shown, and the most probable classes beneath it. */
window.reportgen.liveCard = (picture, name, live, answer) => {
  "use strict";
  const { order, scores } = answer;
  const ROW = 30;
  const MARGIN = 24;
  const SHOWN = 5;
  const canvas = document.createElement("canvas");
  canvas.width = picture.width + 2 * MARGIN;
  canvas.height = picture.height + 3 * MARGIN + (SHOWN + 1) * ROW;
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const style = getComputedStyle(document.documentElement);
  /** @param {string} variable */
  const colour = (variable) => style.getPropertyValue(variable);
  context.fillStyle = colour("--ground");
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(picture, MARGIN, MARGIN);
  context.textBaseline = "middle";
  let y = picture.height + 2 * MARGIN + ROW / 2;
  context.font = "15px system-ui, sans-serif";
  for (const k of order.slice(0, SHOWN)) {
    context.fillStyle = colour("--line");
    context.fillRect(MARGIN + 280, y - 4, picture.width - 340, 8);
    context.fillStyle = colour("--accent");
    context.fillRect(MARGIN + 280, y - 4, (picture.width - 340) * scores[k], 8);
    context.fillStyle = colour("--ink");
    context.textAlign = "left";
    context.fillText(live.classes[k], MARGIN, y, 265);
    context.textAlign = "right";
    context.fillText(scores[k].toFixed(2), MARGIN + picture.width, y);
    y += ROW;
  }
  context.fillStyle = colour("--quiet");
  context.textAlign = "left";
  context.font = "13px system-ui, sans-serif";
  const title = document.querySelector(".brand")?.textContent ?? "";
  context.fillText(`${name} · ${title} · live`, MARGIN, y, picture.width);
  canvas.toBlob((file) => {
    if (!file) return;
    const url = URL.createObjectURL(file);
    const stem = name.replace(/^.*\//, "").replace(/\.[^.]*$/, "");
    Object.assign(document.createElement("a"), { href: url, download: `${stem}-live.png` }).click();
    setTimeout(() => URL.revokeObjectURL(url), 1000);
  });
};
