"""Why an image's top-1 box does not count (PROTOCOLS: failure kinds, after TS-CAM's released code)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reportgen.analysis.boxes import area, intersection, iou
from reportgen.analysis.localization import IOU, Localization

KINDS = ("class", "right", "multi-instance", "part", "more", "other")
"""In the order in which they are tried: the first that matches."""


def failure_kind(class_right: bool, box: np.ndarray, true_boxes: np.ndarray) -> str:
    """The kind of one image. box: `(4,)`, NaN for none; true_boxes: `(B, 4)`, B ≥ 1."""
    if not class_right:
        return "class"
    overlap = iou(box, true_boxes)
    if overlap.max() >= IOU:
        return "right"
    if np.isnan(box).any():
        return "other"
    shared, sizes = intersection(box, true_boxes), area(true_boxes)
    if len(true_boxes) > 1 and (shared > 0.3 * sizes).sum() >= 2:
        return "multi-instance"
    nearest = int(overlap.argmax())
    if shared[nearest] > 0.5 * area(box):
        return "part"
    if shared[nearest] >= 0.7 * sizes[nearest]:
        return "more"
    return "other"


def failure_kinds(
    right1: np.ndarray, labels: np.ndarray, localization: Localization | None, true_boxes: Sequence[np.ndarray]
) -> list[str]:
    """The kind of every image; where there are no boxes to judge by, `class` or `right` says whether the class was
    right, and `unlabelled` that there is no label.

    right1: `(N,)` bool, the top class is the label; labels: `(N,)`, −1 for none.
    """
    kinds = []
    for i, label in enumerate(labels):
        if label < 0:
            kinds.append("unlabelled")
        elif localization is None or not localization.judged[i]:
            kinds.append("right" if right1[i] else "class")
        else:
            kinds.append(failure_kind(bool(right1[i]), localization.boxes[i, 0], true_boxes[i]))
    return kinds
