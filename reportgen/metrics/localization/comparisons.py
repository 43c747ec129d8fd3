"""Localization errors compared with those of the controls, image by image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from reportgen.metrics.intervals import Rate
from reportgen.metrics.localization.evaluation import Evaluation
from reportgen.metrics.localization.study import LocalizationStudy
from reportgen.metrics.paired import ErrorChange, compare_pair

ERRORS = ("top1", "top5", "gt_known")
RECIPES = ("paper", "caffe", "v2")


@dataclass(frozen=True)
class ControlComparison:
    """An error by one recipe and that of a control by the same recipe, on the images that the control covers.

    name: of the control; change: from the control to the network.
    """

    recipe: str
    error: str
    name: str
    change: ErrorChange


def strongest_control(study: LocalizationStudy, error: str) -> tuple[str, Rate]:
    """Return name and rate of the control with the lowest error by the recipe `paper`, of those that cover all judged
    images."""
    rates: dict[str, Rate] = {
        name: getattr(control.recipes["paper"], error)
        for name, control in study.controls.items()
        if len(control.rows) == len(study.images)
    }
    name = min(rates, key=lambda name: rates[name].value)
    return name, rates[name]


def compare_with_strongest_control(study: LocalizationStudy, error: str) -> ControlComparison:
    """Compare an error by the recipe `paper` with that of the strongest control."""
    name, _ = strongest_control(study, error)
    (comparison,) = _compare(study, name, study.controls[name], [("paper", error)])
    return comparison


def compare_with_controls(study: LocalizationStudy, backprop: Mapping[str, Evaluation]) -> list[ControlComparison]:
    """Compare the three errors with those of every control by every recipe, and with those of the backprop boxes."""
    pairs = {recipe: [(recipe, error) for error in ERRORS] for recipe in RECIPES}
    every = [pair for of_recipe in pairs.values() for pair in of_recipe]
    found = [c for name, control in study.controls.items() for c in _compare(study, name, control, every)]
    found.sort(key=lambda comparison: RECIPES.index(comparison.recipe))
    return [*found, *(c for name, boxes in backprop.items() for c in _compare(study, name, boxes, pairs["paper"]))]


def _compare(
    study: LocalizationStudy, name: str, control: Evaluation, pairs: list[tuple[str, str]]
) -> list[ControlComparison]:
    """Compare with one control by each (recipe, error)."""

    comparisons = []
    for recipe, error in pairs:
        of_control, own = (
            getattr(evaluation.recipes[recipe], f"{error}_correct") for evaluation in (control, study.label_map)
        )
        change = compare_pair(of_control, own[control.rows], control.groups)
        comparisons.append(ControlComparison(recipe, error, name, change))
    return comparisons
