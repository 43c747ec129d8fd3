"""Images that occur twice: within the data set, and in the reference."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from reportgen.audit.audit import Audit
from reportgen.audit.findings.finding import Finding, Pairs, Size
from reportgen.audit.findings.registry import finding_kind
from reportgen.embedding.space import DUPLICATE_SHARE, near_duplicates
from reportgen.metrics.formatting import counted

MEASURED = (
    f"closer by pixels (thumbnails of 32 × 32) than {100 * DUPLICATE_SHARE:.0f} % of the root mean square distance "
    "between two images"
)


@finding_kind(
    "Near-duplicates",
    topic="data",
    criterion=(
        f"Two images are {MEASURED}. The number of images is exact: those that repeat another one, so that one image "
        "of each group is not counted."
    ),
    multilabel=True,
)
def near_duplicate(audit: Audit) -> Iterator[Finding]:
    """At most one finding, with all pairs."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    pairs = near_duplicates(audit.pixel_space)
    if not pairs:
        return
    n, samples = len(audit.samples), audit.samples
    across = [(i, j, d) for i, j, d in pairs if samples[i].differs_in_label(samples[j])]
    first, second = np.array([pair[:2] for pair in pairs], np.int32).T  # SciPy 1.11 wants this dtype
    groups, _ = connected_components(coo_array((np.ones(len(pairs)), (first, second)), (n, n)), directed=False)
    images = sorted({i for pair in pairs for i in pair[:2]})
    redundant = n - int(groups)
    different = f", {len(across):,} of them with different labels" if across else ""
    identical = counted(len(pairs), "pair of images is", "pairs of images are")
    inference = (
        f"Without repetitions, these are {n - redundant:,} images instead of {n:,}. Intervals count near-duplicates as "
        "independent images unless they have one group or the same bytes, so they may be too narrow."
    )
    if across:
        inference += f" In {counted(len(across), 'pair', 'pairs')} at least one label is wrong or ambiguous."
    yield Finding(
        slug="near-duplicates",
        headline=f"{identical} nearly identical by pixels{different}",
        size=Size(redundant, n, "images that repeat another one"),
        evidence=[Pairs([*across, *(pair for pair in pairs if pair not in set(across))])],
        inference=inference,
        next_step="Keep one image of each group, or give each group a name, so that it stays in one fold.",
        images=images,
        figures=[("pairs", float(len(pairs))), ("pairs with different labels", float(len(across)))],
        see=("Neighbours", "neighbours/index.html"),
        at_least=float(redundant),
    )


@finding_kind(
    "Leak",
    topic="data",
    criterion=f"An image and one of the reference (--reference) are {MEASURED}. The number of images is exact.",
    multilabel=True,
)
def leak(audit: Audit) -> Iterator[Finding]:
    """At most one finding, with all images that are also in the reference."""
    if audit.reference is None or audit.reference_matches is None:
        return
    pairs = audit.reference_matches[1].close
    images = sorted({i for i, _, _ in pairs})
    if not images:
        return
    n, name = len(audit.samples), audit.reference.name
    are_duplicates = counted(len(images), "image is a near-duplicate", "images are near-duplicates")
    right = audit.main.classification.top1_correct
    labelled = audit.labels >= 0
    inside = np.isin(np.arange(n), images)
    figures = [
        (f"error {where}", float((~right[use]).mean()))
        for where, use in (("on these images", labelled & inside), ("on the others", labelled & ~inside))
        if use.any()
    ]
    yield Finding(
        slug="leak",
        headline=f"{are_duplicates} of an image of {name}",
        size=Size(len(images), n, "images"),
        evidence=[Pairs(list(pairs), in_reference=True)],
        inference=f"If the network was trained on {name}, errors that include these images are too low.",
        next_step="Leave these images out, and compare the errors.",
        images=images,
        figures=[("pairs", float(len(pairs))), *figures],
        see=("Neighbours", "neighbours/index.html"),
        at_least=float(len(images)),
    )
