"""Weights in the forms that people have them: read to the same logits, or refused with one clear line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
import torchvision
from torch import nn

from reportgen.config import AuditConfig
from reportgen.config_file import read_config
from reportgen.errors import ConfigError, ModelError, ReportgenError
from reportgen.models.checkpoints import read_checkpoint, weights_path
from reportgen.models.classifier import Classifier
from reportgen.models.sources import load_classifier
from reportgen.models.weights import load_weights
from tests.support.checkpoint_builders import network, saved, with_prefix
from tests.support.checkpoint_forms import REFUSED, TAKEN

NETWORK = "python:tests.support.checkpoint_builders:network"
"""The setting `model` of `network`."""
ROUNDED = {"float16": torch.float16, "bfloat16": torch.bfloat16}
NOTES = {
    "state dict .pth": "last.pth",
    "entry model": "last.pth",
    "entry ema.shadow": "last.pth: EMA weights",
    "entry teacher": "last.pth: entry “teacher”",
    "averaged weights beside plain ones": "last.pth: EMA weights",
    "averaged weights without buffers": "last.pth: not the EMA weights, which do not match",
    "number instead of averaged weights": "last.pth",
    "prefix module._orig_mod.": "last.ckpt: prefix “module._orig_mod.” removed",
    "Lightning with a criterion and a metric": (
        "last.ckpt: prefix “model.” removed, left out: criterion.weight, train_acc.confmat"
    ),
    "Lightning with averaged weights": (
        "last.ckpt: EMA weights, prefix “ema.module.” removed, "
        "left out: model.conv.weight, model.bn.weight, model.bn.bias and 5 more"
    ),
    "Lightning with a callback for averaged weights": "last.ckpt: EMA weights",
    "AveragedModel": "swa.pt: prefix “module.” removed, left out: n_averaged",
    "without num_batches_tracked": "last.pth",
}
"""What is said about some of the forms."""
MESSAGES = {
    "TorchScript": "it is a TorchScript archive, which holds code",
    "exported program": "it is an exported program of torch.export",
    "ONNX": "it is an ONNX model",
    "ONNX named .pth": "it is an ONNX model",
    "pickled module": "it has a pickled object (`torch.nn.modules.container.Sequential`), which needs its code",
    "pickled module as an entry": "it has a pickled object (`torch.nn.modules.container.Sequential`), which needs",
    "HDF5": "it is an HDF5 file, as Keras and TensorFlow write",
    "Keras": "it is a Keras model",
    "TensorFlow Lite": "it is a TensorFlow Lite model",
    "TensorFlow SavedModel": "` has no file of weights",
    "pickle of scikit-learn": "it is a Python pickle of scikit-learn",
    "pickle of arrays": "it is a Python pickle that torch.save did not write",
    "Git LFS pointer": "it is a Git LFS pointer",
    "HTML page": "it is a web page (HTML)",
    "empty file": "it is empty",
    "text": "it is neither a PyTorch nor a safetensors file",
    "truncated torch file": "its end is missing",
    "truncated legacy file": "the file is damaged or incomplete",
    "truncated safetensors": "the file is damaged or incomplete",
    "gzip": "it is an archive",
    "zip": "it is a zip archive",
    "tar": "it is an archive",
    "pickle protocol 5": "it was saved with pickle protocol 5",
    "folder without weights": "` has no file of weights",
    "folder with two files": "` has 2 files of weights: `epoch_1.pth`, `epoch_2.pth`",
    "distributed checkpoint": "is a distributed checkpoint",
    "index without one of its files": "of which `model-00002-of-00002.safetensors` is missing",
    "no file": "no such file",
    "list": "is not a state dict but a list",
    "optimizer": "is not a state dict but a dict with keys `optimizer`, `epoch`",
    "other network": (
        "7 keys are missing (`conv.weight`, `bn.weight`, `bn.bias` and 4 more), "
        "7 keys are unexpected (`layer1.conv.weight`, `layer1.bn.weight`, `layer1.bn.bias` and 4 more)"
    ),
    "one layer less": "does not match the network: 2 keys are missing (`fc.weight`, `fc.bias`)",
    "other number of classes": "`fc.weight` is 7 × 4, the network's is 3 × 4 (and 1 more)",
    "quantized weights": "its tensors are of type float32, int64, qint8",
}


def load(path: Path) -> tuple[nn.Module, str]:
    """A network of other weights after the file was loaded into it, and what is said about it."""
    module = network(1)
    return module, load_weights(module, read_checkpoint(path))


def expect(module: nn.Module, other: nn.Module) -> None:
    """The same logits, to the bit, for random images."""
    images = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.equal(module(images), other(images))


@pytest.mark.parametrize("form", TAKEN)
def test_weights_of_every_form_give_the_same_logits(tmp_path: Path, form: str) -> None:
    original = network()
    path = TAKEN[form](tmp_path, original)
    assert weights_path(str(path)) == path
    loaded, note = load(path)
    if form in ROUNDED:
        original.to(ROUNDED[form]).float()
    expect(loaded, original)
    assert note == NOTES.get(form, note)


@pytest.mark.filterwarnings("ignore:`?torch")  # jit and quantization are deprecated, but their files exist
@pytest.mark.parametrize("form", REFUSED)
def test_other_forms_are_refused_in_one_line_with_a_way_out(tmp_path: Path, form: str) -> None:
    path = REFUSED[form](tmp_path, network())
    with pytest.raises(ModelError) as caught:
        load(weights_path(str(path)) or path)
    assert MESSAGES[form] in str(caught.value)
    assert str(path) in str(caught.value)
    for line in (str(caught.value), str(caught.value.hint)):
        assert line.isprintable()
    assert caught.value.hint


def test_network_may_be_a_part_of_the_module(tmp_path: Path) -> None:
    original = network()
    for form, note in (
        ("state dict .pth", "last.pth: prefix “inner.net.” added"),
        ("prefix module.", "last.ckpt: prefix “module.” removed, prefix “inner.net.” added"),
    ):
        module = nn.ModuleDict({"inner": nn.ModuleDict({"net": network(1)})})
        assert load_weights(module, read_checkpoint(TAKEN[form](tmp_path, original))) == note
        expect(module.get_submodule("inner.net"), original)


def test_published_files_of_densenet_are_read(tmp_path: Path) -> None:
    torch.manual_seed(0)
    options = {"growth_rate": 4, "block_config": (2, 2), "num_init_features": 8, "num_classes": 3}
    original, other = (torchvision.models.DenseNet(**options).eval() for _ in range(2))
    old_name = re.compile(r"(denselayer\d+\.(?:norm|conv))([12])")
    state = {old_name.sub(r"\1.\2", key): value for key, value in original.state_dict().items()}
    assert "features.denseblock1.denselayer2.norm.1.running_mean" in state
    torch.save(state, tmp_path / "densenet121-a639ec97.pth")
    assert load_weights(other, read_checkpoint(tmp_path / "densenet121-a639ec97.pth")) == "densenet121-a639ec97.pth"
    expect(other, original)


def test_way_out_of_a_pickled_module_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = network()
    path = REFUSED["pickled module as an entry"](tmp_path, original)
    with pytest.raises(ModelError) as caught:
        read_checkpoint(path)
    monkeypatch.chdir(tmp_path)
    exec(str(caught.value.hint).split(": ", 1)[1], {"torch": torch, "FILE": path})
    expect(load(tmp_path / "weights.pth")[0], original.half().float())


# -------------------------------------------------------------------------------------------------- in settings


def classifier(model: str, weights: object) -> Classifier:
    return load_classifier(AuditConfig(model=model, weights=str(weights)))


@pytest.mark.parametrize("prefix", ["", "model.", "module._orig_mod."])
def test_number_of_classes_follows_the_file(tmp_path: Path, prefix: str) -> None:
    torch.manual_seed(3)
    original = torchvision.models.shufflenet_v2_x0_5(num_classes=7).eval()
    torch.save({"model_ema": with_prefix(prefix, original.state_dict())}, tmp_path / "best.ckpt")
    found = classifier("torchvision:shufflenet_v2_x0_5", tmp_path / "best.ckpt")
    assert len(found.class_names.names) == 7
    assert found.source.startswith("shufflenet_v2_x0_5, best.ckpt: EMA weights")
    images = torch.randn(2, 3, 224, 224)
    with torch.inference_mode():
        torch.testing.assert_close(found.head(found.trunk(images)), original(images))


def test_weights_are_loaded_into_the_module_of_a_factory(tmp_path: Path) -> None:
    original = network(4)
    path = saved("best", lambda state: {"model": with_prefix("module.", state)})(tmp_path, original)
    found = classifier(NETWORK, path)
    assert found.original is not None
    expect(found.original, original)
    assert found.source == f"{NETWORK}, best: prefix “module.” removed"
    as_made = classifier(NETWORK, "DEFAULT")
    assert as_made.original is not None
    expect(as_made.original, network())
    assert as_made.source == NETWORK


@pytest.mark.parametrize(
    ("model", "weights", "message"),
    [
        (NETWORK, "random", "has no weights `random`"),
        (NETWORK, "IMAGENET1K_V1", "has no weights `IMAGENET1K_V1`"),
        (NETWORK, "missing.ckpt", "`missing.ckpt`: no such file"),
        (NETWORK, "runs/last", "`runs/last`: no such file"),
        ("demo", "random", "`demo` has weights of its own"),
        ("demo", "best.pth", "`demo` has weights of its own"),
        ("cam:alexnet-gap", "DEFAULT", "has no published weights"),
        ("cam:alexnet-gap", "missing.pth.tar", "`missing.pth.tar`: no such file"),
        ("torchvision:resnet18", "missing.pth.tar", "`missing.pth.tar`: no such file"),
        ("torchvision:resnet18", "IMAGENET", "`resnet18` has no weights `IMAGENET`"),
    ],
)
def test_weights_that_a_source_does_not_have_are_refused(model: str, weights: str, message: str) -> None:
    with pytest.raises(ReportgenError) as caught:
        classifier(model, weights)
    assert message in str(caught.value)
    assert caught.value.hint


def test_classifier_of_a_factory_takes_no_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "with_classifier.py").write_text(
        "from reportgen.models.from_module import classifier_from_module\n"
        "from tests.support.checkpoint_builders import network\n"
        "def make(): return classifier_from_module(network(), 'mine')\n"
    )
    path = saved("best.pth")(tmp_path, network())
    with pytest.raises(ConfigError, match="returns a Classifier, which has its weights"):
        classifier("python:with_classifier:make", path)


def test_weights_in_a_settings_file_are_relative_to_it(tmp_path: Path) -> None:
    for weights, expected in (("best", "best"), ("sharded", "sharded"), ("random", None), ("DEFAULT", None)):
        (tmp_path / "best").touch()
        for folder in ("sharded", "random"):
            (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / "audit.toml").write_text(f'weights = "{weights}"\n')
        found = read_config(tmp_path / "audit.toml").weights
        assert found == (str(tmp_path / expected) if expected else weights)
