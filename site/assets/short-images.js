/* What is stored of the images without a full page, in chunks that the first bits of their ids name. */
window.reportgen.shortImages = (() => {
  "use strict";
  const { data } = window.reportgen;
  const ID_BITS = 24;
  /** @type {`image-${number}` | ""} */
  let last = "";

  /** @type {ShortImages["load"]} */
  const load = async (id, bits) => {
    const number = parseInt(id.slice(0, ID_BITS / 4), 16) >> (ID_BITS - bits);
    /** @type {`image-${number}`} */
    const name = `image-${number}`;
    await data.load(name);
    if (last && last !== name) data.drop(last); // a review of thousands would fill the memory
    last = name;
    const chunk = data.has(name) ? data.chunk(name) : null;
    const k = chunk ? chunk.images.findIndex((image) => image.id === id) : -1;
    if (!chunk || k < 0) throw new Error(`This report has no image with the id ${id}`);
    return { about: chunk.images[k], chunk, first: (k * chunk.high.length) / chunk.images.length };
  };

  /** @type {ShortImages["grid"]} */
  const grid = ({ shape: [rows, columns], grid: bytes, low, high }, k) => {
    const scale = (high[k] - low[k]) / 255;
    return Array.from({ length: rows }, (_, row) => {
      const start = (k * rows + row) * columns;
      return Array.from(bytes.subarray(start, start + columns), (value) => low[k] + value * scale);
    });
  };
  return { load, grid };
})();
