/* The image under the pointer on the embedding map: a thumbnail, or else the nearest dot; −1 for none. */
window.reportgen.embeddingPick = (u, v, camera, sprites, transition, matches) => {
  "use strict";
  const REACH = 10; // CSS pixels from the pointer to a dot
  for (let s = sprites.count - 1; s >= 0; s--) {
    const [x, y] = camera.toScreen(sprites.xy[2 * s], sprites.xy[2 * s + 1]);
    if (Math.abs(x - u) <= sprites.size / 2 && Math.abs(y - v) <= sprites.size / 2) return sprites.image[s];
  }
  // A scan of 50,000 positions takes 0.1 ms, of a million 5 ms. An index is faster, but has to be built for every
  // layout: d3-quadtree takes 40 ms for 50,000 and 3.4 s for a million, kdbush 27 ms and 0.6 s.
  const xy = transition.xy();
  const [x, y] = camera.toMap(u, v);
  let nearest = -1;
  let least = (REACH / camera.scale()) ** 2;
  for (let i = 0; 2 * i < xy.length; i++) {
    const distance = (xy[2 * i] - x) ** 2 + (xy[2 * i + 1] - y) ** 2;
    if (!(distance < least) || (matches && !matches[i])) continue;
    least = distance;
    nearest = i;
  }
  return nearest;
};
