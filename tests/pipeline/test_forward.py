"""The forward pass equals the plain network; memory, precision and threads."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reportgen.audit.model_info import PrecisionAgreement
from reportgen.config import AuditConfig
from reportgen.errors import ModelError
from reportgen.models.classifier import Classifier, Preprocessing
from reportgen.models.folding import fold
from reportgen.models.from_module import classifier_from_module
from reportgen.models.inference import eval_mode, native_precision, out_of_memory_as_error
from reportgen.models.layers import find_layers, with_intermediates
from reportgen.pipeline.forward import ForwardPass, prefetched
from reportgen.pipeline.precision import is_sufficient, measure_agreement
from reportgen.pipeline.run import run_audit
from reportgen.store.shard import Shard, write_shard
from tests.support.html import read_html
from tests.support.square_images import squares
from tests.support.tiny_networks import TINY_NETWORK


class Blocks(nn.Module):
    """Convolutions with batch normalisation, one used twice, a branch, and a head of one or two linear layers."""

    def __init__(self, hidden: bool = False) -> None:
        super().__init__()
        self.conv1, self.bn1, self.relu = nn.Conv2d(3, 8, 3, 2, bias=False), nn.BatchNorm2d(8), nn.ReLU(inplace=True)
        self.conv2, self.bn2 = nn.Conv2d(8, 8, 3, 1, 1), nn.BatchNorm2d(8)
        self.conv3, self.bn3 = nn.Conv2d(8, 12, 3, 2), nn.BatchNorm2d(12)
        self.tail = nn.Sequential(nn.Linear(12, 9), nn.Tanh(), nn.Linear(9, 7)) if hidden else nn.Linear(12, 7)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.conv2(x) + self.bn2(self.conv2(x))  # must stay apart
        x = self.relu(self.bn3(self.conv3(x)))
        return self.tail(F.adaptive_avg_pool2d(x, 1).flatten(1))


def made(hidden: bool = False) -> tuple[Blocks, Classifier]:
    torch.manual_seed(0)
    network = Blocks(hidden).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean), nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.uniform_(module.weight, -1, 1), nn.init.uniform_(module.bias)
    return network, classifier_from_module(network, "blocks", preprocessing=Preprocessing(size=32, resize_size=36))


@pytest.fixture
def pixels() -> Tensor:
    return torch.randint(0, 256, (5, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(2))


LABELS = [3, None, 0, 6, 1]


@pytest.mark.parametrize("hidden", [False, True])
def test_forward_pass_equals_the_plain_network(hidden, pixels) -> None:
    network, classifier = made(hidden)
    run = ForwardPass(classifier, ["relu", "bn1", "conv3"], store_feature_maps=True)
    stored = run(pixels, LABELS)
    seen: dict[str, Tensor] = {}
    hooks = [
        module.register_forward_hook(lambda m, i, output, name=name: seen.update({name: output.clone()}))
        for name, module in network.named_modules()
        if name in ("bn1", "conv3", "relu")
    ]
    with torch.no_grad():
        logits = network(classifier.preprocessing.normalize(pixels))
    for hook in hooks:
        hook.remove()
    close = {"rtol": 1e-4, "atol": 1e-5}
    torch.testing.assert_close(stored["logits"], logits, **close)
    maps = seen["relu"]  # its last use
    torch.testing.assert_close(stored["maps"], maps, **close)
    torch.testing.assert_close(stored["features/gap"], maps.mean((2, 3)), **close)
    torch.testing.assert_close(stored["features/gmp"], maps.amax((2, 3)), **close)
    for name in ("bn1", "conv3"):
        torch.testing.assert_close(stored[f"units/{name}/max"], seen[name].amax((2, 3)), **close)
        at = stored[f"units/{name}/where"].long()[:, :, None]
        torch.testing.assert_close(seen[name].flatten(2).gather(2, at)[:, :, 0], seen[name].amax((2, 3)), **close)
    for name, maxima in run.maxima(pixels).items():
        torch.testing.assert_close(maxima, seen[name].amax((2, 3)), **close)
    assert run.layers == ["bn1", "conv3", "relu"] == list(run.maxima(pixels))
    assert run.aliases["units/relu/max"] == "features/gmp"
    if hidden:
        code = torch.tanh(network.tail[0](maps.mean((2, 3))))
        torch.testing.assert_close(stored["features/code"], code, **close)
        assert "features/code" not in run.aliases
    else:
        assert run.aliases["features/code"] == "features/gap"
    assert stored["cam/class"][:, -1].tolist() == [-1 if y is None else y for y in LABELS]
    assert not stored["cam/map"][1, -1].any()


def test_folding_changes_neither_the_network_nor_recorded_layers() -> None:
    network, classifier = made()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    trunk = fold(with_intermediates(classifier.trunk, [find_layers(classifier.trunk, classifier.head)[0].node], len))
    left = [str(node.target) for node in trunk.graph.nodes if node.op == "call_module" and "bn" in str(node.target)]
    assert left == ["bn1"]  # conv1 is recorded; conv2 is called twice, and each call has weights of its own
    ForwardPass(classifier)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_batch_is_halved_until_it_fits_memory(pixels, monkeypatch) -> None:
    _, classifier = made()
    whole = ForwardPass(classifier)(pixels, LABELS)
    run, sizes, once = ForwardPass(classifier), [], ForwardPass._forward

    def small(self: ForwardPass, part: Tensor, labels: list) -> dict[str, Tensor]:
        sizes.append(len(part))
        if len(part) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return once(self, part, labels)

    monkeypatch.setattr(ForwardPass, "_forward", small)
    parts = run(pixels, LABELS)
    assert sizes == [5, 2, 1, 1, 1, 1, 1]
    for name, value in whole.items():
        torch.testing.assert_close(parts[name], value, rtol=1e-4, atol=1e-5)
    sizes.clear()
    run(pixels, LABELS)
    assert sizes == [1] * 5  # it remembers

    def never(self: ForwardPass, part: Tensor, labels: list) -> dict[str, Tensor]:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(ForwardPass, "_forward", never)
    with pytest.raises(ModelError, match="not even one image"):
        run(pixels, LABELS)
    with pytest.raises(ModelError, match="memory is too small") as caught, out_of_memory_as_error():
        raise torch.OutOfMemoryError("CUDA out of memory")
    assert "--device cpu" in str(caught.value.hint)


def test_eval_mode_is_undone_and_no_hook_is_left_after_an_exception(pixels) -> None:
    network, classifier = made()
    classifier.trunk.train()
    run = ForwardPass(classifier)
    with pytest.raises(RuntimeError), eval_mode(classifier):
        run(pixels[:, :2], LABELS)
    with eval_mode(classifier):
        assert not classifier.trunk.training
    assert classifier.trunk.training
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in network.modules())


def test_prefetched_items_and_errors_come_in_order() -> None:
    def items():
        yield 1
        yield 2
        raise ValueError("three")

    coming = prefetched(items())
    assert [next(coming), next(coming)] == [1, 2]
    with pytest.raises(ValueError, match="three"):
        next(coming)


def test_precision_agreement_compares_low_precision_with_float32(pixels) -> None:
    _, classifier = made()
    full, low = ForwardPass(classifier), ForwardPass(classifier, precision="bf16")
    agreement = measure_agreement(low, full, [pixels[:3], pixels[3:]])
    a, b = (np.asarray(p(pixels, [None] * 5)["features/gap"], np.float64) for p in (low, full))
    cosine = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    assert agreement.cosine == pytest.approx(cosine.min(), abs=1e-4)
    assert agreement.images == 5
    assert low(pixels, LABELS)["logits"].dtype == torch.float32
    assert 0 < np.abs(a - b).max() < 0.05


@pytest.mark.parametrize(
    ("top1", "cosine", "enough"),
    [(0.995, 0.999, True), (0.994, 1, False), (1, 0.998, False), (float("nan"), 1, False), (1, float("nan"), False)],
)
def test_low_precision_needs_both_agreements(top1, cosine, enough) -> None:
    assert is_sufficient(PrecisionAgreement("bf16", 1000, top1, cosine)) is enough


def test_native_precision_follows_the_hardware(monkeypatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": True})
    assert native_precision(torch.device("cpu")) == "bf16"
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    assert native_precision(torch.device("cpu")) is None
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (7, 5))
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: False)
    assert native_precision(torch.device("cuda")) == "fp16"


def test_auto_precision_is_tried_once_and_shown(tmp_path: Path, monkeypatch) -> None:
    table = squares(tmp_path / "data", each=2)
    config = AuditConfig(
        data=table,
        classes=table.parent / "classes.txt",
        model=TINY_NETWORK,
        select="none",
        device="cpu",
        out=tmp_path / "out",
        batch_size=4,
    )
    # whatever this processor has
    monkeypatch.setattr("reportgen.pipeline.precision.native_precision", lambda device: None)
    plain = run_audit(config)
    assert plain.audit.main.info.precision == "fp32"
    monkeypatch.setattr("reportgen.pipeline.precision.native_precision", lambda device: "bf16")
    tried = run_audit(config)
    agreement = tried.audit.main.info.precision_agreement
    assert agreement is not None
    assert (agreement.precision, agreement.images) == ("bf16", 6)
    assert tried.audit.main.info.precision == ("bf16" if is_sufficient(agreement) else "fp32")
    assert "on 6 images, bf16 and float32 predicted" in read_html(tmp_path / "out" / "site" / "provenance.html")
    monkeypatch.setattr("reportgen.pipeline.precision.measure_agreement", None)  # not called again
    again = run_audit(config)
    assert (again.computed, again.audit.main.info.precision) == (0, tried.audit.main.info.precision)
    assert again.audit.main.info.precision_agreement == agreement
    (path,) = (tmp_path / "out" / "cache").glob("precision-*.npz")
    stored = Shard(path)
    arrays = {name: np.array(stored[name]) for name in stored.names()}
    write_shard(path, arrays | {"cosine": np.array(0.5)}, {"inputs": stored.attributes["inputs"]})
    assert run_audit(config).audit.main.info.precision == "fp32"
    asked = run_audit(replace(config, precision="bf16", store_feature_maps="auto"))
    assert asked.audit.main.info.precision == "bf16"
    assert asked.audit.main.table["maps"].shape[1:] == asked.audit.main.info.feature_shape
