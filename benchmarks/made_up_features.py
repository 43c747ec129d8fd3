"""Made-up features: with classes, few true dimensions and nothing negative, as pooled features of a network are."""

from __future__ import annotations

import numpy as np


def made_up_features(
    images: int, columns: int = 2048, classes: int = 50, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """`(images, columns)` float32 features and their labels `(images,)`."""
    random = np.random.default_rng(seed)
    centres, mixing = random.normal(size=(classes, 64)), random.normal(size=(64, columns)) / 8
    labels = random.integers(0, classes, images)
    inner = (centres[labels] + 0.7 * random.normal(size=(images, 64))) @ mixing
    return np.maximum(0, inner + 0.3 * random.normal(size=inner.shape)).astype(np.float32), labels
