"""Confidence: calibration, temperature, rejection, prediction sets, and separation from images of no class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reportgen.audit.audit import Audit
from reportgen.audit.confidence import MIN_CLASS_IMAGES, ConfidenceStudy
from reportgen.audit.separation import Separation
from reportgen.gallery.components.calibration_charts import confidence_histogram, reliability_diagram, risk_chart
from reportgen.gallery.components.chart import Chart
from reportgen.gallery.core.media import Media
from reportgen.gallery.core.registry import page
from reportgen.gallery.core.urls import image_list
from reportgen.metrics.confidence.calibration import Calibration, ClassCalibration
from reportgen.metrics.confidence.conformal import MIN_CLASS_IMAGES as MIN_JUDGED
from reportgen.metrics.confidence.conformal import MIN_FITTED, ConformalSets
from reportgen.metrics.confidence.temperature import TemperatureScaling
from reportgen.metrics.formatting import counted, per_cent

SCORES = {
    "nll": "negative log likelihood of the label (NLL), in nats",
    "brier": "Brier score, 0 to 2",
    "ece": "ECE, bins of equal width",
    "adaptive_ece": "ECE, bins of equally many images",
    "classwise_ece": "classwise ECE, mean over the labels",
}
COVERAGES = (0.9, 0.8, 0.5)
"""Shares of the most confident predictions whose error is stated."""


@dataclass(frozen=True)
class ScoreRow:
    """A score of the probabilities as they are, and with the temperature, or ""."""

    name: str
    before: str
    after: str


@dataclass(frozen=True)
class RejectionRow:
    """The error of the most confident predictions. best: with all wrong ones last."""

    coverage: str
    error: str
    best: str


@dataclass(frozen=True)
class ClassRow:
    """The images that are predicted as a class. verdict: overconfident, underconfident or "" within the interval."""

    name: str
    url: str
    row: ClassCalibration
    verdict: str


@dataclass(frozen=True)
class SetRow:
    """Prediction sets with one kind of threshold; texts."""

    threshold: str
    coverage: str
    spread: str
    size: str
    worst: str


@dataclass(frozen=True)
class ConfidencePage:
    """study, calibration: None without labels or without confidence; sets: empty for too few images."""

    study: ConfidenceStudy | None
    lead: str = ""
    calibration: Calibration | None = None
    charts: Sequence[Chart] = ()
    scores: Sequence[ScoreRow] = ()
    temperature_verdict: str = ""
    classes: Sequence[ClassRow] = ()
    rejection: Sequence[RejectionRow] = ()
    risk: Chart | None = None
    sets: Sequence[SetRow] = ()
    separation: Sequence[Separation] = ()
    ood_name: str = ""
    min_predicted: int = MIN_CLASS_IMAGES
    min_judged: int = MIN_JUDGED
    min_fitted: int = MIN_FITTED


@page(
    "confidence/index.html",
    nav=("Classes", "Confidence"),
    order=31,
    about=(
        "Calibration of all images and of each predicted class, temperature scaling on held-out images, the error of "
        "the most confident predictions, conformal prediction sets, and separation from images of no class (`ood`)."
    ),
)
def confidence(audit: Audit, media: Media) -> ConfidencePage:
    """The page of the first network."""
    study, calibration = audit.main.confidence, audit.main.calibration
    if study is None or calibration is None:
        return ConfidencePage(None, separation=audit.separation, ood_name=audit.ood.name if audit.ood else "")
    return ConfidencePage(
        study=study,
        lead=_lead(study, calibration),
        calibration=calibration,
        charts=[reliability_diagram(audit, calibration), confidence_histogram(audit)],
        scores=_scores(study),
        temperature_verdict=temperature_verdict(study.temperature) if study.temperature else "",
        classes=[_class_row(audit, row) for row in _by_gap(study.by_class)],
        rejection=_rejection_rows(study),
        risk=risk_chart(study.rejection),
        sets=_sets(audit, study),
        separation=audit.separation,
        ood_name=audit.ood.name if audit.ood else "",
    )


def _lead(study: ConfidenceStudy, calibration: Calibration) -> str:
    matches = "does not match" if calibration.is_clear else "may match"
    separates = {True: "separates", False: "is not shown to separate", None: "cannot separate"}
    return (
        f"On {counted(study.images, 'labelled image', 'labelled images')}, the confidence {matches} the accuracy, and "
        f"it {separates[study.rejection.is_clear]} right predictions from wrong ones."
    )


def _scores(study: ConfidenceStudy) -> list[ScoreRow]:
    after = study.temperature.after if study.temperature else None
    return [
        ScoreRow(text, f"{getattr(study.scores, name):.3f}", f"{getattr(after, name):.3f}" if after else "")
        for name, text in SCORES.items()
    ]


def temperature_verdict(scaling: TemperatureScaling) -> str:
    """Whether scaling lowers the NLL of images that it was not fitted on."""
    low, high = scaling.nll_interval
    change = f"{scaling.nll_change:+.3f} nats, 95 % interval {low:+.3f} to {high:+.3f}".replace("-", "−")
    if high < 0:
        return f"It mends the probabilities of images that it was not fitted on (change of the NLL {change})."
    if low > 0:
        return f"It makes the probabilities of images that it was not fitted on worse (change of the NLL {change})."
    return f"Whether it mends anything is not decided by these images (change of the NLL {change})."


def _by_gap(rows: Sequence[ClassCalibration]) -> list[ClassCalibration]:
    """Those outside of their interval first, then the largest difference of confidence and accuracy."""
    return sorted(rows, key=lambda row: (not row.is_outside, -abs(row.confidence - row.right.value), row.predicted))


def _class_row(audit: Audit, row: ClassCalibration) -> ClassRow:
    verdict = ""
    if row.is_outside:
        verdict = "overconfident" if row.confidence > row.right.value else "underconfident"
    return ClassRow(audit.classes[row.predicted], image_list(predicted=str(row.predicted)), row, verdict)


def _rejection_rows(study: ConfidenceStudy) -> list[RejectionRow]:
    rows = []
    for share in (1.0, *COVERAGES):
        error, best = study.rejection.risks_at(share)
        rows.append(RejectionRow(f"{100 * share:.0f} %", f"{per_cent(error)} %", f"{per_cent(best)} %"))
    return rows


def _sets(audit: Audit, study: ConfidenceStudy) -> list[SetRow]:
    if study.conformal is None:
        return []
    kinds = {"one for all classes": study.conformal.shared, "one for each class": study.conformal.by_class}
    return [_set_row(audit, text, sets) for text, sets in kinds.items()]


def _set_row(audit: Audit, text: str, sets: ConformalSets) -> SetRow:
    ordered = sorted(sets.coverage.tolist())
    low, high = (ordered[round(q * (len(ordered) - 1))] for q in (0.05, 0.95))
    worst = sets.worst_class
    return SetRow(
        threshold=text,
        coverage=f"{per_cent(float(sets.coverage.mean()))} %",
        spread=f"{per_cent(low)} to {per_cent(high)} %",
        size=f"{sets.size:.1f}",
        worst=f"{audit.classes[worst[0]]}, {per_cent(worst[1])} %" if worst else "–",
    )
