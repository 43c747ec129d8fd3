"""Units and costly looks through the whole job: a planted unit is found where its pattern lies; defects are told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from reportgen.analysis.boxes import to_image
from reportgen.closer import Subject, unconfirmed
from reportgen.config import AuditConfig
from reportgen.models.sources import load_classifier
from reportgen.run import Summary, run_audit

SIDE = 224
PATTERN = np.random.default_rng(5).choice([0, 255], (9, 9)).astype(np.uint8)
PLACES = {1: (40, 150), 4: (180, 60), 6: (100, 100)}
"""Picture → row and column of the pattern's upper left corner."""


def planted() -> nn.Module:
    """Unit 2 of the first layer is the pattern itself."""
    torch.manual_seed(0)
    first = nn.Conv2d(3, 4, 9)
    nn.init.normal_(first.weight, std=1e-3)
    pattern = torch.from_numpy(PATTERN / 255.0 - (PATTERN / 255.0).mean()).float()
    with torch.no_grad():
        first.weight[2] = pattern
    return nn.Sequential(
        first, nn.ReLU(), nn.Conv2d(4, 6, 3, 4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 3)
    )


def without_convolutions() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * SIDE * SIDE, 3))


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Summary:
    folder = tmp_path_factory.mktemp("planted")
    random = np.random.default_rng(0)
    for n in range(8):
        pixels = np.repeat(random.integers(100, 150, (SIDE, SIDE, 1)), 3, 2).astype(np.uint8)
        if n in PLACES:
            y, x = PLACES[n]
            pixels[y : y + 9, x : x + 9] = PATTERN[:, :, None]
        (folder / "photos").mkdir(exist_ok=True)
        Image.fromarray(pixels).save(folder / "photos" / f"{n}.png")
    config = AuditConfig(
        data=folder / "photos", model="python:tests.test_closer:planted", layers=("1", "3"), device="cpu",
        out=folder / "report",
    )  # fmt: skip
    return run_audit(config)


def test_a_planted_unit_is_found_with_its_field_on_the_pattern(report: Summary) -> None:
    audit = report.audit
    layer = audit.card.layers[0]
    unit = audit.units[layer.name][2]
    assert set(unit.images[:3].tolist()) == set(PLACES)
    for i, where in zip(unit.images[:3].tolist(), unit.where[:3].tolist(), strict=True):
        box = to_image(layer.box(where), audit.windows[i], audit.card.input_size, audit.sizes[i])
        y, x = PLACES[i]
        assert box.tolist() == [x, y, x + 9, y + 9]


def test_every_unit_has_its_page_and_the_winners_are_confirmed(report: Summary) -> None:
    site = report.index.parent
    assert len(list((site / "units").glob("*/0*.html"))) == 4 + 6
    assert report.audit.unconfirmed == frozenset()
    assert "defect" not in (site / "units" / "index.html").read_text()


def test_a_maximum_that_is_not_reached_alone_is_a_defect(report: Summary, tmp_path: Path) -> None:
    config = AuditConfig(model="python:tests.test_closer:planted", layers=("1", "3"))
    audit = report.audit
    units = audit.units["1"]
    changed = replace(audit)
    changed.__dict__["units"] = {
        **audit.units,
        "1": [*units[:2], replace(units[2], values=units[2].values * 1.01), units[3]],
    }
    subject = Subject(load_classifier(config), config, torch.device("cpu"), changed, tmp_path)
    found = unconfirmed(subject, lambda: None)
    assert {(layer, u) for layer, u, _ in found} == {("1", 2)}
    assert len(found) == len(units[2].images)
