"""The page GAP and GMP: the paper's claim, tested on the user's data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reportgen.analysis.audit import Audit
from reportgen.analysis.bootstrap import Interval
from reportgen.analysis.poolings import Paired, Poolings, compare, pair_of
from reportgen.views.album import Album
from reportgen.views.panel import Figure
from reportgen.views.poolings import side_by_side

SHOWN = 6
"""Images shown of each direction."""


@dataclass(frozen=True)
class Row:
    """A figure under both poolings, in per cent; difference in points, with its interval."""

    name: str
    meaning: str
    gap: str
    gmp: str
    difference: str
    interval: str


@dataclass(frozen=True)
class Apart:
    """Images on which one pooling is ahead: pairs of figures, GAP's first, each pair with what it shows."""

    title: str
    pairs: list[tuple[Figure, Figure, str]]


@dataclass(frozen=True)
class PoolingsPage:
    """answer: the claim's fate in words."""

    answer: str
    reading: str
    gap: str
    gmp: str
    rows: list[Row]
    apart: list[Apart]
    images: int


def poolings_page(audit: Audit, album: Album) -> PoolingsPage | None:
    """None unless the audit has both poolings, and images with a label and boxes."""
    pair = pair_of(audit)
    found = compare(*pair) if pair else None
    if found is None:
        return None
    rows = [
        _row("Object covered", "share of the true box inside the map's box", found.complete),
        _row("Map outside", "share of the map's positive values beyond the true boxes", found.background),
        _row("Box wrong", "the box of the label's map does not fit (IoU < 0.5)", found.error),
    ]
    order = np.argsort(-found.lead, kind="stable")
    ahead, behind = order[found.lead[order] > 0][:SHOWN], order[::-1][found.lead[order[::-1]] < 0][:SHOWN]
    apart = [
        _apart("GAP covers more", found, album, ahead),
        _apart("GMP covers more", found, album, behind),
    ]
    return PoolingsPage(
        answer(found), reading(found), found.gap.card.name, found.gmp.card.name, rows,
        [part for part in apart if part.pairs], len(found.images),
    )  # fmt: skip


def _apart(title: str, found: Poolings, album: Album, rows: np.ndarray) -> Apart:
    pairs = []
    for j in rows:
        figures = side_by_side(found.gap, found.gmp, album, int(found.images[j]))
        pairs.append((*figures, f"{found.gap.samples[int(found.images[j])].name}: {signed(found.lead[j], 0)} points"))
    return Apart(title, pairs)


def _row(name: str, meaning: str, paired: Paired) -> Row:
    return Row(
        name, meaning, f"{100 * paired.gap:.1f} %", f"{100 * paired.gmp:.1f} %",
        signed(paired.difference), between(paired.ci95),
    )  # fmt: skip


def signed(share: float, digits: int = 1) -> str:
    """A difference of shares in points: `+1.2`, `−0.3`."""
    return f"{100 * share:+.{digits}f}".replace("-", "−")


def between(bounds: Interval) -> str:
    """`−1.5 to +3.1`, in points."""
    return f"{signed(bounds[0])} to {signed(bounds[1])}"


def answer(found: Poolings) -> str:
    """What becomes of the claim on this data, in one sentence, with the interval."""
    complete = found.complete
    measured = (
        f"the box of the GAP map covers {100 * complete.gap:.1f} % of the true box on average, that of the GMP map "
        f"{100 * complete.gmp:.1f} %; the difference is {signed(complete.difference)} points, with a 95 % interval "
        f"of {between(complete.ci95)}."
    )
    verdict = {
        True: "The claim holds here",
        False: "The contrary holds here",
        None: "These images do not decide it",
    }[found.holds]
    return f"{verdict}: {measured}"


def reading(found: Poolings) -> str:
    """What the background says beside it: a box that covers more may only be larger."""
    low, high = found.background.ci95
    more = "more" if found.background.difference > 0 else "less"
    clear = "" if low > 0 or high < 0 else ", which may be chance"
    points = f"{abs(100 * found.background.difference):.1f} points {more}"
    return (
        f"A box may cover more only because it is larger: the GAP map has {points} of its positive values outside of "
        f"the true boxes ({between(found.background.ci95)}){clear}."
    )
