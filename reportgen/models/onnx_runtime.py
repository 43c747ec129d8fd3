"""Trunks that ONNX Runtime runs on the CPU."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, fx, nn

from reportgen.errors import ModelError, first_line
from reportgen.models.onnx_export import INPUT, MAPS


class OnnxSession:
    """A graph that ONNX Runtime runs on the CPU, on as many threads as PyTorch.

    Its threads sleep between two calls, so that they do not take the cores from the threads that decode images.
    """

    def __init__(self, graph: bytes) -> None:
        """Errors: ModelError if ONNX Runtime cannot load the graph."""
        import onnxruntime  # here, because most commands run no network

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 4  # what it makes is compared with the network
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._only_outputs = onnxruntime.RunOptions()
        self._only_outputs.only_execute_path_to_fetches = True
        try:
            self._session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # its exceptions have no common base
            raise _failure(error) from error

    def run(self, inputs: Mapping[str, Tensor], outputs: Sequence[str] | None = None) -> list[Tensor]:
        """Compute these outputs, or all, and nothing else. Errors: ModelError if ONNX Runtime fails."""
        try:
            arrays = {name: value.contiguous().numpy() for name, value in inputs.items()}
            found = self._session.run(outputs, arrays, self._only_outputs)
        except Exception as error:
            raise _failure(error) from error
        return [torch.from_numpy(values) for values in found]


class OnnxTrunk:
    """A trunk exported by `export_trunk`, to be called as the module that `with_intermediates` makes of it."""

    def __init__(self, graph: bytes) -> None:
        """Errors: ModelError if ONNX Runtime cannot load the graph."""
        self._session = OnnxSession(graph)

    def __call__(self, images: Tensor) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
        """Return the feature maps of images `(N, C, H, W)` float32, and the maxima of the units and their positions in
        each of the layers. Errors: ModelError if ONNX Runtime fails."""
        maps, *values = self._session.run({INPUT: images})
        return maps, list(zip(values[::2], values[1::2], strict=True))

    def feature_maps(self, images: Tensor) -> Tensor:
        """Return the feature maps of images `(N, C, H, W)` float32 alone. Errors: ModelError if ONNX Runtime fails."""
        (maps,) = self._session.run({INPUT: images}, [MAPS])
        return maps


class OnnxFeatureMaps(nn.Module):
    """The trunk that ONNX Runtime runs, as a module: images `(N, C, H, W)`, normalized → feature maps."""

    def __init__(self, trunk: OnnxTrunk) -> None:
        super().__init__()
        self.trunk = trunk

    def forward(self, images: Tensor) -> Tensor:
        return self.trunk.feature_maps(images)


_sessions: WeakKeyDictionary[nn.Module, dict[tuple[str, ...], OnnxTrunk]] = WeakKeyDictionary()


def onnx_trunk(trunk: nn.Module, nodes: Sequence[fx.Node], graph: Callable[[], bytes]) -> OnnxTrunk:
    """Return the trunk that ONNX Runtime runs, with the maxima of the units in these nodes; once for each trunk.

    graph: makes or reads the graph of `export_trunk`, which takes seconds; fitted heads share their trunk.
    Errors: ModelError.
    """
    made = _sessions.setdefault(trunk, {})
    names = tuple(node.name for node in nodes)
    if names not in made:
        made[names] = OnnxTrunk(graph())
    return made[names]


def _failure(error: Exception) -> ModelError:
    return ModelError(f"ONNX Runtime cannot run this network ({first_line(error)})", "use --runtime torch")
