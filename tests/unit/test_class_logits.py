"""Networks whose outputs are no row of logits: the one logit of a binary classifier, and other shapes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from reportgen.data.class_names import ClassNames
from reportgen.errors import ModelError
from reportgen.methods.activation_maps import activation_maps
from reportgen.methods.randomization import randomize_weights
from reportgen.models.class_logits import class_logits
from reportgen.models.classifier import Preprocessing
from reportgen.models.from_module import classifier_from_module
from reportgen.models.layers import find_layers
from tests.support.tiny_networks import network

SMALL = Preprocessing(size=64, resize_size=72)
IMAGES = torch.randn(5, 3, 64, 64, generator=torch.Generator().manual_seed(0))


class Returning(nn.Module):
    """What `returns` makes of a network's outputs."""

    def __init__(self, made: nn.Module, returns: Callable[[Tensor], object]) -> None:
        super().__init__()
        self.network, self.returns = made, returns

    def forward(self, x: Tensor) -> object:
        return self.returns(self.network(x))


def convolutional_head(classes: int) -> nn.Module:
    """Global average pooling and a 1 × 1 convolution: outputs `(N, K, 1, 1)`."""
    made = network(classes=classes)
    conv = nn.Conv2d(16, classes, 1)
    conv.load_state_dict({"weight": made[8].weight.detach()[:, :, None, None], "bias": made[8].bias.detach()})
    return nn.Sequential(*made[:7], conv)


def hidden_layer() -> nn.Module:
    """A head that is not linear."""
    return nn.Sequential(*network()[:8], nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 1))


RETURNED: dict[str, Callable[[Tensor], object]] = {
    "(N, 1)": lambda z: z,
    "(N,)": lambda z: z[:, 0],
    "squeezed": lambda z: z.squeeze(),
    "tuple": lambda z: (z, z + 1),
    "dict": lambda z: {"loss": z + 1, "logits": z},
}


@pytest.mark.parametrize("returns", RETURNED.values(), ids=RETURNED)
@pytest.mark.parametrize("make", [lambda: network(classes=1), hidden_layer], ids=["linear", "hidden"])
def test_binary_probabilities_are_those_of_the_sigmoid(returns, make) -> None:
    plain = make().eval()
    made = classifier_from_module(Returning(plain, returns), "one", None, SMALL, outputs="binary")
    z = plain(IMAGES)[:, 0]
    for images, expected in ((IMAGES, z), (IMAGES[:1], z[:1])):
        logits = made.head(made.trunk(images))
        assert logits.shape == (len(images), 2)
        assert torch.allclose(logits.softmax(1)[:, 1], expected.sigmoid(), rtol=1e-5)
        assert torch.allclose(logits[:, 1] - logits[:, 0], expected, rtol=1e-5)
    assert made.class_names.names == ("class 0", "class 1")
    assert made.source == "one logit z, taken as −z/2 and z/2"


@pytest.mark.parametrize("make", [lambda: network(classes=1), lambda: convolutional_head(1)])
@torch.no_grad()
def test_binary_maps_add_up_to_the_logits_and_oppose_each_other(make) -> None:
    made = classifier_from_module(make(), "one", None, SMALL, outputs="binary")
    assert made.method == "cam"
    maps = made.trunk(IMAGES)
    cams = activation_maps(made, IMAGES, maps, torch.tensor([[0, 1]] * 5))
    assert made.linear_head is not None
    assert torch.allclose(cams.mean((2, 3)) + made.linear_head.bias, made.head(maps), atol=1e-5)
    assert torch.equal(cams[:, 0], -cams[:, 1])


def test_binary_grad_cam_is_that_of_half_the_logit() -> None:
    plain = hidden_layer().eval()
    made = classifier_from_module(plain, "one", None, SMALL, outputs="binary")
    assert made.method == "grad-cam"
    maps = plain[:6](IMAGES).detach().requires_grad_()
    (gradient,) = torch.autograd.grad(plain[6:](maps).sum() / 2, maps)
    expected = (gradient.sum((2, 3), keepdim=True) * maps).sum(1)
    found = activation_maps(made, IMAGES, maps.detach(), torch.tensor([[0, 1]] * 5))
    assert torch.allclose(found[:, 1], expected, atol=1e-5)
    assert torch.allclose(found[:, 0], -expected, atol=1e-5)


def test_control_of_a_binary_network_keeps_exact_maps() -> None:
    made = randomize_weights(classifier_from_module(network(classes=1), "one", None, SMALL, outputs="binary"))
    with torch.no_grad():
        maps = made.trunk(IMAGES)
        assert made.linear_head is not None
        expected = maps.mean((2, 3)) @ made.linear_head.weight.T + made.linear_head.bias
        assert torch.allclose(made.head(maps), expected, atol=1e-5)


@pytest.mark.parametrize("returns", [lambda y: y, torch.squeeze], ids=["(N, K, 1, 1)", "squeezed"])
@torch.no_grad()
def test_outputs_of_a_convolutional_head_are_flattened(returns) -> None:
    plain = convolutional_head(3).eval()
    made = classifier_from_module(Returning(plain, returns), "convolutional", None, SMALL)
    assert made.method == "cam"
    for images in (IMAGES, IMAGES[:1]):
        assert torch.equal(made.head(made.trunk(images)), plain(images)[:, :, 0, 0])


def test_layers_do_not_depend_on_the_outputs() -> None:
    makes = (classifier_from_module(network(classes=n), "net", None, SMALL, outputs=o) for n, o in NUMBERS)
    one, two = ([layer.name for layer in find_layers(made.trunk, made.head)] for made in makes)
    assert one == two


NUMBERS = ((1, "binary"), (2, "classes"))


def test_two_names_for_one_output_lead_to_the_flag() -> None:
    names = ClassNames(("healthy", "tumour"))
    with pytest.raises(ModelError, match="`net` has 1 output but 2 class names") as caught:
        classifier_from_module(network(classes=1), "net", names, SMALL)
    assert "add `--outputs binary`" in (caught.value.hint or "")
    assert classifier_from_module(network(classes=1), "net", names, SMALL, outputs="binary").class_names == names


@pytest.mark.parametrize(
    ("module", "outputs", "message", "hint"),
    [
        (network(classes=3), "binary", "`net` has 3 outputs; with `outputs = binary` it must have one", "leave out"),
        (network(classes=2), "binary", "`net` has 2 outputs", "its two logits are taken as they are"),
        (nn.Sequential(network(classes=1), nn.Sigmoid()), "binary", "with a sigmoid: its output is a prob", "leave"),
        (network()[:6], "classes", "returns shape \\(1, 16, 4, 4\\) for one image, not a row of logits", ""),
        (network()[:6], "binary", "returns shape \\(1, 16, 4, 4\\)", ""),
    ],
)
def test_other_outputs_are_refused(module: nn.Module, outputs: str, message: str, hint: str) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        classifier_from_module(module, "net", None, SMALL, outputs=outputs)
    assert hint in (caught.value.hint or "")


SOFTMAXES: dict[str, Callable[[], nn.Module]] = {
    "module": lambda: nn.Sequential(network(), nn.Softmax(1)),
    "function": lambda: Returning(network(), lambda z: torch.softmax(z, 1)),
    "method": lambda: Returning(network(), lambda z: z.softmax(-1)),
    "before flatten": lambda: nn.Sequential(convolutional_head(3), nn.Softmax(1), nn.Flatten()),
    "(N, K, 1, 1)": lambda: nn.Sequential(convolutional_head(3), nn.Softmax(1)),
}


@pytest.mark.parametrize("make", SOFTMAXES.values(), ids=SOFTMAXES)
@torch.no_grad()
def test_softmax_at_the_end_is_left_out_of_a_network_of_probabilities(make: Callable[[], nn.Module]) -> None:
    module = make().eval()
    made = classifier_from_module(make(), "three", None, SMALL, outputs="probabilities")
    logits = made.head(made.trunk(IMAGES))
    torch.testing.assert_close(logits.softmax(1), module(IMAGES).reshape(5, 3))
    torch.testing.assert_close(logits, network()(IMAGES), rtol=1e-4, atol=1e-5)
    assert (made.method, made.source) == ("cam", "logits before the softmax at the end")


@torch.no_grad()
def test_other_probabilities_become_logits_by_the_logarithm() -> None:
    squares = Returning(network(), lambda z: z.square() / z.square().sum(1, keepdim=True))
    made = classifier_from_module(squares, "three", None, SMALL, outputs="probabilities")
    torch.testing.assert_close(made.head(made.trunk(IMAGES)).exp(), squares(IMAGES))
    assert (made.method, made.source) == ("grad-cam", "log probabilities, taken as logits")
    certain = class_logits(torch.tensor([[0.0, 1.0]]), 1, "probabilities")
    assert certain.isfinite().all()
    torch.testing.assert_close(certain.softmax(1), torch.tensor([[0.0, 1.0]]))


def test_one_probability_is_refused() -> None:
    with pytest.raises(ModelError, match="has one output; with `outputs = probabilities`") as caught:
        classifier_from_module(
            nn.Sequential(network(classes=1), nn.Sigmoid()), "one", None, SMALL, outputs="probabilities"
        )
    assert "--outputs binary" in (caught.value.hint or "")
