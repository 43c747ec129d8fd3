"""Labels that contradict both the network and the nearest neighbours."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from reportgen.audit.audit import Audit
from reportgen.audit.findings.finding import Finding, Maps, Size
from reportgen.audit.findings.registry import finding_kind
from reportgen.embedding.space import N_SHOWN, label_outliers, majority_label
from reportgen.metrics.formatting import counted
from reportgen.metrics.intervals import Rate

MIN_CONFIDENCE = 0.5
"""Probability from which a prediction makes another label suspect."""


@finding_kind(
    "Suspect labels",
    topic="data",
    criterion=(
        f"The network predicts another class with a probability of at least {MIN_CONFIDENCE}, and all {N_SHOWN} "
        "nearest neighbours by features have other labels. The network itself may be wrong, so the number of images "
        "counts with the lower end of the interval of their share."
    ),
)
def suspect_label(audit: Audit) -> Iterator[Finding]:
    """At most one finding, with all suspect labels."""
    suspect = suspect_labels(audit)
    labelled = np.flatnonzero(audit.labels >= 0)
    rate = Rate.of(np.isin(labelled, suspect), audit.main.groups[labelled])
    if rate is None or not rate.count:
        return
    size = Size.sampled(rate, "images with a label")
    agree = _agreeing(audit, suspect)
    yield Finding(
        slug="suspect labels",
        headline=f"{counted(rate.count, 'image has', 'images have')} a suspect label",
        size=size,
        evidence=[Maps(suspect.tolist())],
        inference=(
            f"The network and all {N_SHOWN} nearest neighbours contradict the label. In {agree:,} of {rate.count:,} "
            "images, the predicted class is also the most frequent label of the neighbours."
        ),
        next_step="Look at these images, and correct the labels that are wrong before you read any error.",
        images=sorted(suspect.tolist()),
        figures=[
            ("suspect labels", float(rate.count)),
            ("of them, neighbours mostly have the predicted class", float(agree)),
        ],
        see=("Neighbours", "neighbours/index.html"),
        at_least=size.at_least,
        model=audit.main.info.name,
    )


def suspect_labels(audit: Audit) -> np.ndarray:
    """Rows of the images with a suspect label, those whose neighbours agree most first."""
    near, classification = audit.feature_space.neighbours.index[:, :N_SHOWN], audit.main.classification
    odd = label_outliers(near, audit.labels)
    predicted, score = classification.top_classes[odd, 0], classification.scores[odd, 0]
    return np.asarray(odd[(predicted != audit.labels[odd]) & (score >= MIN_CONFIDENCE)])


def _agreeing(audit: Audit, rows: np.ndarray) -> int:
    """Number of these images whose predicted class is the most frequent label among their neighbours."""
    near = audit.feature_space.neighbours.index[rows, :N_SHOWN]
    predicted = audit.main.classification.top_classes[rows, 0]
    return int((majority_label(near, audit.labels) == predicted).sum())
