"""The first convolution: the one that reads the image, whose filters can be shown as colours."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from reportgen.models.classifier import ConvWeights
from reportgen.models.graph import convolutions, input_shape, is_node_of, nodes_on_all_paths, owner, truncated_at
from reportgen.models.receptive_fields import ReceptiveField, receptive_fields

MAX_KERNEL = 32
"""Largest side of a kernel that is measured; what reads more of the image is no first convolution."""
LINEARITY = 1e-3
"""Largest deviation from a linear function, relative to the largest value, of what counts as a convolution."""


def first_convolution_node(graph: fx.GraphModule) -> fx.Node | None:
    """Return the first node on all paths from the image after which a convolution has been computed; None without.

    Of parallel branches that are added, as in RepVGG, this is the sum.
    """
    on_all_paths = nodes_on_all_paths(graph)
    convolved: set[fx.Node] = set()
    nodes: list[fx.Node] = list(graph.graph.nodes)
    for node in nodes:
        if _is_convolution(node, graph) or any(source in convolved for source in node.all_input_nodes):
            convolved.add(node)
            if node in on_all_paths and node.op != "output":
                return node
    return None


def first_convolution(graph: fx.GraphModule) -> ConvWeights | None:
    """Return the weights of the first convolution; None if there is none, or if no kernel describes it.

    If it has parallel branches, its kernel is measured: the output of one position for an image of a single bright
    pixel, for each pixel and channel.
    """
    node = first_convolution_node(graph)
    image = input_shape(graph.graph)
    if node is None or len(node.meta["shape"] or ()) != 4:
        return None
    plain = next((k for k, at in convolutions(graph) if at is node), None)
    if plain is not None and plain.weight.shape[1] == image[1]:
        return plain
    field = receptive_fields(graph).get(node.name)
    if field is None or field.size is None or max(field.size) > MAX_KERNEL:
        return plain
    weight = _measured_kernel(truncated_at(graph, node), image[1:], field)
    return plain if weight is None else ConvWeights(f"{owner(node)}, measured", weight)


def deeper_convolutions(graph: fx.GraphModule) -> Iterator[ConvWeights]:
    """Yield the weights of every convolution after the first one, in the order of execution."""
    first, is_after = first_convolution_node(graph), False
    weights = {node: kernel for kernel, node in convolutions(graph)}
    for node in graph.graph.nodes:
        if is_after and node in weights:
            yield weights[node]
        is_after = is_after or node is first


def _is_convolution(node: fx.Node, graph: fx.GraphModule) -> bool:
    return is_node_of(node, graph, (nn.Conv2d,), (torch.conv2d, F.conv2d))


@torch.no_grad()
def _measured_kernel(stem: nn.Module, shape: tuple[int, ...], field: ReceptiveField) -> Tensor | None:
    """Return the kernel `(out, channels, kh, kw)` of a network that is one convolution; None if it is not linear.

    shape: `(channels, height, width)` of the image.
    """
    rows, columns = len(field.rows.intervals), len(field.columns.intervals)
    y, x = rows // 2, columns // 2
    left, upper, right, lower = field.box(y, x)
    if (lower - upper, right - left) != field.size:
        return None  # the image is smaller than the kernel

    zero = stem(torch.zeros(1, *shape))[:, :, y, x]
    kernel = []
    for c, i, j in itertools.product(range(shape[0]), range(upper, lower), range(left, right)):
        pixel = torch.zeros(1, *shape)
        pixel[0, c, i, j] = 1
        kernel.append(stem(pixel)[0, :, y, x] - zero[0])
    weight = torch.stack(kernel, 1).view(-1, shape[0], lower - upper, right - left)
    probe = torch.randn(1, *shape, generator=torch.Generator().manual_seed(0))
    expected = zero + torch.einsum("nchw,ochw->no", probe[:, :, upper:lower, left:right], weight)
    found = stem(probe)[:, :, y, x]
    is_linear = float((found - expected).abs().max()) <= LINEARITY * float(found.abs().max())
    return weight if is_linear else None
