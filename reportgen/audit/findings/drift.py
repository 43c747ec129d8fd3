"""Differences between the audited data set and the reference."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from reportgen.audit.audit import Audit
from reportgen.audit.drift import MIN_AUC, MIN_DISTANCE, Drift
from reportgen.audit.findings.finding import Bar, Bars, Finding, Pairs, Size
from reportgen.audit.findings.registry import finding_kind
from reportgen.metrics.drift import MIN_IMAGES, N_PERMUTATIONS
from reportgen.metrics.formatting import counted, p_equals
from reportgen.metrics.slices import MAX_Q

MAX_PAIRS = 12
MAX_BARS = 8


@finding_kind(
    "Drift from the reference",
    topic="data",
    criterion=(
        "The images differ from those of the reference (--reference). By features: a linear discriminant, fitted on "
        f"one half of both sets, separates the other half with an AUC of at least {MIN_AUC}, and a p value of at "
        f"most {MAX_Q} ({N_PERMUTATIONS} permutations). Or by an attribute: its distance (Kolmogorov–Smirnov for "
        f"numbers, total variation for others) is at least {MIN_DISTANCE}, and its p value, adjusted for all "
        f"attributes (Benjamini and Hochberg), at most {MAX_Q}. One image of each group counts, and each set has at "
        f"least {MIN_IMAGES} with a value. No single image is wrong, so this finding comes after those that count "
        "images."
    ),
)
def drift(audit: Audit) -> Iterator[Finding]:
    """At most one finding."""
    found = audit.drift
    if found is None or audit.reference is None:
        return
    changed = [one for one in found.attributes if one.is_drift]
    if not changed and not found.has_other_features:
        return
    distances = [(one.name, one.difference.distance) for one in changed if one.difference]
    bars = Bars("Distance of the distributions, 0 to 1", [Bar(*one) for one in distances[:MAX_BARS]], percent=False)
    features = found.features
    figures = [(f"distance, {name}", distance) for name, distance in distances]
    if features:
        figures = [("AUC by features", features.auc), *figures]
    yield Finding(
        slug="drift from the reference",
        headline=_headline(found, audit.reference.name, [name for name, _ in distances]),
        size=Size(found.images, found.images, f"independent images, compared with {found.others:,} of the reference"),
        evidence=[*([_unlike(audit, found)] if found.has_other_features else []), *([bars] if distances else [])],
        inference=_inference(found),
        next_step=(
            "Look at the images that are the least like the reference; its figures may not hold for them."
            if found.has_other_features
            else "Figures of the reference may not hold for images that differ so: compare errors by these attributes."
        ),
        figures=figures,
        see=("Drift", "drift/index.html"),
        p=features.p if features and found.has_other_features else None,
        model=audit.main.info.name,
    )


def _headline(found: Drift, reference: str, names: list[str]) -> str:
    by = "features" if found.has_other_features else ""
    attributes = f"{counted(len(names), 'attribute', 'attributes')} ({', '.join(names[:3])}{', …' * (len(names) > 3)})"
    texts = [text for text in (by, attributes if names else "") if text]
    return f"The images differ from those of {reference} by {' and by '.join(texts)}"


def _inference(found: Drift) -> str:
    if found.features is None:
        return "There are too few images to compare the features."
    text = f"AUC {found.features.auc:.2f} by features ({p_equals('p', found.features.p)}): "
    if found.has_other_features:
        return (
            f"{text}the features distinguish an image of this set from one of the reference so often (0.5: by chance)."
        )
    return f"{text}the features do not clearly differ."


def _unlike(audit: Audit, found: Drift) -> Pairs:
    """The tested images that are the least like the reference, each with its nearest image there."""
    assert found.features is not None
    assert audit.reference_matches is not None
    nearest = audit.reference_matches[0].nearest
    rows = found.features.first[:MAX_PAIRS]
    pairs = zip(rows.tolist(), nearest.index[rows, 0].tolist(), nearest.distance[rows, 0].tolist(), strict=True)
    return Pairs([pair for pair in pairs if np.isfinite(pair[2])], in_reference=True)
