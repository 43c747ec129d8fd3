"""The random-weights control: activation maps of the same network with weights drawn at random."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from reportgen.data.samples import Dataset, Sample
from reportgen.methods.randomization import randomize_weights
from reportgen.pipeline.extraction import ModelRun, extract_dataset, forward_pass, store_settings
from reportgen.pipeline.progress import Progress
from reportgen.pipeline.runtime import is_enough
from reportgen.store.table import Store

MAX_IMAGES = 512
"""Images with boxes that the network with random weights sees: enough for an error known to ± 4 points."""


def maps_of_random_weights(
    run: ModelRun, dataset: Dataset, samples: Sequence[Sample], device: torch.device, progress: Progress
) -> dict[int, np.ndarray]:
    """Sample's row → its label's map `(h, w)` under random weights, for images with boxes, evenly spread over them.

    Empty for maps of files, which no other network can be asked for.
    """
    boxed = [i for i, sample in enumerate(samples) if len(sample.boxes)]
    if not boxed or run.classifier.score_maps:
        return {}
    if len(boxed) > MAX_IMAGES:
        boxed = [boxed[i * len(boxed) // MAX_IMAGES] for i in range(MAX_IMAGES)]
    rows = {samples[i].name: i for i in boxed}
    settings = replace(run.settings, store_feature_maps="no")
    if not is_enough(run.classifier, len(boxed)):
        settings = replace(settings, runtime="torch")
    forward = forward_pass(randomize_weights(run.classifier), settings)
    store = Store(settings.out / "cache", store_settings(forward, settings, device))
    some = replace(dataset, samples=[samples[i] for i in rows.values()])
    extraction = extract_dataset(store, some, forward, settings, device, progress)
    maps = store.select(extraction.keys)["cam/map"][:, -1]
    return {rows[sample.name]: map_ for sample, map_ in zip(extraction.samples, maps, strict=True)}
