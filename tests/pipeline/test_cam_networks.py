"""The networks of the CAM paper: split where the paper splits them, with 1,024 feature maps and linear heads."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torchvision
from torch import nn

from reportgen.config import AuditConfig
from reportgen.errors import ConfigError
from reportgen.methods.randomization import randomize_weights
from reportgen.models.cam_networks import CAM_NETWORKS, TRUNKS, CamNet, TransformInput, cam_network
from reportgen.models.classifier import Pooling
from reportgen.models.from_module import classifier_from_module
from reportgen.models.sources import load_classifier
from reportgen.pipeline.run import run_audit
from tests.support.square_images import squares


@pytest.mark.parametrize(
    ("name", "layers", "shape"),
    [
        ("alexnet", ["features.0", "features.10"], (256, 13, 13)),
        ("vgg16", ["features.0", "features.28"], (512, 14, 14)),
        ("googlenet", ["conv1.conv", "inception4e.branch4.1.conv"], (832, 14, 14)),
    ],
)
def test_trunk_ends_at_the_layer_of_the_paper(name: str, layers: list[str], shape: tuple[int, ...]) -> None:
    """Its output is what the whole network has at that place; the first and last convolutions are in it."""
    options = {"init_weights": False} if name == "googlenet" else {}
    network = torchvision.models.get_model(name, weights=None, **options).eval()
    cut, channels = TRUNKS[name]
    trunk = cut(network).eval()
    behind = {"alexnet": "features.11", "vgg16": "features.29", "googlenet": "inception4e"}[name]
    seen = []
    hook = network.get_submodule(behind).register_forward_hook(lambda _m, _i, output: seen.append(output))
    x = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        network(x)
        hook.remove()
        torch.testing.assert_close(trunk(x), seen[0])
    assert tuple(seen[0].shape[1:]) == shape
    assert channels == shape[0]
    inside = {id(module) for module in trunk.modules()}
    convolutions = [(n, m) for n, m in network.named_modules() if isinstance(m, nn.Conv2d) and "aux" not in n]
    kept = [n for n, m in convolutions if id(m) in inside]
    assert [kept[0], kept[-1]] == layers
    assert kept == [n for n, _ in convolutions[: len(kept)]]


def test_googlenet_trunk_transforms_its_input() -> None:
    network = torchvision.models.googlenet(weights=None, init_weights=False, transform_input=True)
    x = torch.randn(2, 3, 8, 8)
    torch.testing.assert_close(TransformInput()(x), network._transform_input(x))


@pytest.mark.parametrize("pooling", ["gap", "gmp"])
def test_head_of_a_cam_network_is_found_in_the_graph(pooling: Pooling) -> None:
    trunk = nn.Sequential(nn.Conv2d(3, 6, 3, 4, 1), nn.ReLU())
    network = CamNet(trunk, 6, pooling, 5, maps=10)
    classifier = classifier_from_module(network, "small")
    assert classifier.feature_shape == (10, 56, 56)
    assert classifier.linear_head is not None
    assert classifier.linear_head.pooling == pooling
    torch.testing.assert_close(classifier.linear_head.weight, network.fc.weight.detach())
    drawn = randomize_weights(classifier)
    assert drawn.linear_head is not None
    assert drawn.linear_head.pooling == pooling


def test_feature_maps_are_the_output_of_the_new_convolution() -> None:
    network = cam_network("alexnet-gap", 7, pretrained=False, seed=0).eval()
    classifier = classifier_from_module(network, "alexnet-gap")
    assert classifier.feature_shape == (1024, 13, 13)
    assert (network.conv.kernel_size, network.conv.stride, network.conv.padding) == ((3, 3), (1, 1), (1, 1))
    x = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        maps = torch.relu(network.conv(network.trunk(x)))
        torch.testing.assert_close(classifier.trunk(x), maps)
        torch.testing.assert_close(network(x), maps.mean((2, 3)) @ network.fc.weight.T + network.fc.bias)


def test_seed_determines_the_weights() -> None:
    first, same, other = (cam_network("alexnet-gap", 3, False, seed).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(first[key], same[key]) for key in first)
    assert not torch.equal(first["conv.weight"], other["conv.weight"])


def test_cam_networks_have_random_but_no_published_weights() -> None:
    assert load_classifier(AuditConfig(model="cam:alexnet-gap", weights="random")).method == "cam"
    with pytest.raises(ConfigError, match="no published weights") as error:
        load_classifier(AuditConfig(model="cam:vgg16-gap"))
    assert "reportgen fit" in str(error.value.hint)
    with pytest.raises(ConfigError, match="unknown network `cam:resnet`") as error:
        load_classifier(AuditConfig(model="cam:resnet"))
    assert all(f"`cam:{name}`" in str(error.value.hint) for name in CAM_NETWORKS)


def test_network_in_network_example_runs(tmp_path: Path) -> None:
    """One map a class, whose mean is the logit, through the whole job."""
    table = squares(tmp_path / "data", each=1)
    table.write_text("path\nred-0.png\nblue-0.png\n")
    few = {"layers": ("0.0",), "occlusion_stride": 96}
    audit = run_audit(AuditConfig(data=table, model="python:examples.nin:build", out=tmp_path / "report", **few)).audit
    assert audit.main.info.feature_shape == (1000, 6, 6)
    assert audit.main.info.method == "cam"
    assert audit.main.cam_identity is not None
    assert audit.main.cam_identity < 1e-4
    assert audit.main.cams.shape[2:] == (6, 6)
