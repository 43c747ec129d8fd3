"""Networks of timm and Hugging Face, with the preprocessing and class names that they state."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from reportgen.config import AuditConfig
from reportgen.errors import ConfigError, ModelError
from reportgen.models.from_module import classifier_from_module
from reportgen.models.sources import load_classifier

NAMES = ("cat", "dog", "owl")


def images(shape: tuple[int, ...], count: int = 2) -> Tensor:
    return torch.randn(count, *shape[1:], generator=torch.Generator().manual_seed(0))


def test_network_of_timm_has_its_preprocessing_and_class_names() -> None:
    timm = pytest.importorskip("timm")
    classifier = load_classifier(AuditConfig(model="timm:test_efficientnet", weights="random"))
    cfg = timm.get_pretrained_cfg("test_efficientnet")
    p = classifier.preprocessing
    assert (p.input_shape[1:], p.mean, p.std, p.interpolation) == (cfg.input_size, cfg.mean, cfg.std, cfg.interpolation)
    assert classifier.class_names.names[1] == "goldfish"
    assert classifier.method == "cam"
    torch.manual_seed(0)
    module = timm.create_model("test_efficientnet").eval()
    with torch.inference_mode():
        expected = module(images(p.input_shape))
        torch.testing.assert_close(classifier.head(classifier.trunk(images(p.input_shape))), expected)


def test_weights_of_timm_come_from_a_file_with_its_number_of_classes(tmp_path: Path) -> None:
    timm = pytest.importorskip("timm")
    module = timm.create_model("test_resnet", num_classes=7).eval()
    torch.save({"state_dict_ema": module.state_dict()}, tmp_path / "best.pth.tar")
    config = AuditConfig(model="timm:test_resnet", weights=str(tmp_path / "best.pth.tar"))
    classifier = load_classifier(config)
    assert classifier.source == "timm:test_resnet, best.pth.tar: EMA weights"
    assert len(classifier.class_names.names) == 7
    x = images(classifier.preprocessing.input_shape)
    with torch.inference_mode():
        torch.testing.assert_close(classifier.head(classifier.trunk(x)), module(x))


def test_names_of_imagenet_21k_are_those_of_timm() -> None:
    timm = pytest.importorskip("timm")
    from reportgen.models.sources.timm_source import _class_names

    module = timm.create_model("test_resnet", num_classes=11821)
    names = _class_names(module, is_published=True)
    assert names is not None
    assert names.wnids is not None
    assert (len(names.names), names.index("benthos"), names.wnids[1]) == (11821, 0, "n00006484")
    assert _class_names(module, is_published=False) is None


@pytest.mark.parametrize(
    ("model", "weights", "message", "hint"),
    [
        ("timm:resnet5O", "random", "timm has no network `resnet5O`", "did you mean `resnet50`"),
        ("timm:resnet18", "IMAGENET1K_V1", "has no weights `IMAGENET1K_V1`", "name them as timm does"),
        ("hf:microsoft/resnet-50", "main", "has no weights `main`", "a revision is not one"),
        ("hf:missing/folder", "DEFAULT", "`hf:missing/folder` could not be loaded", "`save_pretrained` wrote"),
        ("timm:local-dir:missing", "DEFAULT", "`timm:local-dir:missing` could not be loaded", "--weights FILE"),
        ("keras:resnet50", "DEFAULT", "unknown model `keras:resnet50`", "`timm:NAME`, `hf:NAME`"),
    ],
)
def test_source_that_cannot_be_loaded_has_one_clear_line(
    model: str, weights: str, message: str, hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip(model.split(":")[0].replace("hf", "transformers").replace("keras", "timm"))
    monkeypatch.setattr(pytest.importorskip("huggingface_hub.constants"), "HF_HUB_OFFLINE", True)  # no retries
    with pytest.raises((ConfigError, ModelError), match=message) as caught:
        load_classifier(AuditConfig(model=model, weights=weights))
    assert hint in str(caught.value.hint)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("model", "package"), [("timm:resnet18", "timm"), ("hf:a/b", "transformers")])
def test_source_without_its_package_names_the_extra(model: str, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, package, None)
    with pytest.raises(ConfigError, match=f"needs {package}") as caught:
        load_classifier(AuditConfig(model=model))
    assert caught.value.hint == f"pip install 'reportgen[{package}]'"


@pytest.fixture
def saved(tmp_path: Path) -> tuple[Path, nn.Module]:
    """A small ResNet of transformers as `save_pretrained` writes it, with its image processor and class names."""
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(1)
    config = transformers.ResNetConfig(
        embedding_size=8,
        hidden_sizes=[8, 12],
        depths=[1, 1],
        layer_type="basic",
        id2label={0: "cat", 1: "dog", 2: "owl"},
    )
    module = transformers.AutoModelForImageClassification.from_config(config).eval()
    module.save_pretrained(tmp_path)
    settings = {
        "image_processor_type": "ViTImageProcessor", "size": {"height": 48, "width": 64}, "resample": 3,
        "do_resize": True, "do_normalize": True, "image_mean": [0.5, 0.4, 0.3], "image_std": [0.2, 0.3, 0.4],
    }  # fmt: skip
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(settings))
    return tmp_path, module


@torch.inference_mode()
def test_network_of_transformers_has_its_processor_and_class_names(saved: tuple[Path, nn.Module]) -> None:
    folder, module = saved
    classifier = load_classifier(AuditConfig(model=f"hf:{folder}"))
    p = classifier.preprocessing
    assert (p.input_shape, p.mean, p.std) == ((1, 3, 48, 64), (0.5, 0.4, 0.3), (0.2, 0.3, 0.4))
    assert p.interpolation == "bicubic"
    assert classifier.class_names.names == NAMES
    assert (classifier.name, classifier.method) == (folder.name, "cam")
    x = images(p.input_shape)
    torch.testing.assert_close(classifier.head(classifier.trunk(x)), module(x).logits)


def test_random_weights_of_transformers_keep_the_processor(saved: tuple[Path, nn.Module]) -> None:
    folder, module = saved
    classifier = load_classifier(AuditConfig(model=f"hf:{folder}", weights="random"))
    assert classifier.preprocessing.input_shape == (1, 3, 48, 64)
    with torch.inference_mode():
        x = images(classifier.preprocessing.input_shape)
        assert not torch.allclose(classifier.head(classifier.trunk(x)), module(x).logits)


class Returns(nn.Module):
    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind, self.conv, self.fc = kind, nn.Conv2d(3, 6, 3), nn.Linear(6, 4)
        self.other = nn.Linear(6, 9)

    def forward(self, x: Tensor) -> object:
        maps = self.conv(x)
        pooled = maps.mean((2, 3))
        logits = self.fc(pooled)
        return {
            "tuple": (logits, maps),
            "list": [logits, self.other(pooled)],
            "dict": {"features": maps, "logits": logits},
            "first": {"out": logits, "aux": self.other(pooled)},
            "nested": ((logits, None), {"maps": maps}),
        }[self.kind]


@pytest.mark.parametrize("kind", ["tuple", "list", "dict", "first", "nested"])
def test_logits_are_taken_from_what_a_module_returns(kind: str) -> None:
    network = Returns(kind).eval()
    classifier = classifier_from_module(network, "network")
    assert classifier.method == "cam"
    with torch.inference_mode():
        x = torch.randn(2, 3, 224, 224)
        torch.testing.assert_close(classifier.head(classifier.trunk(x)), network.fc(network.conv(x).mean((2, 3))))
