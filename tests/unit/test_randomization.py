"""The network with random weights: the same layers, no learned values, and an unchanged original."""

import torch

from reportgen.data.class_names import ClassNames
from reportgen.methods.cam import class_activation_maps
from reportgen.methods.gradcam import grad_cam
from reportgen.methods.randomization import randomize_weights
from reportgen.models.classifier import Preprocessing
from reportgen.models.from_module import classifier_from_module
from tests.support.tiny_networks import network


def test_randomization_draws_new_weights_and_leaves_the_original() -> None:
    module = network()
    module.insert(1, torch.nn.BatchNorm2d(8))
    vocabulary = ClassNames(("a", "b", "c"))
    original = classifier_from_module(module, "net", vocabulary, Preprocessing(size=64))
    before = {name: tensor.clone() for name, tensor in original.trunk.state_dict().items()}
    first, second = randomize_weights(original), randomize_weights(original)
    assert first.weights_digest == second.weights_digest != original.weights_digest
    for name, tensor in original.trunk.state_dict().items():
        assert torch.equal(tensor, before[name])
    pixels = torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(1)) * 2 - 1
    with torch.no_grad():
        maps = first.trunk(pixels)
        logits = first.head(maps)
    assert torch.equal(first.head(second.trunk(pixels)), logits)
    assert not torch.allclose(original.head(original.trunk(pixels)), logits)
    assert 0.05 < maps.std() < 20  # neither dead nor exploded
    assert first.linear_head is not None
    classes = torch.arange(3).expand(4, 3)
    cams = class_activation_maps(maps, first.linear_head.weight, classes)
    torch.testing.assert_close(cams.mean((2, 3)) + first.linear_head.bias, logits)
    torch.testing.assert_close(cams, grad_cam(first.head, maps, classes), rtol=1e-4, atol=1e-5)
    norm = next(m for m in first.trunk.modules() if isinstance(m, torch.nn.BatchNorm2d))
    assert not norm.training
    assert not torch.equal(norm.running_var, torch.ones(8))
