"""Synthetic photographs for benchmarks: smooth colours and grain, so that JPEG files are as large as real ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

SIZE = (500, 375)


def make_photographs(folder: Path, images: int, size: tuple[int, int] = SIZE) -> None:
    """Writes `images` different JPEG files into ten class folders; of the default size they have about 90 KB."""
    random = np.random.default_rng(0)
    width, height = size
    grain = random.normal(0, 9, (height + 64, width + 64, 3))
    for i in range(images):
        coarse = random.integers(0, 256, (6, 8, 3), dtype=np.uint8)
        smooth = np.asarray(Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC), np.float32)
        y, x = random.integers(0, 64, 2)
        pixels = (smooth + grain[y : y + height, x : x + width]).clip(0, 255).astype(np.uint8)
        path = folder / f"class {i % 10}" / f"{i:06d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path, quality=90)
