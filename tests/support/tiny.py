"""Small things for tests: networks of some layers, and pictures whose class is a coloured square at a random place."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

COLOURS = {"blue": (40, 60, 220), "green": (40, 200, 60), "red": (220, 50, 40)}


def network(seed: int = 0, classes: int = len(COLOURS)) -> nn.Module:
    """Three convolutions, global average pooling, one linear layer; random weights."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Conv2d(3, 8, 5, 4, 2),
            nn.ReLU(),
            nn.Conv2d(8, 16, 3, 2, 1),
            nn.ReLU(),
            nn.Conv2d(16, 16, 3, 2, 1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(16, classes),
        )


def other_network() -> nn.Module:
    """The same layers with other weights."""
    return network(seed=1)


def four_classes() -> nn.Module:
    """A network of one class more."""
    return network(classes=4)


def thousand_classes() -> nn.Module:
    """A network of a thousand classes."""
    return network(classes=1000)


def squares(folder: Path, each: int = 8, side: int = 96, seed: int = 0) -> Path:
    """Writes `each` pictures a colour with a square on noise, their table of labels and boxes, and `classes.txt`;
    returns the table."""
    random = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    rows = [("path", "label", "x0", "y0", "x1", "y1")]
    for name, colour in COLOURS.items():
        for i in range(each):
            pixels = random.integers(90, 150, (side, side, 3)).astype(np.uint8)
            width = int(random.integers(side // 4, side // 2))
            x, y = random.integers(0, side - width, 2)
            pixels[y : y + width, x : x + width] = colour
            Image.fromarray(pixels).save(folder / f"{name}-{i}.png")
            rows.append((f"{name}-{i}.png", name, x, y, x + width, y + width))
    with open(folder / "table.csv", "w", newline="") as file:
        csv.writer(file).writerows(rows)
    (folder / "classes.txt").write_text("\n".join(COLOURS) + "\n")
    return folder / "table.csv"
