"""Cascading randomization of a few images: maps of networks whose layers are random from the top down to some depth."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from reportgen.data.sampling import evenly_spaced
from reportgen.methods.activation_maps import activation_maps
from reportgen.methods.randomization import randomize_weights
from reportgen.metrics.localization.cascade import Cascade, cascade
from reportgen.models.classifier import Classifier
from reportgen.models.inference import eval_mode
from reportgen.pipeline.image_loader import NetworkInput
from reportgen.pipeline.per_image import PerImageJob
from reportgen.pipeline.progress import Progress

SHARES = (0.0, 1 / 3, 2 / 3, 1.0)
"""Shares of the trunk's layers that are random, from the last one down."""
SEEDS = (1, 2, 3)
MAX_IMAGES = 8
"""Images, evenly over the data set, that every randomized network sees."""


def cascading_randomization(job: PerImageJob, progress: Progress) -> Cascade | None:
    """Return how similar the top-1 maps stay; None if `select` is `none`, or no image has a usable map."""
    maps, classes = np.asarray(job.table["cam/map"])[:, 0], np.asarray(job.table["cam/class"])[:, 0]
    usable = np.flatnonzero(np.isfinite(maps).all((1, 2)) & (np.ptp(maps, (1, 2)) > 0))
    if job.run.settings.select == "none" or not len(usable):
        return None
    rows = evenly_spaced(usable.tolist(), MAX_IMAGES)
    networks = [(seed, share) for seed in SEEDS for share in SHARES]
    with progress("Random weights by layer", len(networks) * len(rows), "images") as tick:
        results = [
            job.compute("randomization", {"seed": seed, "share": share}, rows, _map_of(job, classes, seed, share), tick)
            for seed, share in networks
        ]
    rows = [row for row in rows if all(row in result for result in results)]
    found = [[result.of_image(row)["randomization/map"] for row in rows] for result in results]
    randomized = np.array(found).reshape(len(SEEDS), len(SHARES), len(rows), *maps.shape[1:])
    return cascade(rows, SHARES, maps[rows], randomized) if rows else None


def _map_of(
    job: PerImageJob, classes: np.ndarray, seed: int, share: float
) -> Callable[[int, NetworkInput, Tensor], dict[str, np.ndarray]]:
    """Return the function that computes the map of an image's top class. The network is made when it is needed."""
    network: list[Classifier] = []

    def compute(row: int, image: NetworkInput, x: Tensor) -> dict[str, np.ndarray]:
        if not network:
            network.append(randomize_weights(job.run.classifier, seed, share))
        with eval_mode(network[0]), torch.no_grad():
            wanted = torch.tensor([[int(classes[row])]], device=x.device)
            maps = activation_maps(network[0], x, network[0].trunk(x).float(), wanted)
        return {"randomization/map": maps[0, 0].float().cpu().numpy()}

    return compute
