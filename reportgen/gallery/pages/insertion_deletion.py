"""Insertion and deletion: whether the activation maps mark the pixels that the prediction depends on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reportgen.audit.audit import Audit
from reportgen.gallery.components.chart import Chart, Series, percent_axis
from reportgen.gallery.core.media import Media
from reportgen.gallery.core.registry import page
from reportgen.metrics.bootstrap import intervals
from reportgen.metrics.formatting import minus_signs

ORDER_LABELS = ("activation map", "random map", "centred map")
"""Of the orders in `faithfulness/deletion` and `faithfulness/insertion`."""
CAPTIONS = {
    "deletion": "Pixels are replaced by the mean colour, the highest values of the map first. If the map marks what "
    "the prediction depends on, the curve falls early.",
    "insertion": "Pixels of the image replace those of a blurred copy, the highest values of the map first. If the map "
    "marks what the prediction depends on, the curve rises early.",
}


@dataclass(frozen=True)
class AreaRow:
    """The area under a mean curve: of the activation map and of both controls, with the paired differences.

    is_clear: the activation map is better than both controls, and 0 is outside of both intervals.
    """

    curve: str
    better: str
    is_clear: bool
    areas: Sequence[str]
    differences: Sequence[str]


@dataclass(frozen=True)
class InsertionDeletionPage:
    """images: number of selected images; charts: mean curves over them; rows: areas under them."""

    images: int
    heading: str
    rows: Sequence[AreaRow]
    charts: Sequence[Chart]


@page(
    "insertion-deletion/index.html",
    nav=("Method", "Insertion and deletion"),
    order=71,
    requires=("faithfulness/deletion", "faithfulness/insertion"),
    about="Insertion and deletion curves of the predicted class (Petsiuk et al. 2018), over some selected images.",
    multilabel=True,
)
def insertion_deletion(audit: Audit, media: Media) -> InsertionDeletionPage:
    """Mean curves of the activation maps, with those of a random and of a centred map as controls."""
    results, groups = audit.main.selected["faithfulness"], audit.main.groups
    images = sorted(results.rows)
    curves = {name: np.stack([results.of_image(i)[f"faithfulness/{name}"] for i in images]) for name in CAPTIONS}
    own_groups = groups[images]
    rows = [area_row(name, curves[name], own_groups) for name in CAPTIONS]
    verdict = (
        "beat a random and a centred map in both curves"
        if all(row.is_clear for row in rows)
        else "do not clearly beat both a random and a centred map in both curves"
    )
    heading = f"Insertion and deletion: the activation maps {verdict}"
    return InsertionDeletionPage(len(images), heading, rows, [_chart(n, c, own_groups) for n, c in curves.items()])


def area_row(name: str, curves: np.ndarray, groups: np.ndarray | None = None) -> AreaRow:
    """The areas under the curves `(n, 3, STEPS + 1)` of n images, with paired bootstrap intervals of differences."""
    sign, areas = (-1 if name == "deletion" else 1), area_under(curves)
    differences = areas[:, :1] - areas[:, 1:]
    bounds = intervals(differences, groups)
    return AreaRow(
        curve=name.capitalize(),
        better="lower is better" if sign < 0 else "higher is better",
        is_clear=all(min(sign * low, sign * high) > 0 for low, high in bounds),
        areas=[f"{value:.3f}" for value in areas.mean(0)],
        differences=[_difference(d, bound) for d, bound in zip(differences.mean(0).tolist(), bounds, strict=True)],
    )


def area_under(curves: np.ndarray) -> np.ndarray:
    """Areas under curves `(…, STEPS + 1)` over [0, 1], by the trapezoidal rule."""
    areas: np.ndarray = ((curves[..., :-1] + curves[..., 1:]) / 2).mean(-1)
    return areas


def _difference(value: float, bounds: tuple[float, float]) -> str:
    texts = [minus_signs(f"{one:+.3f}") for one in (value, *bounds)]
    return f"{texts[0]} ({texts[1]} to {texts[2]})"


def _chart(name: str, curves: np.ndarray, groups: np.ndarray) -> Chart:
    """curves: `(n, 3, STEPS + 1)`; groups: `(n,)`."""
    x = np.linspace(0, 1, curves.shape[2]).tolist()
    series = [
        Series(order, "line", x, curves[:, k].mean(0).tolist(), intervals(curves[:, k], groups) if k == 0 else [])
        for k, order in enumerate(ORDER_LABELS)
    ]
    axes = percent_axis("share of the pixels that are changed"), percent_axis("probability of the predicted class")
    return Chart(name.capitalize(), *axes, series, CAPTIONS[name])
