"""The random-weights control: activation maps of the same network with weights drawn at random, several times.

Each image is seen by one of the draws, so the control costs as much as one draw, and hangs on none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from reportgen.data.samples import Dataset, Sample
from reportgen.data.sampling import evenly_spaced
from reportgen.methods.randomization import randomize_weights
from reportgen.pipeline.extraction import ModelRun, forward_pass, store_settings
from reportgen.pipeline.part_pass import PartPass
from reportgen.pipeline.progress import Progress
from reportgen.pipeline.runtime import is_enough
from reportgen.store.table import Store

MAX_IMAGES = 512
"""Images with boxes that networks with random weights see: enough for an error known to ± 4 points."""
SEEDS = (0, 1, 2)
"""Of the draws."""


def maps_of_random_weights(
    run: ModelRun, dataset: Dataset, samples: Sequence[Sample], device: torch.device, progress: Progress
) -> list[dict[int, np.ndarray]]:
    """For each draw: sample's row → its label's map `(h, w)` under random weights.

    The images with boxes, evenly spread over them, go to the draws in turn. No draw for maps of files, which no other
    network can be asked for.
    """
    boxed = [i for i, sample in enumerate(samples) if len(sample.boxes)]
    if not boxed or run.classifier.score_maps:
        return []
    boxed = evenly_spaced(boxed, MAX_IMAGES)
    settings = replace(run.settings, store_feature_maps="no")
    if not is_enough(run.classifier, len(boxed) // len(SEEDS)):
        settings = replace(settings, runtime="torch")
    draws = []
    for n, seed in enumerate(SEEDS):
        rows = {samples[i].name: i for i in boxed[n :: len(SEEDS)]}
        forward = forward_pass(randomize_weights(run.classifier, seed), settings, keep_graph=False)
        store = Store(settings.out / "cache", store_settings(forward, settings, device))
        some = replace(dataset, samples=[samples[i] for i in rows.values()])
        extraction = PartPass(store, some, forward, settings, device).finish(progress)
        maps = store.select(extraction.keys)["cam/map"][:, -1]
        draws.append({rows[sample.name]: map_ for sample, map_ in zip(extraction.samples, maps, strict=True)})
    return draws
