"""The inputs of an audit: the data set, and what every network extracted from it.

Together with the settings and our own code they determine the report.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch

from reportgen.audit.model_info import ModelInfo
from reportgen.audit.reference import Reference
from reportgen.config import AuditConfig
from reportgen.data.class_names import ClassNames
from reportgen.data.mask_files import with_masks
from reportgen.data.readers.dataset import read_dataset
from reportgen.data.samples import Dataset, RejectedInput, Sample
from reportgen.data.score_maps import list_score_maps
from reportgen.embedding.space import FeatureSource, find_feature_source
from reportgen.models.classifier import Classifier
from reportgen.models.heads import POOLINGS
from reportgen.models.inference import pick_device
from reportgen.models.layers import select_layers
from reportgen.models.loading import load_classifiers, resolve_class_names
from reportgen.pipeline.cross_fitting import run_with_fitted_heads
from reportgen.pipeline.extraction import ModelRun, common_samples, resolve_feature_map_storage, run_model
from reportgen.pipeline.feature_visualization import requested_units
from reportgen.pipeline.model_info import model_info
from reportgen.pipeline.network_check import check_network
from reportgen.pipeline.precision import resolve_precision
from reportgen.pipeline.progress import Progress, StageClock
from reportgen.pipeline.runtime import resolve_runtime
from reportgen.store.table import Table

ReadDataset = Callable[[ClassNames], Dataset]
"""Reads the data set, its labels looked up in the class names."""


@dataclass(frozen=True)
class ExtractedModel:
    """A network that was run over the data set. table: what its forward pass stored, one row a sample."""

    run: ModelRun
    table: Table
    info: ModelInfo


@dataclass(frozen=True)
class AuditInputs:
    """The data set and the networks that were run over it. samples: those that every network could read."""

    dataset: Dataset
    samples: list[Sample]
    unreadable: list[tuple[str, str]]
    models: Sequence[ExtractedModel]
    feature_source: FeatureSource
    reference: Reference | None
    device: torch.device

    @cached_property
    def labels(self) -> np.ndarray:
        """`(N,)` int64, −1 for none."""
        return np.array([-1 if s.label is None else s.label for s in self.samples], np.int64)


def gather_inputs(config: AuditConfig, read: ReadDataset, clock: StageClock, progress: Progress) -> AuditInputs:
    """Load the networks, read the data set, and run every image through every network. Errors: ReportgenError."""
    with clock("load the model"), progress("Loading the model", None, ""):
        device = pick_device(config.device)
        settings = config.networks()
        classifiers = load_classifiers(settings, device)
        requested_units(settings[0], classifiers[0])  # a unit that does not exist is an error before the work begins
    with clock("read the data set"), progress("Reading the data set", None, ""):
        class_names = resolve_class_names(config, classifiers, read)
        dataset = read(class_names).limited(config.limit)
        if config.masks:
            dataset = with_masks(dataset, config.masks)
        dataset = replace(dataset, name=config.name or dataset.name).with_printable_names()
        training = read_dataset(config.fit_data, class_names) if config.fit_data else None
        other = read_dataset(config.reference, class_names).with_printable_names() if config.reference else None
        dataset, classifiers = with_score_maps(dataset, classifiers, settings)
    feature_source = find_feature_source(config.features, unit_layers(classifiers[0], settings[0]))
    runs, agreements, runtime_trials = [], [], []
    for classifier, wanted in zip(classifiers, settings, strict=True):
        with clock("extract"):
            resolved, agreement = resolve_precision(dataset, classifier, wanted, device)
            resolved, runtime_trial = resolve_runtime(dataset, classifier, resolved, device)
            resolved = resolve_feature_map_storage(dataset, classifier, resolved, device)
            check_network(dataset, classifier, resolved, device)
            agreements.append(agreement)
            runtime_trials.append(runtime_trial)
            runs.append(
                run_with_fitted_heads(dataset, training, classifier, resolved, device, progress)
                if resolved.head in POOLINGS
                else run_model(dataset, classifier, resolved, device, progress)
            )
    reference = None
    if other:
        with clock("extract the reference"):
            reference = extract_reference(other, runs[0], settings[0].store_feature_maps, device, progress)
    samples, keys, unreadable = common_samples(runs)
    tables = [run.store.select(keys) for run in runs]
    samples, outside = clip_boxes(samples, np.asarray(tables[0]["samples/size"]))
    models = [
        ExtractedModel(run, table, model_info(run, agreement, runtime_trial, device))
        for run, table, agreement, runtime_trial in zip(runs, tables, agreements, runtime_trials, strict=True)
    ]
    dataset = replace(dataset, refused=[*dataset.refused, *outside])
    return AuditInputs(dataset, samples, unreadable, models, feature_source, reference, device)


def with_score_maps(
    dataset: Dataset, classifiers: Sequence[Classifier], settings: Sequence[AuditConfig]
) -> tuple[Dataset, list[Classifier]]:
    """Return the networks with the score maps that their settings name, and the images that have all of these.

    What is wrong with a map, or missing, is added to the rejected inputs. Errors: DataError.
    """
    with_maps = []
    for classifier, own in zip(classifiers, settings, strict=True):
        if own.maps:
            score_maps, rejected = list_score_maps(own.maps, dataset.samples)
            classifier = replace(classifier, score_maps=score_maps)
            kept = [sample for sample in dataset.samples if sample.name in score_maps.files]
            dataset = replace(dataset, samples=kept, refused=[*dataset.refused, *rejected])
        with_maps.append(classifier)
    return dataset, with_maps


def unit_layers(classifier: Classifier, settings: AuditConfig) -> list[str]:
    """The names of the layers whose units have pages."""
    chosen = select_layers(classifier.trunk, classifier.head, settings.layers)
    return list(dict.fromkeys([*(layer.name for layer in chosen), classifier.feature_layer]))


def extract_reference(
    other: Dataset, first: ModelRun, store_feature_maps: str, device: torch.device, progress: Progress
) -> Reference:
    """Run the reference data set through the first network, into the same store.

    Whether its feature maps are stored is resolved by itself: the reference may be far larger than the audited set.
    """
    wanted = replace(first.settings, store_feature_maps=store_feature_maps)
    classifier = replace(first.classifier, score_maps=None)  # they are of the audited images
    settings = resolve_feature_map_storage(other, classifier, wanted, device)
    run = run_model(other, classifier, settings, device, progress)
    extraction = run.extraction
    return Reference(other.name, extraction.samples, extraction.unreadable, run.store.select(extraction.keys))


def clip_boxes(samples: Sequence[Sample], sizes: np.ndarray) -> tuple[list[Sample], list[RejectedInput]]:
    """The samples with their boxes clipped at the image's border, and the boxes that lie outside of their image.

    sizes: `(N, 2)`, which are known once the image is decoded.
    """
    clipped, outside = [], []
    for sample, size in zip(samples, sizes, strict=True):
        boxes = np.minimum(sample.boxes, np.tile(size, 2).astype(np.float32))
        inside = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
        clipped.append(replace(sample, boxes=boxes[inside]))
        for box in sample.boxes[~inside]:
            shown = " ".join(f"{v:g}" for v in box)
            outside.append(
                RejectedInput(sample.name, f"box {shown} lies outside of the image of {size[0]} × {size[1]}")
            )
    return clipped, outside
