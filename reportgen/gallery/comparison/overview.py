"""The first page of a comparison: both errors of each kind, examples of changed images, and changed outcomes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reportgen.gallery.comparison.classes import ClassRow
from reportgen.gallery.comparison.image_groups import ImageGroup, ImageGroups, ImagePair, ImagePairs
from reportgen.gallery.comparison.pairing import ERRORS, PairedReports
from reportgen.gallery.core.labels import OUTCOME_LABELS
from reportgen.gallery.core.page import Fact
from reportgen.metrics.formatting import between, p_text, percent, signed
from reportgen.metrics.intervals import Rate
from reportgen.metrics.paired import ErrorChange

MAX_EXAMPLES = 4
"""Images of each group on the page."""
MAX_CLASSES = 20


@dataclass(frozen=True)
class ErrorRow:
    """An error under both networks. difference, interval: in points; fixed, broken: the images."""

    name: str
    a: Rate
    b: Rate
    difference: str
    interval: str
    p: str
    fixed: ImageGroup
    broken: ImageGroup


@dataclass(frozen=True)
class Examples:
    """Some images of a group."""

    group: ImageGroup
    pairs: Sequence[ImagePair]


@dataclass(frozen=True)
class OverviewPage:
    """a, b: names of the networks; notes: what the images of the two reports do not share.

    outcome_matrix: outcome with A × outcome with B, in the order of `outcomes`, each (number of images, URL or "").
    """

    heading: str
    lead: str
    notes: Sequence[str]
    a: str
    b: str
    errors: Sequence[ErrorRow]
    examples: Sequence[Examples]
    outcomes: Sequence[str]
    outcome_matrix: Sequence[Sequence[tuple[int, str]]]
    classes: Sequence[ClassRow]
    classes_total: int
    facts: Sequence[Fact]


def overview_page(
    groups: ImageGroups, pairs: ImagePairs, rows: Sequence[ClassRow], facts: Sequence[Fact]
) -> OverviewPage:
    """The page. rows: of all classes."""
    paired = groups.paired
    outcomes, matrix = _outcome_matrix(groups)
    changed = (*groups.of_errors.get("top1", ()), *groups.of_errors.get("box1", ()), groups.different_predictions)
    return OverviewPage(
        heading=heading(paired),
        lead=lead(paired),
        notes=notes(paired),
        a=paired.a.name,
        b=paired.b.name,
        errors=_error_rows(groups),
        examples=[
            Examples(group, [pairs.pair(int(i)) for i in _evenly_spaced(group.rows)])
            for group in changed
            if len(group.rows)
        ],
        outcomes=outcomes,
        outcome_matrix=matrix,
        classes=sorted(rows, key=lambda row: (-row.broken - row.fixed, row.name))[:MAX_CLASSES],
        classes_total=len(rows),
        facts=facts,
    )


def heading(paired: PairedReports) -> str:
    """How many images are fixed and broken, in one line."""
    change = paired.changes.get("top1")
    if change is None:
        same = int((paired.a.predicted == paired.b.predicted).sum())
        return f"{paired.a.name} and {paired.b.name} predict the same class on {same:,} of {paired.n:,} images"
    return f"{paired.b.name} fixes {len(change.fixed):,} and breaks {len(change.broken):,} of {change.a.n:,} images"


def lead(paired: PairedReports) -> str:
    """How much the errors differ, and whether that may be chance."""
    if not paired.changes:
        return "The images have no labels, so errors cannot be computed."
    names = {"top1": "The top-1 error", "box1": "The top-1 localization error"}
    return " ".join(
        _change_text(name, paired.changes[error], paired) for error, name in names.items() if error in paired.changes
    )


def _change_text(name: str, change: ErrorChange, paired: PairedReports) -> str:
    low, high = change.ci95
    chance = "" if high < 0 or low > 0 else " The interval contains 0, so the difference may be chance."
    return (
        f"{name} is {percent(change.a)} with {paired.a.name} and {percent(change.b)} with {paired.b.name}: "
        f"{signed(change.difference)} points (95 % interval {between(change.ci95)}; McNemar's exact test: p = "
        f"{p_text(change.p)}).{chance}"
    ).replace("p = <", "p <")


def notes(paired: PairedReports) -> list[str]:
    """What the images of the two reports do not share."""
    texts = []
    if paired.only_a or paired.only_b:
        texts.append(
            f"{paired.only_a:,} images are only in the report of {paired.a.name}, {paired.only_b:,} only in that of "
            f"{paired.b.name}. The comparison uses the {paired.n:,} images that are in both."
        )
    if len(paired.relabelled):
        texts.append(f"{len(paired.relabelled):,} images have different labels in the two reports; no error uses them.")
    if paired.different_boxes:
        texts.append(
            f"{paired.different_boxes:,} images have different ground-truth boxes in the two reports; each network is "
            "evaluated with those of its own report."
        )
    return texts


def _error_rows(groups: ImageGroups) -> list[ErrorRow]:
    rows = []
    for error, change in groups.paired.changes.items():
        fixed, broken = groups.of_errors[error]
        texts = signed(change.difference), between(change.ci95), p_text(change.p)
        rows.append(ErrorRow(ERRORS[error], change.a, change.b, *texts, fixed, broken))
    return rows


def _outcome_matrix(groups: ImageGroups) -> tuple[list[str], list[list[tuple[int, str]]]]:
    """The outcomes that occur, and the matrix of (number of images, URL or "")."""
    a, b = (side.predictions["kind"] for side in (groups.paired.a, groups.paired.b))
    outcomes = [outcome for outcome in OUTCOME_LABELS if outcome in a or outcome in b]
    changed = groups.of_outcome_changes
    return outcomes, [
        [
            (
                int(((a == before) & (b == after)).sum()),
                changed[before, after].url() if (before, after) in changed else "",
            )
            for after in outcomes
        ]
        for before in outcomes
    ]


def _evenly_spaced(rows: np.ndarray) -> list[int]:
    at = np.linspace(0, len(rows) - 1, min(MAX_EXAMPLES, len(rows))).round().astype(int)
    return [int(row) for row in rows[at]]
