"""Time to the first complete report, compared with the bare forward pass of the same network on the same images.

Both are processes of their own, with empty caches; the time includes their start.

- `reportgen`: `run_audit` until the first report can be opened, then interrupted.
- `bare-pass`: imports torch, loads the network, decodes and resizes each image with Pillow, runs batches of 32 through
  it, and prints the predicted classes. No map, no figure, no page.

The ratio is the time of the bare pass divided by ours, so it is below 1. Gate: both predict the same classes but for
one image in 50, because the bare pass scales images differently, and `reportgen check` finds no fault in the report.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

import reportgen
from benchmarks.photographs import make_photographs
from benchmarks.processes import annotate, timed
from benchmarks.timing import OURS, Result, Timings, table
from reportgen.gallery.core.check import check_site

BARE = """
import json, sys
from pathlib import Path
import numpy as np, torch
from PIL import Image
from reportgen.config import AuditConfig
from reportgen.models.sources import load_classifier
classifier = load_classifier(AuditConfig(model=sys.argv[2]))
p, paths, predicted = classifier.preprocessing, sorted(Path(sys.argv[1]).rglob("*.jpg")), []
how = getattr(Image.Resampling, p.interpolation.upper())
with torch.inference_mode():
    for start in range(0, len(paths), 32):
        part = paths[start : start + 32]
        images = [Image.open(path).convert("RGB").resize((p.width, p.height), how) for path in part]
        batch = torch.from_numpy(np.stack([np.asarray(image) for image in images])).permute(0, 3, 1, 2)
        predicted += classifier.head(classifier.trunk(p.normalize(batch))).argmax(1).tolist()
print(json.dumps(predicted))
"""
FIRST = """
import sys
from pathlib import Path
from reportgen.config import AuditConfig
from reportgen.pipeline.run import run_audit
class Enough(Exception): pass
def stop(summary):
    raise Enough
try:
    run_audit(AuditConfig(data=Path(sys.argv[1]), model=sys.argv[2], out=Path(sys.argv[3])), ready=stop)
except Enough:
    pass
"""


def run(quick: bool) -> Result:
    """3 rounds of 256 images through EfficientNet-Lite0; `quick`: 1 of 48."""
    images, rounds = (48, 1) if quick else (256, 3)
    seconds: dict[str, list[float]] = {OURS: [], "bare-pass": []}
    with tempfile.TemporaryDirectory() as scratch:
        photographs, report = Path(scratch) / "photographs", Path(scratch) / "report"
        make_photographs(photographs, images)
        annotations = annotate(photographs)
        expected: list[int] = []
        for number in range(rounds):
            report = Path(scratch) / f"report-{number}"
            seconds[OURS].append(timed(FIRST, annotations, "demo", report)[0])
            spent, printed = timed(BARE, photographs, "demo")
            seconds["bare-pass"].append(spent)
            expected = json.loads(printed)
        found = _predictions(report)
        faults = check_site(report)[0]
    differ = sum(a != b for a, b in zip(found, expected, strict=True))
    timings = Timings(seconds)
    lines = [f"{images} images, {os.cpu_count()} cores; {differ} predicted classes differ", *table(timings)]
    return Result({"bare-pass": timings.ratio("bare-pass")}, not faults and differ <= images // 50, lines)


def _predictions(report: Path) -> list[int]:
    """The predicted classes, in the order of the images' paths."""
    return reportgen.open(report).predictions["top"][:, 0].tolist()
