"""Networks whose outputs are not logits of classes are refused with one line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from reportgen.config import AuditConfig
from reportgen.data.class_names import ClassNames
from reportgen.errors import ModelError
from reportgen.models.classifier import Classifier
from reportgen.models.from_module import classifier_from_module
from reportgen.pipeline.run import run_audit
from tests.support.square_images import squares
from tests.support.tiny_networks import network


def one_output() -> nn.Module:
    return network(classes=1)


def softmax() -> nn.Module:
    return nn.Sequential(network(), nn.Softmax(1))


class Functional(nn.Module):
    """Probabilities by methods and functions."""

    def __init__(self) -> None:
        super().__init__()
        self.network = network()

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(self.network(x)).view(-1, 3).flatten(1)


def sigmoid() -> nn.Module:
    return nn.Sequential(network(), nn.Sigmoid(), nn.Flatten())


def functional_sigmoid() -> nn.Module:
    return Functional()


def own_parts_with_sigmoid() -> Classifier:
    names = ClassNames(("blue", "green", "red"))
    made = classifier_from_module(network(), "own_parts", names)
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 3), nn.Sigmoid())
    return replace(made, trunk=network()[:6], head=head, linear_head=None, original=None)


def nan_weights() -> nn.Module:
    made = network()
    made[2].weight.data[3, 1] = float("nan")
    return made


def infinite_head() -> nn.Module:
    made = network()
    made[8].bias.data[1] = float("inf")
    return made


def nan_statistics() -> nn.Module:
    norm = nn.BatchNorm2d(8)
    norm.running_var[0] = float("nan")
    return nn.Sequential(network()[0], norm, *network()[1:])


class Overflow(nn.Module):
    """Finite weights, infinite logits."""

    def __init__(self) -> None:
        super().__init__()
        self.network = network()

    def forward(self, x: Tensor) -> Tensor:
        return self.network(x) * 1e30 * 1e30


def overflow() -> nn.Module:
    return Overflow()


def positive_logits() -> nn.Module:
    """Logits in [0, 1], as a network with small weights may have."""
    made = network()
    made[8].weight.data /= 100
    made[8].bias.data[:] = torch.tensor([0.2, 0.1, 0.4])
    return made


@pytest.fixture
def config(tmp_path: Path) -> AuditConfig:
    table = squares(tmp_path / "data", each=2)
    return AuditConfig(data=table, select="none", device="cpu", precision="fp32", out=tmp_path / "out")


@pytest.mark.parametrize(
    ("factory", "message", "hint"),
    [
        ("one_output", "`one_output` has one output; reportgen needs a logit", "return the logits \\(0, z\\)"),
        ("softmax", "`softmax` returns probabilities, not logits.* their sum is 1", "leave out the softmax"),
        ("sigmoid", "`sigmoid` ends with a sigmoid", "leave out the sigmoid; multi-label"),
        ("functional_sigmoid", "`functional_sigmoid` ends with a sigmoid", "leave out the sigmoid; multi-label"),
        ("own_parts_with_sigmoid", "`own_parts` ends with a sigmoid", "leave out the sigmoid; multi-label"),
        ("nan_weights", "`2.weight` of `nan_weights` has 9 of 1,152 values that are NaN or infinite", "checkpoint"),
        ("infinite_head", "`8.bias` of `infinite_head` has 1 of 3 values that are NaN or infinite", "checkpoint"),
        ("nan_statistics", "`1.running_var` of `nan_statistics` has 1 of 8 values", "checkpoint"),
        ("overflow", "`overflow` gives NaN or infinite logits for 4 of the first 4 images", "preprocessing"),
    ],
)
def test_network_without_logits_of_classes_is_refused(factory, message, hint, config: AuditConfig) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        run_audit(replace(config, model=f"python:{__name__}:{factory}"))
    assert "\n" not in str(caught.value)
    with pytest.raises(ModelError, match=hint):
        raise ModelError(str(caught.value.hint))
    assert not list((config.out / "cache").glob("*/[0-9]*.npz"))


def test_small_positive_logits_are_taken(config: AuditConfig) -> None:
    done = run_audit(replace(config, model=f"python:{__name__}:positive_logits"))
    assert 0 < done.audit.main.table["logits"][:].min() < done.audit.main.table["logits"][:].max() < 1


@pytest.mark.parametrize("factory", ["one_output", "softmax", "infinite_head"])
def test_own_head_does_not_matter_where_a_head_is_fitted(factory: str, config: AuditConfig) -> None:
    done = run_audit(replace(config, model=f"python:{__name__}:{factory}", head="gap"))
    assert done.metrics["models"][0]["head"] == "gap"
