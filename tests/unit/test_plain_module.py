"""Networks as training and deployment leave them: other precisions, wrappers, compiled parts, no gradients."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from reportgen.config import AuditConfig
from reportgen.errors import ConfigError, ModelError
from reportgen.methods.activation_maps import activation_maps
from reportgen.models.classifier import Classifier, Preprocessing
from reportgen.models.from_module import classifier_from_module
from reportgen.models.plain_module import plain_module
from reportgen.models.sources.python_source import load_python
from tests.support.tiny_networks import network

SMALL = Preprocessing(size=64, resize_size=72)
IMAGES = torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))


class Plain(nn.Module):
    """A head with a hidden layer, whose maps are made with gradients."""

    def __init__(self) -> None:
        super().__init__()
        self.before = network()[:2]
        self.after = nn.Sequential(*network()[2:8], nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 3))
        parameters = torch.Generator().manual_seed(0)
        for linear in (self.after[6], self.after[8]):
            linear.weight.data = torch.randn(linear.weight.shape, generator=parameters)
            linear.bias.data.zero_()

    def forward(self, x: Tensor) -> Tensor:
        return self.after(self.before(x))


class NoGradients(Plain):
    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x)


class Inference(Plain):
    @torch.inference_mode()
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x)


class Detached(Plain):
    def forward(self, x: Tensor) -> Tensor:
        return self.after(self.before(x).detach())


class Data(Plain):
    def forward(self, x: Tensor) -> Tensor:
        return self.after(torch.detach(self.before(x).data))


def frozen() -> nn.Module:
    return Plain().requires_grad_(False)


@torch.inference_mode()
def made_in_inference_mode() -> nn.Module:
    return Plain()


def in_training_mode() -> nn.Module:
    made = Plain()
    made.after.insert(6, nn.Dropout(0.9))
    return made.train()


def parallel_part() -> nn.Module:
    made = Plain()
    made.before = nn.DataParallel(made.before)
    return made


def compiled_part() -> nn.Module:
    made = Plain()
    made.before = torch.compile(made.before)
    made.after.compile()
    return made


MAKES: dict[str, Callable[[], nn.Module]] = {
    "no_grad": NoGradients,
    "inference_mode": Inference,
    "detach": Detached,
    "data": Data,
    "frozen": frozen,
    "made in inference_mode": made_in_inference_mode,
    "training": in_training_mode,
    "DataParallel": lambda: nn.DataParallel(Plain()),
    "DataParallel inside": parallel_part,
    "compiled": lambda: torch.compile(Plain()),
    "compiled inside": compiled_part,
    "both": lambda: nn.DataParallel(torch.compile(Plain())),
}


def gradients(made: Classifier) -> tuple[Tensor, Tensor, Tensor]:
    """Logits, Grad-CAM and the gradient of a logit with respect to the images."""
    with torch.no_grad():
        maps = made.trunk(IMAGES)
    cams = activation_maps(made, IMAGES, maps, torch.tensor([[0, 2]] * 3))
    images = IMAGES.clone().requires_grad_()
    logits = made.head(made.trunk(images))
    (gradient,) = torch.autograd.grad(logits[:, 0].sum(), images)
    return logits.detach(), cams, gradient


@pytest.mark.parametrize("make", MAKES.values(), ids=MAKES)
def test_network_is_that_without_wrappers(make: Callable[[], nn.Module]) -> None:
    expected = gradients(classifier_from_module(Plain(), "net", None, SMALL))
    made = classifier_from_module(make(), "net", None, SMALL, source="python:net")
    assert made.source == "python:net"
    assert made.original is not None
    torch.testing.assert_close(made.original(IMAGES), expected[0], check_device=False)
    for found, value in zip(gradients(made), expected, strict=True):
        torch.testing.assert_close(found, value)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_are_converted_and_stated(dtype: torch.dtype) -> None:
    made = classifier_from_module(Plain().to(dtype), "net", None, SMALL, source="python:net")
    assert made.source == f"python:net; converted from {str(dtype).removeprefix('torch.')} to float32"
    expected = classifier_from_module(Plain().to(dtype).float(), "net", None, SMALL)
    for found, value in zip(gradients(made), gradients(expected), strict=True):
        torch.testing.assert_close(found, value)


def test_parts_of_other_precisions_are_named() -> None:
    made = Plain()
    made.before.half()
    made.after.double()
    converted = "converted from float16, float64 to float32"
    assert classifier_from_module(made, "net", None, SMALL).source == converted


@pytest.mark.filterwarnings("ignore:.torch.jit:FutureWarning", "ignore:.torch.jit:DeprecationWarning")
def test_torchscript_is_refused() -> None:
    part = Plain()
    part.before = torch.jit.script(part.before)
    for made in (torch.jit.script(network()), torch.jit.trace(network().eval(), IMAGES), part):
        with pytest.raises(ModelError, match="`net` is or contains TorchScript") as caught:
            classifier_from_module(made, "net", None, SMALL)
        assert "before `torch.jit.script` or `torch.jit.trace`" in (caught.value.hint or "")


OWN = """
import torch
from torch import nn
from dataclasses import replace
from reportgen.models.from_module import classifier_from_module
from reportgen.models.plain_module import plain_module
from tests.support.tiny_networks import network

class NoGradients(nn.Sequential):
    @torch.no_grad()
    def forward(self, x):
        return super().forward(x)

class Detached(nn.Sequential):
    def forward(self, x):
        return super().forward(x).detach()

def no_gradients():
    return replace(classifier_from_module(network(), "net"), head=NoGradients(*network()[6:]))

def detached():
    return replace(classifier_from_module(network(), "net"), trunk=Detached(*network()[:6]))
"""


def test_own_parts_return_the_logits_of_both_classes(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "own_parts_of_two.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError, match="returns a Classifier, which must return a logit for each class") as caught:
        load_python("own_parts_of_two:no_gradients", AuditConfig(outputs="binary"))
    assert "two_logits(z)" in (caught.value.hint or "")


@pytest.mark.parametrize("factory", ["no_gradients", "detached"])
def test_own_parts_without_gradients_are_refused(factory, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "parts_without_gradients.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModelError, match="the logits have no gradient with respect to the image") as caught:
        load_python(f"parts_without_gradients:{factory}", AuditConfig())
    assert "`torch.no_grad` and `detach`" in (caught.value.hint or "")


@pytest.mark.filterwarnings("ignore:torch.ao.quantization")
def test_quantized_network_is_refused() -> None:
    module = torch.ao.quantization.quantize_dynamic(nn.Sequential(nn.Flatten(), nn.Linear(12, 2)), {nn.Linear})
    with pytest.raises(ModelError, match="is quantized") as caught:
        plain_module(module, "network")
    assert caught.value.hint == "return the module from before its quantization"


def test_lazy_layers_get_their_parameters() -> None:
    module = nn.Sequential(nn.LazyConv2d(4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LazyLinear(3))
    classifier = classifier_from_module(module, "network")
    assert classifier.feature_shape == (4, 222, 222)
    assert all(parameter.requires_grad for parameter in classifier.trunk.parameters())
