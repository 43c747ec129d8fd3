"""Networks whose outputs are not logits of classes are refused with one line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from reportgen.config import AuditConfig
from reportgen.data.class_names import ClassNames
from reportgen.errors import ModelError
from reportgen.models.classifier import Classifier
from reportgen.models.from_module import classifier_from_module
from reportgen.pipeline.run import run_audit
from tests.support.jobs import inputs_of
from tests.support.square_images import squares
from tests.support.tiny_networks import network


def one_output() -> nn.Module:
    return network(classes=1)


def softmax() -> nn.Module:
    return nn.Sequential(network(), nn.Softmax(1))


class Normalized(nn.Module):
    """The softmax, written out."""

    def __init__(self) -> None:
        super().__init__()
        self.network = network()

    def forward(self, x: Tensor) -> Tensor:
        odds = self.network(x).exp()
        return odds / odds.sum(1, keepdim=True)


def normalized() -> nn.Module:
    return Normalized()


def softmax_of(logits: np.ndarray) -> np.ndarray:
    odds = np.exp(logits - logits.max(1, keepdims=True))
    return odds / odds.sum(1, keepdims=True)


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
        ("one_output", "`one_output` has one output; reportgen needs a logit", "add `--outputs binary`"),
        ("softmax", "`softmax` returns probabilities, not logits.* their sum is 1", "add `--outputs probabilities`"),
        ("sigmoid", "`sigmoid` ends with a sigmoid", "add `--outputs multilabel`"),
        ("functional_sigmoid", "`functional_sigmoid` ends with a sigmoid", "add `--outputs multilabel`"),
        ("own_parts_with_sigmoid", "`own_parts` ends with a sigmoid", "add `--outputs multilabel`"),
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
    (taken,) = inputs_of(replace(config, model=f"python:{__name__}:positive_logits")).models
    assert 0 < taken.table["logits"][:].min() < taken.table["logits"][:].max() < 1


@pytest.mark.parametrize("factory", ["softmax", "normalized"])
def test_network_that_returns_probabilities_gives_those_of_its_logits(factory: str, config: AuditConfig) -> None:
    stated = replace(config, model=f"python:{__name__}:{factory}", outputs="probabilities", out=config.out / "stated")
    plain = replace(config, model="python:tests.support.tiny_networks:network", out=config.out / "plain")
    found, expected = (inputs_of(one).models[0] for one in (stated, plain))
    np.testing.assert_allclose(*(softmax_of(np.asarray(one.table["logits"])) for one in (found, expected)), rtol=1e-4)
    np.testing.assert_array_equal(found.table["cam/class"], expected.table["cam/class"])
    assert found.info.method == ("cam" if factory == "softmax" else "grad-cam")
    if factory == "softmax":
        np.testing.assert_allclose(found.table["cam/map"], expected.table["cam/map"], rtol=1e-4, atol=1e-6)


def test_logits_stated_to_be_probabilities_are_refused(config: AuditConfig) -> None:
    model = "python:tests.support.tiny_networks:network"
    with pytest.raises(ModelError, match="`network` does not return probabilities: its outputs are from -") as caught:
        run_audit(replace(config, model=model, outputs="probabilities"))
    assert caught.value.hint == "leave out `--outputs probabilities` if they are logits"


def two_outputs() -> nn.Module:
    """The same as `one_output` with its output z as logits (−z/2, z/2), written out."""
    made, one = network(classes=2), network(classes=1)[8]
    made[:6].load_state_dict(network(classes=1)[:6].state_dict())
    made[8].weight.data = torch.cat((-one.weight, one.weight)).detach() / 2
    made[8].bias.data = torch.cat((-one.bias, one.bias)).detach() / 2
    return made


@pytest.fixture
def two_folders(config: AuditConfig, tmp_path: Path) -> AuditConfig:
    """The settings with a data set of two class folders, each image with the place of its square."""
    assert config.data is not None
    rows = (line.split(",", 1) for line in config.data.read_text().splitlines()[1:])
    boxes = {name: rest for name, rest in rows if not name.startswith("green")}
    for name in boxes:
        place = tmp_path / "two" / name.partition("-")[0] / name
        place.parent.mkdir(parents=True, exist_ok=True)
        (config.data.parent / name).rename(place)
    lines = [f"{name.partition('-')[0]}/{name},{rest}" for name, rest in boxes.items()]
    table = tmp_path / "boxes.csv"
    table.write_text("\n".join(["path,label,x0,y0,x1,y1", *lines]))
    return replace(config, data=tmp_path / "two", annotations=table)


def test_binary_network_is_one_of_two_classes(two_folders: AuditConfig) -> None:
    made = [
        run_audit(
            replace(two_folders, model=f"python:{__name__}:{factory}", outputs=outputs, out=two_folders.out / factory)
        )
        for factory, outputs in (("one_output", "binary"), ("two_outputs", "classes"))
    ]
    (binary, plain) = (done.audit.main for done in made)
    assert list(binary.classes) == ["blue", "red"]
    assert binary.info.method == "cam"
    for name in ("logits", "cam/class", "cam/map"):
        np.testing.assert_allclose(binary.table[name][:], plain.table[name][:], atol=1e-5)
    assert binary.localization_study is not None
    assert plain.localization_study is not None
    (ours, theirs) = (done.metrics["models"][0] for done in made)
    assert ours["classification"] == theirs["classification"]
    for result in (ours, theirs):
        del result["localization"]["controls"]["random_weights"]  # drawn for other parameters
    assert ours["localization"] == theirs["localization"]


def test_fitted_head_ignores_the_outputs_of_the_own_one(two_folders: AuditConfig) -> None:
    done = run_audit(
        replace(two_folders, model=f"python:{__name__}:softmax", outputs="binary", head="gap", select="none")
    )
    assert done.metrics["models"][0]["head"] == "gap"


@pytest.mark.parametrize("factory", ["one_output", "softmax", "infinite_head"])
def test_own_head_does_not_matter_where_a_head_is_fitted(factory: str, config: AuditConfig) -> None:
    done = run_audit(replace(config, model=f"python:{__name__}:{factory}", head="gap"))
    assert done.metrics["models"][0]["head"] == "gap"
