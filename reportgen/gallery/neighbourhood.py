"""The page of neighbours: how well they agree, who is everyone's neighbour, what is there twice, what stands alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reportgen.analysis.audit import Audit
from reportgen.analysis.interval import Rate
from reportgen.analysis.space import (
    CLOSE,
    SHOWN,
    VOTERS,
    Space,
    agreement,
    hub_counts,
    knn_accuracy,
    near_duplicates,
    odd_ones,
    overlap,
    skewness,
)
from reportgen.gallery.pages import Fact
from reportgen.views.album import Album
from reportgen.views.neighbours import figure_of
from reportgen.views.panel import Figure

MOST = 24
"""Images or pairs of one kind on the page."""


@dataclass(frozen=True)
class Accuracy:
    """kNN accuracy of both spaces for one k."""

    k: int
    codes: Rate | None
    pixels: Rate | None


@dataclass(frozen=True)
class Line:
    """A line of a chart, as an SVG polyline's points in a 0…100 × 0…100 frame. style: `codes` or `pixels`."""

    style: str
    points: str


@dataclass(frozen=True)
class Pair:
    """Two images that are nearly one. across: their labels differ."""

    first: Figure
    second: Figure
    distance: str
    across: bool


@dataclass(frozen=True)
class Twins:
    """The near-duplicates of one space: how many pairs, how many across labels, and some of them."""

    title: str
    limit: str
    count: int
    across: int
    pairs: Sequence[Pair]


@dataclass(frozen=True)
class NeighboursPage:
    """What neighbours tell of the data set. Lists are empty where there is nothing to show."""

    lead: str
    shown: int
    accuracy: Sequence[Accuracy]
    lines: Sequence[Line]
    facts: Sequence[Fact]
    twins: Sequence[Twins]
    odd: Sequence[Figure]
    odd_total: int
    hubs: Sequence[Figure]
    left_out: Sequence[str]


def neighbours_page(audit: Audit, album: Album) -> NeighboursPage:
    """The page; its figures are those of the first network."""
    codes, pixels, labels = audit.code_space, audit.pixel_space, audit.labels
    near = codes.neighbours.index[:, :SHOWN]
    accuracy = [
        Accuracy(k, knn_accuracy(codes.neighbours, labels, k), knn_accuracy(pixels.neighbours, labels, k))
        for k in VOTERS
    ]
    accuracy = [row for row in accuracy if row.codes is not None]
    odd = odd_ones(near, labels)
    return NeighboursPage(
        lead=_lead(audit),
        shown=near.shape[1],
        accuracy=accuracy,
        lines=_lines(accuracy),
        facts=_facts(audit),
        twins=[
            _twins(audit, album, codes, "Nearly the same by codes"),
            _twins(audit, album, pixels, "Nearly the same by pixels"),
        ],
        odd=[_odd(audit, album, int(i), near) for i in odd[:MOST]],
        odd_total=len(odd),
        hubs=_hubs(audit, album, near),
        left_out=[audit.samples[i].name for i in codes.neighbours.left_out],
    )


def _lead(audit: Audit) -> str:
    if len(audit.samples) < 2:
        return "One image has no neighbours."
    near = [space.neighbours.index[:, :SHOWN] for space in (audit.code_space, audit.pixel_space)]
    shared = float(overlap(*near).mean())
    text = f"Of the {near[0].shape[1]} nearest by codes and by pixels, {shared:.1f} are the same on average."
    if not (audit.labels >= 0).any():
        return "What the network takes for alike, beside what is alike in pixels. " + text
    same = [agreement(index, audit.labels) for index in near]
    share = [100 * float(s[s >= 0].mean()) / near[0].shape[1] for s in same]
    return (
        f"Of an image's nearest by the network's codes, {share[0]:.0f} % bear its label; of its nearest by pixels,"
        f" {share[1]:.0f} %. {text}"
    )


def _lines(accuracy: Sequence[Accuracy]) -> list[Line]:
    lines = []
    for style in ("codes", "pixels"):
        rates = [(j, getattr(row, style)) for j, row in enumerate(accuracy)]
        points = [
            f"{100 * j / max(1, len(accuracy) - 1):.1f},{100 - 100 * rate.value:.1f}" for j, rate in rates if rate
        ]
        lines.append(Line(style, " ".join(points)))
    return lines if len(accuracy) > 1 else []


def _facts(audit: Audit) -> list[Fact]:
    facts = []
    for name, space in (("codes", audit.code_space), ("pixels", audit.pixel_space)):
        counts = hub_counts(space.neighbours.index[:, :SHOWN])
        facts += [
            Fact(f"Hubness by {name} (skewness)", f"{skewness(counts):.2f}"),
            Fact(f"Largest hub by {name}", f"neighbour of {counts.max():,} images"),
            Fact(f"Nobody's neighbour by {name}", f"{int((counts == 0).sum()):,} images"),
        ]
    return facts


def _twins(audit: Audit, album: Album, space: Space, title: str) -> Twins:
    pairs = near_duplicates(space)
    labels = audit.labels
    across = [labels[i] >= 0 and labels[j] >= 0 and labels[i] != labels[j] for i, j, _ in pairs]
    order = sorted(range(len(pairs)), key=lambda p: not across[p])[:MOST]
    shown = [
        Pair(figure_of(audit, album, i), figure_of(audit, album, j), f"{distance:.3g}", bool(across[p]))
        for p in order
        for i, j, distance in [pairs[p]]
    ]
    return Twins(title, f"{CLOSE * space.spread:.3g}", len(pairs), int(sum(across)), shown)


def _odd(audit: Audit, album: Album, i: int, near: np.ndarray) -> Figure:
    names, counts = np.unique(audit.labels[near[i]], return_counts=True)
    most = f"{counts.max()} of {near.shape[1]} neighbours: {audit.classes[int(names[counts.argmax()])]}"
    return figure_of(audit, album, i, most)


def _hubs(audit: Audit, album: Album, near: np.ndarray) -> list[Figure]:
    counts = hub_counts(near)
    most = np.argsort(-counts, kind="stable")[: MOST // 2]
    return [
        figure_of(audit, album, int(i), f"neighbour of {counts[i]:,}") for i in most if counts[i] >= 2 * near.shape[1]
    ]
