"""From JPEG files to stored results, compared with ImageFolder, DataLoader, a forward pass and `np.savez`.

ResNet-50 with random weights, float32; synthetic photographs of 500 × 375, the size of most of ImageNet's.

- `reportgen`: the extraction stage of `reportgen run` into an empty store: hashes, decodes, stores logits, features,
  maps, units' maxima, thumbnails and pictures, and flushes every shard to the disk.
- `dataloader`: two worker processes decode and scale to 224 × 224; `module(images)`; `np.savez` of logits and pooled
  features. No hash, no map, no thumbnail.

Gate: the same images get the same logits, to 1e-3 of their range.
"""

from __future__ import annotations

import shutil
import tempfile
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
    images, rounds, name = (64, 2, "resnet18") if quick else (256, 3, "resnet50")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "photographs"
        make_photographs(folder, images)
        network = AuditConfig(
            data=folder,
            model=f"torchvision:{name}",
            weights="random",
            precision="fp32",
            runtime="onnxruntime",
            out=Path(scratch) / "report",
        )
        ours, plain = load_classifier(network), load_classifier(network)
        dataset = read_dataset(folder, ours.class_names)
        logits: dict[str, np.ndarray] = {}

        def stage() -> None:
            shutil.rmtree(network.out, ignore_errors=True)
            done = run_model(dataset, ours, network, CPU, silent)
            logits[OURS] = np.asarray(done.store.select(done.extraction.keys)["logits"])

        def peer() -> None:
            p = plain.preprocessing
            steps = [transforms.Resize((p.height, p.width)), transforms.ToTensor(), transforms.Normalize(p.mean, p.std)]
            loader = DataLoader(ImageFolder(folder, transforms.Compose(steps)), 32, num_workers=2)
            batches = []
            with torch.inference_mode():
                for batch, _ in loader:
                    maps = plain.trunk(batch)
                    batches.append((plain.head(maps).numpy(), maps.mean((2, 3)).numpy()))
            logits["dataloader"], features = (np.concatenate(parts) for parts in zip(*batches, strict=True))
            np.savez(Path(scratch) / "results.npz", logits=logits["dataloader"], features=features)

        timings = measure({OURS: stage, "dataloader": peer}, rounds)
    a, b = logits[OURS], logits["dataloader"]
    lines = [f"{images} images through {name}, {torch.get_num_threads()} threads", *table(timings)]
    lines += [f"{key}: {images / timings.median(key):.1f} images/s" for key in timings.seconds]
    return Result({"dataloader": timings.ratio("dataloader")}, bool(np.abs(a - b).max() < 1e-3 * np.ptp(b)), lines)
