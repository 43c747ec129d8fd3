"""The first images of a data set, on which a network, a precision or a runtime is tried before the whole pass."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import torch
from torch import Tensor

from reportgen.config import AuditConfig
from reportgen.data.samples import Dataset
from reportgen.models.classifier import Classifier
from reportgen.pipeline.forward import assemble_batches
from reportgen.pipeline.image_loader import chunks, load_images

MARGIN = 60
"""So many more samples are tried, in case that some cannot be read."""


def trial_batches(
    dataset: Dataset, classifier: Classifier, settings: AuditConfig, images: int, device: torch.device
) -> Iterator[Tensor]:
    """Yield batches `(N, C, H, W)` uint8, on the device, of at most `images` of the first samples that can be read."""
    size = min(images, settings.batch_size)
    samples, threads = dataset.samples[: images + MARGIN], max(2, torch.get_num_threads())
    how = (classifier.preprocessing, settings.resize, settings.decode, threads, min(images, 2 * size))
    loaded = load_images(samples, lambda identity, label: False, *how)
    decoded = islice((one.decoded for one in loaded if one.decoded), images)
    return (pixels.to(device) for _, pixels in assemble_batches(chunks(decoded, size), device))
