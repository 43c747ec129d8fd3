"""Classes whose objects the maps do not localize."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from reportgen.audit.audit import Audit
from reportgen.audit.findings.finding import Bar, Bars, Finding, Maps, Size, rows_of
from reportgen.audit.findings.registry import finding_kind
from reportgen.audit.model_audit import LABEL, ModelAudit
from reportgen.metrics.formatting import iou_text
from reportgen.metrics.intervals import Rate
from reportgen.metrics.localization.boxes import area
from reportgen.metrics.localization.ilsvrc import IOU, Localization
from reportgen.metrics.paired import MAX_P

MIN_IMAGES = 4
MAX_FINDINGS = 30


@finding_kind(
    "Class not localized",
    topic="location",
    criterion=(
        f"Of at least {MIN_IMAGES} images of a class with boxes, the box of the label's map is wrong (IoU below "
        f"{IOU:.2f}) in clearly more than half (exact binomial test, p < {MAX_P}). The {MAX_FINDINGS} classes with the "
        "most wrong boxes are listed. The test is of a single class."
    ),
)
def class_not_localized(audit: Audit) -> Iterator[Finding]:
    """One finding for each class."""
    model, localization = audit.main, audit.main.localization
    if localization is None:
        return
    wrong = localization.judged & ~localization.gt_known_correct
    classes, counts = np.unique(model.labels[wrong], return_counts=True)
    for k in classes[np.argsort(-counts, kind="stable")][:MAX_FINDINGS].tolist():
        of_class = localization.judged & (model.labels == k)
        rate = Rate.of(wrong[of_class], model.groups[of_class])
        if rate and rate.n >= MIN_IMAGES and rate.p_above(0.5) < MAX_P:
            yield _class_finding(model, localization, k, rows_of(wrong & of_class), rate)


def _class_finding(model: ModelAudit, localization: Localization, k: int, images: list[int], rate: Rate) -> Finding:
    name = model.classes[k]
    ious = localization.best_iou[images, LABEL]
    size = Size.sampled(rate, f"images of {name} with boxes")
    how_often = "never localized" if rate.count == rate.n else f"not localized in {rate.count:,} of {rate.n:,} images"
    ratio, object_share = _median_areas(model, localization, images)
    cell = 1 / np.prod(model.cams.shape[2:])
    inference = f"The predicted box has a median of {ratio:.2g} times the object's area. "
    if object_share < cell:
        inference += (
            f"The object covers a median of {100 * object_share:.1f} % of the image, less than a single cell of the "
            f"map ({100 * cell:.1f} %)."
        )
        next_step = "Use a layer with finer maps, or a larger input, for objects of this size."
    else:
        inference += (
            f"The object covers a median of {100 * object_share:.1f} % of the image, and a cell of the map "
            f"{100 * cell:.1f} %, so the grid alone does not explain it."
        )
        next_step = (
            "Look at the boxes: if they contain the object, try a higher threshold; if they cover a part, a lower one."
        )
    return Finding(
        slug=f"{name} not localized",
        headline=f"{name} is {how_often}: the IoU is at most {iou_text(float(ious.max()))}",
        size=size,
        evidence=[
            Maps(from_the_median(images, ious), (LABEL,), boxes=True),
            Bars("Wrong boxes, label given", _by_class(model, localization, k)),
        ],
        inference=inference,
        next_step=next_step,
        images=images,
        figures=[
            ("median IoU", float(np.median(ious))),
            ("median area of the predicted box ÷ area of the object", ratio),
            ("median share of the image that the object covers", object_share),
        ],
        see=("Localization", "localization/index.html"),
        at_least=size.at_least,
        p=rate.p_above(0.5),
        model=model.info.name,
    )


def from_the_median(images: list[int], values: np.ndarray) -> list[int]:
    """The images around the median of their values first: neither the best nor the worst cases."""
    distance = np.abs(values - np.median(values))
    return [images[j] for j in np.argsort(distance, kind="stable")]


def object_areas(model: ModelAudit, images: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """`(n,)` area of the largest object of each image in pixels, and its share of the image."""
    largest = np.array([area(model.samples[i].boxes.astype(np.float64)).max() for i in images])
    return largest, largest / model.sizes[images].prod(1, dtype=np.float64)


def _median_areas(model: ModelAudit, localization: Localization, images: list[int]) -> tuple[float, float]:
    """Median over images of the predicted box's area ÷ the largest object's, and of that object's share of the image.
    A missing box counts as 0."""
    largest, share = object_areas(model, images)
    predicted = np.nan_to_num(area(localization.boxes[images, LABEL]))
    return float(np.median(predicted / largest)), float(np.median(share))


def _by_class(model: ModelAudit, localization: Localization, k: int) -> list[Bar]:
    """The error of a class and that of all others."""
    bars = []
    for name, members in ((model.classes[k], model.labels == k), ("other classes", model.labels != k)):
        use = localization.judged & members
        rate = Rate.of(~localization.gt_known_correct[use], model.groups[use])
        if rate:
            bars.append(Bar(name, rate.value, rate.interval, "wrong" if name == model.classes[k] else ""))
    return bars
