"""Whole runs with inputs that are not square, and of grey images: boxes, maps and pages are in the right place."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from reportgen.audit.audit import Audit
from reportgen.config import AuditConfig
from reportgen.gallery.core.check import check_site
from reportgen.pipeline.run import run_audit

pytestmark = pytest.mark.slow
INPUT = (32, 64)
CELL = 4
"""Side of the cells of the feature maps, in pixels of the input."""
SIZES = [(200, 100), (100, 200), (300, 100), (128, 64)]
"""Width and height of the images."""


class Brightness(nn.Module):
    """Its map of the class `bright` is the brightness of each cell above the middle, and that of `dark` the rest."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, 2, CELL, CELL)
        self.fc = nn.Linear(2, 2)
        with torch.no_grad():
            self.conv.weight.copy_(torch.tensor([1.0, -1.0])[:, None, None, None].expand_as(self.conv.weight))
            self.conv.weight /= self.conv.weight[0].numel()
            self.conv.bias.zero_()
            self.fc.weight.copy_(torch.tensor([[20.0, 0.0], [0.0, 0.1]]))
            self.fc.bias.zero_()

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.conv(x).relu().mean((2, 3)))


def colour() -> nn.Module:
    """A network of RGB images."""
    return Brightness(3)


def grey() -> nn.Module:
    """A network of grey images."""
    return Brightness(1)


def write_rectangles(folder: Path) -> Path:
    """Dark images with a bright rectangle each, away from the middle; its place is the box."""
    folder.mkdir()
    rows = [("path", "label", "x0", "y0", "x1", "y1")]
    for i, (width, height) in enumerate(SIZES):
        pixels = np.full((height, width, 3), (40, 10, 30), np.uint8)
        shares = np.array([0.375, 0.125, 0.625, 0.5]) if i % 2 else np.array([0.4, 0.375, 0.6, 0.875])
        x0, y0, x1, y1 = (shares * [width, height, width, height]).round().astype(int).tolist()
        pixels[y0:y1, x0:x1] = (230, 250, 220)
        Image.fromarray(pixels).save(folder / f"{i}.png")
        rows.append((f"{i}.png", "bright", x0, y0, x1, y1))
    with open(folder / "table.csv", "w", newline="") as file:
        csv.writer(file).writerows(rows)
    (folder / "classes.txt").write_text("bright\ndark\n")
    return folder / "table.csv"


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_rectangles(tmp_path_factory.mktemp("shapes") / "data")


def audited(table: Path, out: Path, **settings: Any) -> Audit:
    """The audit of a run with every method; its site has no broken link."""
    config = AuditConfig(
        data=table, classes=table.with_name("classes.txt"), out=out, mean=(0.5,), std=(0.25,), select="all",
        occlusion="exact", occlusion_side=8, occlusion_stride=4, smoothgrad=2, receptive_field="effective",
        feature_visualization=("relu:0",), precision="fp32", **settings,
    )  # fmt: skip
    audit = run_audit(config).audit
    assert check_site(out)[0] == []
    return audit


def assert_boxes_fit(audit: Audit, input_size: tuple[int, int]) -> None:
    """Each predicted box is the visible part of its rectangle to within a cell of the feature maps."""
    localization = audit.main.localization
    assert localization is not None
    for i, sample in enumerate(audit.samples):
        x0, y0, x1, y1 = audit.main.windows[i]
        cell = CELL * np.array([(x1 - x0) / input_size[1], (y1 - y0) / input_size[0]] * 2)
        visible = np.clip(sample.boxes[0], [x0, y0, x0, y0], [x1, y1, x1, y1])
        assert (np.abs(localization.boxes[i, 0] - visible) <= cell).all(), sample.name


@pytest.mark.parametrize("resize", ["warp", "crop"])
def test_boxes_of_an_input_that_is_not_square_are_in_place(table: Path, tmp_path: Path, resize: str) -> None:
    model = f"python:{__name__}:colour"
    audit = audited(table, tmp_path / "out", model=model, resize=resize, input_size=INPUT)
    info = audit.main.info
    assert info.input_size == INPUT
    assert info.feature_shape == (2, 8, 16)
    assert_boxes_fit(audit, INPUT)
    occlusion = audit.main.selected["occlusion"].of_image(0)
    drop = occlusion["occlusion/clean"][0] - occlusion["occlusion/probability"]
    row, column = np.unravel_index(drop.argmax(), drop.shape)
    x0, y0, x1, y1 = audit.main.windows[0]
    settings = audit.main.selected["occlusion"].table.settings
    x = x0 + (settings["columns"][column] + 4) * (x1 - x0) / INPUT[1]
    y = y0 + (settings["rows"][row] + 4) * (y1 - y0) / INPUT[0]
    left, top, right, bottom = audit.samples[0].boxes[0]
    assert left <= x <= right
    assert top <= y <= bottom
    assert audit.main.feature_visualizations["relu", 0].picture.shape == (*INPUT, 3)
    assert "32 × 64" in (tmp_path / "out" / "site" / "index.html").read_text("utf-8")


def test_grey_network_sees_and_shows_grey_images(table: Path, tmp_path: Path) -> None:
    audit = audited(table, tmp_path / "out", model=f"python:{__name__}:grey", input_size=(32, 32))
    assert_boxes_fit(audit, (32, 32))
    with Image.open(io.BytesIO(audit.main.jpeg(0))) as picture:
        shown = np.asarray(picture.convert("RGB")).astype(int)
    assert np.ptp(shown, axis=2).max() == 0
    expected = np.asarray(Image.open(table.with_name("0.png")).convert("L")).astype(int)
    assert np.abs(shown[..., 0] - expected).mean() < 3
    assert "32 × 32, grey" in (tmp_path / "out" / "site" / "index.html").read_text("utf-8")
    assert (audit.main.feature_visualizations["relu", 0].picture.std(2) == 0).all()
