"""Computations on single images beyond the forward pass: read the file again, compute, cache."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from reportgen.data.samples import Sample
from reportgen.models.classifier import Classifier
from reportgen.models.inference import eval_mode
from reportgen.pipeline.ahead import in_threads
from reportgen.pipeline.extraction import ModelRun, forward_pass
from reportgen.pipeline.image_loader import NetworkInput, reload_image
from reportgen.pipeline.progress import Ticker
from reportgen.store.per_image import Arrays, PerImageResults, compute_missing, per_image_store
from reportgen.store.table import Key, Table

log = logging.getLogger(__name__)

AHEAD = 8
"""Images that are decoded before their turn."""
Compute = Callable[[int, NetworkInput, Tensor], Arrays]
"""`compute(row, image, x)`: the results of one image. row: of the sample; x: its normalised input `(1, C, H, W)`."""


@dataclass(frozen=True)
class PerImageJob:
    """One network and the images that it has seen. table: what the forward pass stored, one row a sample."""

    run: ModelRun
    samples: Sequence[Sample]
    table: Table
    device: torch.device
    settings: Mapping[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "settings", {**self.table.settings, "aliases": {}})

    @cached_property
    def without_gradients(self) -> Classifier:
        """The network in the runtime of the run: faster than `run.classifier`, for computations without gradients."""
        return forward_pass(self.run.classifier, self.run.settings).without_gradients

    def method(self, kind: str, settings: Mapping[str, Any], prepare: Callable[[], Compute]) -> PerImageMethod:
        """A method with its cache. prepare: returns the function that computes one image, when the first is needed."""
        return PerImageMethod(self, kind, {**self.settings, **settings}, prepare)

    def compute(
        self, kind: str, settings: Mapping[str, Any], rows: Sequence[int], function: Compute, tick: Ticker
    ) -> PerImageResults:
        """Return `function` of the samples in these rows, from the cache where it has them.

        A sample whose file has changed since the forward pass is left out.
        """
        method = self.method(kind, settings, lambda: function)
        method.compute(rows, tick)
        return method.results(rows)

    def reloaded(self, images: Mapping[Key, Sequence[int]]) -> Iterator[tuple[Key, int, NetworkInput | None]]:
        """Each key with the first of its rows whose file still has these bytes, and its pixels; None if none has."""
        classifier, settings = self.run.classifier, self.run.settings

        def reload(key: Key) -> tuple[int, NetworkInput | None]:
            for row in images[key]:
                how = (classifier.preprocessing, settings.resize, settings.decode)
                if (image := reload_image(self.samples[row], key[0], *how)) is not None:
                    return row, image
            return images[key][0], None

        threads = max(2, torch.get_num_threads())
        for key, (row, image) in zip(images, in_threads(reload, images, threads, AHEAD), strict=True):
            yield key, row, image


class PerImageMethod:
    """A method that computes single images, with its cache. kind: what it computes, such as `occlusion`."""

    def __init__(
        self, job: PerImageJob, kind: str, settings: Mapping[str, Any], prepare: Callable[[], Compute]
    ) -> None:
        """settings: what the results depend on, apart from the image; prepare: see `PerImageJob.method`."""
        self.kind = kind
        self._job, self._prepare = job, prepare
        self._store = per_image_store(job.table.cache, kind, settings)

    @cached_property
    def _function(self) -> Compute:
        return self._prepare()

    @property
    def seconds(self) -> float:
        """Seconds that this and earlier runs spent on the images in the cache."""
        return self._store.seconds

    @property
    def seconds_per_image(self) -> float | None:
        """Mean over the images in the cache; None if there are none."""
        return self._store.seconds / len(self._store) if len(self._store) else None

    def has(self, row: int) -> bool:
        """Whether the cache has the image in this row."""
        return self._job.table.keys[row] in self._store

    def results(self, rows: Sequence[int]) -> PerImageResults:
        """The results of those of these rows that the cache has."""
        keys = self._job.table.keys
        table = self._store.select(keys[row] for row in rows if self.has(row))
        return PerImageResults.of(table, keys, rows)

    def compute(self, rows: Sequence[int], tick: Ticker) -> None:
        """Compute those of these rows that the cache does not have.

        A sample whose file has changed since the forward pass is left out.
        """
        keys, job = self._job.table.keys, self._job
        images: dict[Key, list[int]] = {}
        for row in rows:
            images.setdefault(keys[row], []).append(row)
        ticks = {key: len(same) for key, same in images.items()}
        start = time.perf_counter()

        def missing(wanted: list[Key]) -> Iterator[tuple[Key, Arrays]]:
            log.debug("%s: computing %d of %d images", self.kind, len(wanted), len(images))
            with eval_mode(job.run.classifier):
                for key, row, image in job.reloaded({key: images[key] for key in wanted}):
                    if image is not None:
                        pixels = torch.tensor(image.pixels)[None].to(job.device)
                        x = job.run.classifier.preprocessing.normalize(pixels)
                        yield key, self._function(row, image, x)
                    tick(ticks.pop(key))

        before = len(self._store)
        try:
            compute_missing(self._store, [keys[row] for row in rows], missing)
        finally:
            if len(self._store) > before:
                self._store.add_seconds(time.perf_counter() - start)
        tick(sum(ticks.values()))
