"""What the analysis of one network produced, read-only. Row i of every array belongs to `samples[i]`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from reportgen.audit.confidence import ConfidenceStudy, study_confidence
from reportgen.audit.model_info import LayerInfo, ModelInfo
from reportgen.data.groups import connected_groups
from reportgen.data.samples import Dataset, Sample
from reportgen.metrics.background import BackgroundTest
from reportgen.metrics.classification import BLOCK, Classification, logit_deviation, probabilities
from reportgen.metrics.confidence.calibration import Calibration, calibrate
from reportgen.metrics.failures import PartOnlyTest
from reportgen.metrics.intervals import has_groups
from reportgen.metrics.localization.cascade import Cascade
from reportgen.metrics.localization.comparisons import (
    ControlComparison,
    compare_with_controls,
    compare_with_strongest_control,
)
from reportgen.metrics.localization.evaluation import Evaluation
from reportgen.metrics.localization.ilsvrc import Localization
from reportgen.metrics.localization.study import LocalizationStudy
from reportgen.metrics.multilabel import THRESHOLD as LABEL_THRESHOLD
from reportgen.metrics.multilabel import MultilabelFigures
from reportgen.metrics.top_patches import Unit, baseline_rows
from reportgen.store.column import Column
from reportgen.store.per_image import PerImageResults
from reportgen.store.table import Table

LABEL = -1
"""Column of `cam/map` and `cam/class` that holds the label's map; the columns before it are the top classes."""


@dataclass(frozen=True)
class FeatureVisualization:
    """What was computed for a unit that the setting `feature_visualization` names.

    picture: `(H, W, 3)` uint8, the optimized input; reached, where: the unit's maximum in it and its flat position.
    gradients: `(k, H, W, 3)` uint8, guided backpropagation of its value in each of its top patches; 128 is zero.
    """

    picture: np.ndarray
    reached: float
    where: int
    gradients: np.ndarray


def image_groups(table: Table, samples: Sequence[Sample]) -> np.ndarray:
    """Return the group `(N,)` of each image: those with the same bytes, and those of one group of the annotations."""
    ids = np.asarray(table["samples/id"]).astype(str).tolist()
    return connected_groups(ids, [sample.group for sample in samples])


def label_table(samples: Sequence[Sample], classes: int) -> np.ndarray:
    """Return the labels `(N, classes)` bool of the samples of a multi-label data set."""
    table = np.zeros((len(samples), classes), bool)
    for i, sample in enumerate(samples):
        table[i, list(sample.labels or ())] = True
    return table


@dataclass(frozen=True)
class ModelAudit:
    """One data set audited with one network.

    samples:      those that could be read, in the data set's order.
    table:        what the forward pass stored, one row a sample.
    outcomes:     of each sample one of `metrics.failures.OUTCOMES`, or `unlabelled`; in a multi-label data set see
        `multilabel_outcomes`.
    cam_identity: largest |mean(CAM) + bias − logit| over all stored maps, or None where CAM is not exact.
    units:        the units of each layer, by the layer's name.
    localization_study: further localization figures, or None where there are no boxes.
    part_test:    the causal test of the *part only* failures, or None where there are none.
    background_test: predictions for images without their objects, and for objects alone, or None where there are none.
    cascade:      similarity of maps while layers are randomized from the top, or None; of the first network alone.
    backprop:     figures of the boxes made from the label's saliency map, by recipe: `paper`, `graphcut`.
    unconfirmed_patches: (layer, unit, image) of the top patches whose value differs when their image is run alone.
    selected:     results that only selected images have, by kind: `occlusion`, `saliency`, `activations`.
    feature_visualizations: by layer and unit.
    multilabel:   figures of a multi-label data set; None for one label an image, or without an annotated image.
    """

    dataset: Dataset
    samples: Sequence[Sample]
    info: ModelInfo
    table: Table
    classification: Classification
    localization: Localization | None
    outcomes: Sequence[str]
    cam_identity: float | None
    units: Mapping[str, list[Unit]] = field(default_factory=dict)
    localization_study: LocalizationStudy | None = None
    part_test: PartOnlyTest | None = None
    background_test: BackgroundTest | None = None
    cascade: Cascade | None = None
    backprop: Mapping[str, Evaluation] = field(default_factory=dict)
    unconfirmed_patches: frozenset[tuple[str, int, int]] = frozenset()
    selected: Mapping[str, PerImageResults] = field(default_factory=dict)
    feature_visualizations: Mapping[tuple[str, int], FeatureVisualization] = field(default_factory=dict)
    multilabel: MultilabelFigures | None = None

    @property
    def classes(self) -> Sequence[str]:
        """The class names, in the order of the network's outputs."""
        return self.dataset.classes

    @property
    def has_top5(self) -> bool:
        """Whether there are more classes than top classes; without, every top-5 error is 0."""
        return bool(len(self.classes) > self.classification.top_classes.shape[1])

    @cached_property
    def cam_identity_relative(self) -> float | None:
        """`cam_identity` in standard deviations of the logits; None where it is None or all logits are equal."""
        deviation = logit_deviation(np.asarray(self.table["logits"])) if self.cam_identity is not None else None
        return self.cam_identity / deviation if self.cam_identity is not None and deviation else None

    def probabilities(self, rows: int | Sequence[int]) -> np.ndarray:
        """`(…, K)` float64, the probability of each class for one image or several; only their logits are read."""
        return probabilities(np.asarray(self.table["logits"][rows], np.float64), self.dataset.is_multilabel)

    def predicted_labels(self, i: int) -> list[int]:
        """The classes of image i whose probability reaches the threshold, in a multi-label data set, increasing."""
        found: list[int] = np.flatnonzero(self.probabilities(i) >= LABEL_THRESHOLD).tolist()
        return found

    def predicted_table(self) -> np.ndarray:
        """`(N, K)` bool: the predicted labels of all images of a multi-label data set, see `predicted_labels`."""
        blocks = (block.astype(np.float64) for block in self.table["logits"].blocks(BLOCK))
        return np.concatenate([probabilities(block, is_multilabel=True) >= LABEL_THRESHOLD for block in blocks])

    def map_column(self, i: int, k: int) -> int | None:
        """The column of `cam/map` with the map of class k for image i, among the top classes; None if there is none."""
        places = np.flatnonzero(self.cam_classes[i, :LABEL] == k)
        return int(places[0]) if len(places) else None

    @cached_property
    def annotated(self) -> np.ndarray:
        """`(N,)` bool: the labels of the image are known, of one label or several; in a multi-label data set, none."""
        return np.array([sample.is_annotated for sample in self.samples])

    @cached_property
    def labels(self) -> np.ndarray:
        """`(N,)` int64, −1 for none, which all images of a multi-label data set have: see `label_table`."""
        return np.array([-1 if s.label is None else s.label for s in self.samples], np.int64)

    @cached_property
    def groups(self) -> np.ndarray:
        """`(N,)` group of each image: images of a group are not independent."""
        return image_groups(self.table, self.samples)

    @property
    def has_groups(self) -> bool:
        """Whether some images are not independent."""
        return has_groups(self.groups)

    @cached_property
    def cams(self) -> Column:
        """`(N, M, h, w)` float32 in logit units: the activation maps of the top classes, then the label's."""
        return self.table["cam/map"]

    @cached_property
    def cam_classes(self) -> np.ndarray:
        """`(N, M)` int64; the last column is the label, −1 for none."""
        return np.asarray(self.table["cam/class"], np.int64)

    @cached_property
    def sizes(self) -> np.ndarray:
        """`(N, 2)` width and height of the upright originals."""
        return np.asarray(self.table["samples/size"])

    @cached_property
    def windows(self) -> np.ndarray:
        """`(N, 4)` the part of the image that the network saw, x0 y0 x1 y1 in the original's pixels."""
        return np.asarray(self.table["samples/window"])

    @cached_property
    def without_evidence(self) -> np.ndarray:
        """`(N,)` bool: the top-1 map has no positive value, or one that is not finite."""
        first = self.cams[:, 0].reshape(len(self.samples), -1)
        return np.asarray(~np.isfinite(first).all(1) | ~(first.max(1) > 0))

    @cached_property
    def calibration(self) -> Calibration | None:
        """Calibration of the predictions on the labelled images; None without any."""
        use, predictions = self.labels >= 0, self.classification
        return calibrate(predictions.scores[use, 0], predictions.top1_correct[use], groups=self.groups[use])

    @cached_property
    def confidence(self) -> ConfidenceStudy | None:
        """How far its confidence can be used; None without a labelled image whose logits are finite."""
        return study_confidence(self.table["logits"], self.labels, self.groups, self.classification)

    @cached_property
    def control_comparisons(self) -> dict[str, ControlComparison]:
        """`top1` and `gt_known` → the localization error and that of the strongest control; empty without boxes."""
        study = self.localization_study
        return {e: compare_with_strongest_control(study, e) for e in ("top1", "gt_known")} if study else {}

    @cached_property
    def all_control_comparisons(self) -> list[ControlComparison]:
        """Each localization error and that of each control by each recipe, and of the backprop boxes."""
        study = self.localization_study
        return compare_with_controls(study, self.backprop) if study else []

    @cached_property
    def _unit_arrays(self) -> dict[str, np.ndarray]:
        names = [f"units/{layer.name}/{what}" for layer in self.info.layers for what in ("max", "where")]
        return {name: np.asarray(self.table[name]) for name in names}

    def unit_maxima(self, layer: LayerInfo) -> np.ndarray:
        """`(N, U)` float32, the maximum of each unit of a layer in each image."""
        return self._unit_arrays[f"units/{layer.name}/max"]

    def unit_positions(self, layer: LayerInfo) -> np.ndarray:
        """`(N, U)` int32, the flat position `y·w + x` of each of these maxima."""
        return self._unit_arrays[f"units/{layer.name}/where"]

    @cached_property
    def unit_baselines(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Mean and standard deviation `(U,)` float64 of each layer's maxima, by the layer's name.

        Taken over the images of `baseline_rows`, so that an added image seldom changes the pages of all others.
        """
        rows = baseline_rows(np.asarray(self.table["samples/id"]))
        maxima = {layer.name: self.unit_maxima(layer)[rows].astype(np.float64) for layer in self.info.layers}
        return {name: (values.mean(0), values.std(0)) for name, values in maxima.items()}

    def jpeg(self, i: int) -> bytes:
        """The JPEG that the gallery shows of image i."""
        return self.table.ragged("image/jpeg", i)

    def images_of_class(self, k: int) -> np.ndarray:
        """The images with label k."""
        return np.flatnonzero(self.labels == k)

    @cached_property
    def occurring_classes(self) -> Sequence[int]:
        """The classes that are the label or the predicted class of an image, in ascending order: they have a page."""
        predicted = self.classification.top_classes[:, 0]
        classes: list[int] = np.unique(np.concatenate((self.labels[self.labels >= 0], predicted))).tolist()
        return classes

    def selected_images(self, kind: str) -> Sequence[int]:
        """The images that have results of this kind, in ascending order."""
        return sorted(self.selected[kind].rows) if kind in self.selected else []
