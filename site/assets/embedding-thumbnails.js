/* Which images of the embedding map are drawn as thumbnails: as many as have room if there are few images. Of more, few
   on the whole map, which is dots first; the more it is zoomed in, the more; then those without room fan out to a free
   place nearby. A grid shows all, if they are large enough. */
window.reportgen.embeddingThumbnails = (chunk) => {
  "use strict";
  const { atlasSide } = window.reportgen.constants;
  const MOST = 6000;
  const SMALLEST = 26; // CSS pixels
  const SMALLEST_IN_GRID = 8;
  const LARGEST = 150;
  const FILLED = { grid: 0.96, other: 0.8 }; // share of the distance between images
  const OVERLAP = 0.9; // share of their size that thumbnails keep from each other
  const FEW = 300; // images
  const [ROOM, DENSE_FROM] = [chunk.n > FEW ? 4 : 1, 3]; // how far apart they are at zoom 1, in sizes; where close
  const FAN_FROM = 2; // zoom
  const MOST_TRIES = 4000; // thumbnails that look for a free place
  /** @type {Point[]} */
  const PLACES = [1, 2].flatMap((ring) =>
    Array.from({ length: 8 * ring }, (_, k) => {
      const angle = (Math.PI * k) / 4 / ring;
      return /** @type {Point} */ ([ring * Math.cos(angle), ring * Math.sin(angle)]);
    }),
  ); // around an image, in sizes
  const perAtlas = (atlasSide / chunk.side) ** 2;
  const slots = chunk.pictured?.length ?? chunk.n;
  /** @type {Set<number>} */
  const loaded = new Set();
  /** @type {Sprites} */
  const sprites = {
    count: 0,
    size: SMALLEST,
    image: new Int32Array(MOST),
    slot: new Int32Array(MOST),
    xy: new Float32Array(2 * MOST),
    dots: new Float32Array(2 * MOST),
    colour: new Uint8Array(4 * MOST),
  };

  /**
   * Squares of the map, of which each can hold one thumbnail. They are fixed to the map, so that it does not flicker
   * when it is moved.
   * @param {{ left: number, top: number, right: number, bottom: number }} area
   * @param {number} side
   * @param {number} distance - at least between thumbnails
   */
  const squares = ({ left, top, right, bottom }, side, distance) => {
    const [column, row] = [Math.floor(left / side) - 1, Math.floor(top / side) - 1];
    const columns = Math.floor(right / side) - column + 2;
    const taken = new Int32Array(columns * (Math.floor(bottom / side) - row + 2)).fill(-1);
    const around = [-columns - 1, -columns, -columns + 1, -1, 0, 1, columns - 1, columns, columns + 1];
    /** @param {number} x @param {number} y @param {number} sprite */
    return (x, y, sprite) => {
      const square = (Math.floor(y / side) - row) * columns + Math.floor(x / side) - column;
      if (taken[square] >= 0) return false;
      for (const offset of around) {
        const other = taken[square + offset];
        if (other < 0) continue;
        const [dx, dy] = [sprites.xy[2 * other] - x, sprites.xy[2 * other + 1] - y];
        if (Math.abs(dx) < distance && Math.abs(dy) < distance) return false;
      }
      taken[square] = sprite;
      return true;
    };
  };

  /** @type {EmbeddingThumbnails["choose"]} */
  const choose = ({ width, height, x, y, scale }, zoom, transition, colours, matches) => {
    const { from, to } = transition;
    const spacing = scale * (to.cell || 1 / Math.sqrt(chunk.n));
    const filled = to.cell ? FILLED.grid : FILLED.other;
    const isWholeGrid = to.cell > 0 && transition.isDone() && spacing >= SMALLEST_IN_GRID && chunk.n <= MOST;
    sprites.size = Math.min(Math.max(spacing * filled, isWholeGrid ? SMALLEST_IN_GRID : SMALLEST), LARGEST);
    sprites.count = 0;
    const progress = transition.progress();
    const size = sprites.size / scale;
    const area = {
      left: x - width / 2 / scale,
      right: x + width / 2 / scale,
      top: y - height / 2 / scale,
      bottom: y + height / 2 / scale,
    };
    const room = size * Math.min(Math.max(ROOM - ((ROOM - 1) * (zoom - 1)) / (DENSE_FROM - 1), 1), ROOM);
    const isFree = squares(area, 2 ** Math.ceil(Math.log2(room)), OVERLAP * room);
    let tries = zoom >= FAN_FROM && !to.cell && transition.isDone() ? MOST_TRIES : 0;
    /**
     * The place of the next thumbnail: at its image, or in a ring around it.
     * @param {number} px
     * @param {number} py
     * @returns {Point | undefined}
     */
    const placeOf = (px, py) => {
      if (isWholeGrid || isFree(px, py, sprites.count)) return [px, py];
      if (tries-- <= 0) return undefined;
      const free = PLACES.find(([dx, dy]) => isFree(px + dx * room, py + dy * room, sprites.count));
      return free && [px + free[0] * room, py + free[1] * room];
    };
    for (let slot = 0; slot < slots && sprites.count < MOST; slot++) {
      const i = chunk.pictured ? chunk.pictured[slot] : slot;
      const px = from[2 * i] + progress * (to.xy[2 * i] - from[2 * i]);
      const py = from[2 * i + 1] + progress * (to.xy[2 * i + 1] - from[2 * i + 1]);
      if (!(px >= area.left && px <= area.right && py >= area.top && py <= area.bottom)) continue;
      if ((matches && !matches[i]) || !loaded.has(Math.floor(slot / perAtlas))) continue;
      const place = placeOf(px, py);
      if (!place) continue;
      const s = sprites.count++;
      sprites.image[s] = i;
      sprites.slot[s] = slot;
      sprites.xy.set(place, 2 * s);
      sprites.dots[2 * s] = px;
      sprites.dots[2 * s + 1] = py;
      sprites.colour.set(colours.subarray(4 * i, 4 * i + 4), 4 * s);
    }
  };
  return { sprites, add: (atlas) => loaded.add(atlas), choose };
};
