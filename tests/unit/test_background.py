"""Background reliance: the altered images by hand, and networks that were trained on a shortcut and without one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from reportgen.audit.audit import Audit
from reportgen.audit.findings.background import right_without_object
from reportgen.metrics.background import (
    ALTERATIONS,
    BACKGROUND_NOISE,
    BLURRED,
    FILLED,
    OBJECT_NOISE,
    ORIGINAL,
    REMOVED,
    BackgroundTest,
    alter,
    is_testable,
    without_object,
)
from reportgen.results.metrics import metrics
from tests.site.reports import page_at
from tests.support.factories import SIDE as FULL
from tests.support.factories import make_audit, make_logits, make_model_audit

COLOURS = np.array([[220, 60, 60], [60, 200, 60], [60, 60, 220]])
SIDE, N = 24, 60


def images(has_shortcut: bool, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`(N, 3, 24, 24)` uint8, labels and `(N, 24, 24)` objects: squares of the class's colour on grey noise. With the
    shortcut, the background has the class's colour, and the squares are grey."""
    random = np.random.default_rng(seed)
    labels = np.arange(N) % 3
    pixels = random.normal(128, 20, (N, 3, SIDE, SIDE))
    on_object = np.zeros((N, SIDE, SIDE), bool)
    for i, (x, y) in enumerate(random.integers(2, 10, (N, 2))):
        on_object[i, y : y + 12, x : x + 12] = True
        where = ~on_object[i] if has_shortcut else on_object[i]
        pixels[i, :, where] = COLOURS[labels[i]] + random.normal(0, 10, (where.sum(), 3))
    return pixels.clip(0, 255).astype(np.uint8), labels, on_object


def trained(pixels: np.ndarray, labels: np.ndarray) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(8, 3))
        optimizer = torch.optim.Adam(network.parameters(), 0.05)
        x, y = torch.from_numpy(pixels / 128 - 1).float(), torch.from_numpy(labels)
        for _ in range(80):
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(x), y).backward()
            optimizer.step()
    return network


def audit_of(has_shortcut: bool) -> Audit:
    """The audit of a network on new images of the kind that it was trained on, with the test of background reliance."""
    network = trained(*images(has_shortcut, seed=0)[:2])
    pixels, labels, on_object = images(has_shortcut, seed=1)
    colour = np.array([128, 128, 128], np.uint8)
    with torch.no_grad():
        shown = [
            torch.from_numpy(alter(p, o, colour) / 128 - 1).float() for p, o in zip(pixels, on_object, strict=True)
        ]
        predicted = np.stack([network(one).argmax(1).numpy() for one in shown])
    test = BackgroundTest(np.arange(N), predicted == labels[:, None], predicted, np.arange(N))
    logits = make_logits(predicted[:, 0].tolist(), 0.9, 3)
    boxes = [np.array([[0.0, 0, FULL, FULL / 2]])] * N
    return make_audit(make_model_audit(labels.tolist(), logits=logits, boxes=boxes, background_test=test))


@pytest.fixture(scope="module")
def shortcut() -> Audit:
    return audit_of(has_shortcut=True)


@pytest.fixture(scope="module")
def clean() -> Audit:
    return audit_of(has_shortcut=False)


def test_each_altered_image_is_that_of_its_definition() -> None:
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (3, 20, 30)).astype(np.uint8)
    on_object = np.zeros((20, 30), bool)
    on_object[5:12, 8:20] = True
    colour = np.array([10, 20, 30], np.uint8)
    shown = alter(pixels, on_object, colour)
    assert shown.shape == (6, 3, 20, 30)
    assert (shown[ORIGINAL] == pixels).all()
    for kind in (REMOVED, OBJECT_NOISE):
        assert (shown[kind][:, ~on_object] == pixels[:, ~on_object]).all()
        assert (shown[kind][:, on_object] != pixels[:, on_object]).mean() > 0.9
    for kind in (FILLED, BLURRED, BACKGROUND_NOISE):
        assert (shown[kind][:, on_object] == pixels[:, on_object]).all()
        assert (shown[kind][:, ~on_object] != pixels[:, ~on_object]).mean() > 0.9
    assert (shown[FILLED][:, ~on_object] == colour[:, None]).all()


def test_fill_is_the_weighted_mean_of_the_surroundings() -> None:
    random = np.random.default_rng(1)
    pixels = random.integers(0, 256, (1, 12, 16)).astype(np.uint8)
    on_object = np.zeros((12, 16), bool)
    on_object[3:9, 4:12] = True
    found = without_object(pixels, on_object)
    y, x = np.nonzero(~on_object)
    for v, u in ((3, 4), (6, 8), (8, 11)):
        weight = np.exp(-((y - v) ** 2 + (x - u) ** 2) / (2 * 4**2))
        expected = (weight * pixels[0, y, x]).sum() / weight.sum()
        assert abs(float(found[0, v, u]) - expected) <= 1


def test_objects_that_cover_nearly_nothing_or_nearly_all_are_not_tested() -> None:
    covered = np.zeros((10, 20), bool)
    assert not is_testable(covered)
    covered.flat[:2] = True
    assert is_testable(covered)
    covered.flat[:151] = True
    assert not is_testable(covered)


def test_network_with_a_shortcut_is_found_and_its_clean_twin_is_not(shortcut: Audit, clean: Audit) -> None:
    (finding,) = right_without_object(shortcut)
    test = shortcut.main.background_test
    assert test.accuracy(ORIGINAL).value > 0.9
    assert test.right_without_object.value > 0.9
    assert finding.images == test.rows_without_object.tolist()
    assert (
        finding.headline == f"{len(finding.images)} of {test.right_without_object.n} right images are still right "
        "without their objects"
    )
    assert clean.main.background_test.accuracy(ORIGINAL).value > 0.9
    assert clean.main.background_test.accuracy(FILLED).value > 0.9
    assert list(right_without_object(clean)) == []


def test_sensitivity_is_that_of_its_definition() -> None:
    correct = np.ones((10, 6), bool)
    correct[:6, OBJECT_NOISE] = False
    correct[:2, BACKGROUND_NOISE] = False
    test = BackgroundTest(np.arange(10), correct, np.zeros((10, 6), int), np.arange(10))
    value, (low, high) = test.foreground_sensitivity
    assert value == pytest.approx((0.8 - 0.4) / (2 * min(0.6, 0.4)))
    assert -1 <= low < value <= high <= 1
    assert replace(test, correct=np.ones((10, 6), bool)).foreground_sensitivity is None


def test_finding_needs_more_than_naming_the_most_frequent_label_would_give(clean: Audit) -> None:
    """Of two classes, half of the images stay right if always one of them is predicted."""
    correct = np.ones((40, 6), bool)
    correct[20:, REMOVED] = False
    test = BackgroundTest(np.arange(40), correct, np.zeros((40, 6), int), np.arange(40))
    assert list(right_without_object(make_audit(make_model_audit([0] * 20 + [1] * 20, background_test=test)))) == []
    assert len(list(right_without_object(make_audit(make_model_audit([*range(40)], background_test=test))))) == 1


def test_page_has_the_figures_and_the_pictures(shortcut: Audit, tmp_path: Path) -> None:
    page = page_at("background/index.html", shortcut, tmp_path)
    test = shortcut.main.background_test
    without, alone = page.examples
    assert page.heading.startswith(f"Without the objects, {len(test.rows_without_object)} of ")
    assert (without.count, alone.count) == (len(test.rows_without_object), len(test.rows_wrong_alone))
    assert without.figures[0].value.startswith("predicted: ")
    assert page.rows[0].change == ""
    assert [row.accuracy for row in page.rows] == [f"{100 * test.accuracy(k).value:.1f} %" for k in range(6)]
    found = metrics(shortcut)["models"][0]["background"]
    assert list(found["accuracy"].values()) == [test.accuracy(k).value for k in ALTERATIONS.values()]
    assert found["right_without_object"] == test.right_without_object.value
