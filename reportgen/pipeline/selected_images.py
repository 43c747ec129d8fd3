"""The expensive methods of image pages, for the selected images only: occlusion, saliency and activations."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from reportgen.audit.model_info import LayerInfo
from reportgen.config import GREY, AuditConfig
from reportgen.data.sampling import evenly_spaced
from reportgen.errors import ConfigError
from reportgen.methods.activations import Activations
from reportgen.methods.insertion_deletion import ORDERS, STEPS, InsertionDeletion
from reportgen.methods.occlusion.occluder import Occluder, make_occluder
from reportgen.methods.saliency import SaliencyMaps
from reportgen.metrics.failures import NO_FAILURE
from reportgen.models.classifier import Preprocessing
from reportgen.pipeline.image_loader import NetworkInput
from reportgen.pipeline.per_image import Compute, PerImageJob, PerImageMethod
from reportgen.pipeline.selection import select_images, worst_first
from reportgen.pipeline.work import Work, budget_of
from reportgen.store.per_image import PerImageResults
from reportgen.store.table import Table

CALIBRATION_IMAGES = 4
"""Images whose exact maps decide how far fast occlusion may approximate."""
MIN_IMAGES_FOR_TRIALS = 32
"""Images from which on `occlusion = "auto"` is fast: the trials take as long as 16 to 20 exact maps (EfficientNet-Lite0
and ResNet-18 on a processor), and a fast map about half as long as an exact one, so fewer images gain nothing."""


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
    curves, maps = InsertionDeletion(job.without_gradients), np.asarray(job.table["cam/map"])[:, 0]
    return {"steps": STEPS, "orders": list(ORDERS)}, lambda row, image, x: curves(x, maps[row])


METHODS = (
    Method("saliency", "Saliency", _saliency),
    Method("activations", "Activations", _activations),
    Method("faithfulness", "Insertion and deletion", _faithfulness, at_most=8),
)
"""The methods that every selected image gets after occlusion. To add one, add it here (see `CONTRIBUTING.md`)."""


def selected_images_works(
    job: PerImageJob,
    labels: np.ndarray,
    outcomes: Sequence[str],
    confidence: np.ndarray,
    layers: Sequence[LayerInfo],
) -> list[Work]:
    """Occlusion and `METHODS` for the images that the settings select, the worst first.

    Methods of all selected images are one work, so that an image gets them together; one with `at_most` is its own.
    labels: `(N,)` int64, −1 for none; outcomes: of each image; confidence: `(N,)` probability of the predicted class.
    """
    failed = np.array([outcome not in NO_FAILURE for outcome in outcomes])
    names = [sample.name for sample in job.samples]
    selected = select_images(job.run.settings.select, names, labels, failed)
    rows = worst_first(selected, labels, outcomes, confidence)

    def opened(method: Method) -> PerImageMethod:
        settings, compute = method.prepare(job, layers)
        return job.method(method.kind, settings, lambda: compute)

    def work_of(methods: Sequence[Method], rows: Sequence[int], images: int, with_occlusion: bool) -> Work:
        def open_methods() -> list[PerImageMethod]:
            first = [_occlusion(job, len(rows))] if with_occlusion else []
            return [*first, *map(opened, methods)]

        def show(results: Sequence[PerImageResults]) -> Mapping[str, Any]:
            return {"selected": {kind: found for kind, found in zip(kinds, results, strict=True) if found.rows}}

        first = [("occlusion", "Occlusion")] if with_occlusion else []
        kinds, stages = zip(*first, *((method.kind, method.stage) for method in methods), strict=True)
        return Work(stages, rows, images, open_methods, show, is_of_images=with_occlusion)

    works = [work_of([method for method in METHODS if not method.at_most], rows, len(names), with_occlusion=True)]
    for method in METHODS:
        if method.at_most:
            chosen = set(evenly_spaced(selected, method.at_most))
            possible = min(len(names), method.at_most)
            works.append(work_of([method], [row for row in rows if row in chosen], possible, with_occlusion=False))
    return works


def _occlusion(job: PerImageJob, images: int) -> PerImageMethod:
    """Occlusion, exact or fast. images: number of those that are selected. Errors: ConfigError."""
    settings = job.run.settings
    fill = fill_colour(job.table, settings.occlusion_fill)
    side, stride = occlusion_square(settings, job.run.classifier.preprocessing)
    try:
        exact = make_occluder(job.run.classifier, side, stride, fill, job.without_gradients.trunk)
    except ValueError as error:
        raise ConfigError(str(error), "choose a smaller `occlusion_side`") from None
    mode = _resolved_mode(settings, images, exact.seconds_per_image)
    key = {
        "side": side,
        "rows": list(exact.grid.rows),
        "columns": list(exact.grid.columns),
        "fill": list(fill),
        "note": exact.fallback_reason,
        "mode": mode,
    }

    def prepare() -> Compute:
        occluder = exact if mode == "exact" else _calibrated(job, exact, key)
        return lambda row, image, x: occluder(x, image.label)

    return job.method("occlusion", key, prepare)


def occlusion_square(settings: AuditConfig, preprocessing: Preprocessing) -> tuple[int, int]:
    """Side and stride of the square in pixels: those of the settings, or by default 32 and 8, and in proportion for
    inputs of less than 224 pixels."""
    shorter = min(preprocessing.height, preprocessing.width)
    side = settings.occlusion_side or min(32, max(1, round(shorter / 7)))
    return side, settings.occlusion_stride or min(8, max(1, round(shorter / 28)))


def _resolved_mode(settings: AuditConfig, images: int, seconds_per_image: float) -> str:
    """`exact` or `fast`, for `auto` by the number of images that the budget allows at the estimated speed.

    The estimate is not measured, so that a rerun decides the same.
    """
    if settings.occlusion != "auto":
        return settings.occlusion
    allowed = budget_of(settings, 0) / seconds_per_image
    return "fast" if min(images, allowed) >= MIN_IMAGES_FOR_TRIALS else "exact"


def _calibrated(job: PerImageJob, exact: Occluder, key: Mapping[str, Any]) -> Occluder:
    """The occluder with the cheapest approximation that some images, evenly over the data set, allow."""
    rows = evenly_spaced(range(len(job.samples)), CALIBRATION_IMAGES)
    candidates = {"caps": list(exact.fast_backends), "arithmetic": exact.arithmetic}

    def trial(row: int, image: NetworkInput, x: Tensor) -> Mapping[str, np.ndarray]:
        return exact.trial(x, image.label)

    results = job.compute("occlusion trial", {**key, **candidates}, rows, trial, lambda steps=1: None)
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
