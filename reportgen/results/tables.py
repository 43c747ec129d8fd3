"""The error tables, as in the CAM paper: plain cells, which pages, CSV, LaTeX and Markdown files show."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Literal

import numpy as np

from reportgen.audit.audit import Audit
from reportgen.audit.gap_gmp import GapGmpComparison, Paired, gap_gmp_comparison
from reportgen.audit.model_audit import ModelAudit
from reportgen.metrics.formatting import NONE, between, p_text, per_cent, rate_text, signed, with_interval
from reportgen.metrics.intervals import Interval, Rate
from reportgen.metrics.localization.controls import CONTROL_LABELS
from reportgen.metrics.localization.evaluation import Errors, Evaluation
from reportgen.metrics.paired import ErrorChange

PARTIAL = ("random_weights", "paper", "graphcut")
"""Controls and backprop boxes that may be evaluated on some of the images."""
METHOD_LABELS = {"cam": "CAM", "grad-cam": "Grad-CAM", "files": "score maps from files"}
BACKPROP_LABELS = {"paper": "CAM box recipe", "graphcut": "GraphCut"}
RECIPE_LABELS = {
    "paper": "paper: 20 % of the maximum, largest region",
    "caffe": "caffe: the paper's released code",
    "v2": "v2: wsolevaluation, every contour, best threshold",
}
ERRORS = ("top1_error", "top5_error", "gt_known_error")
ERROR_HEADINGS = ("Top-1, %", "Top-5, %", "GT-known, %")
PUBLISHED = (
    # network, localization top-1 and top-5, classification top-1 and top-5: errors in per cent
    ("GoogLeNet-GAP", 56.40, 43.00, 35.0, 13.2),
    ("VGGnet-GAP", 57.20, 45.14, 33.4, 12.2),
    ("GoogLeNet", 60.09, 49.34, 31.9, 11.3),
    ("AlexNet*-GAP", 63.75, 49.53, 44.9, 20.9),
    ("AlexNet-GAP", 67.19, 52.16, 51.1, 26.3),
    ("NIN", 65.47, 54.19, 41.9, 19.6),
    ("Backprop on GoogLeNet", 61.31, 50.55, None, None),
    ("Backprop on VGGnet", 61.12, 51.46, None, None),
    ("Backprop on AlexNet", 65.17, 52.64, None, None),
    ("GoogLeNet-GMP", 57.78, 45.26, 35.6, 13.9),
    ("VGGnet", None, None, 31.2, 11.4),
    ("AlexNet", None, None, 42.6, 19.5),
)
"""Zhou et al. 2016, Tables 1 and 2, on ILSVRC validation: for orientation, never mixed with measured errors."""


@dataclass(frozen=True)
class Row:
    """A row of a table.

    cells: the first is the row's name; kind: measured here, a control of the row above, or published.
    flags: of the cells after the first, the flag of the images that are wrong (see `gallery.core.image_flags`), or "";
        empty for rows whose images have no flags: only those of the first network have.
    """

    cells: Sequence[str]
    kind: Literal["measured", "control", "published"] = "measured"
    flags: Sequence[str] = ()


@dataclass(frozen=True)
class Table:
    """name: of its files; head: the column headings."""

    name: str
    title: str
    caption: str
    head: Sequence[str]
    rows: Sequence[Row]


def all_tables(audit: Audit) -> list[Table]:
    """Return the tables for which the audit has results."""
    tables = [classification_table(audit)] if audit.main.classification.top1_error else []
    if audit.main.localization_study:
        tables += [localization_table(audit), recipes_table(audit), differences_table(audit), measures_table(audit)]
    if (comparison := gap_gmp_comparison(audit)) is not None:
        tables.append(gap_gmp_table(comparison))
    return tables


def independence_text(model: ModelAudit) -> str:
    """Which images count as independent in intervals."""
    if not model.has_groups:
        return "images count as independent"
    groups = len(np.unique(model.groups))
    return (
        f"images of a group, or with the same bytes, count together: {len(model.groups):,} images in {groups:,} groups"
    )


def classification_table(audit: Audit) -> Table:
    """Return Table 1: classification error of all networks with Wilson's intervals."""
    errors = [(m.classification.top1_error, m.classification.top5_error if m.has_top5 else None) for m in audit.models]
    first, *others = (Row([m.info.name, *map(rate_text, rates)]) for m, rates in zip(audit.models, errors, strict=True))
    top1_error, top5_error = errors[0]
    first = replace(first, flags=_flags(("top1", top1_error), ("top5", top5_error)))
    n = top1_error.n if top1_error else 0
    return Table(
        name="table-1-classification",
        title="Table 1. Classification error",
        caption=(
            f"Error in per cent on the {n:,} labelled images, with 95 % intervals (Wilson; "
            f"{independence_text(audit.main)}). Grey: published results "
            "(Zhou et al. 2016, Table 1) on ILSVRC validation, another data set, for orientation only."
        ),
        head=["Network", *ERROR_HEADINGS[:2]],
        rows=[first, *others, *_published_rows((3, 4))],
    )


def localization_table(audit: Audit) -> Table:
    """Return Table 2: localization error of all networks and their controls, with intervals."""

    def cells(evaluation: Evaluation) -> list[str]:
        return _error_cells(evaluation.recipes["paper"], evaluation.ci95)

    study = audit.main.localization_study
    rows = _with_controls(audit, cells, backprop=True)
    if study is not None:
        errors = study.label_map.recipes["paper"]
        flags = _flags(("place1", errors.top1), ("place5", errors.top5), ("known", errors.gt_known))
        rows[0] = replace(rows[0], flags=flags)
    return Table(
        name="table-2-localization",
        title="Table 2. Localization error",
        caption=(
            f"Error in per cent on the {len(study.images) if study else 0:,} images with boxes; recipe “paper”, "
            "threshold 20 %, IoU ≥ 0.5; 95 % intervals (Wilson; "
            f"{independence_text(audit.main)}). Indented: controls, with the predicted classes of "
            "the network: boxes that do not depend on the image, and maps of the network with random weights, which "
            "depend on the image but not on training. If a network is not better than its controls, its errors do not "
            "show that it localizes. Backprop: boxes from the gradient of the label's logit, on the stated "
            "number of images. Grey: published results (Zhou et al. 2016, Table 2) on ILSVRC validation, another data "
            "set, for orientation only."
        ),
        head=["Network", *ERROR_HEADINGS],
        rows=[*rows, *_published_rows((1, 2))],
    )


def recipes_table(audit: Audit) -> Table:
    """Return the errors by the three box recipes."""
    rows: list[Row] = []
    for recipe, label in RECIPE_LABELS.items():

        def cells(evaluation: Evaluation, recipe: str = recipe) -> list[str]:
            return _error_cells(evaluation.recipes[recipe], {})

        rows += _with_controls(audit, cells, label)
    return Table(
        name="recipes",
        title="Three recipes",
        caption=(
            "The same activation maps with three ways to derive a box. “caffe” guesses two boxes for each of the first "
            "two classes and one for the third, and counts pixels inclusively. “v2” accepts the box of any contour, at "
            "the threshold that is best on these images, so it is the most lenient. Indented: the controls by the same "
            "recipe."
        ),
        head=["Network and recipe", *ERROR_HEADINGS],
        rows=rows,
    )


def differences_table(audit: Audit) -> Table:
    """Return the paired differences of every network from its controls and its backprop boxes, by recipe."""
    rows = []
    for model in audit.models:
        for (recipe, name), group in groupby(model.all_control_comparisons, lambda c: (c.recipe, c.name)):
            changes = [comparison.change for comparison in group]
            other = CONTROL_LABELS.get(name) or f"backprop, {BACKPROP_LABELS[name]}"
            other += f" ({changes[0].a.n:,} images)" if name in PARTIAL else ""
            cells = [text for change in changes for text in (_difference(change), p_text(change.p))]
            rows.append(Row([f"{model.info.name}, {recipe}, minus {other}", *cells]))
    return Table(
        name="differences",
        title="Differences from the controls",
        caption=(
            "Error of the network minus that of the control by the same recipe, in points, image by image: negative "
            "means that the network has fewer errors. 95 % intervals: Agresti and Min; p: McNemar's exact test. A "
            "difference is clear (✓) if 0 is outside of its interval and p < 0.05. Each verdict is for one "
            "comparison: without any difference, up to one comparison in twenty is clear by chance. For “v2”, "
            "network and control each have the threshold that is best for them on these images."
        ),
        head=["Network, recipe and control", *(text for name in ERROR_HEADINGS for text in (_points(name), "p"))],
        rows=rows,
    )


def _difference(change: ErrorChange) -> str:
    return f"{signed(change.difference)}{' ✓' if change.is_clear else ''} ({between(change.ci95)})"


def _points(heading: str) -> str:
    return heading.replace("%", "points")


def measures_table(audit: Audit) -> Table:
    """Return the other localization metrics of all networks and their controls."""

    def cells(evaluation: Evaluation) -> list[str]:
        ci95 = evaluation.ci95
        values = {
            "max_box_acc": evaluation.max_box_acc.value,
            "max_box_acc_v2": evaluation.max_box_acc_v2.value,
            "pointing_game": float(evaluation.pointing_hits.mean()),
            "energy": float(evaluation.energy_in_boxes.mean()),
            "completeness": float(evaluation.completeness.mean()),
        }
        v1, v2, *others = (with_interval(v, ci95[k]) if ci95 else per_cent(v) for k, v in values.items())
        by_iou = " / ".join(per_cent(v) for v in evaluation.max_box_acc_v2.best)
        return [v1, v2, by_iou, *others, per_cent(evaluation.pxap)]

    return Table(
        name="measures",
        title="Other measures",
        caption=(
            "All metrics of the label's map; higher is better. MaxBoxAcc (largest contour, IoU 0.5) and MaxBoxAccV2 "
            "(any contour, mean of IoU 0.3, 0.5 and 0.7, which are listed too) use the thresholds that are best on "
            "these images. Pointing: the map's maximum lies in a ground-truth box. Energy: share of its positive "
            "values in the ground-truth boxes. Completeness: share of the ground-truth box that the predicted box "
            f"covers. PxAP: by pixels, {_with_masks(audit)}. Indented: the controls; a box points at its centre, and "
            "its energy is spread evenly inside of it. A box around the whole image covers everything, so completeness "
            "is meaningful only together with energy. 95 % intervals: Wilson."
        ),
        head=[
            "Network",
            "MaxBoxAcc, %",
            "MaxBoxAccV2, %",
            "at IoU 0.3 / 0.5 / 0.7",
            "Pointing, %",
            "Energy, %",
            "Completeness, %",
            "PxAP, %",
        ],
        rows=_with_controls(audit, cells),
    )


def gap_gmp_table(comparison: GapGmpComparison) -> Table:
    """Return the comparison of GAP and GMP: three metrics of both, their difference, and the controls."""
    gap, gmp = comparison.gap.localization_study, comparison.gmp.localization_study
    assert gap is not None
    assert gmp is not None
    metrics: list[tuple[str, Paired, Callable[[Evaluation], float]]] = [
        (
            "Completeness: share of the ground-truth box that is covered",
            comparison.complete,
            lambda evaluation: float(evaluation.completeness.mean()),
        ),
        (
            "Background: share of the map's positive values outside of the boxes",
            comparison.background,
            lambda evaluation: 1 - float(evaluation.energy_in_boxes.mean()),
        ),
        ("GT-known localization error", comparison.error, lambda evaluation: evaluation.gt_known.value),
    ]
    rows = []
    for name, paired, value_of in metrics:
        difference = [signed(paired.difference), between(paired.ci95)]
        rows.append(Row([name, per_cent(paired.gap), per_cent(paired.gmp), *difference]))
        for control in (k for k in gap.controls if k in gmp.controls):
            values = [per_cent(value_of(study.controls[control])) for study in (gap, gmp)]
            rows.append(Row([CONTROL_LABELS[control], *values, NONE, NONE], "control"))
    names = [f"{model.info.name}, %" for model in (comparison.gap, comparison.gmp)]
    return Table(
        name="gap-and-gmp",
        title="GAP and GMP",
        caption=(
            f"Means over {len(comparison.images):,} images with a label and boxes, in per cent, from the label's maps. "
            "The interval of the difference, in points, is a paired bootstrap over images "
            f"({independence_text(comparison.gap)}). Indented: controls. Boxes do not depend on the image; random "
            "weights do, but not on training."
        ),
        head=["Figure", *names, "GAP − GMP, points", "95 % interval"],
        rows=rows,
    )


def _published_rows(columns: tuple[int, int]) -> list[Row]:
    rows = [(p[0], p[columns[0]], p[columns[1]]) for p in PUBLISHED]
    digits = 2 if columns == (1, 2) else 1
    return [
        Row([name, f"{a:.{digits}f}", f"{b:.{digits}f}", *([NONE] if digits == 2 else [])], "published")
        for name, a, b in rows
        if a is not None and b is not None
    ]


def _flags(*rates: tuple[str, Rate | None]) -> list[str]:
    """Return the flags of rates with at least one image."""
    return [flag if rate and rate.count else "" for flag, rate in rates]


def _error_cells(errors: Errors, ci95: Mapping[str, Interval]) -> list[str]:
    rates = zip(ERRORS, (errors.top1, errors.top5, errors.gt_known), strict=True)
    return [with_interval(rate.value, ci95[name]) if ci95 else per_cent(rate.value) for name, rate in rates]


def _with_masks(audit: Audit) -> str:
    """On which images PxAP is computed."""
    studies = [model.localization_study for model in audit.models]
    n = max((study.label_map.n_masks for study in studies if study), default=0)
    return f"for the {n:,} image{'s' * (n != 1)} with masks" if n else "for images with masks (there are none)"


def _with_controls(
    audit: Audit, cells: Callable[[Evaluation], Sequence[str]], label: str = "", backprop: bool = False
) -> list[Row]:
    """Return rows of the maps of each network, of its controls and, if wanted, of its backprop boxes.

    label: what follows the network's name; by default the method of its maps.
    """
    rows = []
    for model in audit.models:
        study, info = model.localization_study, model.info
        if study is None:
            continue
        name = f"{info.name}, {label or METHOD_LABELS.get(info.method, info.method)}"
        rows.append(Row([name, *cells(study.label_map)]))
        rows += [Row([CONTROL_LABELS[k], *cells(control)], "control") for k, control in study.controls.items()]
        for recipe, evaluation in model.backprop.items() if backprop else ():
            name = f"{info.name}, backprop, {BACKPROP_LABELS[recipe]} ({len(evaluation.rows):,} images)"
            rows.append(Row([name, *cells(evaluation)]))
    return rows
