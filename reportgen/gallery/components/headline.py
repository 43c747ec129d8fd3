"""Headline figures: an error with its count, its interval and the strongest control."""

from __future__ import annotations

from dataclasses import dataclass

from reportgen.audit.audit import Audit
from reportgen.gallery.core.labels import interval, percent
from reportgen.metrics.bootstrap import Interval
from reportgen.metrics.intervals import Rate
from reportgen.metrics.localization.study import LocalizationStudy, strongest_control
from reportgen.results.tables import CONTROL_LABELS

ROUNDING = 1e-6
"""Bootstrap intervals are computed in float32: a bound that should be 0 may be 6e-8."""


@dataclass(frozen=True)
class Headline:
    """An error as a large figure. missing: why there is none.

    control: the rate that is drawn dashed, with its name; verdict: how the two compare, or "".
    ci95: bootstrap interval, which the verdict refers to; None for Wilson's interval of the rate.
    """

    label: str
    rate: Rate | None
    url: str
    missing: str = ""
    control: Rate | None = None
    control_name: str = ""
    verdict: str = ""
    ci95: Interval | None = None

    @property
    def interval(self) -> Interval:
        """The 95 % interval that is drawn. There must be a rate."""
        assert self.rate is not None
        return self.ci95 or self.rate.interval


def headlines(audit: Audit) -> list[Headline]:
    """The four figures of the overview."""
    classification, localization = audit.main.classification, audit.main.localization
    study = audit.main.localization_study
    figures = [
        Headline("Top-1 error", classification.top1_error, "images/index.html#outcome=class", "no labels"),
        Headline("Top-5 error", classification.top5_error, "images/index.html#flag=top5", "no labels"),
    ]
    for label, error, rate, flag in (
        ("Top-1 localization error", "top1", localization.top1_error if localization else None, "place1"),
        ("GT-known localization error", "gt_known", localization.gt_known_error if localization else None, "known"),
    ):
        url = f"images/index.html#flag={flag}"
        if study is None or rate is None:
            figures.append(Headline(label, None, url, "no ground-truth boxes"))
            continue
        name, control = strongest_control(study, error)
        ci95 = study.label_map.ci95[f"{error}_error"]
        verdict = comparison_verdict(rate, ci95, control)
        figures.append(Headline(label, rate, url, "", control, CONTROL_LABELS[name], verdict, ci95))
    return figures


def comparison_verdict(rate: Rate, ci95: Interval, control: Rate) -> str:
    """Whether an error is lower than its control's, and whether the control lies inside its interval."""
    if rate.value == control.value:
        return "equal to the control"
    direction = "below" if rate.value < control.value else "above"
    if is_inside(control, ci95):
        return f"{direction} the control, inside the interval"
    return f"clearly {direction} the control"


def is_inside(control: Rate, ci95: Interval) -> bool:
    """Whether a control's rate lies inside an interval of the network's."""
    low, high = ci95
    return low - ROUNDING <= control.value <= high + ROUNDING


def strongest_control_text(study: LocalizationStudy) -> str:
    """The end of a sentence about the number of images with a right GT-known box: that of the strongest control."""
    name, control = strongest_control(study, "gt_known")
    ci95 = study.label_map.ci95["gt_known_error"]
    text = f"the strongest control ({CONTROL_LABELS[name]}) is right on {control.n - control.count:,}."
    if is_inside(control, ci95):
        return f"{text} Its error of {percent(control)} is inside the map's 95 % interval ({interval(ci95)})."
    return text if control.value > study.label_map.gt_known.value else f"{text} The maps do not beat it."
