"""Cascading randomization: which layers are random, the similarity by its definition, and planted cases."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch import nn

from reportgen.data.class_names import ClassNames
from reportgen.methods.randomization import randomize_weights
from reportgen.metrics.localization.cascade import cascade, rank_correlation
from reportgen.models.classifier import Preprocessing
from reportgen.models.from_module import classifier_from_module
from tests.site.reports import page_at
from tests.support.factories import SIDE, make_audit, make_model_audit
from tests.support.tiny_networks import network


def test_similarity_is_spearmans_rank_correlation() -> None:
    random = np.random.default_rng(0)
    for _ in range(20):
        a, b = random.integers(0, 5, (2, 4, 6)).astype(float)  # with ties
        assert rank_correlation(a, b) == pytest.approx(spearmanr(a.ravel(), b.ravel()).statistic)
    assert rank_correlation(a, np.ones((4, 6))) == 0
    assert rank_correlation(a, np.full((4, 6), np.nan)) == 0


def test_similarity_of_maps_without_truth_is_zero_on_average() -> None:
    random = np.random.default_rng(1)
    trained, randomized = random.random((40, 7, 7)), random.random((3, 4, 40, 7, 7))
    found = cascade(range(40), (0, 0.5, 0.75, 1), trained, randomized)
    assert np.abs(found.similarity.mean(2)).max() < 4 / np.sqrt(48 * 40)
    assert found.other_images == pytest.approx(0, abs=0.02)
    assert cascade([0], (1,), trained[:1], randomized[:1, :1, :1]).other_images is None


def test_maps_that_ignore_the_weights_keep_their_similarity() -> None:
    trained = np.random.default_rng(2).random((5, 7, 7))
    found = cascade(range(5), (0, 1), trained, np.stack([np.stack([3 * trained + 1, trained**3])]))
    assert found.similarity == pytest.approx(1)


@pytest.mark.parametrize(("share", "random_layers"), [(0.0, 0), (1 / 3, 1), (2 / 3, 2), (1.0, 3)])
def test_layers_are_randomized_from_the_last_one_down(share: float, random_layers: int) -> None:
    module = nn.Sequential(
        *(layer for _ in range(3) for layer in (nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3), nn.ReLU())),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2),
    )  # fmt: skip
    original = classifier_from_module(module.eval(), "net", ClassNames(("a", "b")), Preprocessing(size=32))
    found = randomize_weights(original, seed=1, share=share)
    pairs = zip(original.trunk.state_dict().items(), found.trunk.state_dict().values(), strict=True)
    same = [torch.equal(a, b) for (name, a), b in pairs if name.endswith("weight") and a.ndim == 4]
    assert same == [True] * (3 - random_layers) + [False] * random_layers
    pairs = zip(original.trunk.state_dict().items(), found.trunk.state_dict().values(), strict=True)
    same = [torch.equal(a, b) for (name, a), b in pairs if name.endswith("running_var")]
    assert same == [True] * (3 - random_layers) + [False] * random_layers
    assert not torch.equal(original.linear_head.weight, found.linear_head.weight)


def test_seeds_give_different_weights() -> None:
    original = classifier_from_module(network().eval(), "tiny")
    first, second = (randomize_weights(original, seed) for seed in (1, 2))
    assert first.weights_digest != second.weights_digest


def test_localization_page_shows_the_similarity_of_every_draw(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    found = cascade([0, 1], (0, 1), random.random((2, 7, 7)), random.random((3, 2, 2, 7, 7)))
    audit = make_audit(make_model_audit(boxes=[np.array([[0.0, 0, SIDE, SIDE]])] * 2, cascade=found))
    chart = page_at("localization/index.html", audit, tmp_path).cascade_chart
    assert [list(series.x) for series in chart.series] == [[0, 1, 2]] * 3
    assert [series.y[0] for series in chart.series] == [1, 1, 1]
    assert chart.series[0].y[1:] == pytest.approx(found.similarity[0].mean(1).tolist())
    assert chart.columns == [("Random layers", ["none", "head", "head and 100 %"])]
