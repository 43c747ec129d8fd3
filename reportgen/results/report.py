"""A finished report, opened to be read: figures as structured arrays, and the store's arrays behind them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from reportgen.errors import StoreError
from reportgen.store.shard import Shard
from reportgen.store.table import Key, Rows, Store

REPORT = "report.npz"
"""File of the report that holds its figures, in the form of a shard."""


@dataclass(frozen=True)
class Model:
    """What one network made of the data set. Row i of every array is image i of `predictions`.

    predictions: `name`, `label` (−1: none), `kind`, `top (k)` classes, `score (k)` their probabilities.
    localization: one row a stored map of an image with boxes: `name`, `rank` (0: the label's), `class`,
        `box` x0 y0 x1 y1, `iou`, `fits`; empty where there are no boxes.
    """

    name: str
    predictions: np.ndarray
    localization: np.ndarray
    settings: Mapping[str, Any]
    keys: Sequence[Key]
    cache: Path

    @cached_property
    def store(self) -> Store:
        """The arrays of `shard-format.md`. Errors: StoreError if the cache is gone or damaged."""
        store = Store(self.cache, self.settings, finished=True)
        try:
            store.select(self.keys)
        except KeyError:
            raise StoreError(f"the cache of `{self.cache.parent}` is gone", "run the report again") from None
        return store

    def __getitem__(self, name: str) -> Rows:
        return self.store[name]


@dataclass(frozen=True)
class Report:
    """One finished report. What it gives by itself, as `predictions` or `report["logits"]`, is its first network's.

    boxes: of each image the true ones `(B, 4)`, x0 y0 x1 y1 in pixels of the upright image.
    """

    name: str
    classes: Sequence[str]
    models: Sequence[Model]
    boxes: Sequence[np.ndarray]

    @property
    def predictions(self) -> np.ndarray:
        return self.models[0].predictions

    @property
    def localization(self) -> np.ndarray:
        return self.models[0].localization

    @property
    def store(self) -> Store:
        return self.models[0].store

    def __getitem__(self, name: str) -> Rows:
        return self.models[0][name]


def open_report(folder: str | PathLike[str]) -> Report:
    """The report in a folder that `reportgen run` wrote. Errors: StoreError."""
    path = Path(folder) / REPORT
    if not path.is_file():
        raise StoreError(f"`{folder}` holds no report", "name the folder that `reportgen run --out` wrote")
    shard = Shard(path)
    shard.verify()
    ids, labels = shard["samples/id"].tolist(), shard["samples/label"].tolist()
    keys = [(identity.decode("ascii"), label) for identity, label in zip(ids, labels, strict=True)]
    models = []
    for m, about in enumerate(shard.attributes["models"]):
        where = f"{m}/localization"
        localization = shard[where] if where in shard else np.empty(0, [("name", "U1")])
        settings = about["settings"]
        models.append(
            Model(about["name"], shard[f"{m}/predictions"], localization, settings, keys, Path(folder) / "cache")
        )
    if "samples/boxes" not in shard:
        raise StoreError(f"`{folder}` was written by an older reportgen", "run the report again")
    boxes = np.split(shard["samples/boxes"], np.searchsorted(shard["samples/box_of"], np.arange(1, len(keys))))
    return Report(shard.attributes["name"], shard.attributes["classes"], models, boxes)
