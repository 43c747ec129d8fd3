/* What follows from the network's outputs: probabilities, their order, and exact activation maps. */
window.reportgen.liveAnswer = (() => {
  "use strict";

  /** @type {LiveAnswer["classify"]} */
  const classify = (logits) => {
    const top = logits.reduce((a, b) => Math.max(a, b));
    const powers = Float64Array.from(logits, (logit) => Math.exp(logit - top));
    const sum = powers.reduce((a, b) => a + b);
    const scores = powers.map((power) => power / sum);
    const order = Array.from(logits.keys()).sort((a, b) => logits[b] - logits[a] || a - b);
    return { logits, scores, order };
  };

  // CAM (Zhou et al. 2016): the feature maps, weighted with the class's row of the head's weights.
  /** @type {LiveAnswer["activationMap"]} */
  const activationMap = (maps, weights, k, [channels, height, width]) => {
    const cells = new Float64Array(height * width);
    for (let c = 0, at = 0; c < channels; c++) {
      const weight = weights[k * channels + c];
      for (let i = 0; i < cells.length; i++) cells[i] += weight * maps[at++];
    }
    return Array.from({ length: height }, (_, y) => Array.from(cells.subarray(y * width, (y + 1) * width)));
  };

  return { classify, activationMap };
})();
