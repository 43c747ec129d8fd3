"""Networks whose logits read a class token: vision transformers, and heads of class attention.

Such a network concatenates its class tokens with the patch tokens, and only the last attention carries values of the
patches to the class tokens that the logits read. The feature maps are the last patch tokens that the logits read: the
input of the last block. The trunk's output has the values of the class tokens in further channels, for the head alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, fx

from reportgen.models.graph import input_shape, is_spatial, truncated_at
from reportgen.models.layers import with_intermediates
from reportgen.models.position_mixing import MAX_EXTRA_TOKENS, maps_with_changes, mixing_nodes, tokens_with_changes
from reportgen.models.split import split
from reportgen.models.token_grids import MIN_READ, Grid, as_feature_maps, keeps_positions

CONCATENATIONS = (torch.cat, torch.concat)
READ_BY_CLASS_TOKENS = "read_by_class_tokens"
"""Key in the `meta` of the node of feature maps."""
MOST = 0.5
"""Share of the other positions that a value depends on after attention, but not after a convolution."""


class TokenLayout(NamedTuple):
    """A sequence of tokens. axis: 1 for `(N, length, C)`, 0 for `(length, N, C)`.

    grid: rows and columns of the patches; first: index of the first patch token; length: patches and class tokens.
    """

    axis: int
    grid: Grid
    first: int
    length: int

    @property
    def patches(self) -> slice:
        """The patch tokens in the sequence."""
        return slice(self.first, self.first + math.prod(self.grid))


def find_class_token_maps(graph: fx.GraphModule, known: set[Grid], cuts: set[fx.Node]) -> fx.Node | None:
    """Return the node whose output is the last feature maps that the logits read, if the network has class tokens.

    known: grids of other nodes of the network; cuts: the nodes through which alone the output depends on the image.
    None without class tokens, and where gradients do not show that the patch tokens are in the order of the image.
    """
    concatenations = dict(_concatenations(graph, known))
    if not concatenations:
        return None
    layouts, is_pooled = token_layouts(graph, known), False
    for node in reversed(_read_nodes(graph, [n for n in graph.graph.nodes if n in cuts], _random_image(graph), known)):
        patches = _patch_part(node, concatenations)
        node = patches if patches in cuts else node
        layout = layout_of(node, layouts)
        if not is_spatial(node) and (layout is None or not has_ordered_patches(graph, node, layout)):
            return None
        mixing, is_read_again = _mixing_after(graph, node, layout, known)
        if is_read_again and not is_pooled:
            return None
        if mixing and layout:
            same = next((n for n in graph.graph.nodes if n in cuts and _are_its_maps(graph, n, node, layout)), None)
            node = same or insert_feature_maps(graph, node, layout)
        if mixing:
            node.meta[READ_BY_CLASS_TOKENS] = True
            return node
        is_pooled = True  # the logits read the mean of the patches, beside a class token that an earlier block made
    return None


def token_layouts(graph: fx.GraphModule, known: set[Grid]) -> set[TokenLayout]:
    """Return the layouts of the concatenated tokens of a network, and those of the patch tokens alone."""
    found = {layout for _, layout in _concatenations(graph, known)}
    found |= {TokenLayout(one.axis, one.grid, 0, math.prod(one.grid)) for one in found}
    return {layout._replace(axis=axis) for layout in found for axis in (0, 1)}


def layout_of(node: fx.Node, layouts: set[TokenLayout]) -> TokenLayout | None:
    """Return the layout of a node's output; None if it is none of these."""
    shape = node.meta.get("shape") or ()
    if len(shape) != 3:
        return None
    fitting = (one for one in layouts if shape[one.axis] == one.length and shape[1 - one.axis] == 1)
    return next(fitting, None)


def has_ordered_patches(graph: fx.GraphModule, node: fx.Node, layout: TokenLayout) -> bool:
    """Whether the patch tokens in a node's output are in the order of the image's rows, see `keeps_positions`."""
    return keeps_positions(graph, node, layout.grid, lambda tokens: tokens.movedim(layout.axis, 1)[:, layout.patches])


def reads_patches(graph: fx.GraphModule, node: fx.Node, layout: TokenLayout) -> bool:
    """Whether the logits depend on most of the patch tokens in a node's output."""
    return bool(_read_nodes(graph, [node], _random_image(graph), {layout.grid}))


def _concatenations(graph: fx.GraphModule, known: set[Grid]) -> Iterator[tuple[fx.Node, TokenLayout]]:
    """Yield the nodes that concatenate patch tokens with a few class tokens, and the layouts of their outputs."""
    for node in graph.graph.nodes:
        if node.op != "call_function" or node.target not in CONCATENATIONS:
            continue
        axis, parts = _arguments(node)
        shapes = [part.meta.get("shape") or () for part in parts]
        if any(len(shape) != 3 or axis not in (0, 1) or shape[1 - axis] != 1 for shape in shapes):
            continue
        sizes = [shape[axis] for shape in shapes]
        for place, size in enumerate(sizes):
            grid = next((grid for grid in known if math.prod(grid) == size), None)
            if grid and 0 < sum(sizes) - size <= MAX_EXTRA_TOKENS:
                yield node, TokenLayout(axis, grid, sum(sizes[:place]), sum(sizes))
                break


def _arguments(node: fx.Node) -> tuple[int, Sequence[fx.Node]]:
    """Return axis and parts of a concatenation of three dimensions."""
    arguments = {**dict(zip(("tensors", "dim"), node.args, strict=False)), **node.kwargs}
    axis, parts = arguments.get("dim", arguments.get("axis", 0)), arguments["tensors"]
    if not isinstance(axis, int) or not isinstance(parts, Sequence):
        return -1, ()
    return axis % 3, [part for part in parts if isinstance(part, fx.Node)]


def _patch_part(node: fx.Node, concatenations: Mapping[fx.Node, TokenLayout]) -> fx.Node | None:
    """Return what a concatenation has as patch tokens; None for another node."""
    if node not in concatenations:
        return None
    layout = concatenations[node]
    sizes = ((part, part.meta["shape"][layout.axis]) for part in _arguments(node)[1])
    return next(part for part, size in sizes if size == math.prod(layout.grid))


def _are_its_maps(graph: fx.GraphModule, maps: fx.Node, node: fx.Node, layout: TokenLayout) -> bool:
    """Whether the output of a node is feature maps that have the values of all tokens of another node."""
    if not is_spatial(maps) or maps.meta["shape"][2:] != layout.grid or layout.length != math.prod(layout.grid):
        return False
    with torch.no_grad():
        values, tokens = (truncated_at(graph, one)(_random_image(graph)) for one in (maps, node))
    return torch.equal(values, patch_maps(tokens, layout))


def _mixing_after(
    graph: fx.GraphModule, node: fx.Node, layout: TokenLayout | None, grids: set[Grid]
) -> tuple[bool, bool]:
    """Whether positions are mixed after a node, and whether the logits read positions of values that attention mixed.

    After the input of a last block they do not: there, the logits read the class tokens alone. layout: of the node's
    output; None for feature maps.
    """
    head = split(graph, node, 1 - layout.axis if layout else 0)[1]
    shape = node.meta["shape"]
    if layout is None:
        grid, values = shape[2:], maps_with_changes(shape[1], shape[2:])
    else:
        grid, after = layout.grid, layout.length - layout.patches.stop
        values = tokens_with_changes(shape[2], grid, layout.first, after).movedim(1, layout.axis)
    mixed = mixing_nodes(head, values, grid)
    read = _read_nodes(head, list(head.graph.nodes), values, grids)
    again = [n for n in read if mixed.get(n, 0.0) >= MOST or not _position_axes(n, grid)]
    return bool(mixed), bool(again)


def _random_image(graph: fx.GraphModule) -> Tensor:
    return torch.randn(input_shape(graph.graph), generator=torch.Generator().manual_seed(0))


def _read_nodes(module: fx.GraphModule, nodes: Sequence[fx.Node], x: Tensor, grids: set[Grid]) -> list[fx.Node]:
    """Return the nodes from which the module's output reads most positions of one of the grids, in order.

    x: the module's input. Nodes without such positions are left out.
    """
    watched = [node for node in nodes if node.op.startswith("call") and any(_position_axes(node, g) for g in grids)]
    if not watched:
        return []
    parameter = next(module.parameters(), torch.empty(0))
    with torch.enable_grad():
        output, values = with_intermediates(module, watched)(x.to(parameter).requires_grad_())
        weights = torch.randn(output.shape, generator=torch.Generator().manual_seed(0)).to(output)
        gradients = torch.autograd.grad((output * weights).sum(), values, allow_unused=True, materialize_grads=True)
    return [
        node
        for node, gradient in zip(watched, gradients, strict=True)
        if any(_is_read(gradient != 0, _position_axes(node, grid)) for grid in grids)
    ]


def _is_read(has_gradient: Tensor, axes: Sequence[tuple[int, int]]) -> bool:
    """Whether most positions have a gradient, for each of the axes that may be those of the positions."""
    shares = [has_gradient.flatten(*pair).movedim(pair[0], 0).flatten(1).any(1).float().mean() for pair in axes]
    return bool(shares) and float(min(shares)) >= MIN_READ


def _position_axes(node: fx.Node, grid: Grid) -> list[tuple[int, int]]:
    """Return the first and last of the axes of a node's output that may be its positions."""
    shape = node.meta.get("shape") or ()
    if sum(size > 1 for size in shape) < 2 or not 3 <= len(shape) <= 4:
        return []
    count = math.prod(grid)
    pairs = [(d, d + 1) for d in range(1, len(shape) - 1) if len(shape) == 4 and shape[d : d + 2] == grid]
    return pairs or [(d, d) for d in range(2) if count <= shape[d] <= count + MAX_EXTRA_TOKENS]


def insert_feature_maps(graph: fx.GraphModule, node: fx.Node, layout: TokenLayout) -> fx.Node:
    """Insert nodes that turn tokens into feature maps and back; return the one whose output is the feature maps.

    The trunk's output, see `trunk_output`, has the class tokens in addition.
    """
    if layout.axis == 1 and layout.length == math.prod(layout.grid):
        maps = as_feature_maps(graph, node, layout.grid)
        maps.meta[READ_BY_CLASS_TOKENS] = True
        return maps
    shape = node.meta["shape"]
    with graph.graph.inserting_after(node):
        maps = graph.graph.create_node("call_function", patch_maps, (node, layout), name="patch_tokens")
    with graph.graph.inserting_after(maps):
        packed = graph.graph.call_function(with_class_tokens, (maps, node, layout))
    with graph.graph.inserting_after(packed):
        tokens = graph.graph.call_function(all_tokens, (packed, shape[2], layout))
    node.replace_all_uses_with(tokens, lambda user: user not in (maps, packed))
    channels = shape[2] + extra_channels(shape[2], layout)
    maps.meta = {**node.meta, "shape": (1, shape[2], *layout.grid), READ_BY_CLASS_TOKENS: True}
    packed.meta = {"shape": (1, channels, *layout.grid), "has_tensors": True, "is_layer": False}
    tokens.meta = {"shape": shape, "has_tensors": True}
    graph.recompile()
    return maps


def is_read_by_class_tokens(maps: fx.Node) -> bool:
    """Whether class tokens read these feature maps, so that the logits depend on them by attention."""
    return bool(maps.meta.get(READ_BY_CLASS_TOKENS))


def trunk_output(maps: fx.Node) -> fx.Node:
    """Return the node at which the trunk ends: the feature maps, or, with class tokens, the one that adds them."""
    return next((user for user in maps.users if user.target is with_class_tokens), maps)


def without_class_tokens(trunk: fx.GraphModule) -> fx.GraphModule:
    """Return the trunk without the class tokens in its output; itself, if it has none."""
    last = next(iter(reversed(trunk.graph.nodes))).all_input_nodes[0]
    return truncated_at(trunk, last.all_input_nodes[0]) if last.target is with_class_tokens else trunk


def extra_channels(channels: int, layout: TokenLayout) -> int:
    """Return the number of channels that hold the values of the class tokens."""
    count = math.prod(layout.grid)
    return -(-(layout.length - count) * channels // count)


def patch_maps(tokens: Tensor, layout: TokenLayout) -> Tensor:
    """Tokens → feature maps `(N, C, h, w)` of the patch tokens.

    Here and below, `shape[0]` and not `len`: the export to ONNX keeps it for any number of images.
    """
    by_image = tokens.movedim(layout.axis, 1)
    return by_image[:, layout.patches].transpose(1, 2).reshape(by_image.shape[0], -1, *layout.grid)


def with_class_tokens(maps: Tensor, tokens: Tensor, layout: TokenLayout) -> Tensor:
    """Feature maps `(N, C, h, w)` and the tokens that they are part of → `(N, C + extra_channels, h, w)`.

    The further channels hold the values of the other tokens one after the other, and then zeros.
    """
    by_image = tokens.movedim(layout.axis, 1)
    others = torch.cat((by_image[:, : layout.patches.start], by_image[:, layout.patches.stop :]), 1).flatten(1)
    size = extra_channels(maps.shape[1], layout) * math.prod(layout.grid)
    others = F.pad(others, (0, size - others.shape[1]))
    return torch.cat((maps, others.reshape(maps.shape[0], -1, *layout.grid)), 1)


def all_tokens(packed: Tensor, channels: int, layout: TokenLayout) -> Tensor:
    """Invert `with_class_tokens`: `(N, channels + extra_channels, h, w)` → tokens. The result is contiguous."""
    patches = packed[:, :channels].flatten(2).transpose(1, 2)
    n = layout.length - patches.shape[1]
    others = packed[:, channels:].flatten(1)[:, : n * channels].reshape(packed.shape[0], n, channels)
    tokens = torch.cat((others[:, : layout.first], patches, others[:, layout.first :]), 1)
    return tokens.movedim(1, layout.axis).contiguous()
