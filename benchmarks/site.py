"""The maps of the five top classes of 500 images as pictures on the disk, compared with pytorch-grad-cam's overlays.

Random weights, maps of 7 × 7, photographs of 500 × 375; all numbers and the photographs' JPEG files are in memory.

- `reportgen`: every page of an image as `reportgen run` writes it, with its photograph, the maps of all views, the
  nearest neighbours and the style sheet and scripts: drawn, rendered and written by all cores.
- `show_cam_on_image`: for each of the five maps its enlargement, `show_cam_on_image`, and a PNG file
  written by OpenCV; no page. By as many processes as cores.

`bytes` is the size of their files ÷ that of ours. Gate: five maps an image on either side, and the folders' sizes as
they are on the disk.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from pytorch_grad_cam.utils.image import scale_cam_image, show_cam_on_image

from benchmarks.photographs import make_photographs
from benchmarks.timing import OURS, Result, measure, table
from reportgen.audit.audit import Audit
from reportgen.config import AuditConfig
from reportgen.gallery.core.page import Frame
from reportgen.gallery.core.writer import open_media, write_site
from reportgen.gallery.pages.image_detail import image_detail
from reportgen.parallel import run_parallel
from reportgen.pipeline.run import run_audit


def run(quick: bool) -> Result:
    """3 rounds; `quick`: 2 of 40 images."""
    images, rounds = (40, 2) if quick else (500, 3)
    with tempfile.TemporaryDirectory() as scratch:
        folder, turn = Path(scratch), count()
        make_photographs(folder / "photographs", images)
        audit = audit_of(folder)
        photographs = [np.asarray(Image.open(sample.path), np.float32) / 255 for sample in audit.samples]
        timings = measure(
            {
                OURS: lambda: ours(audit, folder / f"ours-{next(turn)}"),
                "show_cam_on_image": lambda: theirs(audit, photographs, folder / f"theirs-{next(turn)}"),
            },
            rounds,
        )
        mine, other = (max(folder.glob(f"{name}-*"), key=lambda path: path.name) for name in ("ours", "theirs"))
        sizes = [sum(path.stat().st_size for path in each.rglob("*") if path.is_file()) for each in (mine, other)]
        pages, pictures = len(list(mine.rglob("images/*.html"))), len(list(other.rglob("*.png")))
        five = all(page.read_text("utf-8").count('class="layer"') >= 5 for page in mine.rglob("images/*.html"))
    gate = pages == images and pictures == 5 * images and five
    lines = [f"{images} images", *table(timings), f"{OURS} {sizes[0] / 1e6:.1f} MB, theirs {sizes[1] / 1e6:.1f} MB"]
    ratio = {"show_cam_on_image": timings.ratio("show_cam_on_image"), "bytes": sizes[1] / sizes[0]}
    return Result(ratio, gate, lines)


def network() -> object:
    """Maps of 7 × 7, ten classes."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 16, 32, 32), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10))


def audit_of(folder: Path) -> Audit:
    """The audit of the photographs, everything that is computed once computed."""
    return run_audit(
        AuditConfig(
            data=folder / "photographs", model="python:benchmarks.site:network", out=folder / "report", select="none"
        )
    ).audit


def ours(audit: Audit, out: Path) -> None:
    last, media = open_media(out / "site")
    write_site(out / "site", Frame(audit.title, "", [], ""), image_detail(audit, media), last, media, {})


def theirs(audit: Audit, photographs: list[np.ndarray], out: Path) -> None:
    out.mkdir()

    def work(turns: Iterator[int]) -> Iterator[int]:
        cv2.setNumThreads(1)
        for i in turns:
            height, width = photographs[i].shape[:2]
            for column in range(5):
                mask = scale_cam_image(np.maximum(audit.main.cams[i, column : column + 1], 0), (width, height))[0]
                overlay = show_cam_on_image(photographs[i], mask, use_rgb=True)
                cv2.imwrite(str(out / f"{i:06d}-{column}.png"), cv2.cvtColor(overlay, cv2.COLOR_RGB2BGR))
            yield i

    assert sorted(run_parallel(work, len(photographs))) == list(range(len(photographs)))
    os.sync()
