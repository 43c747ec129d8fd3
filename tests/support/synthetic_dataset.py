"""Objects pasted on textured backgrounds, with exact boxes, and a small network trained on them.

Three classes are squares of one colour: every part of the object shows the class. `yellow corner` is a grey square that
differs from the class `grey` in one corner; images of the coloured classes contain a grey square too, so grey is weak
evidence. A trained network therefore localizes the corner alone: a planted *part only* failure.
"""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

from reportgen.data.class_names import ClassNames
from reportgen.models.classifier import Classifier, Preprocessing
from reportgen.models.from_module import classifier_from_module

SIDE = 64
COLOURS = {"blue": (50, 70, 220), "green": (50, 190, 70), "red": (215, 60, 50)}
CORNERS = {"yellow corner": (235, 215, 40)}
CLASSES = (*COLOURS, *CORNERS, "grey")
GREY = (128, 128, 128)


def background(random: np.random.Generator) -> np.ndarray:
    """Return coarse and fine noise of all colours, `(64, 64, 3)` uint8."""
    coarse = Image.fromarray(random.integers(95, 161, (9, 9, 3)).astype(np.uint8)).resize((SIDE, SIDE), Image.BICUBIC)
    return np.clip(np.asarray(coarse) + random.normal(0, 12, (SIDE, SIDE, 3)), 0, 255).astype(np.uint8)


def paste(pixels: np.ndarray, box: tuple[int, int, int, int], colour: tuple[int, int, int]) -> None:
    x0, y0, x1, y1 = box
    pixels[y0:y1, x0:x1] = colour


def picture(label: str, random: np.random.Generator) -> tuple[np.ndarray, tuple[int, int, int, int]]:
    """Return one image `(64, 64, 3)` uint8, and the object's box."""
    pixels = background(random)
    side = int(random.integers(30, 41))
    x, y = (int(v) for v in random.integers(0, SIDE - side, 2))
    box = (x, y, x + side, y + side)
    if label in COLOURS:
        ground = int(random.integers(14, 24))
        u, v = (int(c) for c in random.integers(0, SIDE - ground, 2))
        paste(pixels, (u, v, u + ground, v + ground), GREY)
        paste(pixels, box, COLOURS[label])
    else:
        paste(pixels, box, GREY)
        if label in CORNERS:
            paste(pixels, (x + 1, y + 1, x + 9, y + 9), CORNERS[label])
    return pixels, box


def images(each: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return `(N, 64, 64, 3)` uint8 pixels, `(N,)` labels and `(N, 4)` boxes of `each` images a class."""
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(CLASSES)), each)
    made = [picture(CLASSES[k], random) for k in labels]
    return np.stack([p for p, _ in made]), labels, np.array([b for _, b in made])


def write(folder: Path, each: int = 12, seed: int = 1) -> Path:
    """Write the images as PNG files with their table of labels and boxes; returns the table."""
    folder.mkdir(parents=True, exist_ok=True)
    rows: list[list[object]] = [["path", "label", "x0", "y0", "x1", "y1"]]
    for i, (pixels, label, box) in enumerate(zip(*images(each, seed), strict=True)):
        name = f"{CLASSES[label].replace(' ', '-')}-{i:03d}.png"
        Image.fromarray(pixels).save(folder / name)
        rows.append([name, CLASSES[label], *box])
    with open(folder / "table.csv", "w", newline="") as file:
        csv.writer(file).writerows(rows)
    return folder / "table.csv"


@cache
def trained() -> Classifier:
    """Return a network of three convolutions and global average pooling, trained for some seconds from a fixed seed."""
    pixels, labels, _ = images(80, seed=0)
    preprocessing = Preprocessing(size=SIDE)
    x = preprocessing.normalize(torch.from_numpy(pixels.transpose(0, 3, 1, 2).copy()))
    y = torch.from_numpy(labels)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # on so small a network more of them only wait for each other
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = nn.Sequential(
            nn.Conv2d(3, 16, 3, 2, 1),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, 2, 1),
            nn.ReLU(),
            nn.Conv2d(32, 32, 1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(32, len(CLASSES)),
        )
        optimiser = torch.optim.Adam(module.parameters(), 1e-2, weight_decay=1e-4)
        for _ in range(14):
            for batch in torch.randperm(len(x)).split(40):
                loss = nn.functional.cross_entropy(module(x[batch]), y[batch])
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
    torch.set_num_threads(threads)
    return classifier_from_module(module.eval(), "small", ClassNames(CLASSES), preprocessing)
