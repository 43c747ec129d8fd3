"""Weights of an exported network in 16 bits, which halves its file. It computes in 32 bits as before."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from reportgen.models.classifier import Classifier
from reportgen.models.live_graph import CLASS, LiveGraph, with_head_weights
from reportgen.models.onnx_export import INPUT
from reportgen.models.onnx_runtime import OnnxSession


def half_weights(graph: LiveGraph, classifier: Classifier) -> LiveGraph:
    """Return the graph with its weights rounded to float16. Tensors of one axis, such as biases, stay as they are.

    A `Cast` to float32 follows each of them, which ONNX Runtime computes once, when the session starts: it has no
    kernels for float16 on a CPU. Values beyond the range of float16 become infinite.
    """
    import onnx

    model = onnx.load_from_string(graph.data[: graph.graph_size])
    casts = []
    for tensor in model.graph.initializer:
        if tensor.data_type != onnx.TensorProto.FLOAT or len(tensor.dims) < 2:
            continue
        name, values = tensor.name, onnx.numpy_helper.to_array(tensor)
        with np.errstate(over="ignore"):
            tensor.CopyFrom(onnx.numpy_helper.from_array(values.astype(np.float16), f"{name}/half"))
        casts.append(onnx.helper.make_node("Cast", [tensor.name], [name], to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    made = with_head_weights(model.SerializeToString(), classifier, "<f2")
    return replace(made, is_half=True, gradient_classes=graph.gradient_classes)


def largest_difference(graph: LiveGraph, other: LiveGraph, images: Tensor) -> float:
    """Return the largest difference of a logit, NaN if one is not finite. images: `(N, C, H, W)` float32, normalized.

    Errors: ModelError if ONNX Runtime cannot run one of the graphs.
    """
    sessions = [OnnxSession(one.data[: one.graph_size]) for one in (graph, other)]
    more = {CLASS: torch.zeros(1, graph.gradient_classes)} if graph.gradient_classes else {}
    differences = []
    for image in images.split(1):
        (logits,), (others,) = (session.run({INPUT: image, **more}, ["logits"]) for session in sessions)
        differences.append((logits - others).abs().max())
    return float(torch.stack(differences).max())  # of NaN and a number NaN
