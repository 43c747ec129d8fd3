"""Planted dark, bright, blurred, uniform and oddly shaped images that are found, compared with CleanVision.

Real photographs: those of scikit-image and of the demo's other packages, each once as it is and once with each issue.
Both get the same files. Printed: of the images with an issue, how many are listed under its name, and how many
untouched images are listed under any. Gate: we find at least as many, and list no more of the untouched ones.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
from cleanvision import Imagelab
from PIL import Image, ImageEnhance, ImageFilter

from benchmarks.timing import OURS, Result, measure, table
from reportgen.data.demo import make_demo_photos
from reportgen.data.image_properties import image_properties
from reportgen.metrics.image_issues import image_issues

SIDE = 224
Plant = Callable[[Image.Image], Image.Image]
PLANTS: Mapping[str, Plant] = {
    "as it is": lambda image: image,
    "dark": lambda image: ImageEnhance.Brightness(image).enhance(0.2),
    "bright": lambda image: ImageEnhance.Brightness(image).enhance(30),
    "blurred": lambda image: image.filter(ImageFilter.GaussianBlur(max(image.size) / 50)),
    "nearly uniform": lambda image: Image.blend(image, Image.new("RGB", image.size, (90, 120, 150)), 0.97),
    "odd shape": lambda image: image.resize((600, 120)),
}
THEIR_NAMES = {
    "dark": "dark", "bright": "light", "blurred": "blurry", "nearly uniform": "low_information",
    "odd shape": "odd_aspect_ratio",
}  # fmt: skip


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
        found: dict[str, dict[str, set[str]]] = {}

        def keep(name: str, find: Callable[[Path], dict[str, set[str]]]) -> None:
            found[name] = find(files)

        timings = measure({OURS: lambda: keep(OURS, ours), "cleanvision": lambda: keep("cleanvision", cleanvision)}, 1)
    lines, totals, alarms = [f"{len(photos)} photographs"], {}, {}
    for name, issues in found.items():
        hits = {p: sum(f.startswith(p) for f in issues.get(p, ())) for p in PLANTS if p != "as it is"}
        totals[name] = sum(hits.values())
        alarms[name] = len({f for listed in issues.values() for f in listed if f.startswith("as it is")})
        lines.append(f"{name}: {', '.join(f'{p} {n}' for p, n in hits.items())}; untouched {alarms[name]}")
    gate = totals[OURS] >= totals["cleanvision"] and alarms[OURS] <= alarms["cleanvision"]
    return Result({"cleanvision": timings.ratio("cleanvision")}, gate, [*lines, *table(timings)])


def ours(folder: Path) -> dict[str, set[str]]:
    """Issue → names of the files."""
    paths = sorted(folder.iterdir())
    properties, sizes = [], []
    for path in paths:
        with Image.open(path) as image:
            sizes.append(image.size)
            pixels = np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BILINEAR))
        properties.append(image_properties(pixels.transpose(2, 0, 1), b""))
    issues = image_issues(np.stack(properties), np.array(sizes))
    return {issue.name: {paths[i].name for i in issue.rows} for issue in issues if issue.name != "odd size"}


def cleanvision(folder: Path) -> dict[str, set[str]]:
    with redirect_stdout(io.StringIO()):
        lab = Imagelab(data_path=str(folder))
        lab.find_issues({name: {} for name in THEIR_NAMES.values()})
    return {
        name: {Path(path).name for path in lab.issues.index[lab.issues[f"is_{theirs}_issue"]]}
        for name, theirs in THEIR_NAMES.items()
    }
