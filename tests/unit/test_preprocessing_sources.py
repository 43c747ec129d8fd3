"""The preprocessing that networks carry equals that of the libraries that made them, pixel by pixel."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from torch import Tensor, nn

from reportgen.config import AuditConfig
from reportgen.errors import ConfigError, ModelError
from reportgen.models.classifier import Preprocessing
from reportgen.models.preprocessing_sources import from_torchvision, preprocessing_for, preprocessing_of, with_settings
from reportgen.models.sources import load_classifier
from reportgen.pipeline.image_loader import network_input

SIZES = [(500, 375), (333, 501), (257, 256), (1203, 91), (21, 32)]
"""Photographs in both orientations, nearly square, a panorama, and smaller than any input."""


@cache
def photo(width: int, height: int) -> Image.Image:
    """Smooth colours and much noise, so that a shift by a pixel shows."""
    y, x = np.mgrid[:height, :width]
    waves = np.stack([np.sin(x / 17 + k) + np.cos(y / 11 - k) for k in range(3)], 2)
    noise = np.random.default_rng(width).normal(0, 30, (height, width, 3))
    return Image.fromarray((128 + 40 * waves + noise).clip(0, 255).astype(np.uint8))


def prepared(image: Image.Image, p: Preprocessing) -> Tensor:
    """The network's input `(C, H, W)` with `resize = crop`, as the pipeline computes it."""
    pixels = np.atleast_3d(np.asarray(network_input(image, p, "crop"))).transpose(2, 0, 1)
    return p.normalize(torch.from_numpy(pixels.copy())[None])[0]


def assert_equal_inputs(p: Preprocessing, reference: Any, sizes: Sequence[tuple[int, int]] = SIZES) -> None:
    """Within the rounding of float32: another value of a pixel would differ by more than 1/255."""
    for size in sizes:
        image = photo(*size)
        torch.testing.assert_close(prepared(image, p), torch.as_tensor(reference(image)), rtol=1e-5, atol=1e-5)


class Carrier(nn.Module):
    """A network whose attributes are given."""

    def __init__(self, channels: int = 3, **attributes: Any) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(channels, 8, 3, 2), nn.ReLU())
        self.fc = nn.Linear(8, 3)
        for name, value in attributes.items():
            setattr(self, name, value)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.body(x).mean((2, 3)))


@pytest.mark.parametrize(
    "weights", ["ResNet18_Weights.DEFAULT", "ResNet50_Weights.IMAGENET1K_V2", "EfficientNet_B1_Weights.DEFAULT"]
)
def test_torchvision_weights_are_prepared_as_by_their_own_transforms(weights: str) -> None:
    known = torchvision.models.get_weight(weights)
    found = from_torchvision(known)
    assert weights.split(".")[0] in found.source
    assert_equal_inputs(found, known.transforms())


def timm_configs() -> list[dict[str, Any]]:
    """One for each combination of crop and interpolation in timm's registry, with inputs of at most 260 pixels."""
    timm = pytest.importorskip("timm")
    found = {}
    for name in timm.list_pretrained():
        cfg = timm.get_pretrained_cfg(name).to_dict()
        key = (cfg.get("crop_pct"), cfg.get("crop_mode"), cfg.get("interpolation"))
        if max(cfg["input_size"]) <= 260 and cfg.get("crop_mode") != "border":
            found.setdefault(key, cfg)
    assert len(found) > 10
    return list(found.values())


def test_timm_networks_are_prepared_as_by_timm() -> None:
    data = pytest.importorskip("timm.data")
    squashed = {"input_size": (3, 64, 64), "crop_mode": "squash", "crop_pct": 0.9, "interpolation": "lanczos"}
    wide = {"input_size": (3, 48, 96), "crop_pct": 0.87, "interpolation": "bilinear"}
    small = [squashed, wide, {"input_size": (3, 64, 64)}]
    for cfg, sizes in [*((cfg, SIZES) for cfg in small), *((cfg, SIZES[:2]) for cfg in timm_configs())]:
        found = preprocessing_of(Carrier(pretrained_cfg=cfg))
        assert found is not None
        assert_equal_inputs(found, data.create_transform(**data.resolve_data_config({}, pretrained_cfg=cfg)), sizes)


def test_timm_module_is_read_where_it_is_part_of_another() -> None:
    timm = pytest.importorskip("timm")
    module = timm.create_model("resnet10t", num_classes=3)
    found = preprocessing_of(nn.Sequential(nn.Identity(), module))
    assert found == preprocessing_of(module)
    assert (found.size, found.resize_size, found.interpolation) == (176, 201, "bicubic")
    assert found.source == "`pretrained_cfg` of its module `1` (timm)"


PROCESSORS = [
    ("ConvNext", {"size": {"shortest_edge": 224}}),
    ("ConvNext", {"size": {"shortest_edge": 96}, "crop_pct": 0.95, "resample": 1}),
    ("ConvNext", {"size": {"shortest_edge": 384}, "resample": 2}),
    ("ViT", {"size": {"height": 64, "width": 64}}),
    ("ViT", {"size": {"height": 48, "width": 80}, "resample": 0}),
    ("Bit", {"size": {"shortest_edge": 73}, "crop_size": {"height": 64, "width": 64}, "resample": 4}),
    ("Levit", {"size": {"shortest_edge": 96}, "crop_size": {"height": 96, "width": 96}}),
    ("PoolFormer", {"size": {"shortest_edge": 96}, "crop_size": {"height": 96, "width": 96}, "crop_pct": 0.9}),
    ("EfficientNet", {"size": {"height": 80, "width": 80}, "rescale_offset": True, "rescale_factor": 1 / 127.5}),
    ("EfficientNet", {"size": {"height": 80, "width": 80}, "do_center_crop": True, "crop_size": 65}),
    ("ViT", {"size": {"height": 64, "width": 64}, "do_normalize": False}),
    ("ViT", {"size": {"height": 64, "width": 64}, "do_rescale": False, "image_mean": [99.0] * 3}),
]


def processor(kind: str, settings: dict[str, Any]) -> Any:
    """One of Hugging Face's image processors that work with Pillow."""
    transformers = pytest.importorskip("transformers")
    return getattr(transformers, f"{kind}ImageProcessorPil")(**settings)


@pytest.mark.parametrize(("kind", "settings"), PROCESSORS)
def test_hugging_face_networks_are_prepared_as_by_their_image_processor(kind: str, settings: dict[str, Any]) -> None:
    own = processor(kind, settings)
    found = preprocessing_of(Carrier(image_processor=own))
    assert found is not None
    assert found == preprocessing_of(Carrier(), own)
    assert_equal_inputs(found, lambda image: own(image, return_tensors="np")["pixel_values"][0])


def test_image_processor_in_the_folder_of_the_weights_is_read(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    config = transformers.ResNetConfig(embedding_size=8, hidden_sizes=[8], depths=[1], layer_type="basic", num_labels=2)
    transformers.ResNetForImageClassification(config).save_pretrained(tmp_path)
    module = transformers.ResNetForImageClassification.from_pretrained(tmp_path)
    assert preprocessing_of(module) is None
    own = processor("ConvNext", {"size": {"shortest_edge": 64}, "image_mean": [0.1, 0.2, 0.3]})
    own.save_pretrained(tmp_path)
    found = preprocessing_of(nn.Sequential(module))
    assert (found.size, found.mean, found.interpolation) == (64, (0.1, 0.2, 0.3), "bicubic")
    assert "of its module `0`" in found.source


def test_hugging_face_network_without_an_image_processor_has_the_size_of_its_config() -> None:
    transformers = pytest.importorskip("transformers")
    config = transformers.SwinConfig(image_size=64, embed_dim=8, depths=[1], num_heads=[1], window_size=4)
    found = preprocessing_of(nn.Sequential(transformers.SwinForImageClassification(config)))
    assert (found.size, found.resize_size, found.mean) == (64, 73, Preprocessing().mean)
    assert "`image_size` of `config` of its module `0`" in found.source


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"pretrained_cfg": {"input_size": (3, 64, 64), "crop_mode": "border"}}, "crop_mode `border`"),
        ({"pretrained_cfg": {"input_size": 64}}, "is not understood"),
        ({"default_cfg": {"input_size": (3, 64, 64), "interpolation": "random"}}, "interpolation `random`"),
    ],
)
def test_steps_that_are_not_supported_are_refused(attributes: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        preprocessing_of(Carrier(**attributes))
    assert "_cfg` (timm)" in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"do_flip_channel_order": True}, "`do_flip_channel_order` of `ViTImageProcessor"),
        ({"size": {"shortest_edge": 64}}, "does not resize images to one size"),
        ({"do_resize": False}, "does not resize images to one size"),
    ],
)
def test_image_processors_that_are_not_supported_are_refused(settings: dict[str, Any], message: str) -> None:
    own = processor("ViT", {})
    for key, value in settings.items():
        setattr(own, key, value)
    with pytest.raises(ModelError, match=message):
        preprocessing_of(Carrier(), own)


def test_module_that_carries_nothing_gets_the_defaults() -> None:
    found = preprocessing_for(Carrier(default_cfg={"rate": 0.1}, image_processor=3), AuditConfig())
    assert found == Preprocessing()
    assert found.source == "the defaults of torchvision's ImageNet networks"


def test_settings_override_what_the_network_carries() -> None:
    carried = {"input_size": (3, 224, 224), "crop_pct": 0.95, "interpolation": "bicubic", "mean": (0.5,) * 3}
    config = AuditConfig(
        resize="crop", input_size=(96, 96), mean=(0.1, 0.2, 0.3), std=(0.25,), interpolation="lanczos", crop_pct=0.9
    )
    found = preprocessing_for(Carrier(pretrained_cfg=carried), config)
    assert found == Preprocessing(96, 106, (0.1, 0.2, 0.3), (0.25,) * 3, "lanczos")
    assert found.source.endswith("; `input_size`, `mean`, `std`, `interpolation`, `crop_pct` from the settings")
    kept = with_settings(Preprocessing(), AuditConfig(input_size=(448, 448)))
    assert (kept.size, kept.resize_size) == (448, 512)
    assert kept.source == "`input_size` from the settings"


def test_grey_networks_are_normalized_with_the_average_of_the_colours() -> None:
    found = preprocessing_for(Carrier(channels=1), AuditConfig(std=(0.5,)))
    assert (found.channels, found.std) == (1, (0.5,))
    assert found.mean == pytest.approx(((0.485 + 0.456 + 0.406) / 3,))
    assert preprocessing_for(Carrier(), AuditConfig(channels=1)).channels == 1
    with pytest.raises(ConfigError, match="`mean` has 3 numbers, but the network reads grey images"):
        preprocessing_for(Carrier(channels=1), AuditConfig(mean=(0.1, 0.2, 0.3)))


def build() -> nn.Module:
    """A factory of a network for 32 × 32 pixels."""
    return Carrier(pretrained_cfg={"input_size": (3, 32, 32), "interpolation": "lanczos"})


def test_python_factory_gets_the_preprocessing_that_its_module_carries() -> None:
    spec = f"python:{__name__}:build"
    assert load_classifier(AuditConfig(model=spec)).feature_shape == (8, 15, 15)
    assert load_classifier(AuditConfig(model=spec, input_size=(64, 64))).feature_shape == (8, 31, 31)
