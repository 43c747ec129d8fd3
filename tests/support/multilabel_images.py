"""A multi-label data set: images with none, one or several coloured squares on noise, and a network that sees them."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

from tests.support.square_images import COLOURS

COLOUR_NETWORK = "python:tests.support.multilabel_images:colour_network"
"""The setting `model` of `colour_network`."""
Box = tuple[int, int, int, int]


def coloured_squares(folder: Path, images: int = 24, side: int = 96, seed: int = 0) -> list[dict[str, Box]]:
    """Write `00.png`, `01.png`, …, and `classes.txt`, to a folder; return the box of each colour of each image."""
    random = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    found: list[dict[str, Box]] = []
    for i in range(images):
        pixels = random.integers(90, 150, (side, side, 3)).astype(np.uint8)
        boxes: dict[str, Box] = {}
        for place, name in enumerate(COLOURS):
            if random.random() < 0.45:
                width = int(random.integers(side // 8, side // 3))
                x = place * side // 3 + int(random.integers(0, side // 3 - width + 1))
                y = int(random.integers(0, side - width))
                pixels[y : y + width, x : x + width] = COLOURS[name]
                boxes[name] = (x, y, x + width, y + width)
        Image.fromarray(pixels).save(folder / f"{i:02d}.png")
        found.append(boxes)
    (folder / "classes.txt").write_text("\n".join(COLOURS) + "\n")
    return found


def multilabel_table(folder: Path, images: int = 24) -> Path:
    """Write the images with a table of their labels: `blue|red`, `[]` for none; the last one has no annotation."""
    found = coloured_squares(folder, images)
    rows = [[f"{i:02d}.png", "|".join(boxes) or "[]"] for i, boxes in enumerate(found)]
    rows[-1][1] = ""
    with open(folder / "labels.csv", "w", newline="") as file:
        csv.writer(file).writerows([("path", "label"), *rows])
    return folder / "labels.csv"


def multilabel_coco(folder: Path, images: int = 24) -> Path:
    """Write the images with a COCO file of their squares."""
    found, names = coloured_squares(folder, images), list(COLOURS)
    boxes = [(i, names.index(name), box) for i, one in enumerate(found) for name, box in one.items()]
    coco = {
        "images": [{"id": i, "file_name": f"{i:02d}.png", "width": 96, "height": 96} for i in range(images)],
        "categories": [{"id": k, "name": name} for k, name in enumerate(names)],
        "annotations": [
            {"id": n, "image_id": i, "category_id": k, "bbox": [x0, y0, x1 - x0, y1 - y0]}
            for n, (i, k, (x0, y0, x1, y1)) in enumerate(boxes)
        ],
    }
    (folder / "coco.json").write_text(json.dumps(coco))
    return folder / "coco.json"


def colour_network(classes: int = len(COLOURS)) -> nn.Module:
    """A logit for each colour, by the share of the image that has it: small squares are missed, and blue ones are taken
    for red ones too."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        pool, colour = nn.AvgPool2d(8), nn.Conv2d(3, classes, 1)
        last = nn.Linear(classes, classes)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    middle = torch.tensor([120 / 255] * 3)
    for k, rgb in enumerate(list(COLOURS.values())[:classes]):
        direction = torch.tensor(rgb) / 255 - middle
        weight = direction / direction.square().sum()
        colour.weight.data[k] = (weight * std)[:, None, None]
        colour.bias.data[k] = (weight * (mean - middle)).sum() - 0.6
    last.weight.data = 60 * torch.eye(classes)
    last.weight.data[-1, 0] = 40.0
    last.bias.data = torch.tensor([-1.0, -0.8, -0.9])[:classes]
    return nn.Sequential(pool, colour, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), last).eval()


def with_sigmoid() -> nn.Module:
    """The same network, with a sigmoid at its end."""
    return nn.Sequential(colour_network(), nn.Sigmoid())
