"""Export of a network as an ONNX graph, for ONNX Runtime."""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, fx, nn

from reportgen.errors import ModelError, first_line
from reportgen.models.layers import with_intermediates

INPUT = "image"
"""Name of the graph's input, `(N, C, H, W)` float32, normalized."""
MAPS = "maps"
"""Name of the output with the feature maps."""
OPSET = 17
"""Version of ONNX's operators."""


def export_trunk(trunk: nn.Module, nodes: Sequence[fx.Node], input_shape: Sequence[int]) -> bytes:
    """Return the ONNX graph of a trunk, with the maxima of the units in some of its layers, for any number of images.

    trunk: on the CPU. nodes: of its graph, whose values are feature maps; input_shape: `(1, C, H, W)`.
    Outputs: `maps (N, C, h, w)`, then for each node `max/<i> (N, U)` float32 and `where/<i> (N, U)` int32, as in
    `unit_maxima`. Errors: ModelError if PyTorch cannot export the network.
    """
    module = _Flat(with_intermediates(trunk, nodes, _maxima))
    names = [name for i in range(len(nodes)) for name in (f"max/{i}", f"where/{i}")]
    return export(module, {INPUT: torch.zeros(2, *input_shape[1:])}, [MAPS, *names])


def export(module: nn.Module, examples: Mapping[str, Tensor], outputs: Sequence[str], any_number: bool = True) -> bytes:
    """Return the ONNX graph of a module with these inputs and outputs.

    examples: name → value of the inputs in order, the first of which are images `(N, C, H, W)`; any_number: whether the
    graph takes any N, or only that of the examples.
    PyTorch's exporter by tracing is used: the module is a traced graph already, and the newer one (`dynamo=True`) takes
    several seconds longer for a graph that runs no faster.
    Errors: ModelError if PyTorch cannot export it.
    """
    try:
        with torch.no_grad(), _quiet(), _plain_attention(), tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "network.onnx")
            torch.onnx.export(
                module.eval(), tuple(examples.values()), file, dynamo=False, opset_version=OPSET,
                input_names=list(examples), output_names=list(outputs),
                dynamic_axes={name: {0: "n"} for name in (*examples, *outputs)} if any_number else None,
            )  # fmt: skip
            return file.read_bytes()
    except Exception as error:  # whatever an operator without a counterpart raises
        reason = first_line(error)
        raise ModelError(f"this network cannot be exported to ONNX ({reason})", "use --runtime torch") from error


class _Flat(nn.Module):
    """Returns the nested outputs of a module as a tuple. The exporter takes a `GraphModule`'s graph for its own."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        maps, pairs = self.module(images)
        return (maps, *(value for pair in pairs for value in pair))


def _maxima(maps: Tensor) -> tuple[Tensor, Tensor]:
    """As `unit_maxima`: ONNX has no pooling that returns indices over a map of any size."""
    flat = maps.flatten(2)
    return flat.amax(2), flat.argmax(2).to(torch.int32)


@contextmanager
def _plain_attention() -> Iterator[None]:
    """Without PyTorch's fused multi-head attention, which ONNX does not have."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's remarks: what it makes is compared with the network.

    Of a graph that it cannot export it prints every node, because it asks the wrong way whether it shall (PyTorch 2.14,
    `setup_onnx_logging`).
    """
    logger: Any = logging.getLogger("torch.onnx")
    level, internals = logger.level, cast(Any, torch._C)
    logger.setLevel(logging.ERROR)
    prints, internals._jit_onnx_log = internals._jit_onnx_log, lambda *_: None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
        internals._jit_onnx_log = prints
