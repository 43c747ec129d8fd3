"""Operations that change a tensor in place, in a traced graph: `x.relu_()`, `nn.ReLU(inplace=True)`, `x.copy_(y)`."""

from __future__ import annotations

import operator

import torch
from torch import Tensor, fx, nn

from reportgen.errors import ModelError

ASSIGNMENTS = (operator.iadd, operator.isub, operator.imul, operator.itruediv)
"""`x += y` and so on, which change `x`."""
OUTPUT_NOT_NEEDED = (nn.Conv2d, nn.Linear, nn.BatchNorm2d, nn.LayerNorm, nn.GroupNorm)
"""Modules whose gradient does not need their output, so that it may be changed."""


def is_in_place(node: fx.Node) -> bool:
    """Whether a node changes its first input, by PyTorch's conventions: a name that ends in `_`, or `inplace=True`."""
    if node.op == "call_method":
        return _has_in_place_name(str(node.target))
    if node.op == "call_function":
        return bool(node.kwargs.get("inplace")) or _has_in_place_name(getattr(node.target, "__name__", ""))
    if node.op == "call_module" and node.graph.owning_module is not None:
        return getattr(node.graph.owning_module.get_submodule(str(node.target)), "inplace", False) is True
    return False


def _has_in_place_name(name: str) -> bool:
    return name.endswith("_") and not name.endswith("__")


def make_in_place_changes_explicit(graph: fx.GraphModule) -> None:
    """Let whatever reads a tensor after an in-place operation read the operation's result, which is the same tensor.

    Without this, the graph does not show that `self.relu(x)` as a statement of its own changes `x`. The network's input
    is copied if it is changed, because it belongs to the caller.
    """
    order = {node: i for i, node in enumerate(graph.graph.nodes)}
    for node in order:
        if not is_in_place(node) or not node.all_input_nodes:
            continue
        changed = node.all_input_nodes[0]
        if changed.op == "placeholder":
            with graph.graph.inserting_after(changed):
                copied = graph.graph.call_method("clone", (changed,))
            copied.meta = dict(changed.meta)
            changed.replace_all_uses_with(copied, lambda user, copied=copied: user is not copied)
            changed = copied
        changed.replace_all_uses_with(node, lambda user, node=node: order.get(user, -1) > order[node])
    graph.recompile()


def eliminate_dead_code(graph: fx.GraphModule) -> None:
    """Remove the nodes that nothing reads, except those that change a tensor: it may be a view of one that is read."""
    graph.graph.eliminate_dead_code(lambda node: node.op in ("placeholder", "output") or is_in_place(node))


def make_differentiable(graph: fx.GraphModule, name: str) -> None:
    """Let gradients pass a graph that changes in place what its gradient needs, such as the output of a sigmoid.

    Such values are copied before they are changed. No value of the network changes. name: of the network, for messages.
    Errors: ModelError where a copy would change a value, because the network changes a part of a tensor.
    """
    risky = [node for node in graph.graph.nodes if _may_prevent_gradients(graph, node)]
    if not risky:
        return
    logits, error = _logits_and_gradient_error(graph)
    if error is None:
        return
    for node in risky:
        with graph.graph.inserting_before(node):
            copied = graph.graph.call_method("clone", (node.all_input_nodes[0],))
        copied.meta = {**node.all_input_nodes[0].meta, "is_layer": False}
        if node.args:
            node.args = (copied, *node.args[1:])
        else:
            node.kwargs = {**node.kwargs, "input": copied}
    graph.recompile()
    logits_of_copies, error = _logits_and_gradient_error(graph)
    if error is not None or not torch.equal(logits, logits_of_copies):
        places = ", ".join(f"`{node.name}`" for node in risky[:3])
        raise ModelError(
            f"PyTorch cannot differentiate `{name}`: it changes in place what the gradient needs (one of {places})",
            "saliency and Grad-CAM need gradients: write `y = y * g` instead of `y.mul_(g)` or `y[:, :4] *= g`",
        )


def _may_prevent_gradients(graph: fx.GraphModule, node: fx.Node) -> bool:
    """Whether a node changes its first input, and something may need that for its gradient."""
    if not node.all_input_nodes or not (is_in_place(node) or node.target in ASSIGNMENTS):
        return False
    changed = node.all_input_nodes[0]
    is_sum = changed.op == "call_function" and changed.target in (operator.add, torch.add, operator.iadd)
    is_module = changed.op == "call_module" and isinstance(graph.get_submodule(str(changed.target)), OUTPUT_NOT_NEEDED)
    return not (is_sum or is_module) or len(changed.users) > 1


def _logits_and_gradient_error(graph: fx.GraphModule) -> tuple[Tensor, str | None]:
    """Return the logits of a random image, and PyTorch's message if their gradient cannot be computed."""
    shape = next(iter(graph.graph.nodes)).meta["shape"]
    image = torch.randn(shape, generator=torch.Generator().manual_seed(0)).requires_grad_()
    logits = torch.empty(0)
    try:
        with torch.enable_grad():
            logits = fx.Interpreter(graph).run(image)
            torch.autograd.grad(logits.sum(), image, allow_unused=True)
    except RuntimeError as error:
        if "in-place" not in str(error) and "inplace" not in str(error):
            raise
        return logits.detach(), str(error)
    return logits.detach(), None
