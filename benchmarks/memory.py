"""Peak resident memory of a run with ten times as many images, compared with that of the smaller set.

20,000 and 2,000 small synthetic photographs through a network of three layers, each set in processes of its own: the
extraction stage into an empty store, and again with everything in it, and the whole run with its pages, without the
expensive methods. The ratio is the smaller set's peak ÷ the larger's: 1 is no growth at all, and 0.83 is 1.2 times as
much. The whole run also holds what its figures need of every image, so its memory grows.

Gate: of the extraction stage, at most 1.2 times as much.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks.photographs import make_photographs
from benchmarks.timing import Result
from reportgen.config import AuditConfig
from reportgen.data.readers.dataset import read_dataset
from reportgen.models.sources import load_classifier
from reportgen.pipeline.extraction import run_model
from reportgen.pipeline.progress import silent
from reportgen.pipeline.run import run_audit

LIMIT = 1.2


def run(quick: bool) -> Result:
    """`quick`: 4,000 and 400 images."""
    few, many = (400, 4_000) if quick else (2_000, 20_000)
    peaks = {}
    for images in (few, many):
        with tempfile.TemporaryDirectory() as scratch:
            make_photographs(Path(scratch) / "photographs", images, (160, 120))
            command = [sys.executable, "-m", "benchmarks.memory", scratch]
            done = [
                subprocess.run([*command, stage], check=True, capture_output=True, text=True)
                for stage in ("extract", "extract", "run")
            ]
            peaks[images] = [json.loads(one.stdout) / 1024 for one in done]
    lines = [
        f"{n:,} images: peak {full:,.0f} MiB, again {again:,.0f} MiB, whole run {run:,.0f} MiB"
        for n, (full, again, run) in peaks.items()
    ]
    *growth, of_run = (b / a for a, b in zip(peaks[few], peaks[many], strict=True))
    ratio = {"a tenth": min(1 / g for g in growth), "a tenth, whole run": 1 / of_run}
    return Result(ratio, max(growth) <= LIMIT, lines)


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    config = AuditConfig(model="python:benchmarks.rerun:network", out=folder / "report", precision="fp32")
    if sys.argv[2] == "extract":
        classifier = load_classifier(config)
        dataset = read_dataset(folder / "photographs", classifier.class_names)
        run_model(dataset, classifier, config, torch.device("cpu"), silent)
    else:
        run_audit(replace(config, data=folder / "photographs", select="none", runtime="torch"))
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
