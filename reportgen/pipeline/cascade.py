"""Cascading randomization of a few images: maps of networks whose layers are random from the top down to some depth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from reportgen.data.sampling import evenly_spaced
from reportgen.methods.activation_maps import activation_maps
from reportgen.methods.randomization import randomize_weights
from reportgen.metrics.localization.cascade import cascade
from reportgen.models.classifier import Classifier
from reportgen.models.inference import eval_mode
from reportgen.pipeline.image_loader import NetworkInput
from reportgen.pipeline.per_image import Compute, PerImageJob, PerImageMethod
from reportgen.pipeline.work import Work
from reportgen.store.per_image import PerImageResults

SHARES = (0.0, 1 / 3, 2 / 3, 1.0)
"""Shares of the trunk's layers that are random, from the last one down."""
SEEDS = (1, 2, 3)
MAX_IMAGES = 8
"""Images, evenly over the data set, that every randomized network sees."""


def cascade_work(job: PerImageJob) -> Work:
    """How similar the top-1 maps stay; without images if `select` is `none`, or no image has a usable map.

    Not for maps of files, which no other network can be asked for.
    """
    maps, classes = np.asarray(job.table["cam/map"])[:, 0], np.asarray(job.table["cam/class"])[:, 0]
    usable = np.flatnonzero(np.isfinite(maps).all((1, 2)) & (np.ptp(maps, (1, 2)) > 0))
    possible = [] if job.run.classifier.score_maps else evenly_spaced(usable.tolist(), MAX_IMAGES)
    rows = [] if job.run.settings.select == "none" else possible
    networks = [(seed, share) for seed in SEEDS for share in SHARES]
    last: dict[tuple[int, float], Classifier] = {}

    def compute_with(seed: int, share: float) -> Compute:
        def compute(row: int, image: NetworkInput, x: Tensor) -> dict[str, np.ndarray]:
            if (seed, share) not in last:  # only one is kept: a network may be large
                last.clear()
                last[seed, share] = randomize_weights(job.run.classifier, seed, share)
            network = last[seed, share]
            with eval_mode(network), torch.no_grad():
                wanted = torch.tensor([[int(classes[row])]], device=x.device)
                found = activation_maps(network, x, network.trunk(x).float(), wanted)
            return {"randomization/map": found[0, 0].float().cpu().numpy()}

        return compute

    def open_methods() -> list[PerImageMethod]:
        return [
            job.method("randomization", {"seed": seed, "share": share}, partial(compute_with, seed, share))
            for seed, share in networks
        ]

    def show(results: Sequence[PerImageResults]) -> Mapping[str, Any]:
        done = [row for row in rows if all(row in result for result in results)]
        found = [[result.of_image(row)["randomization/map"] for row in done] for result in results]
        randomized = np.array(found).reshape(len(SEEDS), len(SHARES), len(done), *maps.shape[1:])
        return {"cascade": cascade(done, SHARES, maps[done], randomized) if done else None}

    # all images at once, so that each network is made once
    return Work(["the cascading randomization"], rows, len(possible), open_methods, show, group_size=MAX_IMAGES)
