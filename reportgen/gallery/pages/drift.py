"""Drift: how the audited images differ from those of the reference, by attributes and by features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reportgen.audit.audit import Audit
from reportgen.audit.drift import MIN_AUC, MIN_DISTANCE, AttributeDrift, Drift
from reportgen.gallery.components.figure import Figure
from reportgen.gallery.components.photo_cards import photo_card, reference_photo_card
from reportgen.gallery.core.media import Media
from reportgen.gallery.core.registry import page
from reportgen.metrics.drift import MIN_IMAGES
from reportgen.metrics.formatting import NONE, counted, p_equals, p_text
from reportgen.metrics.slices import MAX_Q

MAX_CARDS = 12


@dataclass(frozen=True)
class AttributeRow:
    """An attribute in both sets. distance, p: as text, a dash for too few images."""

    name: str
    own: str
    other: str
    distance: str
    p: str
    is_drift: bool


@dataclass(frozen=True)
class DriftPage:
    """rows: the largest distance first; unlike, typical: tested images of this set that are the least like the
    reference, and of the reference that are the least like this set; empty where the features do not differ."""

    heading: str
    reference: str
    images: int
    others: int
    features: str
    rows: Sequence[AttributeRow]
    unlike: Sequence[Figure]
    typical: Sequence[Figure]
    min_images: int
    min_distance: float
    max_q: float


@page(
    "drift/index.html",
    nav=("Findings", "Drift"),
    order=8,
    when=lambda audit: audit.reference is not None,
    about="How the images differ from those of the reference: by each attribute, and by a classifier on the features.",
)
def drift(audit: Audit, media: Media) -> DriftPage:
    """The page."""
    found, reference = audit.drift, audit.reference
    assert found is not None
    assert reference is not None
    features = found.features
    is_shown = features is not None and found.has_other_features
    return DriftPage(
        heading=_heading(found, reference.name),
        reference=reference.name,
        images=found.images,
        others=found.others,
        features=_feature_text(found),
        rows=[_row(one) for one in found.attributes],
        unlike=[photo_card(audit, media, i) for i in features.first[:MAX_CARDS].tolist()]
        if features and is_shown
        else [],
        typical=[reference_photo_card(audit, media, j) for j in features.second[:MAX_CARDS].tolist()]
        if features and is_shown
        else [],
        min_images=MIN_IMAGES,
        min_distance=MIN_DISTANCE,
        max_q=MAX_Q,
    )


def _heading(found: Drift, reference: str) -> str:
    n = sum(one.is_drift for one in found.attributes)
    if n:
        return f"{counted(n, 'attribute differs', 'attributes differ')} from {reference}"
    if found.has_other_features:
        return f"The features differ from those of {reference}"
    return f"No clear difference from {reference}"


def _feature_text(found: Drift) -> str:
    """What the classifier two-sample test found."""
    features = found.features
    if features is None:
        return f"The features are compared from {2 * MIN_IMAGES} images in each set on; there are fewer."
    text = (
        "A linear discriminant that was fitted on one half of both sets gives an image of this set a higher score "
        f"than one of the reference in {100 * features.auc:.0f} % of the pairs of the other half (AUC "
        f"{features.auc:.2f}, {p_equals('p', features.p)}; 50 %: by chance)."
    )
    return text if found.has_other_features else f"{text} That is no clear difference (AUC from {MIN_AUC} on)."


def _row(one: AttributeDrift) -> AttributeRow:
    difference = one.difference
    return AttributeRow(
        one.name,
        one.own,
        one.other,
        f"{difference.distance:.2f}" if difference else NONE,
        p_text(one.q) if difference else "too few images",
        one.is_drift,
    )
