"""What slices, confidence, label errors, image issues and drift cost, compared with the forward pass.

One real audit without expensive methods, EfficientNet-Lite0 over synthetic photographs of 500 × 375 with boxes, and a
reference a tenth as large. The labels are what the network predicts, but for three images in ten, so that there are
errors to explain. Timed in its process, while it runs:

- slices, confidence, label errors, image issues and drift, each without what the report computes anyway for other pages
  (neighbours and regions of the map, which are computed before).
- properties of images: a part of the pass, so timed on their own after it, on 200 photographs, and scaled to all of
  them. The decoding helpers share them out, so their time is divided by the number of cores.

The ratio is the time of the pass without the properties, divided by all of these. Gate: every one of them was computed.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.audit import LOOP
from benchmarks.photographs import make_photographs
from benchmarks.processes import annotate, timed
from benchmarks.timing import Result

AUDIT = """
import io, json, os, sys, time
from functools import cached_property
from pathlib import Path
import numpy as np
from PIL import Image
from reportgen.audit.audit import Audit
from reportgen.audit.findings import image_issue
from reportgen.audit.model_audit import ModelAudit
from reportgen.config import AuditConfig
from reportgen.data.image_properties import image_properties
from reportgen.pipeline.run import run_audit
seconds = {}
def timed(name, compute, before=lambda audit: None):
    def wrapped(audit):
        before(audit)
        start = time.perf_counter()
        done = compute(audit)
        seconds[name] = seconds.get(name, 0) + time.perf_counter() - start
        return done
    return wrapped
def prepare(audit):
    audit.feature_space.neighbours, audit.map_regions
for owner, name, before in (
    (Audit, "slices", prepare), (Audit, "label_errors", prepare), (Audit, "drift", prepare),
    (ModelAudit, "confidence", lambda audit: None),
):
    wrapped = cached_property(timed(name.replace("_", " "), getattr(owner, name).func, before))
    setattr(owner, name, wrapped)
    wrapped.__set_name__(owner, name)
compute_issues = image_issue.image_issues
image_issue.image_issues = lambda *given: timed("image issues", lambda _: compute_issues(*given))(None)
photographs = Path(sys.argv[1])
config = AuditConfig(
    data=photographs / "table.csv", model="demo", select="none", out=Path(sys.argv[3]), reference=Path(sys.argv[2])
)
summary = run_audit(config)
paths = sorted(photographs.rglob("*.jpg"))
sample, spent = paths[:: max(1, len(paths) // 200)], 0.0
for path in sample:
    data = path.read_bytes()
    image = Image.open(io.BytesIO(data)).convert("RGB")
    pixels = np.asarray(image.resize((224, 224))).transpose(2, 0, 1).copy()
    start = time.perf_counter()
    image_properties(pixels, image, data)
    spent += time.perf_counter() - start
seconds["properties of images"] = spent * len(paths) / len(sample) / os.cpu_count()
print(json.dumps([seconds, summary.seconds]))
"""
QUESTIONS = ("slices", "confidence", "label errors", "image issues", "drift", "properties of images")


def run(quick: bool) -> Result:
    """1 round of 10,000 images, about ten minutes; `quick`: 1 of 200."""
    images = 200 if quick else 10_000
    with tempfile.TemporaryDirectory() as scratch:
        photographs, reference = Path(scratch) / "photographs", Path(scratch) / "reference"
        make_photographs(photographs, images)
        make_photographs(reference, images // 10)
        predicted = np.array(json.loads(timed(LOOP, photographs, "demo")[1]))
        random = np.random.default_rng(0)
        labels = np.where(random.random(images) < 0.3, random.permutation(predicted), predicted)
        annotate(photographs, labels.tolist())
        total, printed = timed(AUDIT, photographs, reference, Path(scratch) / "report")
    seconds, stages = json.loads(printed.splitlines()[-1])
    forward = stages["extract"] - seconds["properties of images"]
    spent = sum(seconds.values())
    lines = [f"{images} images, {os.cpu_count()} cores, {total:.0f} s in all; stages:"]
    lines += [f"  {stage:28} {value:8.1f} s" for stage, value in stages.items()]
    lines += ["Of these:", *(f"  {name:28} {value:8.2f} s" for name, value in seconds.items())]
    lines += [f"together {spent:.1f} s, {spent / forward:.1%} of the forward pass"]
    return Result({"pass": forward / spent}, set(seconds) == set(QUESTIONS), lines)
