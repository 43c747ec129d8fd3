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
from reportgen.results.export.image_table import data_frame, image_table
from reportgen.results.summary_html import summary_html
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

    folder: of the report, as it was given.
    boxes: the ground-truth boxes of each image `(B, 4)`, x0 y0 x1 y1 in pixels of the upright image.
    groups: `(N,)` int64, images of the same number are not independent: same bytes, or one group of the annotations.
    sizes: `(N, 2)` int32, width and height of the upright images.
    slices: name of each slice of the settings → `(N,)` bool, its images.
    is_multilabel: an image has any number of labels: `predictions` has them as text, and its `label` is −1.
    tsne: `(N, 2)` float32, positions on the t-SNE map of the first network's features, x to the right and y downward;
        NaN for images with features that are not finite.
    """

    name: str
    folder: Path
    classes: Sequence[str]
    models: Sequence[Model]
    boxes: Sequence[np.ndarray]
    groups: np.ndarray
    sizes: np.ndarray
    tsne: np.ndarray
    slices: Mapping[str, np.ndarray]
    is_multilabel: bool = False

    @property
    def predictions(self) -> np.ndarray:
        return self.models[0].predictions

    @property
    def localization(self) -> np.ndarray:
        return self.models[0].localization

    @property
    def table(self) -> Table:
        return self.models[0].table

    @property
    def has_localization(self) -> bool:
        """Whether an image has a label and boxes, so that predicted boxes are judged."""
        return len(self.localization) > 0

    def __getitem__(self, name: str) -> Column:
        return self.models[0][name]

    def frame(self) -> Any:
        """Return a pandas data frame with a row for each network and image: the table of `reportgen export --to csv`.

        Errors: OutputError without pandas, StoreError if `findings.json` is missing.
        """
        return data_frame(image_table(self))

    def _repr_html_(self) -> str:
        """What Jupyter shows."""
        return summary_html(self)


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
    if not {"samples/boxes", "samples/size", "samples/tsne", "samples/group"} <= set(shard.names()):
        raise StoreError(f"`{folder}` was written by an older version of reportgen", "run the report again")
    boxes = np.split(shard["samples/boxes"], np.searchsorted(shard["samples/box_of"], np.arange(1, len(keys))))
    return Report(
        name=shard.attributes["name"],
        folder=Path(folder),
        classes=shard.attributes["classes"],
        models=models,
        boxes=boxes,
        groups=shard["samples/group"],
        sizes=shard["samples/size"],
        tsne=shard["samples/tsne"],
        slices={name: shard["samples/slices"][:, s] for s, name in enumerate(shard.attributes.get("slices", []))},
        is_multilabel=shard.attributes.get("is_multilabel", False),
    )
