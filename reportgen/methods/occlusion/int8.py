"""Occlusion with 8-bit multiplications, where the processor has instructions for them: approximate, and faster.

A convolution is linear, so what it gives for the image with a square is what it gave for the whole image plus what it
gives for the change. The former is kept in float32; only the change is rounded to 8 bits, on a scale of its own for
each group of squares, and the weights on one for each output channel (Jacob et al., Quantization and Training of Neural
Networks for Efficient Integer-Arithmetic-Only Inference, CVPR 2018, section 2). Rounding errors are thus as small as
the change, not as the maps.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor, fx, nn

from reportgen.methods.occlusion.incremental import Incremental
from reportgen.methods.occlusion.windows import Windows, before, gather, lay, whole
from reportgen.models.locality import Window

ZERO = 128
"""The unsigned level that stands for no change: oneDNN's kernels take unsigned inputs and signed weights."""
LEVELS = 127
"""Levels on either side of it."""
INTENSE = 200
"""Multiplications for each number read and written from which on a convolution is worth rounding its input: less, as
in most 1 × 1 convolutions, and memory is what takes the time."""
COST = 0.5
"""Of a multiplication with 8 bits, relative to one in float32, everything around it included."""


class Convolution:
    """A convolution without groups, its weights in 8 bits."""

    def __init__(self, conv: nn.Conv2d) -> None:
        weight = conv.weight.detach()
        self.scale = weight.abs().amax((1, 2, 3)).clamp(min=torch.finfo(weight.dtype).tiny) / LEVELS
        levels = (weight / self.scale[:, None, None, None]).round().to(torch.int8).contiguous()
        self._stride, self._padding, self._dilation = list(conv.stride), _numbers(conv.padding), list(conv.dilation)
        self._zero = torch.zeros(len(weight), dtype=torch.int32)
        self._packed = torch.ops.onednn.qconv_prepack(
            levels, self.scale, 1.0, ZERO, self._stride, [0, 0], self._dilation, 1, None
        )

    def __call__(self, levels: Tensor, scale: float, padded: bool) -> Tensor:
        """Of `(levels - ZERO) * scale`, without the bias, float32.

        levels: `(P, C, h, w)` uint8; padded: with the convolution's own padding, or none.
        """
        padding = self._padding if padded else [0, 0]
        found = torch.ops.onednn.qconv2d_pointwise(
            levels, scale, ZERO, self._packed, self.scale, self._zero, None, self._stride, padding, self._dilation, 1,
            1.0, 0, torch.float32, "none", [], "",
        )  # fmt: skip
        assert isinstance(found, Tensor)
        return found


class EightBit(Incremental):
    """The incremental way, with the changes rounded to 8 bits before the convolutions where most time is spent.

    trunk, cap: see `Incremental`; on the CPU, and only where `available()`.
    """

    def __init__(self, trunk: nn.Module, cap: float = 1.0) -> None:
        super().__init__(trunk, cap)
        modules = {n: self.graph.get_submodule(str(n.target)) for n in self.nodes if n.op == "call_module"}
        self.convolutions = {
            node: Convolution(module)
            for node, module in modules.items()
            if isinstance(module, nn.Conv2d) and isinstance(self.kinds[node], Window) and _worth(module)
        }

    def cost(self, node: fx.Node) -> float:
        return COST if node in self.convolutions else super().cost(node)

    def _run(self, node: fx.Node, windows: dict[fx.Node, Windows | None], values: dict[fx.Node, Any]) -> Any:
        kind = self.kinds[node]
        if node not in self.convolutions or not isinstance(kind, Window):
            return super()._run(node, windows, values)
        (source,) = node.all_input_nodes
        have, here = windows[source], windows[node]
        levels, scale = _rounded(values[source] - self._kept(source, have))
        if have is not None:
            p, c, *_ = levels.shape
            want = whole(p, *self._clean[source].shape[-2:]) if here is None else before(here, kind)
            unchanged = torch.full((p, want.height, want.width, c), ZERO, dtype=levels.dtype).permute(0, 3, 1, 2)
            levels = lay(levels, have, unchanged, want)
        return self.convolutions[node](levels, scale, here is None).add_(self._kept(node, here))

    def _kept(self, node: fx.Node, windows: Windows | None) -> Tensor:
        """What the windows show of the node's clean map; None: all of it."""
        clean: Tensor = self._clean[node] if windows is None else gather(self._canvas(node, None)[0], windows)
        return clean

    def _whole(self, image: Tensor) -> dict[fx.Node, Any]:
        """As it is before activations write over it."""
        values: dict[fx.Node, Any] = {}
        kept: dict[fx.Node, Any] = {}
        for node in self.nodes[:-1]:
            values[node] = image if node.op == "placeholder" else self._call(node, values.__getitem__)
            if node in self.convolutions:
                kept[node] = values[node].clone()
        return values | kept


def _rounded(change: Tensor) -> tuple[Tensor, float]:
    """The levels, uint8, and what one of them is worth. Writes over the change."""
    least, most = torch.aminmax(change)
    scale = max(-float(least), float(most), torch.finfo(change.dtype).tiny) / LEVELS
    return change.mul_(1 / scale).add_(ZERO + 0.5).to(torch.uint8), scale


def _numbers(padding: Any) -> list[int]:
    return [] if isinstance(padding, str) else list(padding)


def _worth(conv: nn.Conv2d) -> bool:
    plain = conv.groups == 1 and not isinstance(conv.padding, str)
    return plain and conv.weight.numel() >= INTENSE * (conv.in_channels + conv.out_channels)


@cache
def available() -> bool:
    """Whether this processor multiplies 8-bit numbers faster (VNNI), and this build of torch lets it."""
    instructions = torch.cpu.get_capabilities()
    if not (instructions.get("avx512_vnni") or instructions.get("avx_vnni")):
        return False
    conv = nn.Conv2d(1, 1, 1)
    try:
        Convolution(conv)(torch.full((1, 1, 2, 2), ZERO, dtype=torch.uint8), 1.0, False)
    except (AttributeError, RuntimeError):  # an operator that is not there, or is called otherwise
        return False
    return True
