/* The network in a worker, which is made of text: a page that is opened from a disk can load no other. */
window.reportgen.liveNetwork = (() => {
  "use strict";
  const { data } = window.reportgen;

  /** What the worker does. It is given to it as text, so it knows nothing that is outside of it but `ort`. */
  const work = () => {
    const scope = /** @type {any} */ (globalThis);
    /** @type {any} */
    let session;
    /** @param {Uint8Array<ArrayBuffer>[]} parts */
    const unpack = async (parts) => {
      const stream = new Blob(parts).stream().pipeThrough(new DecompressionStream("gzip"));
      return new Uint8Array(await new Response(stream).arrayBuffer());
    };
    /** @param {any} message */
    const start = async ({ wasm, network, graphSize, weights, isHalf, count }) => {
      scope.ort.env.wasm.wasmBinary = (await unpack([wasm])).buffer;
      scope.ort.env.wasm.numThreads = 1;
      scope.ort.env.logLevel = "error";
      const bytes = await unpack(network);
      session = await scope.ort.InferenceSession.create(bytes.subarray(0, graphSize), { executionProviders: ["wasm"] });
      if (weights === null) return { weights };
      const own = bytes.buffer.slice(weights, weights + (isHalf ? 2 : 4) * count);
      return { weights: isHalf ? Float32Array.from(new Uint16Array(own), fromHalf) : new Float32Array(own) };
    };
    /** The number of 16 bits of a finite float16: sign, exponent, fraction. @param {number} bits */
    const fromHalf = (bits) => {
      const [exponent, fraction] = [(bits >> 10) & 31, (bits & 1023) / 1024];
      const magnitude = exponent ? (1 + fraction) * 2 ** (exponent - 15) : fraction * 2 ** -14;
      return bits >> 15 ? -magnitude : magnitude;
    };
    /** @param {any} message */
    const run = async ({ images, shape, outputs, chosen }) => {
      const { Tensor } = scope.ort;
      const inputs = { image: new Tensor("float32", images, shape) };
      const found = await session.run(
        chosen ? { ...inputs, class: new Tensor("float32", chosen, [1, chosen.length]) } : inputs,
        outputs,
      );
      return Object.fromEntries(outputs.map((/** @type {string} */ name) => [name, found[name].data]));
    };
    scope.onmessage = async (/** @type {MessageEvent} */ { data: message }) => {
      try {
        const result = await (message.wasm ? start(message) : run(message));
        scope.postMessage({ id: message.id, result });
      } catch (error) {
        scope.postMessage({ id: message.id, error: String(/** @type {any} */ (error)?.message ?? error) });
      }
    };
  };

  /** @param {Uint8Array<ArrayBuffer>} packed */
  const text = (packed) =>
    new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"))).text();

  /** @type {Reportgen["liveNetwork"]} */
  return async (live, progress) => {
    progress("Loading the runtime");
    await data.load("live-runtime");
    const { wasm, glue } = data.chunk("live-runtime");
    data.drop("live-runtime");
    const url = URL.createObjectURL(new Blob([await text(glue), `;(${work})();`], { type: "text/javascript" }));
    const worker = new Worker(url);
    URL.revokeObjectURL(url);
    /** @type {Map<number, { resolve: (result: any) => void, reject: (error: Error) => void }>} */
    const waiting = new Map();
    let sent = 0;
    worker.addEventListener("message", ({ data: { id, result, error } }) => {
      const { resolve, reject } = /** @type {any} */ (waiting.get(id));
      waiting.delete(id);
      if (error === undefined) resolve(result);
      else reject(new Error(error));
    });
    worker.addEventListener("error", (event) => {
      event.preventDefault();
      for (const { reject } of waiting.values()) reject(new Error(event.message || "the worker cannot be started"));
      waiting.clear();
    });
    /** @param {object} message @param {Transferable[]} moved @returns {Promise<any>} */
    const ask = (message, moved) =>
      new Promise((resolve, reject) => {
        waiting.set(++sent, { resolve, reject });
        worker.postMessage({ id: sent, ...message }, moved);
      });

    const network = [];
    for (let part = 0; part < live.network_parts; part++) {
      progress(`Loading the network, part ${part + 1} of ${live.network_parts}`);
      /** @type {`live-network-${number}`} */
      const name = `live-network-${part}`;
      await data.load(name);
      network.push(data.chunk(name).bytes);
      data.drop(name);
    }
    progress("Starting the network");
    const { channels, height, width } = live.preprocessing;
    const count = live.classes.length * live.feature_shape[0];
    const { graph_size: graphSize, weights: place, is_half: isHalf } = live;
    const start = { wasm, network, graphSize, weights: place, isHalf, count };
    const { weights } = await ask(
      start,
      [wasm, ...network].map((bytes) => bytes.buffer),
    );
    return {
      weights,
      run: (images, outputs, k = -1) => {
        const shape = [images.length / (channels * height * width), channels, height, width];
        const chosen = live.has_gradient ? Float32Array.from(live.classes, (_, i) => Number(i === k)) : undefined;
        return ask({ images, shape, outputs, chosen }, [images.buffer]);
      },
    };
  };
})();
