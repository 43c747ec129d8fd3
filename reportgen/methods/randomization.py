"""Model-parameter randomization (Adebayo et al., Sanity checks for saliency maps, NeurIPS 2018).

What the maps of a network with random weights show does not come from training.
"""

from __future__ import annotations

import copy
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reportgen.models.class_logits import one_row, two_rows
from reportgen.models.classifier import Classifier, LinearHead
from reportgen.models.weights import weights_digest

SEED = 0
BATCH_NORMS = nn.modules.batchnorm._BatchNorm
NOISE_GRAIN = 16
"""Size in pixels of the grains in the noise that batch statistics are computed on, roughly as in photographs."""


def randomize_weights(classifier: Classifier, seed: int = SEED, share: float = 1.0) -> Classifier:
    """Return a copy with random weights (He et al. 2015) and zero biases in the head and the last layers of the trunk.

    share: of the trunk's layers with weights, from the last one down (cascading randomization); 0: the head alone.
    Batch statistics are computed on noise; without them activations would vanish or explode.
    """
    trunk, head = copy.deepcopy(classifier.trunk), copy.deepcopy(classifier.head)
    generator = torch.Generator().manual_seed(seed)
    linear, is_binary = classifier.linear_head, classifier.outputs == "binary"
    if linear and is_binary:  # as the parameters of the head are
        linear = replace(linear, weight=one_row(linear.weight), bias=one_row(linear.bias))
    weight = _find_parameter(head, linear.weight) if linear else None
    bias = _find_parameter(head, linear.bias) if linear else None
    drawn = [*_last_parameters(trunk, share), *head.named_parameters()]
    for name, parameter in drawn:
        parameter.data.copy_(_random_like(name, parameter, generator))
    _, channels, *size = classifier.preprocessing.input_shape
    grains = torch.randn(8, channels, *(-(-side // NOISE_GRAIN) for side in size), generator=generator)
    noise = F.interpolate(grains, size, mode="bilinear").to(next(trunk.parameters()).device)
    noise = noise.contiguous(memory_format=torch.channels_last)  # as fast on the CPU as it gets without folding
    _compute_batch_statistics(trunk, head, noise, {id(parameter) for _, parameter in drawn})
    linear = _with_parameters(linear, weight, bias)
    if linear and is_binary:
        linear = replace(linear, weight=two_rows(linear.weight), bias=two_rows(linear.bias))
    return replace(
        classifier,
        name=f"{classifier.name}, random weights",
        trunk=trunk,
        head=head,
        linear_head=linear,
        weights_digest=weights_digest(nn.ModuleList([trunk, head])),
        original=None,
    )


def _last_parameters(trunk: nn.Module, share: float) -> list[tuple[str, nn.Parameter]]:
    """Return the parameters of the last layers of a trunk, in the order of definition."""
    parameters = list(trunk.named_parameters())
    weights = [place for place, (_, parameter) in enumerate(parameters) if parameter.ndim > 1]
    n = round(share * len(weights))
    return parameters if share >= 1 else parameters[weights[-n] :] if n else []


def _with_parameters(
    head: LinearHead | None, weight: nn.Parameter | None, bias: nn.Parameter | None
) -> LinearHead | None:
    """Return the linear head with the values of these parameters; None if there is none, or its weights are not one.

    A layer without a bias has no parameter for it: it stays zero.
    """
    if head is None or weight is None:
        return None
    new_bias = head.bias if bias is None else bias.detach().float()
    return replace(head, weight=weight.detach().float().view(head.weight.shape), bias=new_bias)


def _find_parameter(module: nn.Module, values: Tensor) -> nn.Parameter | None:
    """Return the parameter of a module that has these values, such as `(K, C, 1, 1)` of a convolution for `(K, C)`."""
    same_size = (p for p in module.parameters() if p.numel() == values.numel() and len(p) == len(values))
    return next((p for p in same_size if torch.equal(p.float().view(values.shape), values)), None)


def _random_like(name: str, parameter: Tensor, generator: torch.Generator) -> Tensor:
    if parameter.ndim < 2:
        return torch.ones(parameter.shape) if name.endswith("weight") else torch.zeros(parameter.shape)
    fan_in = parameter[0].numel()
    std: float = (2 / fan_in) ** 0.5
    return torch.randn(parameter.shape, generator=generator) * std


def _compute_batch_statistics(trunk: nn.Module, head: nn.Module, pixels: Tensor, drawn: set[int]) -> None:
    """Compute the batch statistics of the layers with drawn parameters. drawn: ids of these parameters."""
    modules = [m for module in (trunk, head) for m in module.modules() if isinstance(m, BATCH_NORMS)]
    layers = [m for m in modules if not list(m.parameters()) or any(id(p) in drawn for p in m.parameters())]
    for module in (trunk, head):
        module.eval()
    if not layers:
        return
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None
        layer.train()
    with torch.no_grad():
        head(trunk(pixels))
    for layer in layers:
        layer.eval()
