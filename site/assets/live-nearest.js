/* The images of the report that are nearest to the live page's image by features. */
window.reportgen.liveNearest = (outputs, own) => {
  "use strict";
  const { data } = window.reportgen;
  const SHOWN = 10;
  const { mean, axes, steps, values, index, output, pooled } = data.chunk("live-features");
  const count = steps.length;

  /** The features: an output of the network, or the mean or maximum of each map. */
  const features = () => {
    const compared = outputs[output];
    if (!pooled) return compared;
    const cells = compared.length / mean.length;
    return Float32Array.from(mean, (_, c) => {
      const map = compared.subarray(c * cells, (c + 1) * cells);
      return pooled === "max" ? map.reduce((a, b) => Math.max(a, b)) : map.reduce((a, b) => a + b) / cells;
    });
  };
  const query = features();
  const size = mean.length;
  const place = new Float64Array(count);
  let rest = 0; // square of the part that no axis has
  for (let d = 0; d < size; d++) rest += (query[d] - mean[d]) ** 2;
  for (let a = 0; a < count; a++) {
    for (let d = 0; d < size; d++) place[a] += (query[d] - mean[d]) * axes[a * size + d];
    rest -= place[a] ** 2;
  }
  const squares = Float64Array.from(index, (_, i) => {
    let square = Math.max(rest, 0);
    for (let a = 0; a < count; a++) square += (place[a] - steps[a] * values[i * count + a]) ** 2;
    return square;
  });
  const order = Array.from(squares.keys()).filter((i) => index[i] !== own);
  order.sort((i, j) => squares[i] - squares[j]);
  return order.slice(0, SHOWN).map((i) => ({ row: index[i], distance: Math.sqrt(squares[i]) }));
};
