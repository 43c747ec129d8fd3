"""Checks that a network's weights are numbers and that its outputs are logits."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any, TypeVar

from torch import Tensor, fx, nn

from reportgen.errors import ModelError
from reportgen.models.classifier import Classifier

T = TypeVar("T")
SUM_TOLERANCE = 1e-3
"""Largest deviation of the sum of a softmax from 1."""
BINARY_HINT = "if it is the logit of a binary classifier, add `--outputs binary`"
"""Way out for a network with one output."""
SHAPE_ONLY = {"flatten", "squeeze", "view", "reshape", "contiguous", "float", "identity", "dropout"}
"""Operations that change no value in evaluation, in lower case."""
SOFTMAXES = {"softmax"}
SIGMOIDS = {"sigmoid", "sigmoid_", "hardsigmoid", "expit"}
REMOVABLE_SIGMOIDS = SIGMOIDS - {"hardsigmoid"}
MULTILABEL = "multi_label_classification"
"""The `problem_type` of a Hugging Face network for which any number of labels may be right."""


def logits_in(output: Any, kind: type[T]) -> T | None:
    """Return the logits in what a network returns: a tensor, or the one called `logits` in a dict, `ModelOutput` or
    named tuple, or the first one in a dict, tuple or list. None if there is none.

    kind: Tensor, or Node for the output of a graph.
    """
    if isinstance(output, kind):
        return output
    if hasattr(output, "_asdict"):  # a named tuple
        output = output._asdict()
    if isinstance(output, Mapping):
        output = [output["logits"]] if "logits" in output else list(output.values())
    if not isinstance(output, tuple | list):
        return None
    return next((found for part in output if (found := logits_in(part, kind)) is not None), None)


def check_weights(classifier: Classifier, has_own_head: bool) -> None:
    """Check the weights of the trunk and, if the network keeps its own head, of the head.

    Errors: ModelError for parameters that are NaN or infinite, and for other stored values that are NaN.
    """
    for part in (classifier.trunk, classifier.head) if has_own_head else (classifier.trunk,):
        for name, value in itertools.chain(part.named_parameters(), part.named_buffers()):
            is_wrong = ~value.isfinite() if isinstance(value, nn.Parameter) else value.isnan()
            if is_wrong.any():
                raise ModelError(
                    f"`{name}` of `{classifier.name}` has {int(is_wrong.sum()):,} of {value.numel():,} values that are "
                    "NaN or infinite",
                    "use a checkpoint from before the training diverged",
                )


def check_outputs(classifier: Classifier, outputs: Tensor) -> None:
    """Check the outputs `(N, K)` of a network for a few images.

    Errors: ModelError for NaN or infinite values, a single output, the outputs of a softmax or sigmoid, and a network
    whose configuration states another kind of outputs than it is run with.
    """
    name, is_multilabel = f"`{classifier.name}`", classifier.class_names.is_multilabel
    if classifier.original is not None:
        _check_problem_type(classifier.original, name)
    if outputs.shape[1] < 2:
        raise ModelError(
            f"{name} has one output; reportgen needs a logit for each of at least two classes",
            BINARY_HINT,
        )
    if not outputs.isfinite().all():
        n = int((~outputs.isfinite()).any(1).sum())
        raise ModelError(
            f"{name} gives NaN or infinite logits for {n} of the first {len(outputs)} images",
            "check its weights and its preprocessing; with a low --precision, use fp32",
        )
    if are_probabilities(outputs):
        raise ModelError(
            f"{name} returns probabilities, not logits: its outputs are ≥ 0 and their sum is 1",
            "leave out `--outputs multilabel`: the classes exclude each other"
            if is_multilabel
            else "add `--outputs probabilities`, or leave out the softmax at the end of its `forward`",
        )
    if ends_with_sigmoid(classifier.head) and outputs.amin() >= 0 and outputs.amax() <= 1:
        raise ModelError(
            f"{name} ends with a sigmoid: its outputs are probabilities of independent labels, not logits",
            "leave out the sigmoid at the end of its head"
            if is_multilabel
            else "if any number of labels may be right per image, add `--outputs multilabel`; if one class is right, "
            "leave out the sigmoid",
        )


def are_probabilities(outputs: Tensor) -> bool:
    """Whether outputs `(N, K)` are those of a softmax: ≥ 0, and their sum is 1."""
    return bool(outputs.amin() >= 0 and (outputs.sum(1) - 1).abs().amax() <= SUM_TOLERANCE)


def check_probabilities(name: str, outputs: Tensor) -> None:
    """Check that the outputs `(N, K)` of a network, which are stated to be probabilities, are those of a softmax.

    Errors: ModelError.
    """
    if not are_probabilities(outputs):
        sums = outputs.sum(1)
        raise ModelError(
            f"`{name}` does not return probabilities: its outputs are from {outputs.amin():.3g} to "
            f"{outputs.amax():.3g}, and their sums from {sums.amin():.3g} to {sums.amax():.3g}",
            "leave out `--outputs probabilities` if they are logits",
        )


def stated_problem(module: nn.Module) -> str | None:
    """Return the `problem_type` in the configuration of a Hugging Face network, or of one in the module."""
    stated = (getattr(getattr(part, "config", None), "problem_type", None) for part in module.modules())
    return next(filter(None, stated), None)


def stated_outputs(module: nn.Module, name: str, outputs: str) -> str:
    """Return the kind of outputs to run a network with: `multilabel` where its configuration states it, else `outputs`.

    Errors: ModelError if it states something else than the setting.
    """
    problem = stated_problem(module)
    if problem != MULTILABEL or outputs == "multilabel":
        return outputs
    if outputs != "classes":
        raise ModelError(
            f"`{name}` is a multi-label network: its configuration states `problem_type = {problem}`",
            "leave out `outputs`; if one class is right per image, correct `problem_type`",
        )
    return "multilabel"


def _check_problem_type(module: nn.Module, name: str) -> None:
    """Check what the configuration of a Hugging Face network, or of one in the module, states about its outputs."""
    problem = stated_problem(module)
    if problem == "regression":
        raise ModelError(
            f"{name} is a regression: its configuration states `problem_type = {problem}`",
            "if its output is the logit of a binary classifier, remove `problem_type` and add `--outputs binary`",
        )


def ends_with_sigmoid(head: nn.Module) -> bool:
    """Whether a sigmoid is the last operation that changes a value. Without a graph, that is the last module."""
    if not isinstance(head, fx.GraphModule):
        leaves = [module for module in head.modules() if not list(module.children())]
        return isinstance(leaves[-1], (nn.Sigmoid, nn.Hardsigmoid))
    return _operation(head, _last_operation(head)) in SIGMOIDS


def softmax_at_end(graph: fx.GraphModule) -> fx.Node | None:
    """Return the softmax that is the last operation that changes a value, if nothing else reads it; or None."""
    return _at_end(graph, SOFTMAXES)


def sigmoid_at_end(graph: fx.GraphModule) -> fx.Node | None:
    """Return the sigmoid that is the last operation that changes a value, if nothing else reads it; or None."""
    return _at_end(graph, REMOVABLE_SIGMOIDS)


def _at_end(graph: fx.GraphModule, operations: set[str]) -> fx.Node | None:
    node = _last_operation(graph)
    return node if _operation(graph, node) in operations and len(node.users) == 1 else None


def _last_operation(graph: fx.GraphModule) -> fx.Node:
    """Return the node of the last operation that changes a value."""
    node: fx.Node = next(iter(reversed(graph.graph.nodes))).all_input_nodes[0]
    while _operation(graph, node) in SHAPE_ONLY and node.all_input_nodes:
        node = node.all_input_nodes[0]
    return node


def _operation(graph: fx.GraphModule, node: fx.Node) -> str:
    """Return the name of the module's class, the function or the method that a node calls, in lower case."""
    called = type(graph.get_submodule(str(node.target))) if node.op == "call_module" else node.target
    return str(getattr(called, "__name__", called)).lower()
