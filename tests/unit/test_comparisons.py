"""Differences from the controls by every recipe: against loops over the images, and where there is no difference."""

from __future__ import annotations

from dataclasses import replace
from math import comb

import numpy as np
import pytest

from reportgen.metrics.localization.comparisons import RECIPES, compare_with_controls, compare_with_strongest_control
from reportgen.metrics.localization.evaluation import Errors
from reportgen.metrics.localization.study import LocalizationStudy
from reportgen.metrics.paired import compare_pair
from reportgen.results.tables import differences_table
from tests.support.factories import SIDE, make_audit, make_boxed_audit, make_model_audit

N = 30


def study(seed: int = 0) -> LocalizationStudy:
    """A study of which every recipe has other right images; random weights saw every second image."""
    random = np.random.default_rng(seed)
    maps = random.random((N, 3, 2, 2))
    boxes = [np.array([[0.0, 0, SIDE, SIDE]])] * N
    some = {i: maps[i, -1] for i in range(0, N, 2)}
    found = make_model_audit([0, 1] * (N // 2), maps=maps, boxes=boxes, random_maps=[some]).localization_study
    assert found is not None

    def drawn(n: int) -> dict[str, Errors]:
        return {recipe: Errors(*(random.random((3, n)) < 0.6)) for recipe in RECIPES}

    controls = {name: replace(c, recipes=drawn(len(c.rows))) for name, c in found.controls.items()}
    return replace(found, label_map=replace(found.label_map, recipes=drawn(N)), controls=controls)


def test_every_difference_is_that_of_the_images_one_by_one() -> None:
    found = study()
    comparisons = compare_with_controls(found, {})
    assert len(comparisons) == len(RECIPES) * len(found.controls) * 3
    for c in comparisons:
        control = found.controls[c.name]
        fixed = broken = 0
        for place, row in enumerate(control.rows):
            own = getattr(found.label_map.recipes[c.recipe], f"{c.error}_correct")[row]
            other = getattr(control.recipes[c.recipe], f"{c.error}_correct")[place]
            fixed, broken = fixed + bool(own and not other), broken + bool(other and not own)
        n, least = fixed + broken, min(fixed, broken)
        assert c.change.a.n == len(control.rows) == (N // 2 if c.name == "random_weights" else N)
        assert c.change.difference == pytest.approx((broken - fixed) / len(control.rows))
        assert c.change.p == pytest.approx(min(1, 2 * sum(comb(n, k) for k in range(least + 1)) / 2**n))
        assert c.change.ci95[0] <= c.change.difference + 1e-6
        assert c.change.ci95[1] >= c.change.difference - 1e-6


def test_strongest_control_covers_all_images_and_has_the_lowest_error() -> None:
    found = study()
    for error in ("top1", "gt_known"):
        chosen = compare_with_strongest_control(found, error)
        every = {c.name: c for c in compare_with_controls(found, {}) if (c.recipe, c.error) == ("paper", error)}
        assert every[chosen.name].change.difference == chosen.change.difference
        covering = [c.change.a.value for name, c in every.items() if name != "random_weights"]
        assert chosen.change.a.value == min(covering)


def test_compared_pairs_of_equal_strength_are_clear_in_few_data_sets() -> None:
    """200 data sets with nine comparisons each; network and control are right with the same probability."""
    clear = []
    for seed in range(200):
        a, b = np.random.default_rng(seed).random((2, 60, 9)) < 0.6
        clear += [compare_pair(x, y).is_clear for x, y in zip(a.T, b.T, strict=True)]
    assert np.mean(clear) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 200)


def test_planted_difference_is_marked_clear_in_the_table() -> None:
    """The maps fit all of 40 objects, each a quarter of the image: the whole image fits none, a centred box all."""
    maps = np.zeros((40, 3, SIDE, SIDE))
    maps[:, :, 2:6, 2:6] = 1
    labels = [0, 1] * 20
    audit = make_audit(make_model_audit(labels, maps=maps, boxes=[np.array([[2.0, 2, 6, 6]])] * 40))
    rows = {row.cells[0]: row.cells[1:] for row in differences_table(audit).rows}
    whole, centre = (rows[f"net, paper, minus {control}"] for control in ("whole image", "centred box, best size"))
    assert whole[4:] == ["−100.0 ✓ (−100.0 to −87.3)", "< 0.0001"]
    assert centre[4:] == ["+0.0 (−4.7 to +4.7)", "1"]


def test_table_has_a_row_for_every_recipe_control_and_backprop_box() -> None:
    names = [row.cells[0] for row in differences_table(make_boxed_audit()).rows]
    assert len(names) == 3 * 4 + 2
    assert names[3] == "net, paper, minus random weights (1 images)"
    assert names[-1] == "net, paper, minus backprop, GraphCut (1 images)"
