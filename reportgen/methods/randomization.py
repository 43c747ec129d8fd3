"""The same network with weights that learned nothing: what its maps find, the architecture and the pictures give away
(the model-parameter randomisation of Adebayo et al., Sanity checks for saliency maps, NeurIPS 2018)."""

from __future__ import annotations

import copy
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reportgen.models.classifier import Classifier, OwnHead
from reportgen.models.weights import weights_digest

SEED = 0
NORMALISING = nn.modules.batchnorm._BatchNorm
COARSE = 16
"""The noise that normalising layers are set up with has grains of so many pixels, about as photographs have."""


def randomised(classifier: Classifier) -> Classifier:
    """A copy with every weight drawn anew (He et al. 2015), biases 0, and its batch statistics taken on noise, without
    which activations would die or explode. The seed is fixed.
    """
    trunk, head = copy.deepcopy(classifier.trunk), copy.deepcopy(classifier.head)
    generator = torch.Generator().manual_seed(SEED)
    same = [_same(head, values) for values in (classifier.own.weight, classifier.own.bias)] if classifier.own else []
    for module in (trunk, head):
        for name, parameter in module.named_parameters():
            parameter.data.copy_(_drawn(name, parameter, generator))
    size = classifier.preprocessing.size
    grains = torch.randn(8, 3, -(-size // COARSE), -(-size // COARSE), generator=generator)
    noise = F.interpolate(grains, (size, size), mode="bilinear").to(next(trunk.parameters()).device)
    _take_statistics(trunk, head, noise)
    return replace(
        classifier,
        name=f"{classifier.name}, random weights",
        trunk=trunk,
        head=head,
        own=_own(classifier.own, same),
        weights_digest=weights_digest(nn.ModuleList([trunk, head])),
    )


def _own(own: OwnHead | None, drawn: list[nn.Parameter | None]) -> OwnHead | None:
    """The head's weights as they were drawn anew, or None where it has none of its own."""
    found = [parameter.detach().float() for parameter in drawn if parameter is not None]
    return replace(own, weight=found[0], bias=found[1]) if own and len(found) == 2 else None


def _same(module: nn.Module, values: Tensor) -> nn.Parameter | None:
    """The parameter of a module that has these values."""
    return next((p for p in module.parameters() if p.shape == values.shape and torch.equal(p.float(), values)), None)


def _drawn(name: str, parameter: Tensor, generator: torch.Generator) -> Tensor:
    if parameter.ndim < 2:
        return torch.ones(parameter.shape) if name.endswith("weight") else torch.zeros(parameter.shape)
    fan_in = parameter[0].numel()
    return torch.randn(parameter.shape, generator=generator) * (2 / fan_in) ** 0.5


def _take_statistics(trunk: nn.Module, head: nn.Module, pixels: Tensor) -> None:
    layers = [m for module in (trunk, head) for m in module.modules() if isinstance(m, NORMALISING)]
    for module in (trunk, head):
        module.eval()
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None
        layer.train()
    with torch.no_grad():
        head(trunk(pixels))
    for layer in layers:
        layer.eval()
