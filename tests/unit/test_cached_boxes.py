"""Boxes and their evaluation are computed for new and changed images alone, and equal those without a cache."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from reportgen.metrics.localization import ilsvrc, image_evaluation
from reportgen.metrics.localization.boxes import paper_box
from reportgen.metrics.localization.ilsvrc import localize
from reportgen.metrics.localization.image_evaluation import ImageGroundTruth, evaluate_map, evaluate_maps
from reportgen.store.results_cache import ResultsCache


def test_boxes_of_a_changed_map_alone_are_computed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    maps, classes = random.normal(size=(6, 3, 4, 4)).astype(np.float32), random.integers(0, 3, (6, 3))
    maps[1, 0], maps[2, 1] = -1, np.nan  # no box
    true = [np.tile(random.integers(0, 30, (1, 2)), 2) + np.array([0.0, 0, 20, 10]) for _ in range(6)]
    sizes, windows = random.integers(60, 90, (6, 2)), np.array([[5.0, 0, 55, 50]] * 6)
    drawn: list[int] = []
    monkeypatch.setattr(ilsvrc, "paper_box", lambda *given: drawn.append(1) or paper_box(*given))
    cache = ResultsCache(tmp_path)

    def check(maps: np.ndarray, count: int) -> None:
        drawn.clear()
        found = localize(maps, classes, true, sizes, windows, (32, 32), cache=cache)
        assert len(drawn) == count
        expected = localize(maps, classes, true, sizes, windows, (32, 32))
        assert found is not None
        assert expected is not None
        for name, value in vars(expected).items():
            np.testing.assert_array_equal(getattr(found, name), value, err_msg=name)

    check(maps, 18)
    check(maps, 0)
    changed = maps.copy()
    changed[4] += 1
    check(changed, 3)
    check(np.delete(maps, 0, 0).repeat(2, 0)[:6], 0)  # other images in other places


def test_maps_are_evaluated_alike_from_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    maps, mask = list(random.normal(size=(4, 7, 7)).astype(np.float32)), random.random((224, 224)) > 0.5
    size, window = np.array([100, 120]), np.array([0.0, 0, 100, 120])
    places = [
        ImageGroundTruth(np.array([[x, 20, x + 50, 90]]), size, window, (64, 64), mask if x else None, ~mask)
        for x in range(0, 40, 10)
    ]
    expected, computed = evaluate_maps(maps, places), []
    monkeypatch.setattr(image_evaluation, "evaluate_map", lambda *given: computed.append(1) or evaluate_map(*given))
    for count in (4, 0):
        for image, other in zip(evaluate_maps(maps, places, ResultsCache(tmp_path)), expected, strict=True):
            for name, value in vars(other).items():
                np.testing.assert_array_equal(getattr(image, name), value, err_msg=name)
        assert len(computed) == count
        computed.clear()
    moved = [*places[:3], replace(places[3], boxes=places[3].boxes + 20)]
    evaluate_maps([maps[0] + 1, *maps[1:]], moved, ResultsCache(tmp_path))
    assert len(computed) == 2  # another map, and another box
