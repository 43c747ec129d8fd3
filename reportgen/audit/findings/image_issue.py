"""Images that are dark, bright, blurred, nearly uniform, or of an odd size or shape."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, zip_longest

import numpy as np

from reportgen.audit.audit import Audit
from reportgen.audit.findings.finding import Bar, Bars, Finding, Maps, Size
from reportgen.audit.findings.registry import finding_kind
from reportgen.metrics.formatting import counted
from reportgen.metrics.image_issues import (
    ASPECT_RATIO,
    BLURRED,
    BRIGHT,
    DARK,
    LOW_ENTROPY,
    SIZE_RATIO,
    UNIFORM,
    image_issues,
)
from reportgen.metrics.intervals import Rate

MAX_PICTURES = 24
NOUNS = {name: f"with {name}" for name in ("little information", "odd size", "odd shape")}
"""What follows the number of images, for the issues whose names are no adjectives."""


@finding_kind(
    "Image issues",
    topic="data",
    criterion=(
        f"An image is dark (99 % of the pixels have a lightness L* below {DARK:g}), bright (95 % above {BRIGHT:g}), "
        f"blurred (variance of the Laplacian below {BLURRED} of the variance of the luma), nearly uniform (standard "
        f"deviation below {UNIFORM}), has little information (entropy below {LOW_ENTROPY:g} bits), an odd size "
        f"({SIZE_RATIO:g} times the median, or a {SIZE_RATIO:g}th of it) or an odd shape (sides of more than "
        f"{ASPECT_RATIO:g} to 1). "
        "All but entropy, size and shape are of the network's input. The number is exact."
    ),
)
def image_issue(audit: Audit) -> Iterator[Finding]:
    """At most one finding, with all images that have an issue."""
    table = audit.main.table
    if "image/properties" not in table:
        return
    issues = image_issues(np.asarray(table["image/properties"]), audit.main.sizes)
    if not issues:
        return
    rows = np.unique(np.concatenate([issue.rows for issue in issues]))
    n = len(audit.samples)
    counts = ", ".join(f"{len(issue.rows):,} {NOUNS.get(issue.name, issue.name)}" for issue in issues)
    clearest = chain.from_iterable(zip_longest(*(issue.rows.tolist() for issue in issues)))
    pictures = list(dict.fromkeys(i for i in clearest if i is not None))[:MAX_PICTURES]
    yield Finding(
        slug="image issues",
        headline=f"{counted(len(rows), 'image has an issue', 'images have an issue')}: {counts}",
        size=Size(len(rows), n, "images"),
        evidence=[
            Maps(pictures),
            Bars("Share of the images", [Bar(issue.name, len(issue.rows) / n) for issue in issues]),
        ],
        inference=_error_text(audit, rows),
        next_step="Look at these images, and leave out those that no person could classify.",
        images=rows.tolist(),
        figures=[(issue.name, float(len(issue.rows))) for issue in issues],
        see=("Slices", "slices/index.html"),
        at_least=float(len(rows)),
    )


def _error_text(audit: Audit, rows: np.ndarray) -> str:
    """How often the class is wrong for these images, and for the others."""
    wrong, groups, chosen = (
        ~audit.main.classification.top1_correct,
        audit.main.groups,
        np.zeros(len(audit.samples), bool),
    )
    chosen[rows] = True
    inside, outside = (
        Rate.of(wrong[part], groups[part]) for part in (chosen & (audit.labels >= 0), ~chosen & (audit.labels >= 0))
    )
    if inside is None:
        return "None of them has a label, so their error is not known."
    text = f"The class is wrong in {inside.count:,} of the {inside.n:,} of them that have a label"
    return f"{text}, otherwise in {outside.count:,} of {outside.n:,}." if outside else f"{text}."
