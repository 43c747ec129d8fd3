"""Occlusion with 8-bit multiplications on processors that have instructions for them: approximate, but faster.

A convolution is linear, so its output for an occluded image is that for the whole image plus that for the change. The
former is computed in float32. Only the change is quantized to 8 bits, with one scale for each batch of squares, and the
weights with one scale for each output channel (Jacob et al., Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference, CVPR 2018, section 2). Rounding errors are therefore relative to the change, not to
the feature maps.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor, fx, nn

from reportgen.methods.occlusion.incremental import IncrementalOcclusion
from reportgen.methods.occlusion.windows import Windows, gather, input_windows, paste, whole_map
from reportgen.models.locality import SlidingWindow

ZERO_LEVEL = 128
"""The unsigned level of zero change: oneDNN's kernels take unsigned inputs and signed weights."""
LEVELS = 127
"""Number of levels on either side of it."""
MIN_INTENSITY = 200
"""Multiplications for each value read or written from which on a convolution is worth quantizing. Below it, as in most
1 × 1 convolutions, memory access takes most of the time."""
INT8_COST = 0.5
"""Cost of an 8-bit multiplication relative to one in float32, with all overhead."""


class Int8Convolution:
    """A convolution without groups with 8-bit weights."""

    def __init__(self, conv: nn.Conv2d) -> None:
        weight = conv.weight.detach()
        self.scale = weight.abs().amax((1, 2, 3)).clamp(min=torch.finfo(weight.dtype).tiny) / LEVELS
        levels = (weight / self.scale[:, None, None, None]).round().to(torch.int8).contiguous()
        self._stride, self._dilation = list(conv.stride), list(conv.dilation)
        self._padding = [] if isinstance(conv.padding, str) else list(conv.padding)
        self._zero = torch.zeros(len(weight), dtype=torch.int32)
        self._packed = torch.ops.onednn.qconv_prepack(
            levels, self.scale, 1.0, ZERO_LEVEL, self._stride, [0, 0], self._dilation, 1, None
        )

    def __call__(self, levels: Tensor, scale: float, padded: bool) -> Tensor:
        """Return the convolution of `(levels - ZERO_LEVEL) * scale` without the bias, in float32.

        levels: `(P, C, h, w)` uint8; padded: whether to apply the convolution's padding.
        """
        padding = self._padding if padded else [0, 0]
        result = torch.ops.onednn.qconv2d_pointwise(
            levels, scale, ZERO_LEVEL, self._packed, self.scale, self._zero, None, self._stride, padding,
            self._dilation, 1, 1.0, 0, torch.float32, "none", [], "",
        )  # fmt: skip
        assert isinstance(result, Tensor)
        return result


class Int8Occlusion(IncrementalOcclusion):
    """Incremental occlusion in which the most expensive convolutions work on 8-bit changes.

    trunk, cap: see `IncrementalOcclusion`. Only on the CPU, and only if `int8_available()`.
    """

    def __init__(self, trunk: nn.Module, cap: float = 1.0) -> None:
        super().__init__(trunk, cap)
        modules = {n: self.graph.get_submodule(str(n.target)) for n in self.nodes if n.op == "call_module"}
        self.convolutions = {
            node: Int8Convolution(module)
            for node, module in modules.items()
            if isinstance(module, nn.Conv2d)
            and isinstance(self.localities[node], SlidingWindow)
            and _is_worth_quantizing(module)
        }

    def multiplication_cost(self, node: fx.Node) -> float:
        return INT8_COST if node in self.convolutions else super().multiplication_cost(node)

    def _run_node(self, node: fx.Node, windows: dict[fx.Node, Windows | None], values: dict[fx.Node, Any]) -> Any:
        operation = self.localities[node]
        if node not in self.convolutions or not isinstance(operation, SlidingWindow):
            return super()._run_node(node, windows, values)
        (source,) = node.all_input_nodes
        source_windows, own = windows[source], windows[node]
        levels, scale = _quantize_change(values[source] - self._clean_values(source, source_windows))
        if source_windows is not None:
            p, c, *_ = levels.shape
            target = whole_map(p, *self._clean[source].shape[-2:]) if own is None else input_windows(own, operation)
            unchanged = torch.full((p, target.height, target.width, c), ZERO_LEVEL, dtype=levels.dtype)
            levels = paste(levels, source_windows, unchanged.permute(0, 3, 1, 2), target)
        return self.convolutions[node](levels, scale, own is None).add_(self._clean_values(node, own))

    def _clean_values(self, node: fx.Node, windows: Windows | None) -> Tensor:
        """Return the node's value for the image without a square, in the windows or, for None, everywhere."""
        clean: Tensor = self._clean[node] if windows is None else gather(self._canvas(node, None)[0], windows)
        return clean

    def _run_clean(self, image: Tensor) -> dict[fx.Node, Any]:
        """As in the base class, with the convolutions' outputs as they are before activations overwrite them."""
        values: dict[fx.Node, Any] = {}
        copies: dict[fx.Node, Any] = {}
        for node in self.nodes[:-1]:
            values[node] = image if node.op == "placeholder" else self._call(node, values.__getitem__)
            if node in self.convolutions:
                copies[node] = values[node].clone()
        return values | copies


def _quantize_change(change: Tensor) -> tuple[Tensor, float]:
    """Return the levels, uint8, and the scale of one level. Overwrites `change`."""
    least, most = torch.aminmax(change)
    scale = max(-float(least), float(most), torch.finfo(change.dtype).tiny) / LEVELS
    return change.mul_(1 / scale).add_(ZERO_LEVEL + 0.5).to(torch.uint8), scale


def _is_worth_quantizing(conv: nn.Conv2d) -> bool:
    is_plain = conv.groups == 1 and not isinstance(conv.padding, str)
    return is_plain and conv.weight.numel() >= MIN_INTENSITY * (conv.in_channels + conv.out_channels)


@cache
def int8_available() -> bool:
    """Whether this processor multiplies 8-bit numbers faster (VNNI), and PyTorch has the operators."""
    instructions = torch.cpu.get_capabilities()
    if not (instructions.get("avx512_vnni") or instructions.get("avx_vnni")):
        return False
    conv = nn.Conv2d(1, 1, 1)
    try:
        Int8Convolution(conv)(torch.full((1, 1, 2, 2), ZERO_LEVEL, dtype=torch.uint8), 1.0, False)
    except (AttributeError, RuntimeError):  # an operator that is missing or has another signature
        return False
    return True
