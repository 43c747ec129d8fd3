"""Image classifiers of Hugging Face's transformers, with small configs."""

from __future__ import annotations

from typing import Any

from torch import nn

from tests.matrix.case import Case, Family, Goal

CONVOLUTIONAL, TRANSFORMERS = "transformers, convolutional", "transformers, attention or tokens"
STAGES: dict[str, Any] = {"hidden_sizes": [16, 24, 32, 48], "depths": [1, 1, 1, 1]}
TOKENS: dict[str, Any] = {
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64,
}  # fmt: skip
WINDOWS: dict[str, Any] = {"embed_dim": 12, "depths": [1, 1, 2, 1], "num_heads": [1, 2, 3, 4], "window_size": 2}
CONVOLUTIONAL_CONFIGS: dict[str, dict[str, Any]] = {
    "ResNet": {"embedding_size": 16, **STAGES, "layer_type": "basic"},
    "ConvNext": STAGES,
    "ConvNextV2": STAGES,
    "RegNet": {"embedding_size": 16, **STAGES, "groups_width": 8},
    "MobileNetV1": {"depth_multiplier": 0.25},
    "MobileNetV2": {"depth_multiplier": 0.35},
    "EfficientNet": {"width_coefficient": 0.25, "depth_coefficient": 0.3, "hidden_dim": 320},
    "Bit": {"embedding_size": 16, "hidden_sizes": [16, 32, 48, 64], "depths": [1, 1, 1, 1], "num_groups": 4},
    "HGNetV2": {},
    "PoolFormer": STAGES,
}
OTHER_CONFIGS: dict[str, dict[str, Any]] = {
    "MobileViT": {},
    "MobileViTV2": {},
    "SwiftFormer": {},
    "Levit": {},
    "FocalNet": {"embed_dim": 16, "depths": [1, 1, 1, 1]},
    "Pvt": {"hidden_sizes": [16, 32, 40, 64], "depths": [1, 1, 1, 1]},
    "Cvt": {},
    "Swin": WINDOWS,
    "Swinv2": WINDOWS,
    "ViT": TOKENS,
    "DeiT": TOKENS,
    "Dinov2": {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2},
    "Data2VecVision": TOKENS,
}
SIDES = {"SwiftFormer": 224, "Levit": 224, "Dinov2": 70}
"""Sides of the input where it is not 64 pixels."""


def cases() -> list[Case]:
    """A classifier of 1,000 or of two classes for each config."""
    return [
        Case(name, group, lambda name=name: _network(name), (SIDES.get(name, 64),) * 2)
        for group, configs in ((CONVOLUTIONAL, CONVOLUTIONAL_CONFIGS), (TRANSFORMERS, OTHER_CONFIGS))
        for name in configs
    ]


def _network(name: str) -> nn.Module:
    import transformers

    options = CONVOLUTIONAL_CONFIGS.get(name) or OTHER_CONFIGS.get(name, {})
    config = getattr(transformers, f"{name}Config")(image_size=SIDES.get(name, 64), **options)
    module: nn.Module = getattr(transformers, f"{name}ForImageClassification")(config)
    return module


FAMILY = Family({CONVOLUTIONAL: Goal(share=1), TRANSFORMERS: Goal()}, cases)
