"""What is found of an image beside its outcome: figures and warnings lead to the images that bear a mark."""

from __future__ import annotations

import numpy as np

from reportgen.audit.audit import Audit
from reportgen.gallery.findings import suspects
from reportgen.metrics.failures import peaks

MARKS = {
    "top1": "class wrong, top-1",
    "top5": "class wrong, top-5",
    "place1": "place wrong, top-1",
    "place5": "place wrong, top-5",
    "known": "place wrong, class given",
    "label": "label perhaps wrong",
    "peak": "map peaks where most do",
    "silent": "map without evidence",
}
"""Mark → its words; image `i` has the mark of bit `b` where `marks_of(audit)[i] >> b & 1`. At most eight."""


def marks_of(audit: Audit) -> np.ndarray:
    """`(N,)` uint8, a bit for each of `MARKS`, in their order; of the first network."""
    n, c, where = len(audit.samples), audit.classification, audit.localization
    labelled = audit.labels >= 0
    found = {
        "top1": labelled & ~c.right1,
        "top5": labelled & ~c.right5,
        "label": np.isin(np.arange(n), suspects(audit)),
        "silent": audit.without_evidence,
    }
    if where is not None:
        found |= {"place1": where.judged & ~where.right1, "place5": where.judged & ~where.right5}
        found["known"] = where.judged & ~where.known
    peak = peaks(audit.cams[:, 0])
    if peak is not None and peak.alarming:
        found["peak"] = np.isin(np.arange(n), peak.rows)
    bits = np.zeros(n, np.uint8)
    for b, name in enumerate(MARKS):
        if name in found:
            bits |= found[name].astype(np.uint8) << b
    return bits
