"""The page of neighbours: how well they agree, who is everyone's neighbour, what is there twice, what stands alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reportgen.audit.audit import Audit
from reportgen.audit.reference import Reference
from reportgen.embedding.space import (
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
from reportgen.gallery.components.figure import Figure
from reportgen.gallery.components.page_data import Fact
from reportgen.gallery.core.media import Album
from reportgen.gallery.sections.neighbours import figure_of, reference_figure, relation_of
from reportgen.metrics.intervals import Rate

MOST = 24
"""Images or pairs of one kind on the page."""


@dataclass(frozen=True)
class Accuracy:
    """kNN accuracy of both spaces for one k, by the other images and by those of the reference."""

    k: int
    codes: Rate | None
    pixels: Rate | None
    reference_codes: Rate | None
    reference_pixels: Rate | None


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
    """The near-duplicates of one space: how many pairs, how many across labels, and some of them.

    images: how many of the audited images are in a pair.
    """

    title: str
    limit: str
    count: int
    across: int
    images: int
    pairs: Sequence[Pair]


@dataclass(frozen=True)
class Leaks:
    """What the reference has of the audited images. images: of the reference; same_bytes: files that are in both."""

    name: str
    images: int
    unreadable: int
    same_bytes: int
    twins: Sequence[Twins]


@dataclass(frozen=True)
class NeighboursPage:
    """What neighbours tell of the data set. Lists are empty where there is nothing to show."""

    lead: str
    codes: str
    leaks: Leaks | None
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
    accuracy = [row for k in VOTERS if (row := _accuracy(audit, k)).codes or row.reference_codes]
    odd = odd_ones(near, labels)
    return NeighboursPage(
        lead=_lead(audit),
        codes=audit.codes.words,
        leaks=_leaks(audit, album),
        shown=near.shape[1],
        accuracy=accuracy,
        lines=_lines(accuracy),
        facts=_facts(audit),
        twins=[
            _twins(audit, album, space, f"Nearly the same by {by}", near_duplicates(space))
            for by, space in (("codes", codes), ("pixels", pixels))
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


def _accuracy(audit: Audit, k: int) -> Accuracy:
    own = [knn_accuracy(space.neighbours, audit.labels, k) for space in (audit.code_space, audit.pixel_space)]
    there: list[Rate | None] = [None, None]
    if audit.reference and audit.matches:
        there = [knn_accuracy(m.nearest, audit.labels, k, audit.reference.labels) for m in audit.matches]
    return Accuracy(k, *own, *there)


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


def _twins(
    audit: Audit,
    album: Album,
    space: Space,
    title: str,
    pairs: Sequence[tuple[int, int, float]],
    reference: Reference | None = None,
) -> Twins:
    """Pairs (i, j, distance) of near-duplicates, those across labels first; j is of the reference, if there is one."""
    labels, others = audit.labels, (reference or audit).labels
    second = reference_figure if reference else figure_of
    across = [relation_of(int(labels[i]), int(others[j])) == "other" for i, j, _ in pairs]
    shown = [
        Pair(figure_of(audit, album, i), second(audit, album, j), f"{distance:.3g}", apart)
        for apart, (i, j, distance) in sorted(zip(across, pairs, strict=True), key=lambda pair: not pair[0])[:MOST]
    ]
    images = len({i for i, _, _ in pairs} if reference else {i for pair in pairs for i in pair[:2]})
    return Twins(title, f"{space.limit:.3g}", len(pairs), sum(across), images, shown)


def _leaks(audit: Audit, album: Album) -> Leaks | None:
    if audit.reference is None or audit.matches is None:
        return None
    reference = audit.reference
    twins = [
        _twins(audit, album, space, f"In both sets by {by}", matches.close, reference)
        for by, space, matches in zip(
            ("codes", "pixels"), (audit.code_space, audit.pixel_space), audit.matches, strict=True
        )
    ]
    same = np.isin(np.asarray(audit.store["samples/id"]), np.asarray(reference.store["samples/id"]))
    return Leaks(reference.name, len(reference.samples), len(reference.unreadable), int(same.sum()), twins)


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
