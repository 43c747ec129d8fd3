"""A network that is right although the object is gone."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from reportgen.audit.audit import Audit
from reportgen.audit.findings.finding import Bar, Bars, Finding, Maps, Size
from reportgen.audit.findings.registry import finding_kind
from reportgen.metrics.background import BLURRED, ORIGINAL, REMOVED
from reportgen.metrics.paired import MAX_P

MIN_IMAGES = 10
MIN_SHARE = 0.25
"""Share of the right images that may stay right, beyond what naming the most frequent label would give."""


@finding_kind(
    "Right without the object",
    topic="class",
    criterion=(
        f"Of at least {MIN_IMAGES} tested images that are right, more are still right with their objects filled with "
        f"their surroundings than {100 * MIN_SHARE:.0f} % and the share of the most frequent label together (exact "
        f"binomial test, p < {MAX_P}). The images are those."
    ),
)
def right_without_object(audit: Audit) -> Iterator[Finding]:
    """At most one finding, of the first network."""
    model, test = audit.main, audit.main.background_test
    rate = test.right_without_object if test else None
    if test is None or rate is None or rate.n < MIN_IMAGES:
        return
    labels = model.labels[test.rows[test.correct[:, ORIGINAL]]]
    limit = MIN_SHARE + float(np.bincount(labels).max()) / len(labels)
    if limit >= 1 or rate.p_above(limit) >= MAX_P:
        return
    images = test.rows_without_object.tolist()
    size = Size.sampled(rate, "tested images that are right")
    names = {ORIGINAL: "the whole image", REMOVED: "objects filled", BLURRED: "background blurred"}
    yield Finding(
        slug="right without the object",
        headline=f"{rate.count:,} of {rate.n:,} right images are still right without their objects",
        size=size,
        evidence=[
            Maps(images, (0,), boxes=True),
            Bars(
                "Accuracy of the tested images",
                [
                    Bar(name, test.accuracy(shown).value, test.accuracy(shown).interval, "own" if not shown else "")
                    for shown, name in names.items()
                ],
            ),
        ],
        inference=(
            "For these images the surroundings alone are enough: the network has learned what goes with the class. On "
            "images with other surroundings it may fail."
        ),
        next_step="Test it on images of these classes in other surroundings, or add such images to the training.",
        images=images,
        figures=[("share that stays right", rate.value), ("limit", limit)],
        see=("Background", "background/index.html"),
        at_least=size.at_least,
        p=rate.p_above(limit),
        model=model.info.name,
    )
