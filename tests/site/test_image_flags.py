"""Marks: which images are wrong by which figure, and which a warning means."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from reportgen.gallery.core.image_flags import MARKS, marks_of
from tests.site.test_findings import N, audit


def bearing(bits: np.ndarray, mark: str) -> list[int]:
    return np.flatnonzero(bits >> list(MARKS).index(mark) & 1).tolist()


def test_each_mark_stands_at_its_images() -> None:
    labels = audit().labels.copy()
    labels[7] = -1
    right1, right5, judged, fits = np.ones((4, N), bool)
    right1[[3, 7, 50]], right5[[7, 50]], judged[[8]], fits[[3, 8, 9]] = False, False, False, False
    maps = np.zeros((N, 1, 7, 7))
    maps[:, 0, 2, 3] = 1
    maps[30:, 0, 6, np.arange(30) % 7] = 2
    maps[59] = -1
    planted = audit(
        labels=labels,
        classification=SimpleNamespace(
            top=audit().classification.top, scores=np.full((N, 1), 0.99), right1=right1, right5=right5
        ),
        localization=SimpleNamespace(judged=judged, right1=fits, right5=fits, known=right1),
        cams=maps,
        without_evidence=maps[:, 0].max((1, 2)) <= 0,
    )
    bits = marks_of(planted)
    assert bits.dtype == np.uint8
    assert bearing(bits, "top1") == [3, 50]
    assert bearing(bits, "top5") == [50]
    assert bearing(bits, "place1") == bearing(bits, "place5") == [3, 9]
    assert bearing(bits, "known") == [3, 7, 50]
    assert bearing(bits, "peak") == list(range(30))
    assert bearing(bits, "silent") == [59]
    assert bearing(bits, "label") == []
