"""The confusions of one class: what its images are predicted as, and what it is predicted for instead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reportgen.audit.audit import Audit
from reportgen.gallery.core.urls import class_page, image_list

MAX_CLASSES = 6


@dataclass(frozen=True)
class OtherClass:
    """A class that another one is confused with. share: of the images that are counted, 0 to 1; url: their list."""

    name: str
    class_url: str
    count: int
    share: float
    url: str


@dataclass(frozen=True)
class ClassConfusions:
    """predicted: the wrong predictions of the `labelled` images with this label, the most frequent class first.

    labels: the labels of images for which this class is predicted wrongly; of `predictions` for labelled images.
    """

    labelled: int
    predicted: Sequence[OtherClass]
    predictions: int
    labels: Sequence[OtherClass]


def class_confusions(audit: Audit, k: int) -> ClassConfusions:
    """The confusions of class k in both directions, the `MAX_CLASSES` most frequent of each."""
    labels, predicted = audit.labels, audit.main.classification.top_classes[:, 0]
    own, predictions = labels == k, (predicted == k) & (labels >= 0)
    return ClassConfusions(
        labelled=int(own.sum()),
        predicted=[
            OtherClass(audit.classes[j], class_page(audit, j), n, n / int(own.sum()), image_list(label=k, predicted=j))
            for j, n in _most_frequent(predicted[own & (predicted != k)])
        ],
        predictions=int(predictions.sum()),
        labels=[
            OtherClass(
                audit.classes[j], class_page(audit, j), n, n / int(predictions.sum()), image_list(label=j, predicted=k)
            )
            for j, n in _most_frequent(labels[predictions & (labels != k)])
        ],
    )


def _most_frequent(classes: np.ndarray) -> list[tuple[int, int]]:
    """The most frequent classes with their counts; of equally frequent ones the lower index first."""
    values, counts = np.unique(classes, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:MAX_CLASSES]
    return [(int(values[j]), int(counts[j])) for j in order]
