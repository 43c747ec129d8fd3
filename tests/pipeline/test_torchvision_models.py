"""Torchvision's networks in whole runs, and their first-layer filters on the page."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image

from reportgen.config import AuditConfig
from reportgen.pipeline.run import run_audit
from tests.support.html import read_html

FOLDERS = {"goldfish": 1, "n02124075": 285, "7": 7, "white_stork": 127}
"""Class folders by a class name, a wnid, an index and a name written as folders are, and the classes they mean."""


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("classes")
    random = np.random.default_rng(0)
    for number, name in enumerate(FOLDERS):
        (folder / name).mkdir()
        pixels = random.integers(0, 255, (40 + number, 60, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(folder / name / "1.jpg")
    return folder


@pytest.mark.parametrize(
    ("name", "layer", "side", "method", "input_size"),
    [
        ("alexnet", "features.1", 11, "grad-cam", None),
        ("resnet18", "relu", 7, "cam", None),
        ("resnet101", "relu", 7, "cam", (96, 96)),
        ("densenet121", "features.relu0", 7, "cam", (96, 96)),
    ],
)
def test_run_audits_torchvision_networks_with_random_weights(
    photographs: Path, tmp_path: Path, name: str, layer: str, side: int, method: str, input_size: tuple[int, int] | None
) -> None:
    """layer: the first, whose units have pages; those of all layers by default would be up to 3,900 pages; input_size:
    smaller than the network's own where this saves most of the time."""
    config = AuditConfig(
        data=photographs,
        model=f"torchvision:{name}",
        weights="random",
        layers=(layer,),
        input_size=input_size,
        select="none",
        budget="0s",  # neither receptive fields by gradients nor a second build
        device="cpu",
        out=tmp_path,
        batch_size=3,
    )
    summary = run_audit(config)
    assert summary.computed == 4
    assert {sample.name.split("/")[0]: sample.label for sample in summary.audit.samples} == FOLDERS
    (model,) = json.loads((tmp_path / "metrics.json").read_text())["models"]
    assert (model["name"], model["method"], model["localization"]) == (name, method, None)
    if method == "cam":
        scale = float(np.abs(np.asarray(summary.audit.main.table["logits"])).max())
        assert model["cam_identity_max_abs"] < 1e-5 * max(1, scale)
    else:
        assert model["cam_identity_max_abs"] is None
    page = read_html(tmp_path / "site" / "filters" / "index.html")
    assert f"64 filters of 3 × {side} × {side}" in page
    pictures = re.findall(r'src="\.\./(media/[^"]+)" width="(\d+)" height="(\d+)"', page)
    assert len(pictures) == 2 + 64  # two mosaics, and each filter by itself
    for file, width, height in pictures[:2]:
        with Image.open(tmp_path / "site" / file) as mosaic:
            assert mosaic.size == (int(width), int(height))
            tiles = np.asarray(mosaic)[..., 3] > 0
        assert _runs(tiles.any(0)) == _runs(tiles.any(1)) == [(mosaic.width + 2) // 8 - 2] * 8  # 8×8 squares
        assert ((mosaic.width + 2) // 8 - 2) % side == 0


def _runs(row: np.ndarray) -> list[int]:
    """Lengths of the runs of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], row.astype(int), [0]])))
    return (edges[1::2] - edges[::2]).tolist()


def test_filter_pictures_show_the_weights_of_the_network(photographs: Path, tmp_path: Path) -> None:
    """Tile by tile from the picture: on the shared scale, mid-grey is 0 and the largest magnitude is black or white."""
    summary = run_audit(
        AuditConfig(
            data=photographs,
            model="torchvision:shufflenet_v2_x0_5",
            weights="random",
            select="none",
            out=tmp_path,
            limit=1,
        )
    )
    torch.manual_seed(0)
    weight = torchvision.models.shufflenet_v2_x0_5().conv1[0].weight.detach().numpy()
    np.testing.assert_array_equal(summary.audit.main.info.filters, weight)
    page = read_html(tmp_path / "site" / "filters" / "index.html")
    own, shared, *each = (
        np.asarray(Image.open(tmp_path / "site" / file)) for file in re.findall(r'src="\.\./(media/[^"]+)"', page)
    )
    assert len(each) == len(weight)
    step = (own.shape[1] + 2) // 8
    zoom = (step - 2) // 3
    limit = np.abs(weight).max()
    for k in range(24):
        y, x = k // 8 * step + zoom // 2, k % 8 * step + zoom // 2
        for picture, low, high in ((shared, -limit, limit), (own, weight[k].min(), weight[k].max())):
            seen = picture[y : y + 3 * zoom : zoom, x : x + 3 * zoom : zoom, :3].transpose(2, 0, 1)
            np.testing.assert_allclose(seen / 255, (weight[k] - low) / (high - low), atol=0.5 / 255 + 1e-6)
