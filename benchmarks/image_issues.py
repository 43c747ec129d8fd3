"""Planted dark, bright, blurred, uniform, flat and oddly shaped images that are found, compared with CleanVision.

Real photographs: those of scikit-image and of the demo's other packages, each once as it is and once with each issue.
Both get the same files. Printed for each issue: the average precision of the order of all files by it, how many of the
images with it are listed under its name, and how many untouched images are listed under any. Gate: our average
precision is at least CleanVision's for each issue, and we list no more of the untouched images.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from cleanvision import Imagelab
from PIL import Image, ImageEnhance, ImageFilter
from sklearn.metrics import average_precision_score

from benchmarks.timing import OURS, Result, measure, table
from reportgen.data.demo import make_demo_photos
from reportgen.data.image_properties import image_properties
from reportgen.metrics.image_issues import excesses

SIDE = 224
UNTOUCHED = "as it is"
Plant = Callable[[Image.Image], Image.Image]
PLANTS: Mapping[str, Plant] = {
    UNTOUCHED: lambda image: image,
    "dark": lambda image: ImageEnhance.Brightness(image).enhance(0.2),
    "bright": lambda image: ImageEnhance.Brightness(image).enhance(30),
    "blurred": lambda image: image.filter(ImageFilter.GaussianBlur(max(image.size) / 50)),
    "nearly uniform": lambda image: Image.blend(image, Image.new("RGB", image.size, (90, 120, 150)), 0.97),
    "little information": lambda image: image.quantize(4, dither=Image.Dither.NONE).convert("RGB"),
    "odd size": lambda image: image.resize((max(image.width // 8, 1), max(image.height // 8, 1))),
    "odd shape": lambda image: image.resize((600, 120)),
}
THEIR_NAMES = {
    "dark": "dark", "bright": "light", "blurred": "blurry", "nearly uniform": "low_information",
    "little information": "low_information", "odd size": "odd_size", "odd shape": "odd_aspect_ratio",
}  # fmt: skip


@dataclass(frozen=True)
class Issues:
    """What one contestant finds, by issue, in the order of the files. order: highest for the clearest; listed: bool."""

    order: Mapping[str, np.ndarray]
    listed: Mapping[str, np.ndarray]


def run(quick: bool) -> Result:
    """All photographs; `quick`: every fourth."""
    with tempfile.TemporaryDirectory() as folder:
        photos = sorted(Path(make_demo_photos(Path(folder) / "demo")).parent.rglob("*.jpg"))[:: 4 if quick else 1]
        files = Path(folder) / "planted"
        files.mkdir()
        for k, photo in enumerate(photos):
            image = Image.open(photo).convert("RGB")
            for name, plant in PLANTS.items():
                plant(image).save(files / f"{name} {k:03d}.png")
        paths = sorted(files.iterdir())
        found: dict[str, Issues] = {}

        def keep(name: str, find: Callable[[list[Path]], Issues]) -> None:
            found[name] = find(paths)

        timings = measure({OURS: lambda: keep(OURS, ours), "cleanvision": lambda: keep("cleanvision", cleanvision)}, 1)
    kind = np.array([path.name.rsplit(" ", 1)[0] for path in paths])
    lines, precision, alarms = [f"{len(photos)} photographs"], {}, {}
    for name, issues in found.items():
        precision[name] = {p: average_precision_score(kind == p, issues.order[p]) for p in THEIR_NAMES}
        alarms[name] = int(np.logical_or.reduce(list(issues.listed.values()))[kind == UNTOUCHED].sum())
        hits = {p: int(issues.listed[p][kind == p].sum()) for p in THEIR_NAMES}
        each = ", ".join(f"{p} {precision[name][p]:.3f} ({hits[p]} listed)" for p in THEIR_NAMES)
        lines.append(f"{name}: {each}; untouched {alarms[name]}")
    gate = all(precision[OURS][p] >= precision["cleanvision"][p] for p in THEIR_NAMES)
    gate = gate and alarms[OURS] <= alarms["cleanvision"]
    return Result({"cleanvision": timings.ratio("cleanvision")}, gate, [*lines, *table(timings)])


def ours(paths: list[Path]) -> Issues:
    properties, sizes = [], []
    for path in paths:
        with Image.open(path) as image:
            sizes.append(image.size)
            pixels = np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BILINEAR))
            properties.append(image_properties(pixels.transpose(2, 0, 1), image, b""))
    found = excesses(np.stack(properties), np.array(sizes))
    order = {name: np.maximum(excess, -1e9) for name, excess in found.items()}  # the metric refuses −inf
    return Issues(order, {name: excess > 0 for name, excess in found.items()})


def cleanvision(paths: list[Path]) -> Issues:
    with redirect_stdout(io.StringIO()):
        lab = Imagelab(filepaths=list(map(str, paths)))
        lab.find_issues({name: {} for name in set(THEIR_NAMES.values())})
    found = lab.issues.loc[list(map(str, paths))]
    return Issues(
        {name: -found[f"{theirs}_score"].to_numpy() for name, theirs in THEIR_NAMES.items()},
        {name: found[f"is_{theirs}_issue"].to_numpy() for name, theirs in THEIR_NAMES.items()},
    )
