"""Labels that contradict both the network and the other images, which agree on another class."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from reportgen.audit.audit import Audit
from reportgen.audit.findings.finding import Finding, Maps, Size
from reportgen.audit.findings.registry import finding_kind
from reportgen.embedding.space import N_SHOWN
from reportgen.metrics.formatting import counted
from reportgen.metrics.intervals import Rate
from reportgen.metrics.label_errors import FOLDS, MIN_CLASS_IMAGES, SURE


@finding_kind(
    "Suspect labels",
    topic="data",
    criterion=(
        "The network and the other images assign an image to the same class, which is not its label. The other images "
        f"assign it by a linear discriminant of the features, fitted in {FOLDS} folds without the image, and by its "
        f"{N_SHOWN} nearest neighbours: the geometric mean of both probabilities is at least as high as on average "
        f"over the images with that label, or {SURE} (confident learning, Northcutt et al. 2021; classes of at least "
        f"{MIN_CLASS_IMAGES} images). The network and the features may be wrong, so the number of images counts with "
        "the lower end of the interval of their share."
    ),
)
def suspect_label(audit: Audit) -> Iterator[Finding]:
    """At most one finding, with all suspect labels."""
    suspect = suspect_labels(audit)
    judged = np.flatnonzero(np.isfinite(audit.label_errors.own))
    rate = Rate.of(np.isin(judged, suspect), audit.main.groups[judged])
    if rate is None or not rate.count:
        return
    size = Size.sampled(rate, "images with a label")
    own = audit.label_errors.own[suspect]
    yield Finding(
        slug="suspect labels",
        headline=f"{counted(rate.count, 'image has', 'images have')} a suspect label",
        size=size,
        evidence=[Maps(suspect.tolist())],
        inference=(
            "The network and the other images assign the same class, which is not the label. The other images give the "
            f"label a probability of at most {own.max():.2g}."
        ),
        next_step="Look at these images, and correct the labels that are wrong before you read any error.",
        images=sorted(suspect.tolist()),
        figures=[("suspect labels", float(rate.count)), ("largest probability of the label", float(own.max()))],
        see=("Neighbours", "neighbours/index.html"),
        at_least=size.at_least,
        model=audit.main.info.name,
    )


def suspect_labels(audit: Audit) -> np.ndarray:
    """Rows of the images with a suspect label, those whose label is the least probable first."""
    errors = audit.label_errors
    rows = np.flatnonzero((errors.other >= 0) & (audit.main.classification.top_classes[:, 0] == errors.other))
    return np.asarray(rows[np.argsort(errors.own[rows], kind="stable")])
