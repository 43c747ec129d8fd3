"""CAM and Grad-CAM, compared with slow versions of the papers' formulas and with autograd."""

import pytest
import torch
from torch import Tensor, nn

from reportgen.methods.cam import class_activation_maps
from reportgen.methods.gradcam import grad_cam
from reportgen.models.cut import find_feature_maps
from reportgen.models.graph import trace
from reportgen.models.linear_head import find_linear_head
from reportgen.models.split import split


def slow_cam(maps: Tensor, weight: Tensor, c: int) -> Tensor:
    """M_c(x, y) = Σ_k w_k^c f_k(x, y) of one image (Zhou et al. 2016, equation 2), term by term."""
    channels, height, width = maps.shape
    out = torch.zeros(height, width, dtype=torch.float64)
    for y in range(height):
        for x in range(width):
            for k in range(channels):
                out[y, x] += float(weight[c, k]) * float(maps[k, y, x])
    return out


class Small(nn.Module):
    """Six layers with a global average pooling head, or with two hidden layers."""

    def __init__(self, gap: bool, classes: int = 7) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 6, 3, 2), nn.ReLU(inplace=True), nn.Conv2d(6, 5, 3, 2, 1), nn.BatchNorm2d(5), nn.ReLU()
        )
        if gap:
            self.tail = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, classes))
        else:
            self.tail = nn.Sequential(
                nn.MaxPool2d(2), nn.Flatten(), nn.Linear(5 * 9, 16), nn.Tanh(), nn.Linear(16, classes)
            )

    def forward(self, x: Tensor) -> Tensor:
        return self.tail(self.features(x))


@pytest.fixture
def images() -> Tensor:
    return torch.randn(3, 3, 27, 27, generator=torch.Generator().manual_seed(1))


def small(gap: bool) -> Small:
    torch.manual_seed(0)
    return Small(gap).eval()


def last_maps(network: nn.Module, layer: nn.Module, images: Tensor) -> tuple[Tensor, Tensor]:
    """Output of `layer` and the logits, both in one graph of the whole network, by a forward hook."""
    kept: list[Tensor] = []
    hook = layer.register_forward_hook(lambda module, inputs, output: kept.append(output))
    try:
        logits = network(images)
    finally:
        hook.remove()
    return kept[0], logits


def full_backward(network: nn.Module, layer: nn.Module, images: Tensor, classes: Tensor) -> Tensor:
    """Grad-CAM as the paper's equations 1 and 2 say, one image and one class at a time, through the whole network.

    The paper's α is the mean of the gradient; ours the sum, so that the maps of a GAP head are its CAMs.
    """
    rows = []
    for image, wanted in zip(images, classes, strict=True):
        row = []
        for c in wanted:
            maps, logits = last_maps(network, layer, image[None])
            (gradient,) = torch.autograd.grad(logits[0, c], maps)
            alpha = gradient[0].mean((1, 2))
            row.append((alpha[:, None, None] * maps[0]).sum(0).detach() * maps.shape[2] * maps.shape[3])
        rows.append(torch.stack(row))
    return torch.stack(rows)


def test_cam_equals_the_sum_of_the_paper() -> None:
    random = torch.Generator().manual_seed(2)
    maps, weight = torch.randn(2, 6, 3, 4, generator=random), torch.randn(9, 6, generator=random)
    classes = torch.tensor([[8, 0, 8], [3, 3, 1]])
    cams = class_activation_maps(maps, weight, classes)
    assert cams.shape == (2, 3, 3, 4)
    for n in range(2):
        for m in range(3):
            expected = slow_cam(maps[n], weight, int(classes[n, m]))
            torch.testing.assert_close(cams[n, m].double(), expected, rtol=1e-5, atol=1e-5)


def test_cam_matches_values_by_hand() -> None:
    maps = torch.tensor([[[[1.0, 2.0]], [[10.0, 20.0]]]])  # one image, two maps of 1×2
    weight = torch.tensor([[1.0, 0.0], [2.0, -1.0]])
    cams = class_activation_maps(maps, weight, torch.tensor([[1, 0]]))
    assert cams.tolist() == [[[[-8.0, -16.0]], [[1.0, 2.0]]]]


def test_cam_is_the_gradient_times_the_maps_and_its_mean_is_the_logit(images: Tensor) -> None:
    network = small(gap=True)
    maps, logits = last_maps(network, network.features, images)
    linear = network.tail[2]
    classes = torch.arange(7).repeat(3, 1)
    cams = class_activation_maps(maps.detach(), linear.weight.detach(), classes)
    torch.testing.assert_close(cams.mean((2, 3)) + linear.bias, logits)
    for c in range(7):
        (gradient,) = torch.autograd.grad(logits[:, c].sum(), maps, retain_graph=True)
        # ∂logit/∂f_k(x, y) is w_k / (h w), the same at every place, so gradient × maps × h w is the CAM
        expected = (gradient * maps).sum(1).detach() * maps.shape[2] * maps.shape[3]
        torch.testing.assert_close(cams[:, c], expected)


def test_grad_cam_of_a_gap_head_equals_cam(images: Tensor) -> None:
    network = small(gap=True)
    with torch.no_grad():
        maps = network.features(images)
    classes = torch.tensor([[0, 6], [2, 2], [5, 1]])
    cams = class_activation_maps(maps, network.tail[2].weight.detach(), classes)
    torch.testing.assert_close(grad_cam(network.tail, maps, classes), cams)


def test_grad_cam_through_the_head_equals_that_of_the_whole_network(images: Tensor) -> None:
    network = small(gap=False)
    classes = torch.tensor([[0, 6, 6], [2, 3, 4], [5, 1, 0]])
    with torch.no_grad():
        maps = network.features(images)
    found = grad_cam(network.tail, maps, classes)
    torch.testing.assert_close(found, full_backward(network, network.features, images, classes))
    one_by_one = torch.cat([grad_cam(network.tail, maps[i : i + 1], classes[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(found, one_by_one)


class Head(nn.Module):
    """AlexNet's and VGG's kind of head, with few channels: pooling, dropout, three linear layers."""

    def __init__(self, channels: int, side: int) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, channels, 7, 4, 3), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2))
        self.avgpool = nn.AdaptiveAvgPool2d(side)
        self.classifier = nn.Sequential(
            nn.Dropout(),
            nn.Linear(channels * side * side, 24),
            nn.ReLU(inplace=True),
            nn.Dropout(),
            nn.Linear(24, 11),
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.avgpool(self.features(x))
        x = torch.flatten(x, 1)
        return self.classifier(x)


@pytest.mark.parametrize(("channels", "side"), [(8, 6), (4, 7)], ids=["alexnet", "vgg"])
def test_grad_cam_works_through_the_split_graph(channels: int, side: int) -> None:
    torch.manual_seed(4)
    network = Head(channels, side).eval()
    images = torch.randn(2, 3, 64, 64)
    graph = trace(network, images[:1])
    maps_node = find_feature_maps(graph)
    assert maps_node.meta["shape"] == (1, channels, 16, 16)
    trunk, head = split(graph, maps_node)
    assert find_linear_head(head, maps_node.meta["shape"][1:]) is None
    classes = torch.tensor([[0, 10, 4], [3, 3, 9]])
    with torch.no_grad():
        found = grad_cam(head, trunk(images), classes)
    torch.testing.assert_close(found, full_backward(network, network.features[1], images, classes))


def test_grad_cam_leaves_no_gradients_and_changes_no_feature_maps(images: Tensor) -> None:
    network = small(gap=False)
    with torch.no_grad():
        maps = network.features(images)
        before = maps.clone()
        cams = grad_cam(network.tail, maps, torch.zeros(3, 1, dtype=torch.int64))
    assert not cams.requires_grad
    assert torch.equal(maps, before)
    assert all(p.grad is None for p in network.parameters())


def test_feature_maps_before_an_in_place_layer_are_unchanged() -> None:
    """`--layer` may name a convolution whose ReLU works in place: the feature maps are those before it."""
    torch.manual_seed(5)
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5)
    ).eval()
    images = torch.randn(2, 3, 8, 8)
    graph = trace(network, images[:1])
    trunk, head = split(graph, find_feature_maps(graph, "0"))
    with torch.no_grad():
        maps = trunk(images)
        before = maps.clone()
        torch.testing.assert_close(head(maps), network(images))
        assert torch.equal(maps, before)
        assert (maps < 0).any()
        cams = grad_cam(head, maps, torch.tensor([[0], [1]]))
    torch.testing.assert_close(
        cams, full_backward(_out_of_place(network), network[0], images, torch.tensor([[0], [1]]))
    )


def _out_of_place(network: nn.Sequential) -> nn.Sequential:
    return nn.Sequential(network[0], nn.ReLU(), *network[2:])
