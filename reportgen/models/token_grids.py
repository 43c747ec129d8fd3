"""Feature maps of networks that keep positions as tokens `(N, h·w, C)` or with channels last `(N, h, w, C)`.

Swin, FocalNet and vision transformers that pool their tokens do so. Tokens become feature maps `(N, C, h, w)` by moving
their axes, and the head moves them back: no value changes.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, fx

from reportgen.models.graph import input_shape, is_grid, truncated_at

Grid = tuple[int, int]
MIN_IN_PLACE = 7
"""Of nine tokens, those that must depend most on their own place. By chance one does."""
MIN_SIDE_FOR_MEANS = 6
"""Rows and columns from which on gradients are averaged over a place and its neighbours: with fewer, places overlap."""
RANDOM_MAPS = 16
MIN_READ = 0.5
"""Share of the positions that the logits must depend on in one of the random maps; with maxima, in few of each."""


def token_grid(node: fx.Node, known: set[Grid]) -> Grid | None:
    """Return rows and columns of the positions that a node's output has as tokens or with channels last; or None.

    known: grids of other nodes of the network. Only such a grid is accepted for tokens `(N, h·w, C)`, since any number
    of features could be read as one.
    """
    shape: tuple[int, ...] = node.meta.get("shape") or (0,)
    if node.op == "placeholder" or len(shape) not in (3, 4) or shape[0] != 1:
        return None
    if len(shape) == 3:
        return next((grid for grid in known if math.prod(grid) == shape[1]), None)
    rows, columns = shape[1:3]
    return (rows, columns) if is_grid(node.graph, rows, columns) and shape[3] not in shape[1:3] else None


def keeps_positions(
    graph: fx.GraphModule, node: fx.Node, grid: Grid, patches: Callable[[Tensor], Tensor] = lambda tokens: tokens
) -> bool:
    """Whether the tokens of a node are in the order of the image's rows, by measurement.

    patches: takes the tokens of the positions, `(N, h·w, C)` or `(N, h, w, C)`, from the node's output.

    The gradients of nine tokens are compared at the nine places where they should be. What all tokens see alike (by
    attention) is subtracted. Then seven tokens at least must have the largest gradient at their own place.
    """
    image = input_shape(graph.graph)
    parameter = next(graph.parameters(), torch.empty(0))
    pixels = torch.randn(image, generator=torch.Generator().manual_seed(0)).to(parameter).requires_grad_()
    places = list(itertools.product(*((0, n // 2, n - 1) for n in grid)))
    side = 3 if min(grid) >= MIN_SIDE_FOR_MEANS else 1
    strengths = []
    with torch.enable_grad():
        tokens = patches(truncated_at(graph, node)(pixels)).flatten(1, -2)
        for row, column in places:
            token = tokens[0, row * grid[1] + column]
            (gradient,) = torch.autograd.grad(token.square().sum(), pixels, retain_graph=True)
            cells = F.adaptive_avg_pool2d(gradient.square().sum(1, keepdim=True), grid)
            around = F.avg_pool2d(cells, side, 1, side // 2, count_include_pad=False)[0, 0]
            strengths.append(torch.stack([around[place] for place in places]))
    excess = torch.stack(strengths).double().clamp(min=torch.finfo(torch.float64).tiny).log()
    excess = excess - excess.mean(0)
    excess = excess - excess.mean(1, keepdim=True)
    return int((excess.argmax(1) == torch.arange(len(places))).sum()) >= MIN_IN_PLACE


def reads_all_positions(head: fx.GraphModule, shape: Sequence[int]) -> bool:
    """Whether the logits depend on most positions of random maps `(C, h, w)`; those of an LSTM's last step do not."""
    generator = torch.Generator().manual_seed(0)
    maps = torch.randn(RANDOM_MAPS, *shape, generator=generator).requires_grad_()
    with torch.enable_grad():
        logits = head(maps)
        weights = torch.randn(logits.shape, generator=generator)
        (gradient,) = torch.autograd.grad((logits * weights).sum(), maps)
    return float(gradient.abs().sum((0, 1)).ne(0).float().mean()) >= MIN_READ


def as_feature_maps(graph: fx.GraphModule, node: fx.Node, grid: Grid) -> fx.Node:
    """Insert nodes that turn tokens into feature maps and back; return the one whose output is the feature maps."""
    shape = node.meta["shape"]
    with graph.graph.inserting_after(node):
        maps = graph.graph.call_function(tokens_to_maps, (node, grid))
    with graph.graph.inserting_after(maps):
        tokens = graph.graph.call_function(maps_to_tokens, (maps, len(shape)))
    node.replace_all_uses_with(tokens, lambda user: user is not maps)
    # The module of the tokens ends with the maps, in the trunk; what turns them back belongs to no module.
    maps.meta = {**node.meta, "shape": (1, shape[-1], *grid)}
    tokens.meta = {"shape": shape, "has_tensors": True}
    graph.recompile()
    return maps


def back_to_tokens(graph: fx.GraphModule, maps: fx.Node) -> None:
    """Remove what `as_feature_maps` inserted."""
    (tokens,) = maps.users
    tokens.replace_all_uses_with(maps.all_input_nodes[0])
    graph.graph.erase_node(tokens)
    graph.graph.erase_node(maps)
    graph.recompile()


def tokens_to_maps(tokens: Tensor, grid: Grid) -> Tensor:
    """`(N, h·w, C)` or `(N, h, w, C)` → `(N, C, h, w)`. grid: h and w."""
    return tokens.movedim(-1, 1).reshape(tokens.shape[0], -1, *grid)


def maps_to_tokens(maps: Tensor, dimensions: int) -> Tensor:
    """Invert `tokens_to_maps`. dimensions: of the tokens, 3 or 4. The result is contiguous, for a view after it."""
    return (maps.flatten(2) if dimensions == 3 else maps).movedim(1, -1).contiguous()
