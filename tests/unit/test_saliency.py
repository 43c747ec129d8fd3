"""Saliency compared with autograd one class at a time, guided gradients by hand, and GraphCut boxes."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reportgen.methods.saliency import SMOOTHGRAD_NOISE, input_gradients, saliency, smooth_grad, with_guided_relus
from reportgen.metrics.localization.graph_cut import graphcut_box, segment
from reportgen.models.cut import find_feature_maps
from reportgen.models.folding import fold
from reportgen.models.graph import trace
from reportgen.models.split import split


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.norm, self.b = nn.Conv2d(3, 6, 3, 2), nn.BatchNorm2d(6), nn.Conv2d(6, 8, 3)
        self.six, self.fc = nn.ReLU6(inplace=True), nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(F.relu(self.b(self.six(self.norm(self.a(x))))).mean((2, 3)))


def halves() -> tuple:
    torch.manual_seed(0)
    network = Network().eval()
    graph = trace(network, torch.zeros(1, 3, 20, 20))
    return network, *split(graph, find_feature_maps(graph))


def test_saliency_is_the_largest_gradient_of_each_class() -> None:
    network, trunk, head = halves()
    images, classes = torch.randn(3, 3, 20, 20), torch.tensor([[0, 4], [2, 2], [1, 3]])
    for ready in (trunk, fold(trunk)):
        found = saliency(ready, head, images, classes)
        assert found.shape == (3, 2, 20, 20)
        for i in range(3):
            for j in range(2):
                image = images[i : i + 1].clone().requires_grad_()
                network(image)[0, classes[i, j]].backward()
                torch.testing.assert_close(found[i, j], image.grad[0].abs().amax(0), rtol=1e-4, atol=1e-6)


def test_saliency_leaves_no_gradients_on_parameters() -> None:
    network, trunk, head = halves()
    saliency(trunk, head, torch.randn(1, 3, 20, 20), torch.tensor([[1]]))
    assert all(p.grad is None for p in network.parameters())


def test_smoothgrad_is_the_mean_over_noisy_copies() -> None:
    """Copy after copy, with the generator's noise in its order; eleven do not fill the last batch."""
    network, trunk, head = halves()
    image, classes = torch.randn(1, 3, 20, 20), torch.tensor([[4, 1]])
    noise = [torch.randn(n, 3, 20, 20, generator=g) for g in [torch.Generator().manual_seed(0)] for n in (8, 3)]
    spread = SMOOTHGRAD_NOISE * (image.max() - image.min())
    expected = torch.zeros(2, 3, 20, 20)
    for one in torch.cat(noise):
        for j, k in enumerate(classes[0].tolist()):
            noisy = (image + spread * one).requires_grad_()
            network(noisy)[0, k].backward()
            expected[j] += noisy.grad[0] / 11
    found = smooth_grad(trunk, head, image, classes, 11)
    torch.testing.assert_close(found[0], expected.abs().amax(1), rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(smooth_grad(trunk, head, image, classes, 11), found, rtol=0, atol=0)


def test_smoothgrad_of_a_linear_network_is_the_gradient() -> None:
    """A linear network's gradient is the same wherever it is taken."""
    graph = trace(nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, 3)),
                  torch.zeros(1, 3, 20, 20))  # fmt: skip
    trunk, head = split(graph, find_feature_maps(graph))
    image, classes = torch.randn(1, 3, 20, 20), torch.tensor([[2]])
    torch.testing.assert_close(smooth_grad(trunk, head, image, classes, 3), saliency(trunk, head, image, classes))


def test_guided_gradients_match_values_by_hand() -> None:
    """y = relu(x) − 2 relu(x): the second gradient is negative and does not come back; nor does any where x < 0."""

    class Two(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return F.relu(x) - 2 * x.relu()

    graph = trace(Two(), torch.zeros(1, 1, 1, 4))
    x = torch.tensor([[[[-1.0, 0.5, 2.0, 3.0]]]], requires_grad=True)
    made = with_guided_relus(graph)
    torch.testing.assert_close(made(x), graph(x))
    (gradient,) = torch.autograd.grad(made(x).sum(), x)
    assert gradient.tolist() == [[[[0, 1, 1, 1]]]]


def test_guided_network_has_the_same_outputs_and_other_gradients() -> None:
    _, trunk, head = halves()
    images, classes = torch.randn(2, 3, 20, 20), torch.tensor([[0], [1]])
    made = with_guided_relus(trunk)
    torch.testing.assert_close(made(images), trunk(images))
    changed = input_gradients(made, head, images, classes)
    assert not torch.allclose(changed, input_gradients(trunk, head, images, classes))


def disc() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A red disc on green, saliency on a part of the disc alone."""
    y, x = np.mgrid[:60, :80]
    inside = (y - 30) ** 2 + (x - 45) ** 2 < 15**2
    random = np.random.default_rng(0)
    picture = np.where(inside[..., None], (200, 40, 30), (40, 160, 60)) + random.integers(-12, 12, (60, 80, 3))
    part = (y - 26) ** 2 + (x - 42) ** 2 < 9**2
    return inside, picture.clip(0, 255).astype(np.uint8), part * 1.0 + random.random((60, 80)) * 0.1


def test_graphcut_box_grows_from_the_salient_part_to_the_object() -> None:
    inside, picture, map_ = disc()
    assert (segment(map_, picture) == inside).mean() > 0.98
    ys, xs = np.nonzero(inside)
    expected = [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]
    np.testing.assert_allclose(graphcut_box(map_, picture), expected, atol=1)


def test_graphcut_of_a_flat_or_non_finite_map_has_no_box() -> None:
    _, picture, map_ = disc()
    assert np.isnan(graphcut_box(np.ones((60, 80)), picture)).all()
    assert np.isnan(graphcut_box(np.where(map_ > 1, np.nan, map_), picture)).all()
