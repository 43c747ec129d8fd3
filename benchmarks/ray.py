"""The forward pass by the workers of Ray, compared with the same pass in this process, on one machine.

EfficientNet-Lite0 in ONNX Runtime, float32, from JPEG files to shards; synthetic photographs of 500 × 375.

- `reportgen`: `engine = ray` as it is by default: a worker with as many threads as this process.
- `local`: `engine = local`.
- Printed as well, not in the result: workers of one thread each; and all seconds of the first, with the start of Ray
  and the loading of the network.

What counts is the time from the first shard to the last: the ratio is that of the rates. Gate: the shards of the first
two have the same bytes.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks.photographs import make_photographs
from benchmarks.timing import OURS, Result, Timings, table
from reportgen.config import AuditConfig
from reportgen.data.readers.dataset import read_dataset
from reportgen.models.sources import load_classifier
from reportgen.pipeline.extraction import Pass
from reportgen.pipeline.progress import silent
from reportgen.pipeline.ray_engine import compute_on_ray

CPU = torch.device("cpu")


def run(quick: bool) -> Result:
    """3 rounds of 1,280 images; `quick`: 1 of 768 through ResNet-18."""
    images, rounds = (768, 1) if quick else (1280, 3)
    threads = torch.get_num_threads()
    with tempfile.TemporaryDirectory() as scratch:
        photographs = Path(scratch) / "photographs"
        make_photographs(photographs, images)
        config = AuditConfig(
            data=photographs,
            model="torchvision:resnet18" if quick else "demo",
            weights="random" if quick else "DEFAULT",
            precision="fp32",
            runtime="onnxruntime",
            store_feature_maps="no",
            device="cpu",
            engine="ray",
            ray_address="local",
            out=Path(scratch) / "report",
        )
        contestants: dict[str, Callable[[Pass], object]] = {
            OURS: lambda work: compute_on_ray(config, [work], silent),
            "local": lambda work: work.extract(silent),
            "one thread each": lambda work: compute_on_ray(replace(config, cpus_per_worker=1), [work], silent),
        }
        seconds: dict[str, list[float]] = {name: [] for name in contestants}
        stored, whole = {}, []
        for turn in range(rounds):
            for name in [*contestants, *contestants][turn : turn + len(contestants)]:
                shutil.rmtree(config.out, ignore_errors=True)
                classifier = load_classifier(config)
                work = Pass(read_dataset(photographs, classifier.class_names), classifier, config, CPU)
                start = time.perf_counter()
                contestants[name](work)
                if name == OURS:
                    whole.append(time.perf_counter() - start)
                shards = sorted(work.store.folder.glob("[0-9]*.npz"))
                first = threads if name == "one thread each" else 1  # these come at the same time
                seconds[name].append(seconds_per_shard([path.stat().st_mtime for path in shards], first))
                stored[name] = [path.read_bytes() for path in shards]
    timings = Timings(seconds)
    lines = [f"{images} images through {config.model}, {threads} threads; seconds for 256 images", *table(timings)]
    lines.append(f"{OURS} with its start: {min(whole):.1f} to {max(whole):.1f} s for all images")
    return Result({"local": timings.ratio("local")}, stored[OURS] == stored["local"], lines)


def seconds_per_shard(times: list[float], first: int) -> float:
    """The mean time between shards, without the first ones. times: when each was written."""
    times = sorted(times)
    return (times[-1] - times[first - 1]) / (len(times) - first)
