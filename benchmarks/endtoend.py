"""From JPEG files to stored results, compared with ImageFolder, DataLoader, a forward pass and `np.savez`.

ResNet-50 with random weights and EfficientNet-Lite0, float32; synthetic photographs of 500 × 375, the size of most of
ImageNet's.

- `reportgen`: the extraction stage of `reportgen run` into an empty store: hashes, decodes, stores logits, features,
  maps, units' maxima, thumbnails and pictures, and flushes every shard to the disk. ONNX Runtime runs the network.
- `dataloader`: two worker processes decode and scale to 224 × 224; `module(images)`; `np.savez` of logits and pooled
  features. No hash, no map, no thumbnail.
- Printed as well, not in the result: `reportgen, torch`: the same stage where PyTorch runs the network.

Gate: the same images get the same logits, to 1e-3 of their range.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder

from benchmarks.photographs import make_photographs
from benchmarks.timing import OURS, Result, measure, table
from reportgen.config import AuditConfig
from reportgen.data.readers.dataset import read_dataset
from reportgen.models.sources import load_classifier
from reportgen.pipeline.extraction import run_model
from reportgen.pipeline.progress import silent

CPU = torch.device("cpu")


def run(quick: bool) -> Result:
    """3 rounds of 256 images; `quick`: 2 of 64 through ResNet-18."""
    images, rounds = (64, 2) if quick else (256, 3)
    names = ("torchvision:resnet18",) if quick else ("torchvision:resnet50", "demo")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "photographs"
        make_photographs(folder, images)
        results = [compare(name, folder, Path(scratch), images, rounds) for name in names]
    ratio = {"dataloader": min(one.ratio["dataloader"] for one in results)}
    return Result(ratio, all(one.gate for one in results), [line for one in results for line in one.lines])


def compare(name: str, folder: Path, scratch: Path, images: int, rounds: int) -> Result:
    """One network over the photographs in a folder."""
    config = AuditConfig(
        data=folder,
        model=name,
        weights="random" if ":" in name else "DEFAULT",
        precision="fp32",
        out=scratch / "report",
    )
    loaded = load_classifier(config)
    plain = load_classifier(config)
    dataset = read_dataset(folder, loaded.class_names)
    logits: dict[str, np.ndarray] = {}

    def stage(key: str, runtime: str) -> None:
        shutil.rmtree(config.out, ignore_errors=True)
        done = run_model(dataset, loaded, replace(config, runtime=runtime), CPU, silent)
        logits[key] = np.asarray(done.store.select(done.extraction.keys)["logits"])

    def peer() -> None:
        p = plain.preprocessing
        how = getattr(transforms.InterpolationMode, p.interpolation.upper())
        steps = [
            transforms.Resize((p.height, p.width), how),
            transforms.ToTensor(),
            transforms.Normalize(p.mean, p.std),
        ]
        loader = DataLoader(ImageFolder(folder, transforms.Compose(steps)), 32, num_workers=2)
        batches = []
        with torch.inference_mode():
            for batch, _ in loader:
                maps = plain.trunk(batch)
                batches.append((plain.head(maps).numpy(), maps.mean((2, 3)).numpy()))
        logits["dataloader"], features = (np.concatenate(parts) for parts in zip(*batches, strict=True))
        np.savez(scratch / "results.npz", logits=logits["dataloader"], features=features)

    contestants = {
        OURS: lambda: stage(OURS, "onnxruntime"),
        "dataloader": peer,
        "reportgen, torch": lambda: stage("reportgen, torch", "torch"),
    }
    timings = measure(contestants, rounds)
    a, b = logits[OURS], logits["dataloader"]
    lines = [f"{images} images through {name}, {torch.get_num_threads()} threads", *table(timings)]
    lines += [f"{key}: {1000 * timings.median(key) / images:.1f} ms an image" for key in timings.seconds]
    return Result({"dataloader": timings.ratio("dataloader")}, bool(np.abs(a - b).max() < 1e-3 * np.ptp(b)), lines)
