"""The inputs of an audit: the data set, and what every network extracted from it.

Together with the settings and our own code they determine the report.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from reportgen.audit.columns import image_columns
from reportgen.audit.model_info import ModelInfo, PrecisionAgreement, RuntimeTrial
from reportgen.audit.reference import Reference
from reportgen.audit.slices import check_named_slices
from reportgen.config import AuditConfig
from reportgen.data.class_names import ClassNames
from reportgen.data.samples import Dataset, RejectedInput, Sample
from reportgen.embedding.space import FeatureSource, find_feature_source
from reportgen.errors import ConfigError
from reportgen.models.classifier import Classifier
from reportgen.models.heads import POOLINGS
from reportgen.models.inference import pick_device
from reportgen.models.layers import select_layers
from reportgen.models.loading import load_classifiers
from reportgen.pipeline.cross_fitting import run_with_fitted_heads
from reportgen.pipeline.datasets import AuditData, ReadDataset, class_names_of_data, read_data
from reportgen.pipeline.extraction import (
    ModelRun,
    Pass,
    common_samples,
    resolve_feature_map_storage,
    run_model,
)
from reportgen.pipeline.feature_visualization import requested_units
from reportgen.pipeline.model_info import model_info
from reportgen.pipeline.network_check import check_network
from reportgen.pipeline.network_sources import network_digest, published_weights
from reportgen.pipeline.part_pass import PartOutcome
from reportgen.pipeline.precision import resolve_precision
from reportgen.pipeline.progress import Progress, StageClock
from reportgen.pipeline.quick_check import Sources
from reportgen.pipeline.runtime import resolve_runtime
from reportgen.store.table import Table


@dataclass(frozen=True)
class ExtractedModel:
    """A network that was run over the data set. table: what its forward pass stored, one row a sample."""

    run: ModelRun
    table: Table
    info: ModelInfo


@dataclass(frozen=True)
class AuditInputs:
    """The data set and the networks that were run over it.

    samples: those that every network could read; sources: what all of this follows from.
    """

    dataset: Dataset
    samples: list[Sample]
    unreadable: list[tuple[str, str]]
    models: Sequence[ExtractedModel]
    feature_source: FeatureSource
    reference: Reference | None
    ood: Reference | None
    device: torch.device
    sources: Sources

    @cached_property
    def labels(self) -> np.ndarray:
        """`(N,)` int64, −1 for none."""
        return np.array([-1 if s.label is None else s.label for s in self.samples], np.int64)


@dataclass(frozen=True)
class LoadedInputs:
    """The networks and the data before any image has gone through a network.

    settings: of each network; networks: digest of each, see `network_digest`; class_names: see `Sources`.
    """

    settings: Sequence[AuditConfig]
    classifiers: Sequence[Classifier]
    networks: Sequence[str | None]
    data: AuditData
    class_names: ClassNames | None
    feature_source: FeatureSource
    device: torch.device


def load_inputs(config: AuditConfig, read: ReadDataset, clock: StageClock, progress: Progress) -> LoadedInputs:
    """Load the networks and read the data set. Errors: ReportgenError."""
    with clock("load the model"), progress("Loading the model", None, ""):
        device = pick_device(config.device)
        settings = config.networks()
        networks = network_digests(settings)
        classifiers = load_classifiers(settings, device)
        requested_units(settings[0], classifiers[0])  # a unit that does not exist is an error before the work begins
    with clock("read the data set"), progress("Reading the data set", None, ""):
        class_names = resolve_class_names(config, classifiers)
        data = read_data(config, class_names or class_names_of_data(config, read), read)
        if config.slices and data.audited.is_multilabel:
            raise ConfigError("`slices` have errors of one label an image, not of several", "leave out `slices`")
        if config.slices:
            check_named_slices(config.slices, image_columns(data.audited.samples), data.audited.classes)
        classifiers = [replace(one, score_maps=maps) for one, maps in zip(classifiers, data.score_maps, strict=True)]
    feature_source = find_feature_source(config.features, unit_layers(classifiers[0], settings[0]))
    return LoadedInputs(settings, classifiers, networks, data, class_names, feature_source, device)


def resolve_settings(
    dataset: Dataset, classifier: Classifier, wanted: AuditConfig, device: torch.device
) -> tuple[AuditConfig, PrecisionAgreement | None, RuntimeTrial | None]:
    """Return the settings of a network without `auto`, and the trials that decided them; the network is checked."""
    resolved, agreement = resolve_precision(dataset, classifier, wanted, device)
    resolved, runtime_trial = resolve_runtime(dataset, classifier, resolved, device)
    resolved = resolve_feature_map_storage(dataset, classifier, resolved, device)
    check_network(dataset, classifier, resolved, device)
    return resolved, agreement, runtime_trial


def gather_inputs(config: AuditConfig, read: ReadDataset, clock: StageClock, progress: Progress) -> AuditInputs:
    """Load the networks, read the data set, and run every image through every network. Errors: ReportgenError."""
    loaded = load_inputs(config, read, clock, progress)
    settings, data, device = loaded.settings, loaded.data, loaded.device
    dataset = data.audited
    with clock("extract"):
        trials = [
            resolve_settings(dataset, classifier, wanted, device)
            for classifier, wanted in zip(loaded.classifiers, settings, strict=True)
        ]
        resolved = [one for one, *_ in trials]
        elsewhere = _compute_elsewhere(config, loaded, resolved, progress)
        runs = [
            run_with_fitted_heads(dataset, data.training, classifier, own, device, progress)
            if own.head in POOLINGS
            else run_model(dataset, classifier, own, device, progress)
            for classifier, own in zip(loaded.classifiers, resolved, strict=True)
        ]
        for run, outcome in zip(runs, elsewhere, strict=False):
            run.extraction.note_computed(outcome)
    with clock("extract the other data sets"):
        storage = settings[0].store_feature_maps
        reference, ood = (
            extract_reference(other, runs[0], storage, device, progress) if other else None
            for other in (data.reference, data.ood)
        )
    samples, keys, unreadable = common_samples(runs)
    tables = [run.store.select(keys) for run in runs]
    samples, outside = clip_boxes(samples, np.asarray(tables[0]["samples/size"]))
    models = [
        ExtractedModel(run, table, model_info(run, agreement, runtime_trial, device))
        for run, table, (_, agreement, runtime_trial) in zip(runs, tables, trials, strict=True)
    ]
    dataset = replace(dataset, refused=[*dataset.refused, *outside])
    published = [published_weights(own) for own in settings]
    networks = [own or after for own, after in zip(loaded.networks, network_digests(settings, published), strict=True)]
    sources = Sources(loaded.class_names, data, networks, published)
    return AuditInputs(dataset, samples, unreadable, models, loaded.feature_source, reference, ood, device, sources)


def _compute_elsewhere(
    config: AuditConfig, loaded: LoadedInputs, settings: Sequence[AuditConfig], progress: Progress
) -> Sequence[PartOutcome]:
    """Let the workers of the engine fill the stores; return what they did, in each network. settings: without `auto`.

    Errors: ReportgenError.
    """
    if config.engine == "local":
        return []
    from reportgen.pipeline.ray_engine import compute_on_ray  # Ray is an extra

    return compute_on_ray(config, passes_of_parts(loaded, settings), progress)[: len(settings)]


def network_digests(
    settings: Sequence[AuditConfig], published: Sequence[Path | None] | None = None
) -> list[str | None]:
    """`network_digest` of each network; None too if a file cannot be read, which loading the network reports."""
    digests: list[str | None] = []
    for own, path in zip(settings, published or [None] * len(settings), strict=True):
        try:
            digests.append(network_digest(own, path))
        except (OSError, ValueError, KeyError):
            digests.append(None)
    return digests


def resolve_class_names(config: AuditConfig, classifiers: Sequence[Classifier]) -> ClassNames | None:
    """Return the class names of the first network with its own head; None if all heads are fitted."""
    networks = zip(classifiers, config.networks(), strict=True)
    return next((own.class_names for own, settings in networks if settings.head not in POOLINGS), None)


def unit_layers(classifier: Classifier, settings: AuditConfig) -> list[str]:
    """The names of the layers whose units have pages."""
    chosen = select_layers(classifier.trunk, classifier.head, settings.layers)
    return list(dict.fromkeys([*(layer.name for layer in chosen), classifier.feature_layer]))


def passes_of_parts(loaded: LoadedInputs, settings: Sequence[AuditConfig]) -> list[Pass]:
    """Return what each part has a share of: the data set in each network, and the other data sets in the first.

    settings: of each network, without `auto`.
    """
    data, device = loaded.data, loaded.device
    networks = list(zip(loaded.classifiers, settings, strict=True))
    storage = loaded.settings[0].store_feature_maps
    return [
        *(Pass(data.audited, classifier, own, device) for classifier, own in networks),
        *(pass_of_other(other, *networks[0], storage, device) for other in (data.reference, data.ood) if other),
    ]


def pass_of_other(
    other: Dataset, classifier: Classifier, settings: AuditConfig, store_feature_maps: str, device: torch.device
) -> Pass:
    """Return the pass of another data set through the first network, into the same store.

    Whether its feature maps are stored is resolved by itself: it may be far larger than the audited set.
    """
    classifier = replace(classifier, score_maps=None)  # they are of the audited images
    wanted = replace(settings, store_feature_maps=store_feature_maps)
    return Pass(other, classifier, resolve_feature_map_storage(other, classifier, wanted, device), device)


def extract_reference(
    other: Dataset, first: ModelRun, store_feature_maps: str, device: torch.device, progress: Progress
) -> Reference:
    """Run another data set through the first network."""
    run = pass_of_other(other, first.classifier, first.settings, store_feature_maps, device)
    extraction = run.extract(progress)
    table = run.store.select(extraction.keys)
    return Reference(other.name, extraction.samples, extraction.unreadable, table, extraction.undecodable)


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
