"""The outputs of a network as a row of logits, one for each class."""

from __future__ import annotations

import torch
from torch import Tensor, fx

from reportgen.errors import ModelError
from reportgen.models.outputs import ends_with_sigmoid, sigmoid_at_end, softmax_at_end


def two_logits(z: Tensor) -> Tensor:
    """Return logits (−z/2, z/2) of two classes, `(N, 2)`, whose softmax is (1 − sigmoid(z), sigmoid(z)).

    z: the logit of the second class, one an image: `(N,)`, `(N, 1)`, …
    """
    column = z.reshape(-1, 1) / 2
    return torch.cat((-column, column), 1)


def two_rows(values: Tensor) -> Tensor:
    """Return the weight `(2, C)` or bias `(2,)` of two logits for those of one logit z, `(1, C)` or `(1,)`."""
    return torch.cat((-values / 2, values / 2))


def one_row(values: Tensor) -> Tensor:
    """Invert `two_rows`. Both are exact: halving and doubling change the exponent of a number alone."""
    return values[1:] * 2


def log_probabilities(probabilities: Tensor) -> Tensor:
    """Return logits whose softmax is these probabilities: their logarithms, finite also for a probability of 0."""
    return probabilities.clamp(min=torch.finfo(probabilities.dtype).tiny).log()


def class_logits(values: Tensor, images: int, outputs: str) -> Tensor:
    """Return the logits `(images, K)` of what a network returned for some images, as `return_class_logits` does.

    For `probabilities` they may differ by a constant an image, as logits do that have the same softmax.
    """
    if outputs == "binary":
        return two_logits(values)
    rows = values.reshape(images, -1)
    if outputs == "sigmoids":
        return rows.logit()
    return log_probabilities(rows) if outputs == "probabilities" else rows


def described_outputs(graph: fx.GraphModule, outputs: str) -> str:
    """What `return_class_logits` makes of a network's outputs, for the report; "" if they are taken as they are."""
    if outputs == "binary":
        return "one logit z, taken as −z/2 and z/2"
    if outputs == "probabilities":
        return "logits before the softmax at the end" if softmax_at_end(graph) else "log probabilities, taken as logits"
    if outputs == "multilabel":
        before = " before the sigmoid at the end" if sigmoid_at_end(graph) else ""
        return f"multi-label: a logit for each label{before}"
    return ""


def return_class_logits(graph: fx.GraphModule, name: str, outputs: str) -> int:
    """Let a traced network return a row of logits for each image. Return the number of classes.

    Its output for one image may have any number of dimensions, all but one of them of size 1: `(K,)` after `squeeze()`,
    `(1, K)`, or `(1, K, 1, 1)` of a fully convolutional head. name: of the network, for messages. A softmax at the end
    of `probabilities` is removed; without one, the logits are their logarithms. Of `multilabel`, a sigmoid at the end
    is removed.
    Errors: ModelError for an output of another shape, and, for `binary`, of more than one value or of a sigmoid.
    """
    output = next(iter(reversed(graph.graph.nodes)))
    (returned,) = output.all_input_nodes
    shape = returned.meta["shape"]
    values = [size for size in shape or () if size > 1]
    if shape is None or len(values) > 1:
        raise ModelError(
            f"`{name}` returns shape {shape} for one image, not a row of logits",
            "return one logit for each class, for example from a `python:` factory",
        )
    count = values[0] if values else 1
    sigmoid = sigmoid_at_end(graph) if outputs == "multilabel" else None
    if outputs in ("classes", "multilabel") and shape == (1, count) and sigmoid is None:
        return count
    if outputs == "binary":
        _check_binary(graph, name, count)
    if outputs == "probabilities":
        if count == 1:
            raise ModelError(
                f"`{name}` has one output; with `outputs = probabilities` it must have one for each class",
                "for a binary classifier, leave out the sigmoid at the end of `forward`, and add `--outputs binary`",
            )
        returned = _logits_of_probabilities(graph, returned)
    if sigmoid is not None:
        returned = _without(graph, sigmoid, returned)
    with graph.graph.inserting_before(output):
        if outputs == "binary":
            logits = graph.graph.call_function(two_logits, (returned,))
        else:
            logits = graph.graph.call_method("reshape", (returned, -1, count))
    classes = 2 if outputs == "binary" else count
    logits.meta.update(shape=(1, classes), has_tensors=True)
    output.args = (logits,)
    graph.recompile()
    return classes


def _logits_of_probabilities(graph: fx.GraphModule, returned: fx.Node) -> fx.Node:
    """Return the input of the softmax at the end, which it replaces in the graph, or a new node of logarithms."""
    softmax = softmax_at_end(graph)
    if softmax is None:
        with graph.graph.inserting_after(returned):
            logits = graph.graph.call_function(log_probabilities, (returned,))
        logits.meta = dict(returned.meta)
        return logits
    return _without(graph, softmax, returned)


def _without(graph: fx.GraphModule, last: fx.Node, returned: fx.Node) -> fx.Node:
    """Let the users of a node read its input instead, and return the node that the graph returns then."""
    source = last.all_input_nodes[0]
    last.replace_all_uses_with(source)
    graph.graph.erase_node(last)
    return source if last is returned else returned


def _check_binary(graph: fx.GraphModule, name: str, count: int) -> None:
    if count != 1:
        raise ModelError(
            f"`{name}` has {count} outputs; with `outputs = binary` it must have one, the logit of the second class",
            "leave out `outputs`" + (": its two logits are taken as they are" if count == 2 else ""),
        )
    if ends_with_sigmoid(graph):
        raise ModelError(
            f"`{name}` ends with a sigmoid: its output is a probability, not a logit",
            "leave out the sigmoid at the end of its `forward`",
        )
