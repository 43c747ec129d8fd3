/* Where the live page's image comes from: a file, the clipboard, the camera, or the report. */
window.reportgen.liveSources = (images, live, actions) => {
  "use strict";
  const { data, dom, imageFigures, livePixels } = window.reportgen;
  const { element, button } = dom;
  const { preprocessing: how, per_chunk: perChunk } = live;
  const rows = [...live.rows];

  /** @param {Blob} file @param {string} name */
  const openFile = async (file, name) => {
    try {
      actions.open({ name, ...livePixels.input(await livePixels.decode(file, how.channels), how) });
    } catch {
      actions.fail(`${name} is not an image that this browser can decode. JPEG, PNG, WebP, GIF and AVIF work.`);
    }
  };
  const file = element("input", { type: "file", accept: ".jpg,.jpeg,.png,.webp,.avif,.gif,.bmp", hidden: true });
  file.addEventListener("change", () => {
    if (file.files?.[0]) openFile(file.files[0], file.files[0].name);
    file.value = "";
  });
  /** @param {DataTransfer | null} transfer */
  const imageIn = (transfer) => [...(transfer?.files ?? [])].find((one) => one.type.startsWith("image/"));
  document.addEventListener("paste", (event) => {
    const pasted = imageIn(event.clipboardData);
    if (pasted) openFile(pasted, "pasted image");
  });
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    const dropped = imageIn(event.dataTransfer);
    if (dropped) openFile(dropped, dropped.name);
    else actions.fail("What was dropped is not an image file.");
  });

  /** @type {MediaStream | null} */
  let stream = null;
  const video = element("video", { muted: true, playsInline: true });
  const look = async () => {
    while (stream) {
      const frame = livePixels.read(video, [video.videoWidth, video.videoHeight], how.channels);
      await actions.open({ name: "camera", ...livePixels.input(frame, how), isMoving: true });
    }
  };
  const stop = () => {
    for (const track of stream?.getTracks() ?? []) track.stop();
    stream = null;
    camera.textContent = "Use the camera";
  };
  const start = async () => {
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: true });
      video.srcObject = stream;
      await video.play();
      camera.textContent = "Stop the camera";
      look();
    } catch (error) {
      stop();
      actions.fail(`The camera cannot be used: ${error instanceof Error ? error.message : error}.`);
    }
  };
  const camera = button("Use the camera", () => (stream ? stop() : start()));
  camera.hidden = !navigator.mediaDevices;

  /** @param {number} row */
  const openRow = async (row) => {
    stop();
    const at = rows.indexOf(row);
    /** @type {`live-inputs-${number}`} */
    const name = `live-inputs-${Math.floor(at / perChunk)}`;
    await data.load(name);
    const { bytes, ends } = data.chunk(name);
    const within = at % perChunk;
    const picture = bytes.slice(within ? ends[within - 1] : 0, ends[within]);
    const pixels = await livePixels.decode(new Blob([picture], { type: "image/webp" }), how.channels);
    const area = /** @type {Box} */ ([...live.windows.subarray(4 * row, 4 * row + 4)]);
    const size = /** @type {Point} */ ([...live.sizes.subarray(2 * row, 2 * row + 2)]);
    actions.open({ name: images.name[row], row, pixels, window: area, size });
  };

  // One stop of the tab key: within the list, the arrow keys choose.
  const choices = rows.map((row) => {
    const [part, alt] = [imageFigures.part(images, row), images.name[row]];
    const src = data.root + images.thumbnail[row];
    const picture = part
      ? imageFigures.cut(part, alt)
      : element("img", { alt, loading: "lazy", width: 72, height: 54, src });
    const choice = element("button", { type: "button", role: "radio", tabIndex: -1, title: images.name[row] }, picture);
    choice.addEventListener("click", () => openRow(row));
    return choice;
  });
  const list = element("div", { className: "live-images", role: "radiogroup", ariaLabel: "Images of the report" });
  list.append(...choices);
  list.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key];
    const at = choices.findIndex((choice) => choice === document.activeElement);
    if (!step || at < 0) return;
    event.preventDefault();
    const next = choices[(at + step + choices.length) % choices.length];
    next.focus();
    next.click();
  });
  /** @param {number | undefined} row */
  const mark = (row) => {
    const chosen = row === undefined ? -1 : rows.indexOf(row);
    choices.forEach((choice, i) => {
      choice.ariaChecked = String(i === chosen);
      choice.tabIndex = i === Math.max(chosen, 0) ? 0 : -1;
    });
    choices[chosen]?.scrollIntoView({ block: "nearest", inline: "nearest" });
  };
  mark(undefined);

  const open = button("Open an image…", () => file.click());
  const hint = element("span", {}, "or drop one on this page, or paste one with Ctrl+V");
  const tools = element("div", { className: "tools" }, open, file, camera, hint);
  return { elements: [tools, list], rows, openRow, mark, stop };
};
