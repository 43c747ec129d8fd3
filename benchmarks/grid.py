"""An image grid of 4,096 images, compared with SciPy's linear_sum_assignment of all of them; and one of 50,000, alone.

Gate: our cost is at most 1.05 times the least one, which is SciPy's, and every image has a cell of its own.
"""

from __future__ import annotations

import time

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from benchmarks.timing import OURS, Result, measure, table
from reportgen.embedding.grid import assign_cells, grid_shape


def run(quick: bool) -> Result:
    """4,096 images, 1 round, then 50,000; `quick`: 1,024 images, 3 rounds, then 5,000."""
    few, many, rounds = (1_024, 5_000, 3) if quick else (4_096, 50_000, 1)
    points = cloud(few)
    rows, columns = grid_shape(few)
    squares = cdist(points, centres(rows, columns), "sqeuclidean")
    cells: dict[str, np.ndarray] = {}

    def ours() -> None:
        cells[OURS] = assign_cells(points, rows, columns)

    def whole() -> None:
        cost = cdist(points, centres(rows, columns), "sqeuclidean")
        cells["scipy"] = linear_sum_assignment(cost)[1]

    timings = measure({OURS: ours, "scipy": whole}, rounds)
    cost = {name: float(squares[np.arange(few), cell].sum()) for name, cell in cells.items()}
    start = time.perf_counter()
    alone = assign_cells(cloud(many), *grid_shape(many))
    seconds = time.perf_counter() - start
    lines = [f"{few:,} images", *table(timings), f"cost: {cost[OURS] / cost['scipy']:.4f} x the least"]
    lines.append(f"{many:,} images alone: {seconds:.1f} s")
    own_cells = len(np.unique(cells[OURS])) == few and len(np.unique(alone)) == many
    return Result({"scipy": timings.ratio("scipy")}, own_cells and cost[OURS] <= 1.05 * cost["scipy"], lines)


def cloud(images: int) -> np.ndarray:
    """A map with clusters of several sizes, as t-SNE draws them, `(images, 2)` in the unit square."""
    random = np.random.default_rng(images)
    centre, width = 3 * random.normal(size=(40, 2)), random.uniform(0.1, 0.7, 40)
    member = random.integers(0, 40, images)
    points = centre[member] + width[member, None] * random.normal(size=(images, 2))
    return (points - points.min(0)) / (points.max(0) - points.min(0))


def centres(rows: int, columns: int) -> np.ndarray:
    y, x = np.divmod(np.arange(rows * columns), columns)
    return np.column_stack(((x + 0.5) / columns, (y + 0.5) / rows))
