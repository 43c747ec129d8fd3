"""An audit in which nothing is conspicuous; tests plant one conspicuous thing in it."""

from __future__ import annotations

from typing import Any

import numpy as np

from reportgen.audit.audit import Audit
from tests.support.factories import make_audit, make_image_arrays, make_logits, make_model_audit

N = 60
CLASSES = 9
LABELS = np.repeat([3, 8], N // 2)
"""Of the images 0 to 29 and 30 to 59."""


def thumbnails(seed: int = 0) -> np.ndarray:
    """`(60, 32, 32, 3)` uint8, all different."""
    return np.random.default_rng(seed).integers(0, 256, (N, 32, 32, 3)).astype(np.uint8)


def two_clusters(
    labels: np.ndarray = LABELS,
    predicted: np.ndarray = LABELS,
    scores: np.ndarray | float = 0.99,
    tiny: np.ndarray | None = None,
    unreadable: tuple[tuple[str, str], ...] = (),
    refused: tuple[Any, ...] = (),
    reference: Any = None,
    **changes: Any,
) -> Audit:
    """Two far clusters of 30 images by their features, one of class 3 and one of class 8, classified correctly.

    tiny: thumbnails; changes: further arguments of `make_model_audit`.
    """
    random = np.random.default_rng(0)
    features = (random.normal(size=(N, 4)) + 50 * (LABELS == 8)[:, None]).astype(np.float32)
    given: dict[str, Any] = {
        "logits": make_logits(predicted.tolist(), scores, CLASSES),
        "maps": random.random((N, 6, 7, 7)),
        "unit_maxima": {"conv1": random.random((N, 4))},
        "arrays": {"features/gap": features, **make_image_arrays(thumbnails() if tiny is None else tiny)},
    }
    model = make_model_audit(labels, **{**given, **changes})
    return make_audit(model, refused=refused, unreadable=unreadable, reference=reference)
