"""The units that `feature_visualization` names: an optimized input each, and guided gradients of their top patches."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
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
from reportgen.pipeline.progress import Ticker
from reportgen.pipeline.work import Work
from reportgen.store.per_image import Arrays, compute_missing, per_image_store
from reportgen.store.table import Key, Store


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


def feature_visualization_work(job: PerImageJob, units: Mapping[str, Sequence[Unit]]) -> Work:
    """The optimized input of each requested unit, and guided gradients of its top patches."""
    count = len(requested_units(job.run.settings, job.run.classifier))

    def show(results: Sequence[Any]) -> Mapping[str, Any]:
        return {"feature_visualizations": results[0]}

    return Work(["feature visualization"], range(count), count, lambda: [UnitVisualizations(job, units)], show, False)


class UnitVisualizations:
    """The visualizations of the requested units, with their caches. A row is the number of a requested unit."""

    kind = "feature visualization"

    def __init__(self, job: PerImageJob, units: Mapping[str, Sequence[Unit]]) -> None:
        settings, cache = job.run.settings, job.table.cache
        self._job, self._units = job, units
        self._requested = requested_units(settings, job.run.classifier)
        self._optimized = per_image_store(cache, "optimized input", {**job.settings, **OPTIMIZATION_SETTINGS})
        self._guided = per_image_store(cache, "guided patches", {**job.settings, "top": settings.top_patches})

    @property
    def seconds(self) -> float:
        """See `PerImageMethod`."""
        return self._optimized.seconds

    @property
    def seconds_per_image(self) -> float | None:
        """Mean over the units in the cache; None if there are none."""
        return self.seconds / len(self._optimized) if len(self._optimized) else None

    def _patches(self, row: int) -> list[tuple[int, int]]:
        """The top patches of a requested unit: image and position."""
        layer, u = self._requested[row]
        unit = self._units[layer.name][u]
        return list(zip(unit.images.tolist(), unit.where.tolist(), strict=True))

    def _keys(self, row: int) -> tuple[Key, Key]:
        """Keys of the optimized input and of the gradients: digests of their inputs take the place of an image's."""
        layer, u = self._requested[row]
        patches = [(self._job.table.keys[i][0], where) for i, where in self._patches(row)]
        return _key([layer.name, u]), _key([layer.name, u, patches])

    def has(self, row: int) -> bool:
        """Whether the caches have a requested unit."""
        optimized, guided = self._keys(row)
        return optimized in self._optimized and guided in self._guided

    def results(self, rows: Sequence[int]) -> dict[tuple[str, int], FeatureVisualization]:
        """The visualizations of those of these requested units that the caches have, by layer and unit."""
        found = {}
        for row in filter(self.has, rows):
            layer, u = self._requested[row]
            optimized, guided = self._keys(row)
            best, gradients = self._optimized.select([optimized]), self._guided.select([guided])
            found[layer.name, u] = FeatureVisualization(
                best["preferred/picture"][0],
                float(best["preferred/reached"][0]),
                int(best["preferred/where"][0]),
                gradients["guided/picture"][0][: len(self._patches(row))],
            )
        return found

    def compute(self, rows: Sequence[int], tick: Ticker) -> None:
        """Compute what the caches do not have of these requested units."""
        start = time.perf_counter()
        with eval_mode(self._job.run.classifier):
            for row in rows:
                layer, u = self._requested[row]
                probe, patches = UnitVisualizer(self._job.run.classifier, layer), self._patches(row)
                optimized, guided = self._keys(row)
                _add(self._optimized, optimized, partial(probe.optimized_input, u))
                _add(self._guided, guided, partial(_gradients, self._job, probe, u, patches))
                tick()
        self._optimized.add_seconds(time.perf_counter() - start)


def _key(inputs: object) -> Key:
    return hashlib.sha256(json.dumps(inputs).encode()).hexdigest(), -1


def _add(store: Store, key: Key, compute: Callable[[], Arrays]) -> None:
    """Compute the arrays of one unit if the store does not have them."""

    def missing(_: list[Key]) -> Iterator[tuple[Key, Arrays]]:
        yield key, compute()

    compute_missing(store, [key], missing)


def _gradients(job: PerImageJob, probe: UnitVisualizer, u: int, patches: Sequence[tuple[int, int]]) -> Arrays:
    """`guided/picture` `(k, H, W, 3)` uint8 of a unit's k top patches (image, position); grey where there are fewer."""
    settings, preprocessing = job.run.settings, job.run.classifier.preprocessing
    pictures = np.full((settings.top_patches, preprocessing.height, preprocessing.width, 3), 128, np.uint8)
    for j, (i, where) in enumerate(patches):
        digest = job.table.keys[i][0]
        image = reload_image(job.samples[i], digest, preprocessing, settings.resize, settings.decode)
        if image is not None:
            pictures[j] = probe.guided_gradient(torch.tensor(image.pixels)[None], u, where)
    return {"guided/picture": pictures}
