"""The page GAP and GMP: the paper's claim, tested on the user's data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reportgen.audit.audit import Audit
from reportgen.gallery.components.figure import Figure
from reportgen.gallery.components.page_data import Link
from reportgen.gallery.core.media import Album
from reportgen.gallery.pages.localization import files_of
from reportgen.gallery.sections.gap_gmp import side_by_side
from reportgen.metrics.gap_gmp import Poolings, comparison
from reportgen.results.tables import Table, between, poolings_table, signed

SHOWN = 6
"""Images shown of each direction."""


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
    table: Table
    apart: list[Apart]
    downloads: list[Link]


def poolings_page(audit: Audit, album: Album) -> PoolingsPage | None:
    """None unless the audit has both poolings, and images with a label and boxes."""
    found = comparison(audit)
    if found is None:
        return None
    table = poolings_table(found)
    order = np.argsort(-found.lead, kind="stable")
    ahead, behind = order[found.lead[order] > 0][:SHOWN], order[::-1][found.lead[order[::-1]] < 0][:SHOWN]
    apart = [
        _apart("GAP covers more", found, album, ahead),
        _apart("GMP covers more", found, album, behind),
    ]
    shown = [part for part in apart if part.pairs]
    return PoolingsPage(answer(found), reading(found), table, shown, files_of(table))


def _apart(title: str, found: Poolings, album: Album, rows: np.ndarray) -> Apart:
    pairs = []
    for j in rows:
        figures = side_by_side(found.gap, found.gmp, album, int(found.images[j]))
        pairs.append((*figures, f"{found.gap.samples[int(found.images[j])].name}: {signed(found.lead[j], 0)} points"))
    return Apart(title, pairs)


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
