"""Insertion and deletion against their definition, for a network with known curves, and for maps without truth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torchvision.transforms.functional import gaussian_blur

from reportgen.gallery.pages.insertion_deletion import area_row, area_under
from reportgen.methods import insertion_deletion
from reportgen.methods.insertion_deletion import ORDERS, STEPS, InsertionDeletion, frames, orders
from reportgen.models.from_module import classifier_from_module
from reportgen.store.per_image import PerImageResults
from tests.site.reports import page_at
from tests.support.factories import make_audit, make_model_audit, make_table
from tests.support.tiny_networks import network


def test_frames_change_pixels_in_the_given_order() -> None:
    order = torch.randn(20, 20, generator=torch.Generator().manual_seed(0))
    found = frames(torch.zeros(3, 20, 20), torch.ones(3, 20, 20), order)
    by_rank = sorted(range(400), key=lambda i: -float(order.flatten()[i]))
    for k in range(STEPS + 1):
        changed = set(by_rank[: k * 400 // STEPS])
        assert found[k, 0].flatten().tolist() == [float(i in changed) for i in range(400)]


def test_insertion_begins_with_the_gaussian_blur_of_torchvision(monkeypatch) -> None:
    seen: list[torch.Tensor] = []
    monkeypatch.setattr(insertion_deletion, "frames", lambda start, *rest: seen.append(start) or frames(start, *rest))
    image = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(2))
    InsertionDeletion(classifier_from_module(network().eval(), "tiny"))(image, np.ones((7, 7), np.float32))
    torch.testing.assert_close(seen[-1], gaussian_blur(image, [11, 11], [5.0, 5.0])[0])


def test_curves_begin_and_end_with_the_probabilities_of_the_whole_images() -> None:
    classifier = classifier_from_module(network().eval(), "tiny")
    image = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(1))
    found = InsertionDeletion(classifier)(image, np.random.default_rng(0).normal(size=(7, 7)).astype(np.float32))
    of_image, of_mean = (classifier.head(classifier.trunk(x)).softmax(1)[0] for x in (image, torch.zeros_like(image)))
    first, last = of_image.max().item(), of_mean[of_image.argmax()].item()
    for row in range(len(ORDERS)):
        assert np.allclose(found["faithfulness/deletion"][row, [0, -1]], [first, last], atol=1e-6)
        assert np.isclose(found["faithfulness/insertion"][row, -1], first, atol=1e-6)


def test_map_of_what_the_prediction_depends_on_beats_both_controls() -> None:
    """The class is decided by the brightness of the upper left quarter; the map marks it."""
    conv, linear = nn.Conv2d(3, 1, 1), nn.Linear(1, 2)
    conv.weight.data.fill_(1 / 3)
    conv.bias.data.zero_()
    linear.weight.data = torch.tensor([[8.0], [-8.0]])
    linear.bias.data = torch.tensor([-1.0, 1.0])
    module = nn.Sequential(conv, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), linear)
    image = torch.zeros(1, 3, 224, 224)
    image[..., :112, :112] = 1
    map_ = np.zeros((7, 7), np.float32)
    map_[:4, :4] = 1
    found = InsertionDeletion(classifier_from_module(module.eval(), "quarter"))(image, map_)
    deletion, insertion = (area_under(found[f"faithfulness/{name}"]) for name in ("deletion", "insertion"))
    assert deletion[0] < deletion[1:].min() - 0.05
    assert insertion[0] >= insertion[1:].max() - 1e-6


def test_orders_are_the_map_noise_on_its_grid_and_the_distance_from_the_centre() -> None:
    by_map, noise, centred = orders(np.arange(49, dtype=np.float32).reshape(7, 7), torch.zeros(1, 3, 70, 70))
    assert by_map[-1, -1] == by_map.max() == 48
    assert len(torch.unique(noise[:5, :5])) == 1  # one value for the corner's cell
    assert torch.isclose(centred.max(), centred[30:40, 30:40].max())
    assert torch.isclose(centred.min(), centred[0, 0])


def test_area_under_a_straight_line_is_its_mean() -> None:
    assert area_under(np.stack((np.linspace(1, 0, STEPS + 1), np.ones(STEPS + 1)))).tolist() == pytest.approx([0.5, 1])


def page_of(deletion: np.ndarray, insertion: np.ndarray, folder: Path) -> Any:
    labels = [0, 1] * (len(deletion) // 2)
    table = make_table({"faithfulness/deletion": deletion, "faithfulness/insertion": insertion}, labels)
    results = PerImageResults(table, {i: i for i in range(len(labels))})
    audit = make_audit(make_model_audit(labels, selected={"faithfulness": results}))
    return page_at("insertion-deletion/index.html", audit, folder)


def test_page_states_a_planted_difference_and_its_areas(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    deletion = np.linspace(1, 0, STEPS + 1) ** np.array([4, 1, 1])[:, None] + 0.01 * random.random((12, 3, STEPS + 1))
    insertion = np.linspace(0, 1, STEPS + 1) ** np.array([0.25, 1, 1])[:, None] + 0.01 * random.random(
        (12, 3, STEPS + 1)
    )
    page = page_of(deletion, insertion, tmp_path)
    assert page.heading == "Insertion and deletion: the activation maps beat a random and a centred map in both curves"
    assert page.rows[0].areas == [f"{area_under(deletion)[:, k].mean():.3f}" for k in range(3)]
    expected = (area_under(deletion)[:, 0] - area_under(deletion)[:, 1]).mean()
    assert page.rows[0].differences[0].startswith(f"−{-expected:.3f} (−")
    assert [series.name for series in page.charts[0].series] == ["activation map", "random map", "centred map"]


def test_maps_without_truth_beat_the_controls_in_few_data_sets() -> None:
    beaten = 0
    for seed in range(200):
        deletion, insertion = np.random.default_rng(seed).random((2, 12, 3, STEPS + 1))
        beaten += area_row("deletion", deletion).is_clear and area_row("insertion", insertion).is_clear
    assert beaten / 200 <= 0.05
