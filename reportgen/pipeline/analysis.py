"""From stored arrays to the audit: every figure of the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np

from reportgen.audit.audit import Audit
from reportgen.audit.coverage import Coverage
from reportgen.audit.history import HISTORY_FILE, read_history
from reportgen.audit.live_network import LiveNetwork
from reportgen.audit.model_audit import ModelAudit, image_groups, label_table
from reportgen.config import AuditConfig
from reportgen.data.masks import mask_in_window
from reportgen.data.samples import Sample
from reportgen.metrics.classification import Classification, classify, probabilities
from reportgen.metrics.failures import multilabel_outcomes, outcomes_of
from reportgen.metrics.localization.ilsvrc import Localization, localize
from reportgen.metrics.localization.max_box_acc import SIDE
from reportgen.metrics.localization.study import LocalizationStudy, study_localization
from reportgen.metrics.multilabel import MultilabelFigures, evaluate_multilabel
from reportgen.metrics.top_patches import Unit, summarize_units
from reportgen.models.cost import seconds_per_image
from reportgen.parallel import return_freed_memory
from reportgen.pipeline.background_test import background_work
from reportgen.pipeline.backprop_baseline import backprop_work
from reportgen.pipeline.cascade import cascade_work
from reportgen.pipeline.feature_visualization import feature_visualization_work
from reportgen.pipeline.inputs import AuditInputs, ExtractedModel
from reportgen.pipeline.part_test import part_test_work
from reportgen.pipeline.per_image import PerImageJob
from reportgen.pipeline.progress import Progress, StageClock
from reportgen.pipeline.random_weights import maps_of_random_weights
from reportgen.pipeline.selected_images import selected_images_works
from reportgen.pipeline.unit_images import effective_fields_work, top_patches_work
from reportgen.pipeline.work import Work, WorkQueue, budget_of
from reportgen.store.per_image import PerImageResults
from reportgen.store.results_cache import ResultsCache


@dataclass(frozen=True)
class Figures:
    """The figures of one network that follow from stored arrays alone; see `ModelAudit`."""

    classification: Classification
    localization: Localization | None
    outcomes: list[str]
    cam_identity: float | None
    localization_study: LocalizationStudy | None
    units: dict[str, list[Unit]]
    multilabel: MultilabelFigures | None = None


MIN_BUILD_SECONDS = 2.0
BUILD_SECONDS_PER_IMAGE, BUILD_SECONDS_PER_UNIT = 0.01, 0.003
"""Estimates of the time that another build of the site takes."""


class GrowingAudit:
    """The audit of a run: its figures at once, and the results of the expensive methods as they are computed."""

    def __init__(
        self,
        audit: Audit,
        works: Sequence[Sequence[Work]],
        queue: WorkQueue,
        seconds_per_pass: float,
        awaits_live: bool = False,
    ) -> None:
        """audit: without the expensive results; works: of each network; seconds_per_pass: that the first network takes
        for an image; awaits_live: `add_live` is to come."""
        self._audit, self._works, self.queue, self._seconds_per_pass = audit, works, queue, seconds_per_pass
        self._awaits_live = awaits_live

    @property
    def is_quick(self) -> bool:
        """Whether what is left takes no longer than another build of the site, by an estimate."""
        passes = sum(len(work.rows) * work.passes for work in self.queue.works if work.rows)
        units = sum(map(len, self._audit.main.units.values()))
        build = BUILD_SECONDS_PER_IMAGE * len(self._audit.samples) + BUILD_SECONDS_PER_UNIT * units
        return passes * self._seconds_per_pass <= max(MIN_BUILD_SECONDS, build)

    def open(self) -> None:
        """Open the caches of the expensive methods: from now on, `audit` has what earlier runs computed."""
        for work in self.queue.works:
            work.open()

    def add_live(self, live: LiveNetwork | None) -> None:
        """Add the first network for the live page, or None without such a page."""
        self._audit, self._awaits_live = replace(self._audit, live=live), False

    def audit(self, is_running: bool) -> Audit:
        """The audit with what there is. is_running: more is being computed."""
        models = []
        for model, works in zip(self._audit.models, self._works, strict=True):
            found: dict[str, Any] = {}
            selected: dict[str, PerImageResults] = {}
            for fields in (work.fields() for work in works):
                found |= fields
                selected |= fields.get("selected", {})
            models.append(replace(model, **(found | {"selected": selected})))
        coverage = [work.coverage(is_running) for work in self.queue.works if work.images]
        if is_running and self._awaits_live:
            coverage.append(Coverage(["the live page"], images=1, wanted=1, done=0, waiting=frozenset([0])))
        return replace(self._audit, models=models, coverage=coverage)


def build_audit(
    inputs: AuditInputs,
    config: AuditConfig,
    pass_seconds: float,
    clock: StageClock,
    progress: Progress,
) -> GrowingAudit:
    """Compute every figure that follows from the stored arrays. pass_seconds: of the forward pass."""
    pairs = [_model_audit(inputs, model, clock, progress, is_main=n == 0) for n, model in enumerate(inputs.models)]
    audit = Audit(
        dataset=inputs.dataset,
        samples=inputs.samples,
        unreadable=inputs.unreadable,
        models=[model for model, _ in pairs],
        reference=inputs.reference,
        ood=inputs.ood,
        feature_source=inputs.feature_source,
        select=config.select,
        named_slices=config.slices,
        fresh_maps=config.fresh_maps,
        history=read_history(config.out / HISTORY_FILE) if config.history else (),
        page_limit=config.page_limit,
    )
    works = [works for _, works in pairs]
    queue = WorkQueue(list(chain(*works)), budget_of(config, pass_seconds))
    # what few images took tells little: it includes the start
    seconds = min(pass_seconds / len(inputs.samples), seconds_per_image(inputs.models[0].run.classifier))
    return GrowingAudit(audit, works, queue, seconds, awaits_live=config.live)


def _model_audit(
    inputs: AuditInputs, model: ExtractedModel, clock: StageClock, progress: Progress, is_main: bool
) -> tuple[ModelAudit, list[Work]]:
    """The audit of one network without expensive results, and how to get these.

    is_main: its pages are shown, so images and units get the expensive methods too.
    """
    with clock("random weights"):
        random_maps = maps_of_random_weights(model.run, inputs.dataset, inputs.samples, inputs.device, progress)
    with clock("analyse"), progress("Analysing", None, ""):
        figures = compute_figures(inputs, model, random_maps)
    job = PerImageJob(model.run, inputs.samples, model.table, inputs.device)
    study = figures.localization_study
    judged = study.images if study else np.zeros(0, np.int64)
    works = [
        part_test_work(job, inputs.dataset, figures.outcomes, figures.localization),
        backprop_work(job, judged, inputs.labels),
    ]
    if is_main and study:
        works += [background_work(job, judged, inputs.dataset.annotation_digest), cascade_work(job)]
    if is_main:
        confidence = figures.classification.scores[:, 0]
        layers = model.info.layers
        works = [
            *selected_images_works(job, inputs.labels, figures.outcomes, confidence, layers),
            *works,
            top_patches_work(job, layers, figures.units),
        ]
        is_for_all = model.run.settings.receptive_field == "effective"
        if measured := [layer for layer in layers if is_for_all or layer.sees_whole_image]:
            works.append(effective_fields_work(job, model.info, measured, figures.units))
        if model.run.settings.feature_visualization:
            works.append(feature_visualization_work(job, figures.units))
    audit = ModelAudit(
        dataset=inputs.dataset, samples=inputs.samples, info=model.info, table=model.table, **vars(figures)
    )
    return audit, works


def compute_figures(
    inputs: AuditInputs, model: ExtractedModel, random_maps: Sequence[Mapping[int, np.ndarray]]
) -> Figures:
    """The figures of one network. random_maps: for each draw of random weights, row → its label's map `(h, w)`."""
    table, samples, labels = model.table, inputs.samples, inputs.labels
    logits, maps = np.asarray(table["logits"]), np.asarray(table["cam/map"])
    classes = np.asarray(table["cam/class"], np.int64)
    sizes, windows = np.asarray(table["samples/size"]), np.asarray(table["samples/window"])
    table.release_pages()
    boxes = [s.boxes.astype(np.float64) for s in samples]
    groups = image_groups(table, samples)
    is_multilabel = inputs.dataset.is_multilabel
    classification = classify(logits, labels, groups=groups, is_multilabel=is_multilabel)
    where = (boxes, sizes, windows, model.info.input_size)
    cache = ResultsCache(table.cache)
    localization = localize(maps, classes, *where, groups, cache)
    masks = {i: mask_in_window(s.object_masks, windows[i], SIDE) for i, s in enumerate(samples) if s.object_masks}
    ignored = {
        i: mask_in_window([s.ignore_mask], windows[i], SIDE) & ~masks[i]
        for i, s in enumerate(samples)
        if s.ignore_mask and i in masks
    }
    study = (
        study_localization(
            localization, classification, maps, classes, *where, random_maps, masks, ignored, groups, cache
        )
        if localization
        else None
    )
    bias = model.run.bias(samples)
    outcomes = outcomes_of(classification.top1_correct, labels, localization, boxes)
    multilabel = None
    if is_multilabel:
        outcomes, multilabel = _multilabel_figures(samples, logits, groups)
    figures = Figures(
        classification=classification,
        localization=localization,
        multilabel=multilabel,
        outcomes=outcomes,
        cam_identity=None if bias is None else cam_identity(maps, classes, logits, bias),
        localization_study=study,
        units={
            layer.name: summarize_units(
                np.asarray(table[f"units/{layer.name}/max"]),
                np.asarray(table[f"units/{layer.name}/where"]),
                labels,
                model.run.settings.top_patches,
                groups,
            )
            for layer in model.info.layers
        },
    )
    table.release_pages()
    return_freed_memory()
    return figures


def _multilabel_figures(
    samples: Sequence[Sample], logits: np.ndarray, groups: np.ndarray
) -> tuple[list[str], MultilabelFigures | None]:
    """Return the outcome of every image, and the figures over the annotated ones, if there are any."""
    probability = probabilities(logits.astype(np.float64), is_multilabel=True)
    positive = label_table(samples, logits.shape[1])
    annotated = np.array([sample.labels is not None for sample in samples])
    outcomes = multilabel_outcomes(probability, positive, annotated)
    if not annotated.any():
        return outcomes, None
    return outcomes, evaluate_multilabel(probability[annotated], positive[annotated], groups[annotated])


def cam_identity(maps: np.ndarray, classes: np.ndarray, logits: np.ndarray, bias: np.ndarray) -> float | None:
    """Largest |mean(CAM) + bias − logit| over the stored maps: 0 up to rounding where CAM is exact.

    bias: `(N, K)`, of the head that gave an image's logits. Maps that are not finite are left out; None if none is.
    """
    shown = np.maximum(classes, 0)
    finite = (classes >= 0) & np.isfinite(maps).all((2, 3))
    means = maps.astype(np.float64).mean((2, 3)) + np.take_along_axis(bias, shown, 1)
    difference = means[finite] - np.take_along_axis(logits, shown, 1)[finite]
    return float(np.abs(difference).max()) if finite.any() else None
