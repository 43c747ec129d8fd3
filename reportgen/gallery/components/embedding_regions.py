"""Regions of the t-SNE map for the page: their names on pictures, rows of a table, and data for the browser."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reportgen.audit.audit import Audit
from reportgen.embedding.density import density_contours
from reportgen.embedding.maps import EmbeddingMaps, to_unit
from reportgen.embedding.region_names import RegionSummary
from reportgen.embedding.regions import MapRegions
from reportgen.gallery.components.name_places import NamePlaces
from reportgen.gallery.core.data_chunks import script, write_chunk
from reportgen.metrics.intervals import Rate

WIDTHS = {"wide": 1180, "narrow": 350}
"""CSS pixels of a picture of a map in a wide and in a narrow window: where names must not collide."""
LETTER, LINE = 8.0, 24.0
"""CSS pixels that a letter and a line of a name take at most, with their margins."""
PATH_UNITS = 1000
"""Contours are sent as paths in these parts of the map's side."""
KINDS = {"label": "", "prediction": "predicted ", "group": "group "}
"""What a name begins with, by the attribute that it is a value of."""


@dataclass(frozen=True)
class RegionRow:
    """A region in the table.

    number: from 1, as in the address and in `regions.csv`; depth: number of regions around it; name: "" if none is
    over-represented; how: what the name is a value of, with the shares inside and outside; predicted, prediction:
    the most frequent predicted class, or predicted label, and its share.
    """

    number: int
    depth: int
    name: str
    how: str
    images: int
    errors: Rate | None
    predicted: str
    prediction: Rate


@dataclass(frozen=True)
class PictureName:
    """The name of a region on a picture. x, y: shares of its width and height; is_narrow: also in a narrow window."""

    text: str
    x: float
    y: float
    is_narrow: bool


def region_title(summary: RegionSummary) -> str:
    """The name of a region as pages show it, "" for none."""
    return KINDS[summary.name.kind] + summary.name.text if summary.name else ""


def region_rows(audit: Audit) -> list[RegionRow]:
    """Every region followed by its parts, the largest first."""
    regions, summaries = audit.map_regions, audit.region_summaries
    children: dict[int, list[int]] = {}
    for region, parent in enumerate(regions.parent.tolist()):
        children.setdefault(parent, []).append(region)
    rows, stack = [], [(region, 0) for region in reversed(children.get(-1, []))]
    while stack:
        region, depth = stack.pop()
        stack += [(part, depth + 1) for part in reversed(children.get(region, []))]
        summary = summaries[region]
        predicted, prediction = summary.prediction
        rows.append(
            RegionRow(
                number=region + 1,
                depth=depth,
                name=region_title(summary),
                how=_how(summary),
                images=len(summary.members),
                errors=summary.errors,
                predicted=predicted,
                prediction=prediction,
            )
        )
    return rows


def _how(summary: RegionSummary) -> str:
    name = summary.name
    if name is None:
        return "no value is over-represented"
    kind = name.kind if len(name.values) == 1 else f"{name.kind}s, all of them"
    return f"{kind}: {_percent(name.inside)} here, {_percent(name.outside)} elsewhere"


def _percent(rate: Rate) -> str:
    share = 100 * rate.value
    return f"{share:.0f} %" if share >= 1 or share == 0 else f"{share:.1f} %"


def shown_levels(regions: MapRegions, summaries: Sequence[RegionSummary]) -> np.ndarray:
    """`(R, 3)` bool: at which levels of zoom a region's name is shown.

    These are the levels at which the region is a cluster, and the finer ones at which no part of it has a name.
    """
    named = np.array([summary.name is not None for summary in summaries], bool)
    own = regions.levels & named[:, None]
    has_part = np.zeros_like(own)
    for region in range(len(regions) - 1, -1, -1):
        if (parent := regions.parent[region]) >= 0:
            has_part[parent] |= own[region] | has_part[region]
    shown: np.ndarray = own.copy()
    for level in range(1, own.shape[1]):
        shown[:, level] |= shown[:, level - 1] & ~has_part[:, level]
    return shown


def anchors(summaries: Sequence[RegionSummary], unit: np.ndarray) -> np.ndarray:
    """`(R, 2)` where names are drawn: the image of each region nearest to the median of its positions `(N, 2)`."""
    found = np.zeros((len(summaries), 2))
    for region, summary in enumerate(summaries):
        points = unit[summary.members]
        found[region] = points[np.square(points - np.median(points, 0)).sum(1).argmin()]
    return found


def picture_names(
    summaries: Sequence[RegionSummary], unit: np.ndarray, margin: tuple[float, float], aspect: float
) -> list[PictureName]:
    """Names that do not collide on a picture of a map, those of larger regions first.

    unit: `(N, 2)` positions; margin: of the picture, in shares of its width and height; aspect: height ÷ width.
    """
    places = {size: NamePlaces(LETTER, LINE) for size in WIDTHS}
    names = []
    for summary, (u, v) in zip(summaries, anchors(summaries, unit).tolist(), strict=True):
        if not (text := region_title(summary)):
            continue
        x, y = (edge + share * (1 - 2 * edge) for share, edge in zip((u, v), margin, strict=True))
        y -= margin[1] / 2  # above a thumbnail
        fits = {}
        for size, width in WIDTHS.items():
            half = places[size].half_width(text)
            is_inside = half <= x * width <= width - half
            fits[size] = is_inside and places[size].take(text, x * width, y * width * aspect)
        if fits["wide"]:
            names.append(PictureName(text, round(100 * x, 2), round(100 * y, 2), fits["narrow"]))
    return names


def contour_paths(unit: np.ndarray) -> list[str]:
    """SVG paths of the contours of a map, from the outermost to the innermost; positions × `PATH_UNITS`."""
    paths = []
    for lines in reversed(density_contours(unit)):
        whole = [np.round(PATH_UNITS * line).astype(int).tolist() for line in lines]
        paths.append("".join("M" + "L".join(f"{x} {y}" for x, y in line[:-1]) + "Z" for line in whole))
    return paths


def write_region_chunk(
    site: Path, maps: EmbeddingMaps, regions: MapRegions, summaries: Sequence[RegionSummary], is_grouped: bool = False
) -> list[str]:
    """Write the chunk `regions`: regions, contours, and how many neighbours each map preserves. Return its URLs.

    is_grouped: whether images belong to groups; the browser cannot compute intervals of them.
    """
    by_name = {layout.name: layout for layout in maps.maps}
    at = {name: np.round(anchors(summaries, by_name[name].unit_positions), 4) for name in ("tsne", "grid")}
    shown = shown_levels(regions, summaries)
    entries = [
        {
            "text": region_title(summary),
            "how": _how(summary),
            "parent": int(regions.parent[region]),
            "shown": shown[region].tolist(),
            "images": len(summary.members),
            "errors": _errors(summary.errors),
            "at": {name: places[region].tolist() for name, places in at.items()},
        }
        for region, summary in enumerate(summaries)
    ]
    qualities = {layout.name: layout.quality for layout in maps.maps if layout.quality}
    columns = {f"kept_{name}": quality.preserved.astype(np.int8) for name, quality in qualities.items()}
    columns["region"] = regions.smallest.astype(np.int16)
    more = {
        "entries": entries,
        "contours": {layout: contour_paths(unit) for layout, unit in _contoured(maps).items()},
        "grouped": is_grouped,
        "neighbours": max((quality.k for quality in qualities.values()), default=0),
    }
    return write_chunk(site, "regions", script("regions", columns, {}, more))


def _errors(rate: Rate | None) -> list[float] | None:
    """Count, n, and the bounds of the interval."""
    return None if rate is None else [rate.count, rate.n, *(round(bound, 4) for bound in rate.interval)]


def _contoured(maps: EmbeddingMaps) -> dict[str, np.ndarray]:
    """Positions `(N, 2)` as the browser has them, of all maps but the grid, whose density is the same everywhere."""
    unit = {layout.name: layout.unit_positions for layout in maps.maps if layout.name != "grid"}
    if maps.components.positions.shape[1] >= 2:
        unit["pca"] = to_unit(maps.components.positions)[:, :2]
    return unit
