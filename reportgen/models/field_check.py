"""Check of analytic receptive fields against gradients: an operation that is not what it seems is found here."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, fx

from reportgen.models.graph import input_shape
from reportgen.models.layers import with_intermediates
from reportgen.models.receptive_fields import Axis, ReceptiveField, receptive_fields


def checked_receptive_fields(trunk: fx.GraphModule, nodes: Sequence[fx.Node]) -> dict[str, ReceptiveField]:
    """Return the receptive fields of nodes by name; the whole image where a gradient is not zero outside of a field.

    Tested are the first and the central position, with the trunk's own weights and a random image. A trunk that PyTorch
    cannot differentiate, because it changes in place what a gradient needs, keeps its fields.
    """
    fields = receptive_fields(trunk)
    image = input_shape(trunk.graph)
    parameter = next(trunk.parameters(), torch.empty(0))
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randn(1, *image[1:], generator=generator).to(parameter).requires_grad_()
    with torch.enable_grad():
        _, values = with_intermediates(trunk, nodes)(pixels)
        for node, value in zip(nodes, values, strict=True):
            weights = torch.randn(value.shape[1], generator=generator).to(value)
            try:
                is_beyond = any(
                    _reaches_beyond(fields[node.name], value, weights, pixels, y, x) for y, x in _positions(value)
                )
            except RuntimeError:
                continue
            if is_beyond:
                fields[node.name] = _whole_image(*value.shape[2:], *image[2:])
    return {node.name: fields[node.name] for node in nodes}


def _positions(value: Tensor) -> list[tuple[int, int]]:
    return [(0, 0), (value.shape[2] // 2, value.shape[3] // 2)]


def _reaches_beyond(field: ReceptiveField, value: Tensor, weights: Tensor, pixels: Tensor, y: int, x: int) -> bool:
    """Whether a position's value has a gradient outside of its field."""
    (gradient,) = torch.autograd.grad((value[0, :, y, x] * weights).sum(), pixels, retain_graph=True, allow_unused=True)
    if gradient is None:
        return False
    left, upper, right, lower = field.box(y, x)
    outside = gradient.clone()
    outside[:, :, upper:lower, left:right] = 0
    return bool(outside.any())


def _whole_image(rows: int, columns: int, height: int, width: int) -> ReceptiveField:
    return ReceptiveField(*(Axis(np.tile([0, side], (n, 1)), None) for n, side in ((rows, height), (columns, width))))
