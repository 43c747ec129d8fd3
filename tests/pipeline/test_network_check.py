"""Before a run, the forward pass is compared with the untouched module on images of the data set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reportgen.config import AuditConfig
from reportgen.errors import ModelError
from reportgen.models.classifier import Preprocessing
from reportgen.models.divergence import relative_difference
from reportgen.models.from_module import classifier_from_module
from reportgen.pipeline.forward import ForwardPass
from reportgen.pipeline.network_check import compare_with_original, effective_precision
from reportgen.pipeline.run import run_audit
from tests.support.jobs import inputs_of
from tests.support.square_images import squares
from tests.support.tiny_networks import network


class LostStatement(nn.Module):
    """`y += 1` changes `x` too, which `torch.fx` does not record."""

    def __init__(self) -> None:
        super().__init__()
        self.before, self.after = network()[:2], network()[2:]

    def forward(self, x: Tensor) -> Tensor:
        x = self.before(x)
        y = x
        y += 1
        return self.after(x)


def lost_statement() -> nn.Module:
    return LostStatement()


class OneImage(nn.Module):
    """Its head takes one image at a time."""

    def __init__(self, *hidden: nn.Module) -> None:
        super().__init__()
        self.maps, self.fc = network()[:6], nn.Sequential(*hidden, network()[8])

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.maps(x).mean((2, 3)).view(1, 16))


def one_image_at_a_time() -> nn.Module:
    return OneImage()


def one_image_and_a_hidden_layer() -> nn.Module:
    return OneImage(nn.Linear(16, 16))


@pytest.fixture
def config(tmp_path: Path) -> Callable[[str], AuditConfig]:
    def make(factory: str) -> AuditConfig:
        table = squares(tmp_path / "data", each=2)
        return AuditConfig(
            data=table,
            classes=table.parent / "classes.txt",
            model=f"python:{factory}",
            select="none",
            device="cpu",
            precision="fp32",
            out=tmp_path / "out",
        )

    return make


def test_network_that_the_cut_changes_is_refused_with_size_and_place(config) -> None:
    with pytest.raises(ModelError) as caught:
        run_audit(config(f"{__name__}:lost_statement"))
    message, hint = str(caught.value), caught.value.hint
    assert message.startswith(
        "cut into trunk and head, `lost_statement` gives other logits than the module itself, by "
    )
    assert message.endswith("times the standard deviation of the logits (tolerance 0.01); the first layer that differs "
                            "is `after.2`")  # fmt: skip
    assert "\n" not in message
    assert "--layer or --head" in hint
    assert not list((config("").out / "cache").glob("*/[0-9]*.npz"))


@pytest.mark.parametrize("factory", ["one_image_at_a_time", "one_image_and_a_hidden_layer"])
def test_network_that_takes_one_image_at_a_time_is_refused(factory: str, config, capfd) -> None:
    with pytest.raises(ModelError, match=r"does not run on a batch of [24] images .shape") as caught:
        run_audit(config(f"{__name__}:{factory}"))
    assert caught.value.hint == "its `forward` must accept any number of images"
    assert not capfd.readouterr().err


def test_network_is_checked_once_and_fitted_heads_too(config, monkeypatch) -> None:
    calls = []

    def counted(forward: ForwardPass, original: nn.Module, pixels: Tensor) -> None:
        calls.append(forward.precision)
        compare_with_original(forward, original, pixels)

    monkeypatch.setattr("reportgen.pipeline.network_check.compare_with_original", counted)
    plain = config("tests.support.tiny_networks:network")
    inputs_of(plain)
    inputs_of(plain)
    assert calls == ["fp32"]
    inputs_of(replace(plain, head="gap", precision="bf16", classes=None))
    assert calls == ["fp32", "bf16"]


PIXELS = torch.randint(0, 256, (4, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(2))


class Deep(nn.Module):
    """Convolutions that folding changes."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.norm, self.relu = nn.Conv2d(3, 8, 3, 2, bias=False), nn.BatchNorm2d(8), nn.ReLU()
        self.last = nn.Conv2d(8, 8, 3, 2)
        self.fc = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(F.adaptive_avg_pool2d(self.last(self.relu(self.norm(self.conv(x)))), 1).flatten(1))


def test_error_of_folding_is_found(monkeypatch) -> None:
    module = Deep().eval()
    classifier = classifier_from_module(module, "deep", preprocessing=Preprocessing(size=64))
    with torch.no_grad():
        compare_with_original(ForwardPass(classifier), module, PIXELS)
        monkeypatch.setattr("reportgen.models.folding.fuse_conv_bn_eval", lambda conv, norm: conv)
        module.norm.running_mean += 1
        with pytest.raises(ModelError, match=r"tolerance 0\.01\); before folding, no layer differs"):
            compare_with_original(ForwardPass(classifier), module, PIXELS)


def test_low_precision_that_overflows_is_refused() -> None:
    module = Deep().eval()
    classifier = classifier_from_module(module, "deep", preprocessing=Preprocessing(size=64))
    with torch.no_grad():
        compare_with_original(ForwardPass(classifier, precision="fp16"), module, PIXELS)
        module.norm.weight *= 1e6
        module.norm.bias += 1e6
        with pytest.raises(ModelError, match="in fp16, the logits of `deep` differ from those in float32") as caught:
            compare_with_original(ForwardPass(classifier, precision="fp16"), module, PIXELS)
    assert caught.value.hint == "use --precision fp32"


def test_relative_difference_follows_its_definition() -> None:
    expected = torch.tensor([[1.0, 3.0], [5.0, -2.0]])
    found = expected + torch.tensor([[0.0, 0.3], [-0.1, 0.0]])
    spread = (sum((v - 1.75) ** 2 for v in (1, 3, 5, -2)) / 4) ** 0.5
    assert relative_difference(found, expected) == pytest.approx(0.3 / spread, rel=1e-5)
    assert relative_difference(expected, expected) == 0
    assert relative_difference(found[:1], expected) == float("inf")
    assert relative_difference(torch.full((2, 2), torch.nan), expected) == float("inf")
    constant = torch.full((2, 2), 400.0)
    assert relative_difference(constant + 1e-3, constant) == 0  # rounding of equal logits, whose deviation is 0
    assert relative_difference(constant + 1, constant) == float("inf")
    partly = torch.tensor([[torch.nan, 1.0], [2.0, torch.inf]])
    assert relative_difference(partly, partly) == 0


def test_float32_is_tensor_float_on_cuda_alone() -> None:
    cpu, cuda = torch.device("cpu"), torch.device("cuda", 1)
    assert [effective_precision("fp32", device) for device in (cpu, cuda)] == ["fp32", "tf32"]
    assert [effective_precision("bf16", device) for device in (cpu, cuda)] == ["bf16", "bf16"]
