"""Localization errors: tables, controls, threshold sensitivity, and error by group of images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reportgen.audit.audit import Audit
from reportgen.audit.findings.control import control_sentence
from reportgen.audit.model_audit import LABEL, ModelAudit
from reportgen.gallery.components.chart import Annotation, Axis, Chart, ReferenceLine, Series, percent_axis
from reportgen.gallery.components.headline import Headline, comparison_verdict
from reportgen.gallery.components.table import download_links
from reportgen.gallery.core.media import Media
from reportgen.gallery.core.page import Link
from reportgen.gallery.core.registry import page
from reportgen.gallery.core.urls import class_page
from reportgen.metrics.formatting import percent
from reportgen.metrics.intervals import Rate
from reportgen.metrics.localization.cascade import Cascade
from reportgen.metrics.localization.comparisons import strongest_control
from reportgen.metrics.localization.controls import CONTROL_LABELS
from reportgen.metrics.localization.ilsvrc import IOU, THRESHOLD
from reportgen.metrics.localization.image_evaluation import CURVE_THRESHOLDS
from reportgen.metrics.localization.study import LocalizationStudy
from reportgen.results.tables import (
    Table,
    differences_table,
    localization_table,
    measures_table,
    recipes_table,
)

IOU_LIMITS = np.round(np.arange(0.3, 0.91, 0.05), 2)
"""IoU limits of the curve."""
BORDER = 0.02
"""A box whose IoU differs from the limit by at most this is a borderline case."""
MAX_CLASSES = 12
"""Classes in the breakdown: those with the most wrong images."""


@dataclass(frozen=True)
class Breakdown:
    """GT-known localization error of groups of images, each with the error of a box around the whole image."""

    title: str
    rows: Sequence[Headline]


@dataclass(frozen=True)
class LocalizationPage:
    """main: localization error by the main recipe; findings: where controls are not beaten.

    threshold_notes, iou_notes: a sentence for each network; cascade_chart: similarity of maps while layers are
        randomized; downloads: files of each table.
    """

    heading: str
    lead: str
    findings: Sequence[str]
    main: Table
    threshold_chart: Chart
    threshold_notes: Sequence[str]
    iou_chart: Chart
    iou_notes: Sequence[str]
    cascade_chart: Chart | None
    measures: Table
    recipes: Table
    differences: Table
    breakdowns: Sequence[Breakdown]
    downloads: Sequence[tuple[str, Sequence[Link]]]


@page(
    "localization/index.html",
    nav=("Method", "Localization"),
    order=70,
    about="Localization error with controls, by recipe, threshold, object size, number of objects and class.",
)
def localization(audit: Audit, media: Media) -> LocalizationPage | None:
    """The page; None without ground-truth boxes."""
    study, own = audit.main.localization_study, audit.main.localization
    if study is None or own is None:
        return None
    known = own.gt_known_error
    comparison = audit.main.control_comparisons["gt_known"]
    name, control = comparison.name, comparison.change.a
    verdict = comparison_verdict(comparison.change)
    main, measures = localization_table(audit), measures_table(audit)
    recipes, differences = recipes_table(audit), differences_table(audit)
    return LocalizationPage(
        heading=f"GT-known localization error {percent(known)}: {verdict}",
        lead=(
            "Each activation map gives a box. The box is right if its intersection over union (IoU) with a "
            f"ground-truth box is at least {IOU:.2f}. The main figures use the recipe of the CAM paper: the box around "
            f"the largest region above {100 * THRESHOLD:.0f} % of the map's maximum. GT-known localization uses the "
            f"map of the label, whatever class was predicted: its box is right on {known.n - known.count:,} of "
            f"{known.n:,} images, and the strongest control ({CONTROL_LABELS[name]}) on {control.n - control.count:,}."
        ),
        findings=[text for model in audit.models if (text := control_sentence(model))],
        main=main,
        threshold_chart=_threshold_chart(audit),
        threshold_notes=[
            _threshold_note(model, model.localization_study, is_only=len(audit.models) == 1)
            for model in audit.models
            if model.localization_study
        ],
        iou_chart=_iou_chart(audit),
        iou_notes=[_iou_note(model, is_only=len(audit.models) == 1) for model in audit.models if model.localization],
        cascade_chart=_cascade_chart(audit.main.cascade) if audit.main.cascade else None,
        measures=measures,
        recipes=recipes,
        differences=differences,
        breakdowns=_breakdowns(audit, study),
        downloads=[(table.title, download_links(table)) for table in (main, recipes, differences, measures)],
    )


def _threshold_note(model: ModelAudit, study: LocalizationStudy, is_only: bool) -> str:
    """The errors at the fixed, the best and the held-out threshold."""
    subject = "" if is_only else f"{model.info.name}: "
    fixed = model.localization.gt_known_error if model.localization else study.oracle_threshold.gt_known
    text = (
        f"{subject}GT-known error {percent(fixed)} at the fixed threshold of {100 * THRESHOLD:.0f} %; "
        f"{percent(study.oracle_threshold.gt_known)} at {100 * study.oracle_threshold.threshold:.0f} %, the best "
        "threshold on these images. That threshold is an oracle: it is not known in advance."
    )
    if study.held_out_threshold is None:
        return text
    held = study.held_out_threshold
    return (
        f"{text} At {100 * held.threshold:.0f} %, the best threshold on every second image, the error on the other "
        f"{held.gt_known.n:,} is {percent(held.gt_known)}."
    )


def label_ious(model: ModelAudit) -> np.ndarray:
    """`(n,)` IoU of the box of the label's map, of the judged images."""
    assert model.localization is not None
    ious: np.ndarray = model.localization.best_iou[model.localization.judged, LABEL]
    return ious


def _iou_note(model: ModelAudit, is_only: bool) -> str:
    """The mean IoU, and how many boxes are right or wrong by a hair."""
    ious, subject = label_ious(model), "Mean" if is_only else f"{model.info.name}: mean"
    close = int((np.abs(ious - IOU) <= BORDER).sum())
    return (
        f"{subject} IoU {ious.mean():.3f}. For {close:,} of {len(ious):,} boxes the IoU is within {BORDER} of "
        f"{IOU:.2f}, so that a small shift would change the verdict."
    )


def _iou_chart(audit: Audit) -> Chart:
    """The share of boxes that are wrong, by the IoU that is required."""
    ious = {model.info.name: label_ious(model) for model in audit.models if model.localization is not None}
    n = len(next(iter(ious.values())))
    return Chart(
        title="GT-known localization error by IoU limit",
        x=Axis("IoU that counts as right", 0.3, 0.9, (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)),
        y=percent_axis(f"Error, {n:,} images"),
        series=[
            Series(name, "line", IOU_LIMITS.tolist(), (values[:, None] < IOU_LIMITS).mean(0).tolist())
            for name, values in ious.items()
        ],
        references=[ReferenceLine(IOU, f"IoU {IOU:.2f}", "x")],
    )


def _cascade_chart(cascade: Cascade) -> Chart:
    """The mean similarity over the images by the share of random layers, a line for each draw of random weights."""
    means = cascade.similarity.mean(2)
    means = np.concatenate((np.ones((len(means), 1)), means), 1)
    x, others = list(range(means.shape[1])), cascade.other_images
    columns = ["none", *(f"head and {100 * share:.0f} %" if share else "head" for share in cascade.shares)]
    low = float(np.floor(min(0, means.min(), others or 0) * 5) / 5)
    shares = ", ".join(f"{100 * share:.0f}" for share in cascade.shares[1:])
    return Chart(
        title="Similarity of activation maps with those of the trained network",
        x=Axis("Step of randomization, from the head down", 0, x[-1], x),
        y=Axis("Spearman's rank correlation", low, 1, np.round(np.arange(low, 1.01, 0.2), 1).tolist()),
        series=[Series(f"random weights, draw {n}", "line", x, values.tolist()) for n, values in enumerate(means, 1)],
        references=[] if others is None else [ReferenceLine(others, f"maps of other images, {others:.2f}")],
        columns=[("Random layers", columns)],
        caption=(
            f"Means over the top-1 maps of {len(cascade.rows)} images, evenly over the data set. At step 0 no layer is "
            f"random, at step 1 the head, and then also the last {shares} % of the trunk's layers. The similarity of "
            "maps that show what the network has learned falls to that of maps of other images. What remains comes "
            "from the architecture, from the image or from the position."
        ),
    )


def _threshold_chart(audit: Audit) -> Chart:
    studies = [(m.info.name, m.localization_study) for m in audit.models if m.localization_study is not None]
    first = studies[0][1]
    whole = first.controls["whole_image"].gt_known
    name, strongest = strongest_control(first, "gt_known")
    lines = {CONTROL_LABELS["whole_image"]: whole.value, CONTROL_LABELS[name]: strongest.value}
    return Chart(
        title="GT-known localization error by threshold",
        x=Axis("Threshold, share of the map's maximum", 0, 1, (0, 0.2, 0.4, 0.6, 0.8, 1), percent=True),
        y=percent_axis(f"Error, {len(first.images):,} images"),
        series=[Series(name, "line", CURVE_THRESHOLDS.tolist(), study.error_curve.tolist()) for name, study in studies],
        references=[
            ReferenceLine(THRESHOLD, f"fixed threshold, {100 * THRESHOLD:.0f} %", "x"),
            *(ReferenceLine(value, f"{control}, {100 * value:.1f} %") for control, value in lines.items()),
        ],
        annotations=[point for _, study in studies for point in _threshold_points(study)],
    )


def _threshold_points(study: LocalizationStudy) -> list[Annotation]:
    """The best and the held-out threshold as marked points of the curve."""
    best, held = study.oracle_threshold, study.held_out_threshold
    points = []
    if held is not None:
        error = float(study.error_curve[int(np.searchsorted(CURVE_THRESHOLDS, held.threshold))])
        points.append(Annotation(held.threshold, error, "best threshold on every second image", "square"))
    return [*points, Annotation(best.threshold, best.gt_known.value, "best threshold on these images")]


def _breakdowns(audit: Audit, study: LocalizationStudy) -> list[Breakdown]:
    """Error by the study's groups and by class."""
    breakdowns = [
        Breakdown(title, [Headline(group.name, group.gt_known, "", control=group.whole_image) for group in groups])
        for title, groups in study.breakdowns.items()
    ]
    labels, own = audit.labels[study.images], audit.main.localization
    assert own is not None
    fits, whole = own.gt_known_correct[study.images], study.controls["whole_image"].gt_known_correct
    rows = []
    for k in np.unique(labels):
        of_class = labels == k
        groups = audit.main.groups[study.images][of_class]
        rate, control = Rate.of(~fits[of_class], groups), Rate.of(~whole[of_class], groups)
        rows.append(Headline(audit.classes[int(k)], rate, class_page(audit, int(k)), control=control))
    rows.sort(key=lambda row: (-row.rate.count, -row.rate.value) if row.rate else (0, 0.0))
    title = f"Class: the {MAX_CLASSES} with the most wrong images" if len(rows) > MAX_CLASSES else "Class"
    return [*breakdowns, Breakdown(title, rows[:MAX_CLASSES])]
