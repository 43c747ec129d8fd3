"""Headline figures: an error with its count, its interval and the strongest control."""

from __future__ import annotations

from dataclasses import dataclass

from reportgen.audit.audit import Audit
from reportgen.metrics.formatting import difference_text
from reportgen.metrics.intervals import Rate
from reportgen.metrics.localization.comparisons import ControlComparison
from reportgen.metrics.localization.controls import CONTROL_LABELS
from reportgen.metrics.paired import ErrorChange


@dataclass(frozen=True)
class Headline:
    """An error as a large figure. missing: why there is none.

    control: the rate that is drawn dashed, with its name; verdict: how the two compare, or "".
    """

    label: str
    rate: Rate | None
    url: str
    missing: str = ""
    control: Rate | None = None
    control_name: str = ""
    verdict: str = ""


def headlines(audit: Audit) -> list[Headline]:
    """The four figures of the overview."""
    classification = audit.main.classification
    figures = [
        Headline("Top-1 error", classification.top1_error, "images/index.html#outcome=class", "no labels"),
        Headline("Top-5 error", classification.top5_error, "images/index.html#flag=top5", "no labels"),
    ]
    for label, error, flag in (
        ("Top-1 localization error", "top1", "place1"),
        ("GT-known localization error", "gt_known", "known"),
    ):
        url, comparison = f"images/index.html#flag={flag}", audit.main.control_comparisons.get(error)
        if comparison is None:
            figures.append(Headline(label, None, url, "no ground-truth boxes"))
            continue
        change = comparison.change
        name, verdict = CONTROL_LABELS[comparison.name], comparison_verdict(change)
        figures.append(Headline(label, change.b, url, "", change.a, name, verdict))
    return figures


def comparison_verdict(change: ErrorChange) -> str:
    """Whether an error (B) is lower than that of its control (A), and whether chance may explain the difference."""
    if not change.difference:
        return "equal to the control"
    direction = "below" if change.difference < 0 else "above"
    if change.is_clear:
        return f"clearly {direction} the control"
    return f"{direction} the control, perhaps by chance (p = {change.p:.2f})"


def strongest_control_text(comparison: ControlComparison) -> str:
    """The end of a sentence about the number of images with a right GT-known box: that of the strongest control."""
    change, name = comparison.change, CONTROL_LABELS[comparison.name]
    text = f"the strongest control ({name}) is right on {change.a.n - change.a.count:,}."
    if not change.is_clear:
        return f"{text} The maps do not clearly beat it ({difference_text(change)})."
    return text if change.difference < 0 else f"{text} The maps are worse ({difference_text(change)})."
