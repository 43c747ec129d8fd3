"""The maps of an audit: where each image stands by PCA, by t-SNE and on a grid, by codes and by pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import openTSNE

from reportgen.embedding.grid import assign, grid_shape
from reportgen.embedding.projections import Components, Quality, judge, principal_components, tsne
from reportgen.embedding.space import Space
from reportgen.store.results_cache import Arrays, Keep, keep_nothing

SEED = 0


@dataclass(frozen=True, eq=False)
class Layout:
    """One map. positions: `(N, 2)` x to the right and y downward, NaN for images without a place; how: what it rests
    on; quality: None for fewer than three images."""

    name: str
    label: str
    how: str
    positions: np.ndarray
    quality: Quality | None

    @cached_property
    def unit(self) -> np.ndarray:
        """`(N, 2)` positions in [0, 1], see `to_unit`."""
        return to_unit(self.positions)


@dataclass(frozen=True)
class Maps:
    """All maps, the first one to be shown first. components: PCA of the codes; grid: its rows and columns."""

    layouts: Sequence[Layout]
    components: Components
    grid: tuple[int, int]


def make_maps(codes: Space, pixels: Space, labels: np.ndarray, keep: Keep = keep_nothing) -> Maps:
    """t-SNE, PCA and the grid by codes; t-SNE and PCA by pixels, to compare. keep: for the next run's sake."""
    found: list[Layout] = []
    components: list[Components] = []
    shape = grid_shape(len(labels))
    for space, name, by in ((codes, "", "codes"), (pixels, "pixels-", "pixels")):
        placed = keep("maps", [space.rows, SEED, openTSNE.__version__], partial(_placed, space))
        axes = Components(placed["axes"], placed["explained"])
        components.append(axes)
        flat = np.zeros_like(placed["tsne"])
        flat[:, : axes.positions.shape[1]] = axes.positions[:, :2]
        share = ", ".join(f"{100 * e:.1f} %" for e in axes.explained[:2])
        ways = [
            ("tsne", "t-SNE", "keeps near images near; distances between clusters mean little", placed["tsne"]),
            ("pca", "PCA", f"its first two axes hold {share} of the variance", flat),
        ]
        if space is codes:
            cells = keep("grid", [placed["tsne"], shape], partial(_cells, placed["tsne"], shape))["cells"]
            ways.append(("grid", "Grid", "t-SNE of codes with every image at a cell of its own", cells))
        for kind, label, how, positions in ways:
            found.append(Layout(name + kind, f"{label} of {by}", how, positions, judge(space, positions, labels)))
    return Maps(found, components[0], shape)


def _placed(space: Space) -> Arrays:
    """The maps that take long to make: principal components and t-SNE."""
    axes = principal_components(space.rows)
    return {"axes": axes.positions, "explained": axes.explained, "tsne": tsne(space, axes, SEED)}


def _cells(place: np.ndarray, shape: tuple[int, int]) -> Arrays:
    return {"cells": grid_positions(place, shape)}


def grid_positions(place: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """The centres of the images' cells `(N, 2)`, in cells; images without a place have none."""
    rows, columns = shape
    use = np.isfinite(place).all(1)
    cells = np.full(place.shape, np.nan)
    if use.any():
        cell = assign(place[use], rows, columns)
        cells[use] = np.column_stack((cell % columns + 0.5, cell // columns + 0.5))
    return cells


def to_unit(positions: np.ndarray) -> np.ndarray:
    """`(N, A)` moved and scaled into [0, 1], all axes by one factor and centred; NaN stays."""
    use = np.isfinite(positions).all(1)
    if not use.any():
        return np.full(positions.shape, np.nan)
    low, high = positions[use].min(0), positions[use].max(0)
    span = (high - low).max()
    return 0.5 + (positions - (low + high) / 2) / (span if span > 0 else 1)
