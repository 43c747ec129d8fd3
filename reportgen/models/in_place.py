"""Operations that change a tensor in place, in a traced graph: `x.relu_()`, `nn.ReLU(inplace=True)`, `x.copy_(y)`."""

from __future__ import annotations

from torch import fx


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
