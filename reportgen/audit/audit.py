"""The audit: the read-only handle on one report that views and the gallery get."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from reportgen.audit.model_info import LayerCard, ModelCard
from reportgen.audit.reference import Matches, Reference
from reportgen.data.samples import Dataset, Sample
from reportgen.embedding.maps import Maps, make_maps
from reportgen.embedding.space import CODES, Codes, Space, pixel_rows
from reportgen.metrics.classification import Classification
from reportgen.metrics.failures import PartTest
from reportgen.metrics.localization.evaluation import Measured
from reportgen.metrics.localization.ilsvrc import Localization
from reportgen.metrics.localization.study import Study
from reportgen.metrics.top_patches import Unit, steady, study_units
from reportgen.store.results_cache import Keep, keep_in
from reportgen.store.table import Store

LABEL = -1
"""Column of `cam/map` and `cam/class` that holds the label's map; the columns before it are the top classes."""


@dataclass(frozen=True)
class CloseLook:
    """What one kind of costly look gave. store: a row an image; rows: sample's row in the audit → row in this store."""

    store: Store
    rows: Mapping[int, int]


@dataclass(frozen=True)
class Preferred:
    """What is known of a unit that was asked for.

    picture: `(S, S, 3)` uint8, the input found for it; reached, where: its maximum there and the flat position of it.
    gradients: `(k, S, S, 3)` uint8, guided backpropagation of its value in each of its top patches; 128 is zero.
    """

    picture: np.ndarray
    reached: float
    where: int
    gradients: np.ndarray


@dataclass(frozen=True)
class Audit:
    """One data set seen by one classifier. Row i of every array belongs to `samples[i]`.

    An audit of several networks is the audit of the first, with those of the others `beside` it, of the same samples.

    samples:    those that could be read, in the data set's order.
    unreadable: (name, reason) of those that could not.
    store:      with the samples' rows selected.
    kinds:      why each image's top-1 box does not count, or `right`, or `unlabelled`.
    parts:      the causal test of the *part* failures, or None where there are none.
    study:      localization from all sides, or None where there are no boxes.
    backprop:   boxes of the label's saliency map on some images, by recipe: `paper`, `graphcut`.
    unconfirmed: (layer, unit, image) of the top patches whose value their image alone did not reach: a defect.
    looks:      what was computed for chosen images only, by kind, such as `occlusion`.
    codes:      what images are compared by.
    reference:  another data set beside this one, or None.
    preferred:  by layer and unit, what was asked for with `synthesize`.
    top_patches: images kept a unit.
    cam_identity: largest |mean(CAM) + bias − logit| over all stored maps, or None where CAM is not exact.
    """

    dataset: Dataset
    samples: Sequence[Sample]
    unreadable: Sequence[tuple[str, str]]
    card: ModelCard
    store: Store
    classification: Classification
    localization: Localization | None
    kinds: Sequence[str]
    cam_identity: float | None
    study: Study | None = None
    parts: PartTest | None = None
    backprop: Mapping[str, Measured] = field(default_factory=dict)
    beside: Sequence[Audit] = ()
    unconfirmed: frozenset[tuple[str, int, int]] = frozenset()
    looks: Mapping[str, CloseLook] = field(default_factory=dict)
    codes: Codes = CODES["head"]
    reference: Reference | None = None
    preferred: Mapping[tuple[str, int], Preferred] = field(default_factory=dict)
    top_patches: int = 16

    @property
    def models(self) -> Sequence[Audit]:
        """What each network makes of the data set, this one first."""
        return (self, *self.beside)

    @property
    def title(self) -> str:
        more = f" and {len(self.beside)} more" if self.beside else ""
        return f"{self.dataset.name} × {self.card.name}{more}"

    @property
    def classes(self) -> Sequence[str]:
        return self.dataset.classes

    @cached_property
    def labels(self) -> np.ndarray:
        """`(N,)` int64, −1 for none."""
        return np.array([-1 if s.label is None else s.label for s in self.samples], np.int64)

    @cached_property
    def cams(self) -> np.ndarray:
        """`(N, M, h, w)` float32 in logit units: the top classes' maps, then the label's."""
        return np.asarray(self.store["cam/map"])

    @cached_property
    def cam_classes(self) -> np.ndarray:
        """`(N, M)` int64; the last column is the label, −1 for none."""
        return np.asarray(self.store["cam/class"], np.int64)

    @cached_property
    def sizes(self) -> np.ndarray:
        """`(N, 2)` width and height of the upright originals."""
        return np.asarray(self.store["samples/size"])

    @cached_property
    def windows(self) -> np.ndarray:
        """`(N, 4)` what the network saw, x0 y0 x1 y1 in the original's pixels."""
        return np.asarray(self.store["samples/window"])

    @property
    def _keep(self) -> Keep:
        return keep_in(self.store.folder.parent)

    @cached_property
    def code_space(self) -> Space:
        """The images by their codes."""
        return Space.of(np.asarray(self.store[self.codes.array]), self._keep)

    @cached_property
    def pixel_space(self) -> Space:
        """The images by their pixels, as thumbnails."""
        return Space.of(pixel_rows(np.asarray(self.store["image/tiny"])), self._keep)

    @cached_property
    def matches(self) -> tuple[Matches, Matches] | None:
        """What the reference has that is like these images, by codes and by pixels; None without a reference."""
        if self.reference is None:
            return None
        there = self.reference.store
        return (
            Matches.of(self.code_space, np.asarray(there[self.codes.array]), self._keep),
            Matches.of(self.pixel_space, pixel_rows(np.asarray(there["image/tiny"])), self._keep),
        )

    @cached_property
    def maps(self) -> Maps:
        """The images in the plane."""
        return make_maps(self.code_space, self.pixel_space, self.labels, self._keep)

    @property
    def without_evidence(self) -> np.ndarray:
        """`(N,)` bool: the top-1 map has no positive value, or one that is not finite."""
        first = self.cams[:, 0].reshape(len(self.samples), -1)
        return np.asarray(~np.isfinite(first).all(1) | ~(first.max(1) > 0))

    @property
    def silent(self) -> int:
        """How many images have a top-1 map without evidence."""
        return int(self.without_evidence.sum())

    @cached_property
    def _of_units(self) -> dict[str, np.ndarray]:
        names = [f"units/{layer.name}/{what}" for layer in self.card.layers for what in ("max", "where")]
        return {name: np.asarray(self.store[name]) for name in names}

    def maxima(self, layer: LayerCard) -> np.ndarray:
        """`(N, U)` float32, the maximum of each unit of a layer in each image."""
        return self._of_units[f"units/{layer.name}/max"]

    def places(self, layer: LayerCard) -> np.ndarray:
        """`(N, U)` int32, the flat position `y·w + x` of each of these maxima."""
        return self._of_units[f"units/{layer.name}/where"]

    @cached_property
    def usual(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Mean and standard deviation `(U,)` float64 of each layer's maxima, by the layer's name.

        Of the images that are `steady`, so that another image seldom changes what the pages of all the others show.
        """
        some = steady(np.asarray(self.store["samples/id"]))
        maxima = {layer.name: self.maxima(layer)[some].astype(np.float64) for layer in self.card.layers}
        return {name: (values.mean(0), values.std(0)) for name, values in maxima.items()}

    @cached_property
    def units(self) -> dict[str, list[Unit]]:
        """The units of each layer, by the layer's name."""
        return {
            layer.name: study_units(self.maxima(layer), self.places(layer), self.labels, self.top_patches)
            for layer in self.card.layers
        }

    def picture(self, i: int) -> bytes:
        """The JPEG that the gallery shows of image i."""
        return self.store.ragged("image/jpeg", i)

    def of_class(self, k: int) -> np.ndarray:
        """The images with label k."""
        return np.flatnonzero(self.labels == k)
