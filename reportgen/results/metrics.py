"""The content of metrics.json: errors as fractions of 1; a value that does not apply is null, never 0."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import Any

import numpy as np

from reportgen.audit.audit import Audit
from reportgen.audit.confidence import ConfidenceStudy
from reportgen.audit.gap_gmp import gap_gmp_comparison
from reportgen.audit.model_audit import ModelAudit
from reportgen.audit.model_info import RuntimeTrial
from reportgen.metrics.background import ALTERATIONS, BackgroundTest
from reportgen.metrics.confidence.conformal import ALPHA
from reportgen.metrics.failures import OUTCOMES
from reportgen.metrics.intervals import Rate
from reportgen.metrics.localization.evaluation import Errors, Evaluation
from reportgen.metrics.localization.ilsvrc import IOU, RECIPE, THRESHOLD
from reportgen.metrics.localization.study import LocalizationStudy
from reportgen.metrics.multilabel import THRESHOLD as LABEL_THRESHOLD

SCHEMA = 2
"""Version of the file's structure."""


def metrics(audit: Audit) -> dict[str, Any]:
    """Return the metrics of all networks, and the comparison of GAP and GMP."""
    return {
        "schema": SCHEMA,
        "dataset": {
            "name": audit.dataset.name,
            "images": len(audit.samples),
            "labelled": int(audit.main.annotated.sum()),
            "with_boxes": sum(len(s.boxes) > 0 for s in audit.samples),
            "unreadable": len(audit.unreadable),
            "classes": _occurring_classes(audit),
        },
        "models": [
            _model_metrics(model)
            | {"slices": _slice_metrics(audit) if model is audit.main else {}}
            | {"ood": [asdict(one) for one in audit.separation] if model is audit.main else []}
            for model in audit.models
        ],
        "gap_and_gmp": _gap_gmp_metrics(audit),
    }


def _occurring_classes(audit: Audit) -> int:
    """Number of classes that are a label of an image."""
    if audit.is_multilabel:
        return len({k for sample in audit.samples for k in sample.labels or ()})
    return len(np.unique(audit.labels[audit.labels >= 0]))


def _model_metrics(model: ModelAudit) -> dict[str, Any]:
    classification, localization, info = model.classification, model.localization, model.info
    return {
        "name": info.name,
        "head": info.head,
        "method": info.method,
        "resize": info.resize,
        "precision": info.precision,
        "precision_agreement": None if info.precision_agreement is None else asdict(info.precision_agreement),
        "runtime": info.runtime,
        "runtime_trial": None if info.runtime_trial is None else _runtime_trial(info.runtime_trial),
        "cam_identity_max_abs": model.cam_identity,
        "cam_identity_relative": model.cam_identity_relative,
        "classification": {
            "top1_error": _value(classification.top1_error),
            "top5_error": _value(classification.top5_error) if model.has_top5 else None,
        },
        "multilabel": _multilabel_metrics(model),
        "confidence": _confidence_metrics(model.confidence),
        "background": _background_metrics(model.background_test),
        "localization": localization
        and {
            "recipe": RECIPE,
            "threshold": THRESHOLD,
            "iou": IOU,
            "top1_error": localization.top1_error.value,
            "top5_error": localization.top5_error.value,
            "gt_known_error": localization.gt_known_error.value,
            **(_study_metrics(model, model.localization_study) if model.localization_study else {}),
        },
    }


def _multilabel_metrics(model: ModelAudit) -> dict[str, Any] | None:
    """Return the figures of a multi-label data set: of all labels together, and of each."""
    figures = model.multilabel
    if figures is None:
        return None
    return {
        "images": figures.images,
        "threshold": LABEL_THRESHOLD,
        "labels_with_images": figures.with_positives,
        "exact_match": figures.exact.value,
        **figures.values,
        "ci95": {
            name: [round(bound, 6) for bound in bounds]
            for name, bounds in (("exact_match", figures.exact.interval), *figures.intervals.items())
        },
        "labels": {
            model.classes[k]: {
                "images": one.positives,
                "predicted": one.predicted,
                "hits": one.hits,
                "average_precision": one.average_precision,
                "ci95": one.interval and [round(bound, 6) for bound in one.interval],
                "precision": _value(one.precision),
                "recall": _value(one.recall),
                "f1": one.f1,
            }
            for k, one in enumerate(figures.labels)
        },
    }


def _confidence_metrics(study: ConfidenceStudy | None) -> dict[str, Any] | None:
    """Return the figures of the page Confidence; of each score also that with a temperature fitted on other images."""
    if study is None:
        return None
    scaling, rejection, conformal = study.temperature, study.rejection, study.conformal
    sets = {"shared": conformal.shared, "by_class": conformal.by_class} if conformal else {}
    return {
        "images": study.images,
        **asdict(study.scores),
        "temperature": scaling and scaling.temperature,
        "with_temperature": scaling and asdict(scaling.after),
        "auroc": rejection.auroc,
        "aurc": rejection.aurc,
        "augrc": rejection.augrc,
        "conformal": {
            name: {"coverage": float(one.coverage.mean()), "size": one.size, "target": 1 - ALPHA}
            for name, one in sets.items()
        },
    }


def _background_metrics(test: BackgroundTest | None) -> dict[str, Any] | None:
    """Return the accuracies on images without their objects, and with their objects alone."""
    if test is None:
        return None
    return {
        "images": len(test.rows),
        "accuracy": {name: test.accuracy(shown).value for name, shown in ALTERATIONS.items()},
        "right_without_object": _value(test.right_without_object),
        "foreground_sensitivity": test.foreground_sensitivity and test.foreground_sensitivity[0],
    }


def _slice_metrics(audit: Audit) -> dict[str, Any]:
    """Return the errors of the slices of the settings, over all their judged images."""
    return {
        one.name: {
            "images": len(one.images),
            "top1_error": _value(one.errors["class"]),
            "gt_known_error": _value(one.errors.get("box")),
        }
        for one in audit.slices.named
    }


def _study_metrics(model: ModelAudit, study: LocalizationStudy) -> dict[str, Any]:
    """Return the other localization metrics: shares of the images with boxes."""
    outcomes = Counter(model.outcomes[i] for i in study.images)
    v2, oracle, held_out = study.label_map.max_box_acc_v2, study.oracle_threshold, study.held_out_threshold
    return {
        "images": len(study.images),
        **_evaluation_metrics(study.label_map),
        "max_box_acc_v2_by_iou": dict(zip(map(str, v2.limits), v2.best.tolist(), strict=True)),
        "threshold_oracle": oracle.threshold,
        "threshold_oracle_gt_known_error": oracle.gt_known.value,
        "threshold_heldout": held_out and held_out.threshold,
        "threshold_heldout_gt_known_error": held_out and held_out.gt_known.value,
        "parts_tested": len(model.part_test.rows) if model.part_test else 0,
        "parts_confirmed": int(model.part_test.confirmed.sum()) if model.part_test else 0,
        "failures": {outcome.replace("-", "_"): outcomes[outcome] for outcome in OUTCOMES},
        "controls": {
            name: {
                **_error_values(control.recipes["paper"]),
                "images": len(control.rows),
                "about": control.description,
                **_evaluation_metrics(control),
            }
            for name, control in study.controls.items()
        },
        "backprop": {
            name: {
                **_error_values(evaluation.recipes["paper"]),
                "images": len(evaluation.rows),
                "about": evaluation.description,
            }
            for name, evaluation in model.backprop.items()
        },
        "ci95": {name: [round(bound, 6) for bound in bounds] for name, bounds in study.label_map.ci95.items()},
    }


def _evaluation_metrics(evaluation: Evaluation) -> dict[str, Any]:
    """Return the metrics of a network's maps or of a control; means over the images."""
    return {
        "max_box_acc": evaluation.max_box_acc.value,
        "max_box_acc_v2": evaluation.max_box_acc_v2.value,
        "pxap": evaluation.pxap,
        "pointing_game": float(evaluation.pointing_hits.mean()),
        "energy_in_box": float(evaluation.energy_in_boxes.mean()),
        "completeness": float(evaluation.completeness.mean()),
        "recipes": {name: _error_values(errors) for name, errors in evaluation.recipes.items()},
    }


def _gap_gmp_metrics(audit: Audit) -> dict[str, Any] | None:
    comparison = gap_gmp_comparison(audit)
    if comparison is None:
        return None
    return {
        "gap": comparison.gap.info.name,
        "gmp": comparison.gmp.info.name,
        "images": len(comparison.images),
        "claim_holds": comparison.holds,
        "completeness": asdict(comparison.complete),
        "background": asdict(comparison.background),
        "gt_known_error": asdict(comparison.error),
    }


def _error_values(errors: Errors) -> dict[str, float]:
    rates = {"top1_error": errors.top1, "top5_error": errors.top5, "gt_known_error": errors.gt_known}
    return {name: rate.value for name, rate in rates.items()}


def _runtime_trial(trial: RuntimeTrial) -> dict[str, Any]:
    """Without the times, which are not the same twice."""
    if trial.failure:
        return {"images": trial.images, "failure": trial.failure}
    return {"images": trial.images, "difference": trial.difference, "same_positions": trial.same_positions}


def _value(rate: Rate | None) -> float | None:
    return None if rate is None else rate.value
