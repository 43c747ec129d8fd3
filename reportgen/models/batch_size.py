"""A graph for any size of the batch, from the graphs of two batches in which sizes are plain numbers."""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import Tensor, fx

from reportgen.errors import ModelError, first_line


def batch_refused(count: int, error: Exception) -> ModelError:
    """Return the error of a network that runs on one image, but not on several."""
    return ModelError(
        f"the network does not run on a batch of {count} images ({first_line(error)})",
        "its `forward` must accept any number of images",
    )


class TraceError(Exception):
    """A `forward` that cannot be written as one graph for all images."""


def graph_for_any_batch(two: fx.GraphModule, three: fx.GraphModule, sizes: tuple[int, int]) -> fx.GraphModule:
    """Replace what differs between the graphs of two batches by what it is for any size of the batch.

    sizes: of the two batches; the first graph is changed and returned.
    Errors: TraceError if the graphs differ otherwise.
    """
    first, second = list(two.graph.nodes), list(three.graph.nodes)
    if len(first) != len(second) or any(a.op != b.op for a, b in zip(first, second, strict=True)):
        raise TraceError("its `forward` runs other operations for another number of images")
    image = next(node for node in first if node.op == "placeholder")
    with two.graph.inserting_after(image):
        batch = two.graph.call_method("size", (image, 0))
    same = dict(zip(second, first, strict=True))
    for a, b in zip(first, second, strict=True):
        if a.op == "get_attr":
            same[b] = _constant_for_any_batch(two, three, a, b, batch)
        elif a.target != b.target:
            raise TraceError("its `forward` runs other operations for another number of images")
        with two.graph.inserting_before(a):
            a.args = _merge(a.args, fx.map_arg(b.args, same.__getitem__), batch, sizes)
            a.kwargs = _merge(a.kwargs, fx.map_arg(b.kwargs, same.__getitem__), batch, sizes)
    if not batch.users:
        two.graph.erase_node(batch)
    two.recompile()
    return two


def _merge(a: Any, b: Any, batch: fx.Node, sizes: tuple[int, int]) -> Any:
    """The arguments for any batch: whole numbers are linear in its size, anything else is equal."""
    if isinstance(a, fx.Node) or isinstance(b, fx.Node) or a is b:
        if a is not b:
            raise TraceError("its `forward` runs other operations for another number of images")
        return a
    if isinstance(a, tuple | list) and isinstance(b, tuple | list) and len(a) == len(b):
        parts = [_merge(x, y, batch, sizes) for x, y in zip(a, b, strict=True)]
        return tuple(parts) if isinstance(a, tuple) else parts
    if isinstance(a, dict) and isinstance(b, dict) and a.keys() == b.keys():
        return {key: _merge(a[key], b[key], batch, sizes) for key in a}
    if isinstance(a, slice) and isinstance(b, slice):
        return slice(*(_merge(getattr(a, k), getattr(b, k), batch, sizes) for k in ("start", "stop", "step")))
    if type(a) is int and type(b) is int and a != b:
        each = (b - a) // (sizes[1] - sizes[0])
        graph = batch.graph
        product = batch if each == 1 else graph.call_function(operator.mul, (batch, each))
        rest = a - each * sizes[0]
        return graph.call_function(operator.add, (product, rest)) if rest else product
    if a != b:
        raise TraceError("its `forward` runs other operations for another number of images")
    return a


def _constant_for_any_batch(
    two: fx.GraphModule, three: fx.GraphModule, a: fx.Node, b: fx.Node, batch: fx.Node
) -> fx.Node:
    """Return the node of a constant. One with a row for each image, such as `torch.zeros(len(x), 3)`, gets as many rows
    as the batch has images."""
    x, y = (operator.attrgetter(str(n.target))(g) for n, g in ((a, two), (b, three)))
    if a.target == b.target and (not isinstance(x, Tensor) or (x.shape == y.shape and torch.equal(x, y))):
        return a
    if x.shape[1:] != y.shape[1:] or not (torch.equal(x, x[:1].expand_as(x)) and torch.equal(y, x[:1].expand_as(y))):
        raise TraceError("its `forward` makes other constants for another number of images")
    setattr(two, str(a.target), x[:1])
    with two.graph.inserting_after(a):
        rows = two.graph.call_method("expand", (a, batch, *x.shape[1:]))
    a.replace_all_uses_with(rows, lambda user: user is not rows)
    return rows
