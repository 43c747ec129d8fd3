"""The audit: which arrays it has, and what it derives from its networks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from reportgen.store.per_image import PerImageResults
from tests.support.factories import make_audit, make_model_audit, make_model_info, make_table


def saliency_of(images: list[int]) -> PerImageResults:
    table = make_table({"saliency/map": np.zeros((len(images), 3, 2, 2))}, [0] * len(images))
    return PerImageResults(table, {image: row for row, image in enumerate(images)})


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cam/map", True),
        ("cam", False),
        ("cam/maps", False),
        ("features/code", True),  # an alias
        ("units/conv1/max", True),
        ("units/<layer>/max", True),
        ("units/<layer>/where", True),
        ("units/<layer>/sum", False),
        ("activations/<layer>/map", False),
        ("saliency/map", True),
        ("occlusion/total", False),
    ],
)
def test_has_array_knows_paths_aliases_and_any_layer(name: str, expected: bool) -> None:
    model = make_model_audit(unit_maxima={"conv1": np.zeros((2, 3))}, selected={"saliency": saliency_of([1])})
    assert make_audit(model).has_array(name) is expected


def test_has_array_ignores_kinds_without_selected_images() -> None:
    assert not make_audit(make_model_audit(selected={"saliency": saliency_of([])})).has_array("saliency/map")


def test_has_array_looks_at_the_first_network_alone() -> None:
    second = make_model_audit(unit_maxima={"conv1": np.zeros((2, 3))})
    assert not make_audit(make_model_audit(), second).has_array("units/<layer>/max")


def test_title_names_the_first_network_and_counts_the_others() -> None:
    first = make_model_audit()
    second = replace(first, info=make_model_info(name="other"))
    assert make_audit(first).title == "photographs × net"
    assert make_audit(first, second, second).title == "photographs × net and 2 more"


def test_unit_baselines_are_of_the_images_with_the_smallest_digests() -> None:
    """300 images, of which the first 256 by digest count; the others are far off."""
    maxima = np.arange(300.0)[:, None] % 2
    maxima[256:] = 1000
    model = make_model_audit([0] * 300, unit_maxima={"conv1": maxima})
    mean, deviation = model.unit_baselines["conv1"]
    assert (mean.tolist(), deviation.tolist()) == ([0.5], [0.5])


def test_maps_without_evidence_are_those_without_a_positive_finite_value() -> None:
    maps = np.ones((4, 2, 2, 2))
    maps[1, 0], maps[2, 0, 0, 0], maps[3, 1] = -1, np.nan, np.nan
    assert make_model_audit([0] * 4, maps=maps).without_evidence.tolist() == [False, True, True, False]


def test_selected_images_are_sorted_and_empty_for_a_kind_that_was_not_run() -> None:
    model = make_model_audit([0] * 3, selected={"saliency": saliency_of([2, 0])})
    assert model.selected_images("saliency") == [0, 2]
    assert model.selected_images("occlusion") == []
