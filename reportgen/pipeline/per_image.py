"""Computations on single images beyond the forward pass: read the file again, compute, cache."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from reportgen.data.samples import Sample
from reportgen.models.inference import eval_mode
from reportgen.pipeline.extraction import ModelRun
from reportgen.pipeline.image_loader import NetworkInput, in_threads, reload_image
from reportgen.pipeline.progress import Ticker
from reportgen.store.per_image import Arrays, PerImageResults, per_image
from reportgen.store.table import Key, Table

log = logging.getLogger(__name__)

AHEAD = 8
"""Images that are decoded before their turn."""
Compute = Callable[[int, NetworkInput, Tensor], Arrays]
"""`compute(row, image, x)`: the results of one image. row: of the sample; x: its normalised input `(1, 3, S, S)`."""


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

    def compute(
        self, kind: str, settings: Mapping[str, Any], rows: Sequence[int], function: Compute, tick: Ticker
    ) -> PerImageResults:
        """Return `function` of the samples in these rows, from the cache where it has them.

        A sample whose file has changed since the forward pass is left out.
        """
        keys = self.table.keys
        images: dict[Key, list[int]] = {}
        for row in rows:
            images.setdefault(keys[row], []).append(row)
        ticks = {key: len(same) for key, same in images.items()}

        def missing(wanted: list[Key]) -> Iterator[tuple[Key, Arrays]]:
            log.debug("%s: computing %d of %d images", kind, len(wanted), len(images))
            with eval_mode(self.run.classifier):
                for key, row, image in self._reloaded({key: images[key] for key in wanted}):
                    if image is not None:
                        pixels = torch.tensor(image.pixels)[None].to(self.device)
                        x = self.run.classifier.preprocessing.normalize(pixels)
                        yield key, function(row, image, x)
                    tick(ticks.pop(key))

        wanted = [keys[row] for row in rows]
        table = per_image(self.table.cache, kind, {**self.settings, **settings}, wanted, missing)
        tick(sum(ticks.values()))
        return PerImageResults.of(table, keys, rows)

    def _reloaded(self, images: Mapping[Key, Sequence[int]]) -> Iterator[tuple[Key, int, NetworkInput | None]]:
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
