"""A data set of images with one coloured square on noise: the colour is the class, the square is the box."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from PIL import Image

COLOURS = {"blue": (40, 60, 220), "green": (40, 200, 60), "red": (220, 50, 40)}


def squares(folder: Path, each: int = 8, side: int = 96, seed: int = 0) -> Path:
    """Write a data set to `folder` and return its table: `each` PNG images a colour, `table.csv` and `classes.txt`."""
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
