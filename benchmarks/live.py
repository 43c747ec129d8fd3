"""The network in the report's live page, in Chromium from file://, compared with native ONNX Runtime on one thread.

The site is one that a run writes. Both contestants run the same graph on the same image. Gate: the logits differ by at
most 1e-3, and the page reports no error. The target is at most six times the time of native ONNX Runtime.
"""

from __future__ import annotations

import gzip
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
import onnxruntime
from playwright.sync_api import Browser, sync_playwright

from benchmarks.photographs import make_photographs
from benchmarks.timing import OURS, Result, measure, table
from reportgen.config import AuditConfig
from reportgen.pipeline.run import run_audit

NETWORKS = (
    "demo",
    "torchvision:resnet18",
    "torchvision:mobilenet_v3_large",
    "torchvision:densenet121",
    "torchvision:alexnet",
)
"""EfficientNet-Lite0 with its weights; the others with random ones."""
LIMIT = 150
"""MB of a network: AlexNet has more than the default."""
ROUNDS, IMAGES, TARGET, TOLERANCE = 10, 5, 6.0, 1e-3
"""IMAGES: that both compute in a round, one after the other, so that asking the page costs little; TARGET: time of the
page ÷ time of native ONNX Runtime; TOLERANCE: largest difference of a logit."""
NATIVE = "ONNX Runtime, native, one thread"
START = """async () => {
  const { data, liveNetwork } = window.reportgen;
  const start = performance.now();
  window.network = await liveNetwork(data.chunk("live"), () => {});
  return (performance.now() - start) / 1000;
}"""
RUN = """async (images) => {
  let found;
  for (let i = 0; i < images; i++) found = await network.run(image.slice(), ["logits", "maps", "features"]);
  return [...found.logits];
}"""


def run(quick: bool) -> Result:
    """Five networks; `quick`: the demo's."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        return Result({}, False, ["no Chromium on this machine"])
    ratios, lines, gate = {}, list[str](), True
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for name in NETWORKS[: 1 if quick else None]:
            with tempfile.TemporaryDirectory() as folder:
                result = compare(browser, name, Path(folder), 5 if quick else ROUNDS)
            ratios |= result.ratio
            lines += result.lines
            gate &= result.gate
        browser.close()
    return Result(ratios, gate, lines)


def compare(browser: Browser, name: str, folder: Path, rounds: int) -> Result:
    """One network, on one image."""
    make_photographs(folder / "data", 31)
    weights = "DEFAULT" if name == "demo" else "random"
    data, out = folder / "data" / "class 0", folder / "report"
    summary = run_audit(
        AuditConfig(data=data, model=name, weights=weights, select="none", live=True, live_limit=LIMIT, out=out)
    )
    live = summary.audit.live
    if live is None:
        return Result({}, False, [f"{name}: {' '.join(summary.notes)}"])
    graph = gzip.decompress(live.packed)[: live.graph_size]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    started = time.perf_counter()
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    native_start = time.perf_counter() - started
    p = live.preprocessing
    image = np.random.default_rng(0).normal(size=(1, p.channels, p.height, p.width)).astype(np.float32)

    inputs = {"image": image}
    if live.has_gradient:
        inputs["class"] = np.zeros((1, len(summary.audit.classes)), np.float32)

    errors: list[str] = []
    page = browser.new_context(offline=True).new_page()
    page.on("console", lambda message: errors.append(message.text))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto((out / "site" / "live.html").as_uri())
    page.locator("#live dl > div").first.wait_for(timeout=120_000)
    start = page.evaluate(START)
    page.evaluate("values => { window.image = Float32Array.from(values); }", image.ravel().tolist())
    found: dict[str, np.ndarray] = {}

    def ours() -> None:
        found[OURS] = np.array(page.evaluate(RUN, IMAGES))

    def native() -> None:
        for _ in range(IMAGES):
            found[NATIVE] = session.run(["logits", "maps", "features"], inputs)[0][0]

    timings = measure({OURS: ours, NATIVE: native}, rounds)
    page.close()
    difference = float(np.abs(found[OURS] - found[NATIVE]).max())
    size = sum(path.stat().st_size for path in (out / "site" / "data").glob("live*.js"))
    lines = [
        f"{name}: start {start:.1f} s (native {native_start:.1f} s), {size / 1e6:.0f} MB; largest difference of a "
        f"logit {difference:.0e}; errors: {len(errors)}",
        *table(timings),
    ]
    ratio = timings.ratio(NATIVE)
    seconds = timings.median(OURS) / IMAGES, timings.median(NATIVE) / IMAGES
    lines.append(f"an image: page {1e3 * seconds[0]:.0f} ms, native {1e3 * seconds[1]:.1f} ms")
    lines.append(f"the page takes {1 / ratio:.1f} times as long; the target is {TARGET:.0f}")
    return Result({name: ratio}, difference <= TOLERANCE and not errors, lines)
