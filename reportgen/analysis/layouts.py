"""The maps of an audit: where each image stands by PCA, by t-SNE and on a grid, by codes and by pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reportgen.analysis.embedding import Components, Quality, judge, principal_components, tsne
from reportgen.analysis.grid import assign, grid_shape
from reportgen.analysis.space import Space


@dataclass(frozen=True)
class Layout:
    """One map. positions: `(N, 2)` x to the right and y downward, NaN for images without a place; how: what it rests
    on; quality: None for fewer than three images."""

    name: str
    label: str
    how: str
    positions: np.ndarray
    quality: Quality | None


@dataclass(frozen=True)
class Maps:
    """All maps, the first one to be shown first. components: PCA of the codes; grid: its rows and columns."""

    layouts: Sequence[Layout]
    components: Components
    grid: tuple[int, int]


def make_maps(codes: Space, pixels: Space, labels: np.ndarray) -> Maps:
    """t-SNE, PCA and the grid by codes; t-SNE and PCA by pixels, to compare."""
    found: list[Layout] = []
    places: list[np.ndarray] = []
    components = [principal_components(space.rows) for space in (codes, pixels)]
    for space, axes, name, by in ((codes, components[0], "", "codes"), (pixels, components[1], "pixels-", "pixels")):
        place = tsne(space, axes)
        places.append(place)
        flat = np.zeros_like(place)
        flat[:, : axes.positions.shape[1]] = axes.positions[:, :2]
        share = ", ".join(f"{100 * e:.1f} %" for e in axes.explained[:2])
        for kind, label, how, positions in (
            ("tsne", "t-SNE", "keeps near images near; distances between clusters mean little", place),
            ("pca", "PCA", f"its first two axes hold {share} of the variance", flat),
        ):
            found.append(Layout(name + kind, f"{label} of {by}", how, positions, judge(space, positions, labels)))
    shape = grid_shape(len(labels))
    cells = grid_positions(places[0], shape)
    how = "t-SNE of codes with every image at a cell of its own"
    found.insert(2, Layout("grid", "Grid of codes", how, cells, judge(codes, cells, labels)))
    return Maps(found, components[0], shape)


def grid_positions(place: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """The centres of the images' cells `(N, 2)`, in cells; images without a place have none."""
    rows, columns = shape
    use = np.isfinite(place).all(1)
    cells = np.full(place.shape, np.nan)
    if use.any():
        cell = assign(place[use], rows, columns)
        cells[use] = np.column_stack((cell % columns + 0.5, cell // columns + 0.5))
    return cells
