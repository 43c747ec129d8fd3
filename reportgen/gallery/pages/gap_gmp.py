"""GAP and GMP: whether average pooling covers more of the object than max pooling, on these images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reportgen.audit.audit import Audit
from reportgen.audit.gap_gmp import GapGmpComparison, gap_gmp_comparison, has_gap_and_gmp
from reportgen.gallery.components.figure import Figure
from reportgen.gallery.components.pooling_figures import pooling_figure
from reportgen.gallery.components.table import download_links
from reportgen.gallery.core.media import Media
from reportgen.gallery.core.page import Link
from reportgen.gallery.core.registry import page
from reportgen.gallery.core.urls import image_page
from reportgen.metrics.formatting import between, signed
from reportgen.results.tables import Table, gap_gmp_table

MAX_EXAMPLES = 6
"""Images in which one of the poolings covers more."""
MIN_DIFFERENCE = 0.0005
"""Least difference of the covered shares of such an image: what is shown as 0.1 points."""


@dataclass(frozen=True)
class Example:
    """An image under both poolings. difference: its name, and by how many points GAP covers more."""

    gap: Figure
    gmp: Figure
    difference: str


@dataclass(frozen=True)
class ExampleGroup:
    """Images in which one pooling covers more, the largest differences first."""

    title: str
    examples: Sequence[Example]


@dataclass(frozen=True)
class GapGmpPage:
    """conclusion, background_note: sentences; table: the means under both poolings, with controls."""

    conclusion: str
    background_note: str
    table: Table
    groups: Sequence[ExampleGroup]
    downloads: Sequence[Link]


@page(
    "gap-gmp/index.html",
    nav=("Method", "GAP and GMP"),
    order=75,
    when=has_gap_and_gmp,
    about="Global average and global max pooling compared: which maps cover more of the object.",
)
def gap_gmp(audit: Audit, media: Media) -> GapGmpPage:
    """The page. The audit has both poolings, and images with a label and boxes."""
    comparison = gap_gmp_comparison(audit)
    assert comparison is not None, "has_gap_and_gmp"
    table, lead = gap_gmp_table(comparison), comparison.lead
    order = np.argsort(-lead, kind="stable")
    groups = [
        _examples("GAP covers more", audit, comparison, media, order[lead[order] >= MIN_DIFFERENCE][:MAX_EXAMPLES]),
        _examples(
            "GMP covers more",
            audit,
            comparison,
            media,
            order[::-1][lead[order[::-1]] <= -MIN_DIFFERENCE][:MAX_EXAMPLES],
        ),
    ]
    return GapGmpPage(
        conclusion=conclusion(comparison),
        background_note=background_note(comparison),
        table=table,
        groups=[group for group in groups if group.examples],
        downloads=download_links(table),
    )


def _examples(title: str, audit: Audit, comparison: GapGmpComparison, media: Media, rows: np.ndarray) -> ExampleGroup:
    examples = []
    for row in rows:
        i = int(comparison.images[row])
        url = image_page(audit, i)
        gap = pooling_figure(comparison.gap, media, i, "GAP", url)
        gmp = pooling_figure(comparison.gmp, media, i, "GMP", url)
        difference = f"{comparison.gap.samples[i].name}: {signed(comparison.lead[row])} points"
        examples.append(Example(gap, gmp, difference))
    return ExampleGroup(title, examples)


def conclusion(comparison: GapGmpComparison) -> str:
    """Whether the claim holds on these images, with the difference and its interval."""
    complete = comparison.complete
    verdict = {
        True: "The claim holds here",
        False: "The contrary holds here",
        None: "These images do not decide it",
    }[comparison.holds]
    return (
        f"{verdict}: on average, the box of the GAP map covers {100 * complete.gap:.1f} % of the ground-truth box, and "
        f"the box of the GMP map {100 * complete.gmp:.1f} %. The difference is {signed(complete.difference)} points "
        f"(95 % interval {between(complete.ci95)}, {len(comparison.images):,} images)."
    )


def background_note(comparison: GapGmpComparison) -> str:
    """How much of the maps is outside of the object: a box that covers more may only be larger."""
    background = comparison.background
    low, high = background.ci95
    direction = "more" if background.difference > 0 else "less"
    chance = "" if low > 0 or high < 0 else " The interval contains 0, so the difference may be chance."
    return (
        "A box may cover more only because it is larger. The GAP map has "
        f"{abs(100 * background.difference):.1f} points {direction} of its positive values outside of the ground-truth "
        f"boxes (95 % interval {between(background.ci95)}).{chance}"
    )
