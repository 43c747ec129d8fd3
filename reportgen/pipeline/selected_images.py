"""The expensive methods, for the selected images only: occlusion, saliency and activations."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from reportgen.audit.model_info import LayerInfo
from reportgen.config import GREY
from reportgen.data.sampling import evenly_spaced
from reportgen.errors import ConfigError
from reportgen.methods.activations import Activations
from reportgen.methods.insertion_deletion import ORDERS, STEPS, InsertionDeletion
from reportgen.methods.occlusion.occluder import Occluder, make_occluder
from reportgen.methods.saliency import SaliencyMaps
from reportgen.pipeline.image_loader import NetworkInput
from reportgen.pipeline.per_image import Compute, PerImageJob
from reportgen.pipeline.progress import Progress
from reportgen.pipeline.selection import select_images
from reportgen.store.per_image import PerImageResults
from reportgen.store.table import Table

CALIBRATION_IMAGES = 4
"""Images whose exact maps decide how far fast occlusion may approximate."""


@dataclass(frozen=True)
class Method:
    """An expensive method. kind: of its results in `ModelAudit.selected`; stage: what the progress bar shows.

    at_most: number of selected images, evenly spread, that get it; None for all.
    prepare: returns the settings that its results depend on, and the function that computes them from one image.
    """

    kind: str
    stage: str
    prepare: Callable[[PerImageJob, Sequence[LayerInfo]], tuple[Mapping[str, Any], Compute]]
    at_most: int | None = None


def _saliency(job: PerImageJob, layers: Sequence[LayerInfo]) -> tuple[Mapping[str, Any], Compute]:
    copies = job.run.settings.smoothgrad
    maps = SaliencyMaps(job.run.classifier, copies)
    return {"copies": copies}, lambda row, image, x: maps(x)


def _activations(job: PerImageJob, layers: Sequence[LayerInfo]) -> tuple[Mapping[str, Any], Compute]:
    names = [layer.name for layer in layers]
    values = Activations(job.run.classifier, names)
    return {"layers": names}, lambda row, image, x: values(x)


def _faithfulness(job: PerImageJob, layers: Sequence[LayerInfo]) -> tuple[Mapping[str, Any], Compute]:
    curves, maps = InsertionDeletion(job.run.classifier), np.asarray(job.table["cam/map"])[:, 0]
    return {"steps": STEPS, "orders": list(ORDERS)}, lambda row, image, x: curves(x, maps[row])


METHODS = (
    Method("saliency", "Saliency", _saliency),
    Method("activations", "Activations", _activations),
    Method("faithfulness", "Insertion and deletion", _faithfulness, at_most=8),
)
"""The methods that every selected image gets after occlusion. To add one, add it here (see `CONTRIBUTING.md`)."""


def run_expensive_methods(
    job: PerImageJob, labels: np.ndarray, outcomes: Sequence[str], layers: Sequence[LayerInfo], progress: Progress
) -> dict[str, PerImageResults]:
    """The results of the selected images, by kind. Occlusion costs most, so its estimate decides how many `auto`
    selects."""
    select = job.run.settings.select
    if select == "none":
        return {}
    occluder, settings = _prepare_occlusion(job, progress)
    failed = np.array([outcome not in ("right", "unlabelled") for outcome in outcomes])
    rows = select_images(select, [sample.name for sample in job.samples], labels, failed, occluder.seconds_per_image)
    with progress("Occlusion", len(rows), "images", occluder.seconds_per_image * len(rows)) as tick:
        occlusion = job.compute("occlusion", settings, rows, lambda row, image, x: occluder(x, image.label), tick)
    results = {"occlusion": occlusion}
    for method in METHODS:
        settings, compute = method.prepare(job, layers)
        chosen = evenly_spaced(list(occlusion), method.at_most or len(rows))
        with progress(method.stage, len(chosen), "images") as tick:
            results[method.kind] = job.compute(method.kind, settings, chosen, compute, tick)
    return results


def _prepare_occlusion(job: PerImageJob, progress: Progress) -> tuple[Occluder, Mapping[str, Any]]:
    """The occluder that the settings ask for, and the settings that its results depend on. Errors: ConfigError."""
    settings = job.run.settings
    fill = fill_colour(job.table, settings.occlusion_fill)
    try:
        exact = make_occluder(job.run.classifier, settings.occlusion_side, settings.occlusion_stride, fill)
    except ValueError as error:
        raise ConfigError(str(error), "choose a smaller `occlusion_side`") from None
    key = {
        "side": settings.occlusion_side,
        "rows": list(exact.grid.rows),
        "columns": list(exact.grid.columns),
        "fill": list(fill),
        "note": exact.fallback_reason,
        "mode": settings.occlusion,
    }
    return (exact if settings.occlusion == "exact" else _calibrated(job, exact, key, progress)), key


def _calibrated(job: PerImageJob, exact: Occluder, key: Mapping[str, Any], progress: Progress) -> Occluder:
    """The occluder with the cheapest approximation that some images, evenly over the data set, allow."""
    rows = evenly_spaced(range(len(job.samples)), CALIBRATION_IMAGES)
    candidates = {"caps": list(exact.fast_backends), "arithmetic": exact.arithmetic}

    def trial(row: int, image: NetworkInput, x: Tensor) -> Mapping[str, np.ndarray]:
        return exact.trial(x, image.label)

    with progress("Calibrating fast occlusion", len(rows), "images") as tick:
        results = job.compute("occlusion trial", {**key, **candidates}, rows, trial, tick)
    return exact.calibrated(np.asarray(results.table["trial/probability"]))


def fill_colour(table: Table, fill: str) -> tuple[float, float, float]:
    """The square's colour, RGB in [0, 1]: the mean colour of the data set's thumbnails, or grey.

    Rounded to the nearest twentieth: a few images more or less hardly ever move that, so cached results stay valid.
    """
    if fill == "grey":
        return GREY
    mean = np.asarray(table["image/tiny"]).mean((0, 1, 2)) / 255
    r, g, b = (round(20 * float(v)) / 20 for v in mean)
    return r, g, b
