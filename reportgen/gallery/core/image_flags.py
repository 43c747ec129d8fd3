"""Flags of images besides their outcome. Figures and findings link to the images that have a flag."""

from __future__ import annotations

import numpy as np

from reportgen.audit.audit import Audit
from reportgen.audit.findings.suspect_label import suspect_labels
from reportgen.metrics.failures import peak_concentration

IMAGE_FLAGS = {
    "top1": "class wrong, top-1",
    "top5": "class wrong, top-5",
    "place1": "localization wrong, top-1",
    "place5": "localization wrong, top-5",
    "known": "localization wrong, GT-known",
    "label": "suspect label",
    "peak": "map has its maximum in the most frequent cell",
    "silent": "map without evidence",
}
"""Flag → its label; image `i` has the flag of bit `b` where `image_flags(audit)[i] >> b & 1`. At most eight."""


def image_flags(audit: Audit) -> np.ndarray:
    """`(N,)` uint8, a bit for each of `IMAGE_FLAGS`, in their order; of the first network."""
    n, classification, localization = len(audit.samples), audit.main.classification, audit.main.localization
    labelled = audit.labels >= 0
    flags = {
        "top1": labelled & ~classification.top1_correct,
        "top5": labelled & ~classification.top5_correct,
        "label": np.isin(np.arange(n), suspect_labels(audit)),
        "silent": audit.main.without_evidence,
    }
    if localization is not None:
        flags["place1"] = localization.judged & ~localization.top1_correct
        flags["place5"] = localization.judged & ~localization.top5_correct
        flags["known"] = localization.judged & ~localization.gt_known_correct
    peak = peak_concentration(audit.main.cams[:, 0])
    if peak is not None and peak.is_concentrated:
        flags["peak"] = np.isin(np.arange(n), peak.rows)
    bits = np.zeros(n, np.uint8)
    for b, name in enumerate(IMAGE_FLAGS):
        if name in flags:
            bits |= flags[name].astype(np.uint8) << b
    return bits
