"""ONNX Runtime as another way to run a trunk: the same numbers as the network itself, or a plain refusal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor, fx, nn
from torchvision.models import VisionTransformer, mobilenet_v3_small, resnet18

from reportgen.audit.model_info import RuntimeTrial
from reportgen.errors import ModelError
from reportgen.methods.occlusion.definition import DirectOcclusion
from reportgen.methods.occlusion.incremental import IncrementalOcclusion
from reportgen.methods.occlusion.occluder import make_occluder
from reportgen.models.classifier import Classifier, Preprocessing
from reportgen.models.from_module import classifier_from_module
from reportgen.models.inference import eval_mode
from reportgen.models.layers import select_layers
from reportgen.models.onnx_export import export_trunk
from reportgen.models.onnx_runtime import OnnxFeatureMaps, OnnxTrunk, onnx_trunk
from reportgen.pipeline.forward import ForwardPass
from reportgen.pipeline.runtime import agrees, compare_runtimes, is_better

SIDE = 64


def small(module: nn.Module) -> Classifier:
    torch.manual_seed(0)
    for parameter in module.parameters():
        if parameter.ndim > 1:
            nn.init.kaiming_normal_(parameter)
    return classifier_from_module(module.eval(), "small", None, Preprocessing(size=SIDE))


@pytest.fixture(scope="module")
def residual() -> Classifier:
    return small(resnet18(num_classes=7))


def images(n: int) -> Tensor:
    return torch.randint(0, 256, (n, 3, SIDE, SIDE), dtype=torch.uint8, generator=torch.Generator().manual_seed(n))


def maxima_by_hooks(classifier: Classifier, x: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
    """Maximum and flat position of every unit, from the plain trunk run node by node."""
    values: dict[str, Tensor] = {}

    class Recorder(fx.Interpreter):
        def run_node(self, n: fx.Node) -> object:
            result = super().run_node(n)
            values[n.name] = result.clone() if isinstance(result, Tensor) else torch.empty(0)
            return result

    assert isinstance(classifier.trunk, fx.GraphModule)
    Recorder(classifier.trunk).run(x)
    layers = select_layers(classifier.trunk, classifier.head, ())
    return {layer.name: values[layer.node.name].flatten(2).max(2) for layer in layers}


@pytest.mark.parametrize("module", [resnet18(num_classes=7), mobilenet_v3_small(num_classes=7)], ids=["resnet", "se"])
def test_onnx_runtime_gives_the_maps_and_maxima_of_the_plain_trunk(module: nn.Module) -> None:
    classifier = small(module)
    forward = ForwardPass(classifier, runtime="onnxruntime")
    with eval_mode(classifier), torch.no_grad():
        for n in (1, 3):  # the graph was exported with two images
            found = forward(images(n), [None] * n)
            x = classifier.preprocessing.normalize(images(n))
            logits = classifier.original(x) if classifier.original else None
            assert logits is not None
            torch.testing.assert_close(found["logits"], logits, rtol=1e-4, atol=1e-4 * float(logits.std()))
            for name, (values, places) in maxima_by_hooks(classifier, x).items():
                own = found.get(f"units/{name}/max", found["features/gmp"])
                torch.testing.assert_close(own, values, rtol=1e-4, atol=1e-4 * float(values.abs().max()))
                assert (found[f"units/{name}/where"] == places).float().mean() > 0.99


def test_attention_is_exported() -> None:
    network = small(VisionTransformer(SIDE, 16, 2, 2, 32, 64, num_classes=7))
    with eval_mode(network):
        trial = compare_runtimes(ForwardPass(network, runtime="onnxruntime"), ForwardPass(network), [images(3)])
    assert agrees(trial)


def exported(classifier: Classifier, nodes: Sequence[fx.Node] = ()) -> OnnxTrunk:
    shape = classifier.preprocessing.input_shape
    return onnx_trunk(classifier.trunk, nodes, lambda: export_trunk(classifier.trunk, nodes, shape))


def test_feature_maps_alone_equal_those_of_the_trunk(residual: Classifier) -> None:
    x = residual.preprocessing.normalize(images(2))
    nodes = [layer.node for layer in select_layers(residual.trunk, residual.head, ())]
    found = OnnxFeatureMaps(exported(residual, nodes))(x)
    with eval_mode(residual), torch.no_grad():
        torch.testing.assert_close(found, residual.trunk(x), rtol=1e-3, atol=1e-3)


def test_a_trunk_is_exported_once_for_the_same_layers(residual: Classifier) -> None:
    first = exported(residual)
    assert onnx_trunk(residual.trunk, (), lambda: pytest.fail("exported again")) is first


class WithoutCounterpart(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.special.bessel_j0(x)


def test_operator_that_onnx_does_not_have_is_one_line() -> None:
    classifier = small(
        nn.Sequential(nn.Conv2d(3, 4, 3), WithoutCounterpart(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    )
    with pytest.raises(ModelError, match="cannot be exported to ONNX") as raised:
        export_trunk(classifier.trunk, (), classifier.preprocessing.input_shape)
    assert "\n" not in str(raised.value)
    assert raised.value.hint == "use --runtime torch"


def test_damaged_graph_is_one_line() -> None:
    with pytest.raises(ModelError, match="ONNX Runtime cannot run") as raised:
        OnnxTrunk(b"no graph")
    assert "\n" not in str(raised.value)


def test_trial_finds_equal_runtimes_equal_and_a_changed_weight_different(residual: Classifier) -> None:
    batches = [images(4), images(5)]
    plain = ForwardPass(residual)
    with eval_mode(residual):
        same = compare_runtimes(ForwardPass(residual, runtime="onnxruntime"), plain, batches)
        assert agrees(same)
        assert same.images == 9
        assert same.speedup > 0
        other = small(resnet18(num_classes=7))
        with torch.no_grad():
            other.trunk.get_submodule("layer4.1.conv2").weight *= 1.3
        differs = compare_runtimes(ForwardPass(other, runtime="onnxruntime"), plain, batches)
    assert not agrees(differs)
    assert not is_better(replace(differs, speedup=10.0))


@pytest.mark.parametrize(
    ("trial", "better"),
    [
        (RuntimeTrial(9, 1e-5, 1.0, 2.0), True),
        (RuntimeTrial(9, 1e-5, 1.0, 1.05), False),
        (RuntimeTrial(9, 0.02, 1.0, 2.0), False),
        (RuntimeTrial(9, 1e-5, 0.9, 2.0), False),
        (RuntimeTrial(9, float("nan"), 1.0, 2.0), False),
        (RuntimeTrial(failure="cannot be exported"), False),
    ],
)
def test_onnx_runtime_is_used_only_if_it_agrees_and_is_faster(trial: RuntimeTrial, better: bool) -> None:
    assert is_better(trial) == better


def test_exact_occlusion_runs_whole_images_where_that_costs_less(residual: Classifier) -> None:
    """Both backends give the same map; which of them is used follows from their costs."""
    own = make_occluder(residual, 16, 16, (0.5, 0.5, 0.5))
    trunk = OnnxFeatureMaps(exported(residual))
    other = make_occluder(residual, 16, 16, (0.5, 0.5, 0.5), trunk)
    assert isinstance(other.exact_backend, DirectOcclusion)
    assert isinstance(own.exact_backend, IncrementalOcclusion) or "mixes" in own.fallback_reason
    x = residual.preprocessing.normalize(images(1))
    with eval_mode(residual):
        a, b = own(x, 1), other(x, 1)
    assert abs(a["occlusion/probability"] - b["occlusion/probability"]).max() < 1e-4
