"""Links to the page Images that list exactly some images, such as those of a bar in a chart."""

from __future__ import annotations

import numpy as np

from reportgen.audit.audit import Audit
from reportgen.gallery.core.browser_constants import SHARE_STEPS
from reportgen.gallery.core.urls import image_list

ID_DIGITS = 8
"""Digits of an image's id in an address."""


def chosen_images(audit: Audit, rows: np.ndarray, at_most: int) -> str:
    """The list of these images, one by one; "" for none, or for more than `at_most`: the address would be too long."""
    if not 0 < len(rows) <= at_most:
        return ""
    ids = audit.main.table["samples/id"]
    return image_list(ids=",".join(ids[i][:ID_DIGITS].decode() for i in rows.tolist()))


def images_of_confidence(audit: Audit, rows: np.ndarray, at_most: int) -> str:
    """The list of these images, by a range of confidence if it lists no other image, else one by one.

    rows: ascending. The browser has the confidence in thousandths, so the range reaches half a step further.
    """
    if not len(rows):
        return ""
    steps = np.round(SHARE_STEPS * np.nan_to_num(audit.main.classification.scores[:, 0]))
    outcomes = np.array(audit.main.outcomes)
    kinds, low, high = np.unique(outcomes[rows]), float(steps[rows].min()), float(steps[rows].max())
    if np.array_equal(np.flatnonzero((steps >= low) & (steps <= high) & np.isin(outcomes, kinds)), rows):
        start, end = (f"{100 * step / SHARE_STEPS:.2f}" for step in (max(0.0, low - 0.5), high + 0.5))
        return image_list(outcome=",".join(kinds.tolist()), scoreFrom=start, scoreTo=end)
    return chosen_images(audit, rows, at_most)
