"""The units that `feature_visualization` names: an optimized input each, and guided gradients of their top patches."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from reportgen.audit.model_audit import FeatureVisualization
from reportgen.config import AuditConfig
from reportgen.errors import ConfigError
from reportgen.methods.feature_visualization import OPTIMIZATION_SETTINGS, UnitVisualizer
from reportgen.metrics.top_patches import Unit
from reportgen.models.classifier import Classifier
from reportgen.models.inference import eval_mode
from reportgen.models.layers import Layer, select_layers
from reportgen.pipeline.image_loader import reload_image
from reportgen.pipeline.per_image import PerImageJob
from reportgen.pipeline.progress import Progress
from reportgen.store.per_image import Arrays, per_image
from reportgen.store.table import Key


def requested_units(settings: AuditConfig, classifier: Classifier) -> list[tuple[Layer, int]]:
    """The layers and units that `feature_visualization` names.

    Errors: ConfigError for a unit that does not exist, or whose layer has no pages.
    """
    requested = []
    for text in dict.fromkeys(settings.feature_visualization):
        name, _, number = text.rpartition(":")
        if not name or not number.isdecimal():
            raise ConfigError(
                f"`feature_visualization` names `{text}`", "name a unit as `layer4:12`: a layer, a colon, a number"
            )
        (layer,) = select_layers(classifier.trunk, classifier.head, [name])
        shown = select_layers(classifier.trunk, classifier.head, settings.layers)
        if layer not in shown and layer.name != classifier.feature_layer:
            raise ConfigError(
                f"`feature_visualization` names layer `{name}`, whose units have no pages", "add it to `layers`"
            )
        if int(number) >= layer.shape[0]:
            raise ConfigError(f"`{name}` has no unit {number}", f"its units are 0 to {layer.shape[0] - 1}")
        requested.append((layer, int(number)))
    return requested


def visualize_units(
    job: PerImageJob, units: Mapping[str, Sequence[Unit]], progress: Progress
) -> dict[tuple[str, int], FeatureVisualization]:
    """The optimized input of each requested unit, and guided gradients of its top patches; from the cache if there."""
    classifier, settings, cache = job.run.classifier, job.run.settings, job.table.cache
    requested = requested_units(settings, classifier)
    if not requested:
        return {}
    optimized = partial(_cached, cache, "optimized input", {**job.settings, **OPTIMIZATION_SETTINGS})
    guided = partial(_cached, cache, "guided patches", {**job.settings, "top": settings.top_patches})
    found = {}
    stage = f"Optimizing inputs, {OPTIMIZATION_SETTINGS['steps']} steps a unit"
    with eval_mode(classifier), progress(stage, len(requested), "units") as tick:
        for layer, u in requested:
            probe, unit = UnitVisualizer(classifier, layer), units[layer.name][u]
            patches = list(zip(unit.images.tolist(), unit.where.tolist(), strict=True))
            inputs = [layer.name, u, [(job.table.keys[i][0], where) for i, where in patches]]
            best = optimized(inputs[:2], partial(probe.optimized_input, u))
            gradients = guided(inputs, partial(_gradients, job, probe, u, patches))
            found[layer.name, u] = FeatureVisualization(
                best["preferred/picture"],
                float(best["preferred/reached"]),
                int(best["preferred/where"]),
                gradients["guided/picture"][: len(patches)],
            )
            tick()
    return found


def _gradients(job: PerImageJob, probe: UnitVisualizer, u: int, patches: Sequence[tuple[int, int]]) -> Arrays:
    """`guided/picture` `(k, S, S, 3)` uint8 of a unit's k top patches (image, position); grey where there are fewer."""
    settings, preprocessing = job.run.settings, job.run.classifier.preprocessing
    pictures = np.full((settings.top_patches, preprocessing.size, preprocessing.size, 3), 128, np.uint8)
    for j, (i, where) in enumerate(patches):
        digest = job.table.keys[i][0]
        image = reload_image(job.samples[i], digest, preprocessing, settings.resize, settings.decode)
        if image is not None:
            pictures[j] = probe.guided_gradient(torch.tensor(image.pixels)[None], u, where)
    return {"guided/picture": pictures}


def _cached(
    cache: Path, kind: str, settings: Mapping[str, Any], inputs: object, compute: Callable[[], Arrays]
) -> dict[str, np.ndarray]:
    """The arrays of one unit; the digest of its inputs takes the place of an image's."""
    key: Key = (hashlib.sha256(json.dumps(inputs).encode()).hexdigest(), -1)

    def missing(_: list[Key]) -> Iterator[tuple[Key, Arrays]]:
        yield key, compute()

    table = per_image(cache, kind, settings, [key], missing)
    return {name: table[name][0] for name in table.names()}
