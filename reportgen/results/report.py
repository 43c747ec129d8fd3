"""A finished report opened for reading: results as structured arrays, and the arrays of the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from reportgen.errors import StoreError
from reportgen.store.column import Column
from reportgen.store.shard import Shard
from reportgen.store.table import Key, Store, Table

REPORT_FILE = "report.npz"
"""File with the results, in the format of a shard."""


@dataclass(frozen=True)
class Model:
    """The results of one network. Row i of every array belongs to image i of `predictions`.

    predictions: structured array with `name`, `label` (−1: none), `kind` (the outcome), `top (k)` classes, and `score
        (k)`, their probabilities.
    localization: one row for each stored map of an image with boxes: `name`, `rank` (0: the label's map), `class`,
        `box` x0 y0 x1 y1, `iou`, and `fits`, whether the box is correct; empty without boxes.
    settings, keys, cache: of the store.
    """

    name: str
    predictions: np.ndarray
    localization: np.ndarray
    settings: Mapping[str, Any]
    keys: Sequence[Key]
    cache: Path

    @cached_property
    def table(self) -> Table:
        """The arrays of `shard-format.md`, one row an image. Errors: StoreError if the cache is missing or damaged."""
        try:
            return Store(self.cache, self.settings, finished=True).select(self.keys)
        except KeyError:
            raise StoreError(f"the cache of `{self.cache.parent}` is missing", "run the report again") from None

    def __getitem__(self, name: str) -> Column:
        return self.table[name]


@dataclass(frozen=True)
class Report:
    """A finished report. Its own `predictions`, `localization` and arrays (`report["logits"]`) are those of the first
    network.

    boxes: the ground-truth boxes of each image `(B, 4)`, x0 y0 x1 y1 in pixels of the upright image.
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
    def table(self) -> Table:
        return self.models[0].table

    def __getitem__(self, name: str) -> Column:
        return self.models[0][name]


def open_report(folder: str | PathLike[str]) -> Report:
    """Open the report in a folder that `reportgen run` wrote. Errors: StoreError."""
    path = Path(folder) / REPORT_FILE
    if not path.is_file():
        raise StoreError(f"`{folder}` contains no report", "name the folder that `reportgen run --out` wrote")
    shard = Shard(path)
    shard.verify()
    ids, labels = shard["samples/id"].tolist(), shard["samples/label"].tolist()
    keys = [(identity.decode("ascii"), label) for identity, label in zip(ids, labels, strict=True)]
    models = []
    for m, model in enumerate(shard.attributes["models"]):
        name = f"{m}/localization"
        models.append(
            Model(
                name=model["name"],
                predictions=shard[f"{m}/predictions"],
                localization=shard[name] if name in shard else np.empty(0, [("name", "U1")]),
                settings=model["settings"],
                keys=keys,
                cache=Path(folder) / "cache",
            )
        )
    if "samples/boxes" not in shard:
        raise StoreError(f"`{folder}` was written by an older version of reportgen", "run the report again")
    boxes = np.split(shard["samples/boxes"], np.searchsorted(shard["samples/box_of"], np.arange(1, len(keys))))
    return Report(shard.attributes["name"], shard.attributes["classes"], models, boxes)
