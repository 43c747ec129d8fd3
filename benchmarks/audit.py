"""A whole audit, from files to the last page, compared with a `DataLoader` loop that only predicts.

EfficientNet-Lite0, synthetic photographs of 500 × 375 without labels, no expensive methods. Both are
processes of their own, with empty caches; the time includes their start.

- `reportgen`: `run_audit` with `select = none`.
- `dataloader`: `ImageFolder` behind a `DataLoader` with a worker process for each core, the eager network, and the
  predicted classes printed. No map, no figure, no page.

Gate: both predict the same classes but for one image in 50, because rounding may decide between two classes, and
`reportgen check` finds no fault in the report.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

import reportgen
from benchmarks.photographs import make_photographs
from benchmarks.processes import timed
from benchmarks.timing import OURS, Result, Timings, table
from reportgen.gallery.core.check import check_site

LOOP = """
import json, os, sys
import torch
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder
from reportgen.config import AuditConfig
from reportgen.models.sources import load_classifier
classifier, predicted = load_classifier(AuditConfig(model=sys.argv[2])), []
p = classifier.preprocessing
how = getattr(transforms.InterpolationMode, p.interpolation.upper())
steps = [transforms.Resize((p.height, p.width), how), transforms.ToTensor(), transforms.Normalize(p.mean, p.std)]
loader = DataLoader(ImageFolder(sys.argv[1], transforms.Compose(steps)), 32, num_workers=os.cpu_count())
with torch.inference_mode():
    for batch, _ in loader:
        predicted += classifier.head(classifier.trunk(batch)).argmax(1).tolist()
print(json.dumps(predicted))
"""
AUDIT = """
import sys
from pathlib import Path
from reportgen.config import AuditConfig
from reportgen.pipeline.run import run_audit
summary = run_audit(AuditConfig(data=Path(sys.argv[1]), model=sys.argv[2], select="none", out=Path(sys.argv[3])))
for stage, seconds in summary.seconds.items():
    print(f"{stage:24} {seconds:7.1f} s")
"""


def run(quick: bool) -> Result:
    """1 round of 2,000 images, some minutes; `quick`: 1 of 64."""
    images = 64 if quick else 2000
    with tempfile.TemporaryDirectory() as scratch:
        photographs, report = Path(scratch) / "photographs", Path(scratch) / "report"
        make_photographs(photographs, images)
        ours, stages = timed(AUDIT, photographs, "demo", report)
        theirs, printed = timed(LOOP, photographs, "demo")
        found = reportgen.open(report).predictions["top"][:, 0].tolist()
        faults = check_site(report)[0]
    differ = sum(a != b for a, b in zip(found, json.loads(printed), strict=True))
    timings = Timings({OURS: [ours], "dataloader": [theirs]})
    lines = [f"{images} images, {os.cpu_count()} cores; {differ} predicted classes differ"]
    lines += [*stages.splitlines(), *table(timings)]
    return Result({"dataloader": timings.ratio("dataloader")}, not faults and differ <= images // 50, lines)
