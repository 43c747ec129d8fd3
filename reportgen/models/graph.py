"""Where a network is cut: its last maps and its head, read from the module graph (torch.fx)."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from reportgen.errors import ModelError
from reportgen.models.classifier import Filters, OwnHead
from reportgen.models.heads import POOLINGS

# What may lie between the last maps and the logits: a head that looks at positions through these alone can be
# explained by its maps. Attention or a convolution in the head means that the maps chosen are not the last ones.
POOLING = (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)
POOLING_FUNCTIONS = (F.max_pool2d, F.avg_pool2d, F.adaptive_avg_pool2d, F.adaptive_max_pool2d)
PASSING = (nn.Dropout, nn.Dropout2d, nn.Identity)
MIXING = (nn.Conv2d, nn.MultiheadAttention)
MIXING_FUNCTIONS = (torch.conv2d, F.conv2d, F.scaled_dot_product_attention, F.multi_head_attention_forward)


def trace(module: nn.Module, example: Tensor) -> fx.GraphModule:
    """The graph of `module` in evaluation mode; `meta["shape"]` is a node's tensor's shape for `example`, or None.

    Errors: ModelError where torch.fx cannot trace the module or the module does not take the example.
    """
    try:
        graph = fx.symbolic_trace(module.eval())
    except Exception as error:
        raise ModelError(
            f"cannot trace `{type(module).__name__}` ({reason(error)})",
            "let the `python:` factory return a `Classifier` with its own trunk and head",
        ) from error
    try:
        with torch.inference_mode():
            _Shapes(graph).run(example)
    except Exception as error:
        raise ModelError(
            f"`{type(module).__name__}` does not run on {tuple(example.shape)} ({reason(error)})"
        ) from error
    return graph


def reason(error: Exception) -> str:
    """Why something failed, in one line: torch's own messages go on for many."""
    text = (error.strerror if isinstance(error, OSError) else None) or str(error).strip()
    return (text.splitlines() or [type(error).__name__])[0]


class _Shapes(fx.Interpreter):
    """Runs the graph once and notes the shape of every tensor."""

    def run_node(self, n: fx.Node) -> object:
        result = super().run_node(n)
        n.meta["shape"] = tuple(result.shape) if isinstance(result, Tensor) else None
        return result


def is_node_of(node: fx.Node, graph: fx.GraphModule, modules: tuple[type, ...], functions: tuple = ()) -> bool:
    if node.op == "call_module":
        return isinstance(graph.get_submodule(str(node.target)), modules)
    return node.op == "call_function" and node.target in functions


def _spatial(node: fx.Node) -> bool:
    """True for maps `(N, C, h, w)`. The example is square, so its maps are; channels-last tensors are not."""
    shape = node.meta.get("shape")
    return shape is not None and len(shape) == 4 and shape[2] == shape[3] > 1


def _after(graph: fx.GraphModule, maps: fx.Node) -> list[fx.Node]:
    """The nodes that depend on `maps`, in order."""
    dependent = {maps}
    for node in graph.graph.nodes:
        if any(parent in dependent for parent in node.all_input_nodes):
            dependent.add(node)
    return [node for node in graph.graph.nodes if node in dependent and node is not maps]


def _is_cut(graph: fx.GraphModule, maps: fx.Node) -> bool:
    """True where everything the logits need comes through `maps`: the head has no other input than weights."""
    inside = {maps, *_after(graph, maps)}
    parents = {p for node in inside - {maps} for p in node.all_input_nodes} - inside
    output = next(iter(reversed(graph.graph.nodes)))
    return output in inside and all(p.op == "get_attr" or p.meta.get("shape") is None for p in parents)


def find_maps(graph: fx.GraphModule, layer: str | None = None) -> fx.Node:
    """The node whose output the last maps are.

    Unless `layer` names a module: the last node with spatial output that everything later passes through, behind any
    pooling (so AlexNet's and VGG's maps are those of the last convolution, 13×13 and 14×14, not the pooled ones).
    Errors: ModelError that lists the candidates.
    """
    nodes = [n for n in graph.graph.nodes if _spatial(n) and n.op != "placeholder"]
    if layer is not None:
        inside = [n for n in nodes if _owner(n) == layer or _owner(n).startswith(layer + ".")]
        if not inside or not _is_cut(graph, inside[-1]):
            raise _not_found(graph, nodes, f"layer `{layer}` is not one that all logits pass through")
        return inside[-1]
    for node in reversed(nodes):
        if _is_cut(graph, node):
            while is_node_of(node, graph, POOLING + PASSING, POOLING_FUNCTIONS) or node.target in (
                F.dropout,
                F.dropout2d,
            ):
                node = node.all_input_nodes[0]
            head = _after(graph, node)
            if any(is_node_of(n, graph, MIXING, MIXING_FUNCTIONS) for n in head):
                raise _not_found(graph, nodes, "the layers after the last maps mix positions (attention?)")
            return node
    raise _not_found(graph, nodes, "no layer with maps of (channels, height, width) leads to the logits")


def _owner(node: fx.Node) -> str:
    """The dotted name of the module a node belongs to."""
    stack = node.meta.get("nn_module_stack") or {}
    names = [str(path) for path, _ in stack.values()] if stack else []
    return str(node.target) if node.op == "call_module" else (names[-1] if names else node.name)


def _not_found(graph: fx.GraphModule, nodes: Iterable[fx.Node], why: str) -> ModelError:
    names = list(dict.fromkeys(_owner(n) for n in nodes if _is_cut(graph, n)))[-6:]
    candidates = ", ".join(f"`{name}`" for name in names) or "none: this network has no maps"
    return ModelError(f"the last maps were not found: {why}", f"name one with --layer; candidates: {candidates}")


def split(graph: fx.GraphModule, maps: fx.Node) -> tuple[fx.GraphModule, fx.GraphModule]:
    """The network as `trunk`: input → last maps, and `head`: last maps → logits; both share its parameters."""
    head = fx.Graph()
    # A copy, for the head's first layer may work in place (ReLU), and the maps are still needed.
    inside = {maps: head.call_method("clone", (head.placeholder("maps"),))}
    wanted = set(_after(graph, maps))
    for node in graph.graph.nodes:
        if node.op == "get_attr" and any(user in wanted for user in node.users):
            inside[node] = head.node_copy(node, lambda n: inside[n])
        elif node in wanted:
            _adopt_batch_size(node, graph, inside, head)
            inside[node] = head.node_copy(node, lambda n: inside[n])
    head.lint()
    return up_to(graph, maps), fx.GraphModule(graph, head)


def up_to(graph: fx.GraphModule, last: fx.Node) -> fx.GraphModule:
    """The network from its input to the output of one node; it shares the parameters."""
    copied = fx.Graph()
    output: dict[fx.Node, fx.Node] = {}
    for node in graph.graph.nodes:
        output[node] = copied.node_copy(node, lambda n: output[n])
        if node is last:
            break
    copied.output(output[last])
    made = fx.GraphModule(graph, copied)
    made.graph.eliminate_dead_code()
    made.recompile()
    return made


def _adopt_batch_size(node: fx.Node, graph: fx.GraphModule, inside: dict, head: fx.Graph) -> None:
    """Gives the head its own batch size where the network took it from its input (`x.view(x.size(0), -1)`)."""
    for parent in node.all_input_nodes:
        if parent not in inside:
            maps = next(iter(inside.values()))
            by_method = parent.op == "call_method" and parent.target == "size" and parent.args[1:] == (0,)
            by_shape = parent.target is operator.getitem and parent.args[1] == 0
            if by_method or by_shape:
                inside[parent] = head.call_method("size", (maps, 0))
            else:
                raise ModelError(f"the head reads `{parent.name}` beside the last maps", "name another --layer")


def own_head(graph: fx.GraphModule, head: fx.GraphModule, maps: fx.Node, name: str | None = None) -> OwnHead | None:
    """The weights of the head where it is global pooling and one linear layer; None where it is another.

    The structure proposes (the one linear layer that takes as many inputs as there are maps, or `name`), random maps
    decide: `head(f) = W mean(f) + b` or `W max(f) + b` must hold. A head that the user names and that does not pass is
    an error.
    """
    channels = maps.meta["shape"][1]
    linears = [
        (str(n.target), module)
        for n in head.graph.nodes
        if n.op == "call_module" and isinstance(module := graph.get_submodule(str(n.target)), nn.Linear)
    ]
    chosen = [m for n, m in linears if (name is None or n == name) and m.in_features == channels]
    if len(linears) == 1 and len(chosen) == 1:
        linear = chosen[0]
        weight = linear.weight.detach().float()
        bias = torch.zeros(len(weight)) if linear.bias is None else linear.bias.detach().float()
        f = torch.randn(2, *maps.meta["shape"][1:], generator=torch.Generator().manual_seed(0))
        with torch.inference_mode():
            for pooling, pool in POOLINGS.items():
                if torch.allclose(head(f), pool(f) @ weight.T + bias, rtol=1e-4, atol=1e-4):
                    return OwnHead(weight, bias, pooling)
    if name is not None:
        listed = ", ".join(f"`{n}`" for n, _ in linears) or "none"
        raise ModelError(
            f"head `{name}` is not a linear layer on the mean or maximum of the last maps",
            f"linear layers after them: {listed}",
        )
    return None


def kernels(graph: fx.GraphModule) -> Iterator[Filters]:
    """The kernels of every convolution, in the order in which the network runs them."""
    for node in graph.graph.nodes:
        if is_node_of(node, graph, (nn.Conv2d,)):
            yield Filters(str(node.target), _attribute(graph, f"{node.target}.weight"))
        if node.op == "call_function" and node.target in (torch.conv2d, F.conv2d):
            weight = node.all_input_nodes[1]
            if weight.op == "get_attr":
                yield Filters(str(weight.target).removesuffix(".weight"), _attribute(graph, str(weight.target)))


def _attribute(graph: fx.GraphModule, path: str) -> Tensor:
    """A parameter by its dotted name, float32 on the CPU."""
    return operator.attrgetter(path)(graph).detach().float().cpu()
