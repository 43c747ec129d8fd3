"""From stored arrays to the audit: every figure of the report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from reportgen.audit.audit import Audit
from reportgen.audit.model_audit import ModelAudit, image_groups
from reportgen.audit.model_info import ModelInfo
from reportgen.data.masks import mask_in_window
from reportgen.metrics.classification import Classification, classify
from reportgen.metrics.failures import outcomes_of
from reportgen.metrics.localization.ilsvrc import Localization, localize
from reportgen.metrics.localization.max_box_acc import SIDE
from reportgen.metrics.localization.study import LocalizationStudy, study_localization
from reportgen.metrics.top_patches import Unit, summarize_units
from reportgen.pipeline.backprop_baseline import backprop_baseline
from reportgen.pipeline.cascade import cascading_randomization
from reportgen.pipeline.feature_visualization import visualize_units
from reportgen.pipeline.inputs import AuditInputs, ExtractedModel
from reportgen.pipeline.part_test import part_test
from reportgen.pipeline.per_image import PerImageJob
from reportgen.pipeline.progress import Progress, StageClock
from reportgen.pipeline.random_weights import maps_of_random_weights
from reportgen.pipeline.selected_images import run_expensive_methods
from reportgen.pipeline.unit_images import unconfirmed_patches, with_effective_fields


@dataclass(frozen=True)
class Figures:
    """The figures of one network that follow from stored arrays alone; see `ModelAudit`."""

    classification: Classification
    localization: Localization | None
    outcomes: list[str]
    cam_identity: float | None
    localization_study: LocalizationStudy | None
    units: dict[str, list[Unit]]


def build_audit(inputs: AuditInputs, clock: StageClock, progress: Progress) -> Audit:
    """Compute every figure, and the expensive methods for the selected images, into one audit."""
    models = [_model_audit(inputs, model, clock, progress, is_main=n == 0) for n, model in enumerate(inputs.models)]
    return Audit(
        dataset=inputs.dataset,
        samples=inputs.samples,
        unreadable=inputs.unreadable,
        models=models,
        reference=inputs.reference,
        feature_source=inputs.feature_source,
    )


def _model_audit(
    inputs: AuditInputs, model: ExtractedModel, clock: StageClock, progress: Progress, is_main: bool
) -> ModelAudit:
    """The audit of one network. is_main: its pages are shown, so it gets the expensive methods too."""
    with clock("random weights"):
        random_maps = maps_of_random_weights(model.run, inputs.dataset, inputs.samples, inputs.device, progress)
    with clock("analyse"), progress("Analysing", None, ""):
        figures = compute_figures(inputs, model, random_maps)
    job = PerImageJob(model.run, inputs.samples, model.table, inputs.device)
    study = figures.localization_study
    judged = study.images if study else np.zeros(0, np.int64)
    with clock("controls"):
        parts = part_test(job, inputs.dataset, figures.outcomes, figures.localization, progress)
        backprop = backprop_baseline(job, judged, inputs.labels, progress)
    info = model.info
    extra: dict[str, Any] = {}
    if is_main and study:
        with clock("random weights"):
            extra["cascade"] = cascading_randomization(job, progress)
    if is_main:
        with clock("selected images"):
            info, main_only = _main_only(inputs, model, figures, job, progress)
            extra |= main_only
    return ModelAudit(
        dataset=inputs.dataset,
        samples=inputs.samples,
        info=info,
        table=model.table,
        part_test=parts,
        backprop=backprop,
        **vars(figures),
        **extra,
    )


def _main_only(
    inputs: AuditInputs, model: ExtractedModel, figures: Figures, job: PerImageJob, progress: Progress
) -> tuple[ModelInfo, dict[str, Any]]:
    """The network's description with effective fields, and what the pages of images and units need.

    Effective fields are measured where the analytic field is the whole image, or, by the setting, for every layer.
    """
    layers = model.info.layers
    unconfirmed = unconfirmed_patches(job, layers, figures.units, progress)
    is_for_all = model.run.settings.receptive_field == "effective"
    measured = [layer for layer in layers if is_for_all or layer.sees_whole_image]
    by_name = {layer.name: layer for layer in with_effective_fields(job, measured, figures.units, progress)}
    layers = [by_name.get(layer.name, layer) for layer in layers]
    return replace(model.info, layers=layers), {
        "unconfirmed_patches": unconfirmed,
        "feature_visualizations": visualize_units(job, figures.units, progress),
        "selected": run_expensive_methods(job, inputs.labels, figures.outcomes, layers, progress),
    }


def compute_figures(inputs: AuditInputs, model: ExtractedModel, random_maps: Mapping[int, np.ndarray]) -> Figures:
    """The figures of one network. random_maps: sample's row → its label's map `(h, w)` under random weights."""
    table, samples, labels = model.table, inputs.samples, inputs.labels
    logits, maps = np.asarray(table["logits"]), np.asarray(table["cam/map"])
    classes = np.asarray(table["cam/class"], np.int64)
    sizes, windows = np.asarray(table["samples/size"]), np.asarray(table["samples/window"])
    boxes = [s.boxes.astype(np.float64) for s in samples]
    groups = image_groups(table, samples)
    classification = classify(logits, labels, groups=groups)
    where = (boxes, sizes, windows, model.info.input_size)
    localization = localize(maps, classes, *where, groups)
    masks = {i: mask_in_window(s.object_masks, windows[i], SIDE) for i, s in enumerate(samples) if s.object_masks}
    study = (
        study_localization(localization, classification, maps, classes, *where, random_maps, masks, groups)
        if localization
        else None
    )
    bias = model.run.bias(samples)
    return Figures(
        classification=classification,
        localization=localization,
        outcomes=outcomes_of(classification.top1_correct, labels, localization, boxes),
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


def cam_identity(maps: np.ndarray, classes: np.ndarray, logits: np.ndarray, bias: np.ndarray) -> float | None:
    """Largest |mean(CAM) + bias − logit| over the stored maps: 0 up to rounding where CAM is exact.

    bias: `(N, K)`, of the head that gave an image's logits. Maps that are not finite are left out; None if none is.
    """
    shown = np.maximum(classes, 0)
    finite = (classes >= 0) & np.isfinite(maps).all((2, 3))
    means = maps.astype(np.float64).mean((2, 3)) + np.take_along_axis(bias, shown, 1)
    difference = means[finite] - np.take_along_axis(logits, shown, 1)[finite]
    return float(np.abs(difference).max()) if finite.any() else None
