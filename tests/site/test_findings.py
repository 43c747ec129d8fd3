"""What stands out on the overview: each alert fires on a planted case, and not on one without it."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from reportgen.embedding.neighbours import nearest_neighbours
from reportgen.embedding.space import Space
from reportgen.gallery import findings as alerts_module
from reportgen.gallery.findings import alerts, suspects

N = 60


def audit(**changes: object) -> SimpleNamespace:
    """Two far clusters of 30 images, each with its label, named right with as much confidence as it deserves."""
    random = np.random.default_rng(0)
    labels = np.repeat([3, 8], N // 2)
    rows = random.normal(size=(N, 4)) + 50 * (labels == 8)[:, None]
    top = labels[:, None].copy()
    layer = SimpleNamespace(name="conv1")
    found = {
        "labels": labels,
        "code_space": Space.of(rows),
        "pixel_space": Space(rows, nearest_neighbours(rows, 10), 1e-6),
        "classification": SimpleNamespace(top=top, scores=np.full((N, 1), 0.99), right1=np.ones(N, bool)),
        "store": {"samples/id": np.array([f"{i:064x}".encode() for i in range(N)])},
        "models": [],
        "cams": random.random((N, 3, 7, 7)),
        "silent": 0,
        "reference": None,
        "matches": None,
        "samples": range(N),
        "unreadable": [],
        "dataset": SimpleNamespace(refused=[]),
        "card": SimpleNamespace(layers=[layer]),
        "units": {"conv1": [SimpleNamespace(dead=False)] * 4},
    }
    return SimpleNamespace(**{**found, **changes})


def test_nothing_stands_out_where_nothing_does() -> None:
    assert alerts(audit()) == []


def test_a_planted_wrong_label_is_suspect_and_its_images_are_linked() -> None:
    fine = audit()
    labels = fine.labels.copy()
    labels[4], labels[35] = 8, 3  # each among images of the other class, and read as those
    top, scores = fine.classification.top, np.full((N, 1), 0.99)
    scores[35] = 0.4  # but this one not surely
    planted = audit(labels=labels, classification=SimpleNamespace(top=top, scores=scores, right1=np.ones(N, bool)))
    assert suspects(planted).tolist() == [4]
    (alert,) = alerts(planted)
    assert alert.text.startswith("1 image bears a label that neither the network, sure to 50%")
    assert alert.url == "images/index.html#mark=label"


def test_copies_are_counted_and_those_across_labels() -> None:
    rows = audit().code_space.rows.copy()
    rows[1] = rows[0]
    rows[40] = rows[2]
    pixels = Space(rows, nearest_neighbours(rows, 10), 1e-6)
    (alert,) = alerts(audit(pixel_space=pixels))
    assert alert.text.startswith("2 pairs of images are nearly the same in pixels, 1 of them under different labels.")


def test_a_leak_is_counted_by_image() -> None:
    codes, pixels = SimpleNamespace(close=[]), SimpleNamespace(close=[(3, 9, 0.0), (3, 11, 0.1), (7, 9, 0.2)])
    (alert,) = alerts(audit(reference=SimpleNamespace(name="training photos"), matches=(codes, pixels)))
    assert alert.text.startswith("2 images are nearly the same in pixels as one of training photos")


@pytest.mark.parametrize(("score", "right", "said"), [(0.9, 30, "surer"), (0.3, 60, "less sure")])
def test_confidence_that_cannot_be_believed(score: float, right: int, said: str) -> None:
    flags = np.arange(N) < right
    c = SimpleNamespace(top=audit().labels[:, None], scores=np.full((N, 1), score), right1=flags)
    (alert,) = alerts(audit(classification=c))
    gap = abs(score - right / N)
    assert f"The network is {said} than it is right: {100 * score:.0f} % sure on average" in alert.text
    assert f"calibration error {gap:.2f}, 60 images" in alert.text


def test_a_few_images_say_nothing_of_calibration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alerts_module, "LEAST", N + 1)
    c = SimpleNamespace(top=audit().labels[:, None], scores=np.full((N, 1), 0.3), right1=np.ones(N, bool))
    assert alerts(audit(classification=c)) == []


def test_dead_units_maps_and_files() -> None:
    units = {"conv1": [SimpleNamespace(dead=u == 2) for u in range(4)]}
    flat = np.zeros((N, 3, 7, 7))
    flat[:, :, 2, 5] = 1
    found = alerts(
        audit(units=units, cams=flat, silent=3, unreadable=[("x.png", "no")], dataset=SimpleNamespace(refused=[1]))
    )
    assert [alert.url.split("/")[0] for alert in found] == ["images", "images", "units", "about.html", "about.html"]
    assert "1 unit has the same maximum in every image and tells nothing: 1 of conv1" in found[2].text
    assert "1 of 61 files could not be read" in found[3].text
