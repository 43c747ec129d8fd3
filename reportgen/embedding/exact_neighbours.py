"""Exact neighbours in the form that openTSNE takes."""

from __future__ import annotations

import numpy as np
from openTSNE.nearest_neighbors import KNNIndex

from reportgen.embedding.neighbours import Neighbours, nearest_neighbours
from reportgen.embedding.rows import Rows


class ExactNeighbours(KNNIndex):  # type: ignore[misc]
    """Exact neighbours for openTSNE: the known ones of its rows, and computed ones of other rows."""

    VALID_METRICS = ("euclidean",)

    def __init__(self, rows: Rows, neighbours: Neighbours) -> None:
        super().__init__(rows, neighbours.index.shape[1])
        self._neighbours = neighbours

    def build(self) -> tuple[np.ndarray, np.ndarray]:
        return self._neighbours.index, self._neighbours.distance

    def query(self, query: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        nearest = nearest_neighbours(query, k, self.data)
        return nearest.index, nearest.distance
