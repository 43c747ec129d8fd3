"""The extraction stage again with nothing changed, and with 1 % more images, compared with the first full run.

10,000 synthetic photographs of 500 × 375 through a network of three layers: with one that small, what is not the
network shows. A real network makes the full run longer and the rerun no longer at all.

- `reportgen`: the stage with all images in the store: every file is hashed, every shard verified.
- `full-run`: the stage into an empty store.
- Printed as well: the stage after adding 1 % of the images; and the command `reportgen run`, in a process of its own,
  on 2,000 photographs with a network of torchvision: the first time, again with nothing changed, and the import of
  torch, which the second does not need.

Gate: the rerun computes nothing, the other exactly the added images, and no shard changes; the command finds its report
up to date.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from torch import nn

from benchmarks.photographs import make_photographs
from benchmarks.timing import OURS, Result
from reportgen.config import AuditConfig
from reportgen.data.readers.dataset import read_dataset
from reportgen.data.samples import Dataset, Sample
from reportgen.models.sources import load_classifier
from reportgen.pipeline.extraction import ModelRun, run_model
from reportgen.pipeline.progress import silent


def network() -> nn.Module:
    """A convolution, pooling, ten classes."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 16, 7, 16), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10))


def run(quick: bool) -> Result:
    """One full run, three reruns; `quick`: of 600 images."""
    images = 600 if quick else 10_000
    more = images // 100
    with tempfile.TemporaryDirectory() as scratch:
        make_photographs(Path(scratch) / "photographs", images + more)
        config = AuditConfig(
            data=Path(scratch) / "photographs", model="python:benchmarks.rerun:network", out=Path(scratch) / "report"
        )
        classifier = load_classifier(config)
        everything = list(read_dataset(Path(scratch) / "photographs", classifier.class_names).samples)
        first = [sample for i, sample in enumerate(everything) if i % 101 or i >= 101 * more]

        def stage(samples: list[Sample]) -> tuple[float, ModelRun]:
            dataset = Dataset("photographs", samples, classifier.class_names.names)
            start = time.perf_counter()
            done = run_model(dataset, classifier, config, torch.device("cpu"), silent)
            return time.perf_counter() - start, done

        full, _ = stage(first)
        shards = {path: path.read_bytes() for path in config.out.rglob("*.npz")}
        again = [stage(first) for _ in range(3)]
        added, last = stage(everything)
        unchanged = all(path.read_bytes() == data for path, data in shards.items())
    rerun = sorted(seconds for seconds, _ in again)[1]
    gate = all(one.extraction.computed == 0 for _, one in again) and last.extraction.computed == more and unchanged
    lines = [
        f"{len(first):,} images: full run {full:.2f} s, {OURS} again {rerun:.2f} s",
        f"{more:,} images more: {added:.2f} s, {100 * (added - rerun) / full:.1f} % of the full run beyond the rerun",
    ]
    first_run, command, torch_import, is_fresh = commands(100 if quick else 2_000)
    lines.append(
        f"the command on {100 if quick else 2_000:,} images: first run {first_run:.1f} s, again {command:.2f} s; "
        f"`import torch` {torch_import:.2f} s"
    )
    return Result({"full-run": full / rerun, "first-command": first_run / command}, gate and is_fresh, lines)


def commands(images: int) -> tuple[float, float, float, bool]:
    """Seconds of the command's first run, of the median of three reruns, and of `import torch`; and whether the reruns
    found the report up to date."""
    with tempfile.TemporaryDirectory() as scratch:
        make_photographs(Path(scratch) / "photographs", images)
        settings = ("--model", "torchvision:squeezenet1_1", "--weights", "random", "--input-size", "64")
        command = [sys.executable, "-m", "reportgen", "run", "--data", f"{scratch}/photographs", *settings]
        command += ["--select", "none", "--quiet", "--out", f"{scratch}/report"]

        def timed(arguments: list[str]) -> tuple[float, str]:
            start = time.perf_counter()
            done = subprocess.run(arguments, capture_output=True, text=True, check=True)
            return time.perf_counter() - start, done.stderr

        first_run, _ = timed(command)
        again = [timed(command) for _ in range(3)]
        imports = [timed([sys.executable, "-c", "import torch"])[0] for _ in range(3)]
    seconds = sorted(seconds for seconds, _ in again)[1]
    return first_run, seconds, sorted(imports)[1], all("nothing was rebuilt" in text for _, text in again)
