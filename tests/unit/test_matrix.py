"""A sample of the matrix of networks, and that its checks find what is wrong."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from reportgen.errors import ModelError
from tests.matrix import checks
from tests.matrix.__main__ import PAGE, row
from tests.matrix.case import Case, Goal, Verdict
from tests.matrix.checks import built, refusal, try_network
from tests.matrix.families import FAMILIES
from tests.support.tiny_networks import network

SMALL_OF_TIMM = ("test_byobnet", "test_convnext", "test_efficientnet", "test_nfnet", "test_resnet", "test_vit")
SMALL_OF_TRANSFORMERS = ("ResNet", "ConvNext", "RegNet", "Bit", "PoolFormer", "Swin", "Swinv2", "ViT", "Dinov2")
TINY = Case("tiny", "tiny", network)


SLOW_BY_HAND = ("compiled",)


def sample() -> list[Any]:
    """Small networks of timm and transformers, if these are installed, and all networks written by hand."""
    named = [("timm", SMALL_OF_TIMM), ("transformers", SMALL_OF_TRANSFORMERS)]
    cases = [
        (family, case)
        for family, names in named
        if find_spec(family)
        for case in FAMILIES[family].cases()
        if case.name in names
    ]
    cases += [("handwritten", case) for case in FAMILIES["handwritten"].cases() if case.name not in SLOW_BY_HAND]
    return [pytest.param(family, case, id=f"{family}: {case.name}") for family, case in cases]


@pytest.mark.filterwarnings("ignore:`?torch", "ignore:must run observer")  # deprecated, but people have it
@pytest.mark.parametrize(("family", "case"), sample())
def test_network_of_the_sample_is_taken_or_refused_as_it_should_be(family: str, case: Case) -> None:
    verdict = try_network(case)
    assert verdict.outcome in ("taken", "refused"), verdict
    goal = FAMILIES[family].goals[case.group]
    if goal.share:
        assert verdict.outcome == goal.outcome, verdict


def test_network_is_taken() -> None:
    assert try_network(TINY) == Verdict("taken", "cam at 5, 16 × 7 × 7, 3 layers")


def test_values_that_are_constant_at_initialization_vary() -> None:
    norm = built(lambda: nn.BatchNorm2d(6))
    assert all(value.unique().numel() == 6 for name, value in norm.state_dict().items() if "num_batches" not in name)
    assert torch.equal(built(network)[0].weight, network()[0].weight)


def with_other_maps(classifier: Any) -> Any:
    """Weights of the maps that are those of another class."""
    head = classifier.linear_head
    return replace(classifier, linear_head=replace(head, weight=head.weight.roll(1, 0)))


def with_shifted_maps(classifier: Any) -> Any:
    """Maps whose means are right, at other positions."""
    classifier.trunk.add_submodule("shift", Shift())
    graph = classifier.trunk.graph
    output = next(iter(reversed(graph.nodes)))
    with graph.inserting_before(output):
        output.args = (graph.call_module("shift", (output.args[0],)),)
    output.args[0].meta = dict(output.args[0].args[0].meta)
    classifier.trunk.recompile()
    return classifier


class Shift(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.roll(1, 3)


@pytest.mark.parametrize(
    ("change", "found"),
    [(with_other_maps, "mean(CAM) + bias differs from the logit"), (with_shifted_maps, "maps differ from Grad-CAM")],
)
def test_wrong_maps_are_found(change: Callable[[Any], Any], found: str, monkeypatch: pytest.MonkeyPatch) -> None:
    load = checks.classifier_from_module
    monkeypatch.setattr(checks, "classifier_from_module", lambda *args, **options: change(load(*args, **options)))
    verdict = try_network(TINY)
    assert verdict.outcome == "wrong"
    assert found in verdict.detail


def test_field_that_is_too_small_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    layers = checks.layer_infos
    narrower = np.array([0, 1])
    monkeypatch.setattr(
        checks, "layer_infos", lambda *args: [replace(info, rows=info.rows + narrower) for info in layers(*args)]
    )
    assert try_network(TINY).outcome == "taken"
    narrower = np.array([0, -1])
    verdict = try_network(TINY)
    assert verdict.outcome == "wrong"
    assert "but its field is" in verdict.detail


def test_other_error_than_a_refusal_is_internal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "layer_infos", lambda *args: {}["view_23"])
    verdict = try_network(TINY)
    assert verdict.outcome == "internal error"
    assert "KeyError: 'view_23'" in verdict.detail
    assert "test_matrix.py" in verdict.detail


@pytest.mark.parametrize(
    ("message", "hint", "outcome"),
    [("one line", "a way out", "refused"), ("one\nline", "a way out", "wrong"), ("\x1b[1mline", "out", "wrong"),
     ("one line", None, "wrong"), ("one line", "a\nway", "wrong")],
)  # fmt: skip
def test_refusal_is_one_line_with_a_way_out(message: str, hint: str | None, outcome: str) -> None:
    assert refusal(ModelError(message, hint)).outcome == outcome


def test_table_counts_each_outcome() -> None:
    goals = {"a": Goal(share=0.5), "b": Goal("refused", 1), "c": Goal()}
    found = {
        "a": [Verdict("taken", ""), Verdict("refused", "")],
        "b": [Verdict("refused", ""), Verdict("taken", "")],
        "c": [Verdict("taken", ""), Verdict("wrong", "")],
    }
    assert [row(group, goal, found[group]) for group, goal in goals.items()] == [
        "| a | 2 | 1 | 1 | 0 | 0 | ≥ 50 % taken |",
        "| b | 2 | 1 | 1 | 0 | 0 | all refused |",
        "| c | 2 | 1 | 0 | 0 | 1 | taken or refused |",
    ]
    assert [goal.is_reached(found[group]) for group, goal in goals.items()] == [True, False, False]


def test_published_rows_reach_their_goals() -> None:
    goals = {group: goal for family in FAMILIES.values() for group, goal in family.goals.items()}
    rows = re.findall(
        r"^\| ([^|]+) \| (\d+) \| (\d+) \| (\d+) \| (\d+) \| (\d+) \| ([^|]+) \|$", PAGE.read_text(), re.M
    )
    assert [group for group, *_ in rows] == list(goals), "run `python -m tests.matrix --write`"
    for group, *numbers, goal in rows:
        networks, taken, refused, internal, wrong = map(int, numbers)
        assert (taken + refused, internal, wrong) == (networks, 0, 0)
        assert goal == str(goals[group])
        assert (taken if goals[group].outcome == "taken" else refused) >= goals[group].share * networks
