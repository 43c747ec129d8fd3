"""A map function that is slow, fails at a black image, and kills its process at a white one."""

from __future__ import annotations

import os
import signal
import time

from torch import Tensor

from reportgen.models.classifier import Classifier

MAP_FUNCTION = "python:tests.support.worker_faults:maps"
"""The setting `map_function` of `maps`."""


def maps(classifier: Classifier, images: Tensor, classes: Tensor) -> Tensor:
    """Return the brightness of the images as the map of each class."""
    time.sleep(0.3)
    is_flat = images.amax((2, 3)).isclose(images.amin((2, 3))).all(1)
    if (images[is_flat] > 0).all((1, 2, 3)).any():
        os.kill(os.getpid(), signal.SIGKILL)
    if is_flat.any():
        raise ValueError("a black image")
    return images.mean(1, keepdim=True)[:, :, ::8, ::8].expand(-1, classes.shape[1], -1, -1)
