"""Networks whose configuration or checkpoint states what their outputs are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from reportgen.config import AuditConfig
from reportgen.errors import ModelError
from reportgen.models.from_module import classifier_from_module
from reportgen.models.outputs import check_outputs
from reportgen.models.sources import load_classifier

LOGITS = torch.tensor([[0.5, -1.0], [2.0, 0.1]])


def resnet(**config: Any) -> nn.Module:
    """A small ResNet of transformers with random weights."""
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(1)
    small = {"embedding_size": 8, "hidden_sizes": [8, 12], "depths": [1, 1], "layer_type": "basic"}
    module: nn.Module = transformers.ResNetForImageClassification(transformers.ResNetConfig(**small, **config))
    return module.eval()


class LogitsAlone(nn.Module):
    """Hides what the network returns besides."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.network(x).logits
        return logits


@pytest.mark.parametrize("wrap", [lambda made: made, LogitsAlone])
@pytest.mark.parametrize(
    ("config", "outputs", "message", "hint"),
    [
        ({"num_labels": 1, "problem_type": "regression"}, "classes", "`net` is a regression", "--outputs binary"),
        ({"num_labels": 1, "problem_type": "regression"}, "binary", "`net` is a regression", "remove `problem_type`"),
        ({"num_labels": 1}, "classes", "`net` has one output", "--outputs binary"),
    ],
)
def test_network_of_transformers_that_states_other_outputs_is_refused(config, outputs, message, hint, wrap) -> None:
    made = classifier_from_module(wrap(resnet(**config)), "net", outputs=outputs)
    with pytest.raises(ModelError, match=message) as caught:
        check_outputs(made, LOGITS[:, : len(made.class_names.names)])
    assert hint in (caught.value.hint or "")


@pytest.mark.parametrize("problem", [None, "single_label_classification"])
def test_network_of_transformers_with_one_right_class_is_taken(problem: str | None) -> None:
    check_outputs(classifier_from_module(resnet(num_labels=2, problem_type=problem), "net"), LOGITS)


def test_network_of_transformers_that_states_several_labels_is_a_multilabel_one() -> None:
    module = resnet(num_labels=3, problem_type="multi_label_classification")
    made = classifier_from_module(module, "net")
    assert (made.outputs, made.class_names.is_multilabel) == ("multilabel", True)
    assert made.source == "multi-label: a logit for each label"
    check_outputs(made, torch.randn(2, 3))
    with pytest.raises(ModelError, match="`net` is a multi-label network: its configuration states") as caught:
        classifier_from_module(module, "net", outputs="probabilities")
    assert "leave out `outputs`" in (caught.value.hint or "")
    images = torch.randn(2, *made.preprocessing.input_shape[1:])
    with torch.inference_mode():
        found = made.probabilities(made.head(made.trunk(images)))
        torch.testing.assert_close(found, module(images).logits.sigmoid())


def test_binary_network_of_transformers_has_two_classes(tmp_path: Path) -> None:
    module = resnet(id2label={0: "defect"})
    module.save_pretrained(tmp_path)
    made = load_classifier(AuditConfig(model=f"hf:{tmp_path}", outputs="binary"))
    assert (made.method, made.class_names.names) == ("cam", ("class 0", "class 1"))
    images = torch.randn(2, *made.preprocessing.input_shape[1:])
    with torch.inference_mode():
        found = made.head(made.trunk(images)).softmax(1)[:, 1:]
        torch.testing.assert_close(found, module(images).logits.sigmoid())


def test_half_precision_of_transformers_is_converted_and_stated(tmp_path: Path) -> None:
    resnet(num_labels=2).half().save_pretrained(tmp_path)
    made = load_classifier(AuditConfig(model=f"hf:{tmp_path}"))
    assert made.source == f"hf:{tmp_path}, DEFAULT; converted from float16 to float32"


@pytest.mark.parametrize("model", ["torchvision:resnet18", "timm:test_resnet"])
def test_checkpoint_with_one_output_is_binary_with_the_flag(model: str, tmp_path: Path) -> None:
    source, _, name = model.partition(":")
    library = pytest.importorskip(source)
    build = library.models.get_model if source == "torchvision" else library.create_model
    module = build(name, num_classes=1).eval()
    torch.save(module.state_dict(), tmp_path / "binary.pth")
    made = load_classifier(AuditConfig(model=model, weights=str(tmp_path / "binary.pth"), outputs="binary"))
    assert made.method == "cam"
    images = torch.randn(2, *made.preprocessing.input_shape[1:])
    with torch.inference_mode():
        torch.testing.assert_close(made.head(made.trunk(images)).softmax(1)[:, 1:], module(images).sigmoid())
