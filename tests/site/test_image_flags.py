"""Flags of images: which images are wrong by which figure, and which a finding is about."""

from __future__ import annotations

import numpy as np

from reportgen.gallery.core.image_flags import IMAGE_FLAGS, image_flags
from reportgen.metrics.localization.boxes import paper_box, upsample
from reportgen.metrics.localization.ilsvrc import THRESHOLD
from tests.site.clusters import CLASSES, LABELS, N, two_clusters
from tests.support.factories import SIDE, make_logits


def images_with(bits: np.ndarray, flag: str) -> list[int]:
    return np.flatnonzero(bits >> list(IMAGE_FLAGS).index(flag) & 1).tolist()


def test_each_flag_marks_its_images() -> None:
    labels = LABELS.copy()
    labels[7] = -1
    logits = make_logits(LABELS.tolist(), 0.99, CLASSES)
    logits[3, [3, 5]] = 4, 9  # the label is second
    logits[50] = [9, 8, 7, 6, 5, 0, 0, 0, 4]  # the label is sixth
    maps = np.zeros((N, 6, 7, 7))
    maps[:30, :, 2, 3] = 1
    maps[30:, :, 6, :] = np.eye(7)[np.arange(30) % 7, None]
    maps[59] = -1
    predicted = [paper_box(upsample(maps[i, 0], SIDE, SIDE), THRESHOLD)[None] for i in range(N)]
    boxes = [np.zeros((0, 4)) if i in (8, 59) else box for i, box in enumerate(predicted)]
    boxes[9] = np.array([[0.0, 6, 2, 8]])  # not where the maps are
    maps[50, -1] = maps[0, 0]  # the label's map, unlike the predicted class's
    bits = image_flags(two_clusters(labels, logits=logits, maps=maps, boxes=boxes))
    assert bits.dtype == np.uint8
    assert images_with(bits, "top1") == [3, 50]
    assert images_with(bits, "top5") == [50]
    assert images_with(bits, "place1") == [3, 9, 50]
    assert images_with(bits, "place5") == [9, 50]
    assert images_with(bits, "known") == [9, 50]
    assert images_with(bits, "peak") == list(range(30))
    assert images_with(bits, "silent") == [59]
    assert images_with(bits, "label") == []
