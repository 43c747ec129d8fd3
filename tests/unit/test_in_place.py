"""In-place statements whose result is not used are part of the trunk, as PyTorch runs them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reportgen.errors import ModelError
from reportgen.methods.activation_maps import activation_maps
from reportgen.methods.saliency import saliency
from reportgen.models.classifier import Preprocessing
from reportgen.models.from_module import classifier_from_module
from reportgen.models.layers import find_layers
from reportgen.pipeline.forward import ForwardPass

RELU = nn.ReLU(inplace=True)
STATEMENTS: dict[str, Callable[[Tensor], object]] = {
    "module": lambda x: RELU(x),
    "method": lambda x: x.relu_(),
    "function": lambda x: torch.relu_(x),
    "keyword": lambda x: F.relu(x, inplace=True),
    "third argument": lambda x: F.leaky_relu(x, 0.3, True),
    "mul": lambda x: x.mul_(x.mean((2, 3), keepdim=True)),
    "clamp": lambda x: x.clamp_(-0.2, 0.2),
    "copy": lambda x: x.copy_(torch.tanh(x) * 3),
    "two": lambda x: (x.sub_(0.1), x.abs_()),
    "view": lambda x: x[:, :4].mul_(-2),
    "view of a view": lambda x: x.flatten(2)[:, 2:].neg_(),
}


class WithStatement(nn.Module):
    """Two convolutions, each followed by an in-place statement, and a linear head."""

    def __init__(self, statement: Callable[[Tensor], object], on_input: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.statement, self.on_input, self.relu = statement, on_input, RELU
        self.conv1, self.norm, self.conv2 = nn.Conv2d(3, 8, 3, 2), nn.BatchNorm2d(8), nn.Conv2d(8, 8, 3, 2)
        nn.init.uniform_(self.norm.running_mean)
        self.fc = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        if self.on_input:
            self.statement(x)
        x = self.norm(self.conv1(x))
        self.statement(x)
        x = self.conv2(x)
        self.statement(x)
        return self.fc(F.adaptive_avg_pool2d(x, 1).flatten(1))


@pytest.fixture
def pixels() -> Tensor:
    return torch.randint(0, 256, (5, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("name", STATEMENTS)
def test_forward_pass_keeps_in_place_statements(name: str, pixels: Tensor) -> None:
    network = WithStatement(STATEMENTS[name]).eval()
    classifier = classifier_from_module(network, "small", preprocessing=Preprocessing(size=32))
    with torch.no_grad():
        expected = network(classifier.preprocessing.normalize(pixels))
    stored = ForwardPass(classifier)(pixels, [None] * 5)
    torch.testing.assert_close(stored["logits"], expected, rtol=1e-4, atol=1e-5)


def test_feature_maps_are_those_after_the_statement() -> None:
    classifier = classifier_from_module(WithStatement(STATEMENTS["module"]), "small", None, Preprocessing(size=32))
    assert classifier.method == "cam"
    with torch.no_grad():
        assert classifier.trunk(torch.randn(1, 3, 32, 32)).min() == 0


def test_trunk_does_not_change_its_input(pixels: Tensor) -> None:
    network = WithStatement(STATEMENTS["method"], on_input=True).eval()
    classifier = classifier_from_module(network, "small", None, Preprocessing(size=32))
    images = classifier.preprocessing.normalize(pixels)
    before = images.clone()
    with torch.no_grad():
        logits = classifier.head(classifier.trunk(images))
        assert torch.equal(images, before)
        torch.testing.assert_close(logits, network(before.clone()))


class Changed(nn.Module):
    """A sigmoid whose output, which its gradient needs, is changed. where: `trunk` or `head`."""

    def __init__(self, change: Callable[[Tensor], Tensor], where: str = "trunk") -> None:
        super().__init__()
        torch.manual_seed(0)
        self.change, self.where = change, where
        self.conv1, self.conv2, self.fc = nn.Conv2d(3, 8, 3, 2), nn.Conv2d(8, 8, 3, 2), nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(x)
        x = F.relu(self.conv2(self.change(torch.sigmoid(x)) if self.where == "trunk" else x))
        x = F.adaptive_avg_pool2d(x, 1).flatten(1)
        return self.fc(self.change(torch.sigmoid(x)) if self.where == "head" else x)


def assigned(x: Tensor) -> Tensor:
    x += 1
    x *= x
    return x


CHANGES: dict[str, tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]] = {
    "mul": (lambda x: x.mul_(x), lambda x: x * x),
    "relu after mul": (lambda x: F.relu(x.mul_(x), inplace=True).mul_(2), lambda x: 2 * F.relu(x * x)),
    "assignments": (assigned, lambda x: (x + 1) * (x + 1)),
}


@pytest.mark.parametrize("where", ["trunk", "head"])
@pytest.mark.parametrize("name", CHANGES)
def test_gradients_pass_where_pytorch_cannot_differentiate_the_module(name: str, where: str) -> None:
    change, same = CHANGES[name]
    images, classes = torch.randn(2, 3, 32, 32), torch.tensor([[0, 3], [1, 2]])
    with pytest.raises(RuntimeError, match="inplace"):
        Changed(change, where)(images.clone().requires_grad_()).sum().backward()
    classifier = classifier_from_module(Changed(change, where).eval(), "small", None, Preprocessing(size=32))
    plain = classifier_from_module(Changed(same, where).eval(), "plain", None, Preprocessing(size=32))
    found, expected = (saliency(one.trunk, one.head, images, classes) for one in (classifier, plain))
    torch.testing.assert_close(found, expected)
    with torch.no_grad():
        output = classifier.trunk(images)
        torch.testing.assert_close(classifier.head(output), Changed(change, where)(images))
        maps = [activation_maps(one, images, one.trunk(images), classes) for one in (classifier, plain)]
    torch.testing.assert_close(*maps)
    assert "clone" not in [layer.name for layer in find_layers(classifier.trunk, classifier.head)]


def changed_part(x: Tensor) -> Tensor:
    x[:, :4].mul_(2)
    return x


def read_part(x: Tensor) -> Tensor:
    part = x[:, :4]
    x.mul_(x)
    return torch.cat((part, part), 1)


@pytest.mark.parametrize("change", [changed_part, read_part])
def test_changed_parts_that_prevent_gradients_are_refused(change: Callable[[Tensor], Tensor]) -> None:
    with pytest.raises(ModelError, match="PyTorch cannot differentiate `small`: it changes in place") as caught:
        classifier_from_module(Changed(change).eval(), "small", None, Preprocessing(size=32))
    assert "write `y = y * g`" in (caught.value.hint or "")
