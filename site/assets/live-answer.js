/* What the network computes for a picture, and what follows: probabilities, their order, and activation maps. */
window.reportgen.liveAnswer = (() => {
  "use strict";
  const { livePixels } = window.reportgen;

  /** @type {LiveAnswer["classify"]} */
  const classify = (logits) => {
    const top = logits.reduce((a, b) => Math.max(a, b));
    const powers = Float64Array.from(logits, (logit) => Math.exp(logit - top));
    const sum = powers.reduce((a, b) => a + b);
    const scores = powers.map((power) => power / sum);
    const order = Array.from(logits.keys()).sort((a, b) => logits[b] - logits[a] || a - b);
    return { logits, scores, order };
  };

  // The feature maps, weighted with the class's row of the head's weights (CAM, Zhou et al. 2016), or with the gradient
  // of its logit (Grad-CAM, Selvaraju et al. 2017).
  /** @type {LiveAnswer["activationMap"]} */
  const activationMap = ({ maps, alpha }, weights, k, { feature_shape: [channels, height, width] }) => {
    const used = alpha ?? weights?.subarray(k * channels, (k + 1) * channels);
    if (!used) return null;
    const cells = new Float64Array(height * width);
    for (let c = 0, at = 0; c < channels; c++) {
      for (let i = 0; i < cells.length; i++) cells[i] += used[c] * maps[at++];
    }
    return Array.from({ length: height }, (_, y) => Array.from(cells.subarray(y * width, (y + 1) * width)));
  };

  /** @type {LiveAnswer["run"]} */
  const run = async (network, live, pixels, wanted, k) => {
    const values = livePixels.normalize(pixels, live.preprocessing);
    const names = new Set(["logits", "maps", ...(live.has_gradient ? ["alpha"] : []), ...wanted]);
    const start = performance.now();
    const outputs = await network.run(values, [...names], k);
    const answer = classify(outputs.logits);
    return { pixels, answer, outputs, k: k < 0 ? answer.order[0] : k, milliseconds: performance.now() - start };
  };
  /** @type {LiveAnswer["has"]} */
  const has = ({ answer, outputs, k }, live, wanted, chosen) =>
    wanted.every((name) => outputs[name]) && (!live.has_gradient || k === (chosen < 0 ? answer.order[0] : chosen));

  return { classify, activationMap, run, has };
})();
