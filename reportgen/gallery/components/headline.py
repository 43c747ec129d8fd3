"""Headline figures: an error with its count, its interval and the strongest control."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from reportgen.audit.audit import Audit
from reportgen.audit.history import PastRun, earlier_than, run_of
from reportgen.metrics.classification import most_frequent_correct
from reportgen.metrics.intervals import Rate
from reportgen.metrics.localization.controls import CONTROL_LABELS
from reportgen.metrics.paired import ErrorChange, compare_errors

MAX_RUNS = 20
"""Runs in the line of a figure over the runs."""


@dataclass(frozen=True)
class Headline:
    """An error as a large figure. missing: why there is none.

    control: the rate that is drawn dashed, with its name; verdict: how the two compare, or "".
    value, detail: the figure and the line below it, where it is no rate.
    past: the figure in earlier runs and in this one, as fractions of 1, where there are any; since: the last of them.
    """

    label: str
    rate: Rate | None
    url: str
    missing: str = ""
    control: Rate | None = None
    control_name: str = ""
    verdict: str = ""
    value: str = ""
    detail: str = ""
    past: Sequence[float] = ()
    since: str = ""


def headlines(audit: Audit) -> list[Headline]:
    """The figures of the overview, each with its strongest control. Networks of few classes have no top-5 error."""
    found = {
        "top1_error": _classification_headline(audit, 1),
        **({"top5_error": _classification_headline(audit, 5)} if audit.main.has_top5 else {}),
        "gt_known_error": _localization(audit),
        "ece": _calibration(audit),
    }
    now = run_of(audit.main, "")
    earlier = earlier_than(audit.history, now)
    return [_with_past(headline, name, [*earlier, now]) if earlier else headline for name, headline in found.items()]


def _with_past(headline: Headline, name: str, runs: Sequence[PastRun]) -> Headline:
    """runs: the earlier ones, and this one at the end."""
    shown = [(run, value) for run in runs[-MAX_RUNS:] if (value := run.figures[name]) is not None]
    if len(shown) < 2 or runs[-1].figures[name] is None:
        return headline
    last, value = shown[-2]
    text = f"{value:.2f}" if name == "ece" else f"{100 * value:.1f} %"
    since = f"run of {last.date}: {text}, {last.labelled:,} labelled images"
    return replace(headline, past=[value for _, value in shown], since=since)


def _classification_headline(audit: Audit, k: int) -> Headline:
    """Top-1 or top-5 error; the control always names the k labels that are most frequent here."""
    classification = audit.main.classification
    error, correct, url = {
        1: (classification.top1_error, classification.top1_correct, "images/index.html#outcome=class"),
        5: (classification.top5_error, classification.top5_correct, "images/index.html#flag=top5"),
    }[k]
    change = compare_errors(most_frequent_correct(audit.labels, k), correct, classification.labelled)
    if error is None or change is None:
        return Headline(f"Top-{k} error", None, url, "no labels")
    control = "always the most frequent label" if k == 1 else f"always the {k} most frequent labels"
    return Headline(f"Top-{k} error", error, url, "", change.a, control, comparison_verdict(change))


def _localization(audit: Audit) -> Headline:
    label, url = "GT-known localization error", "images/index.html#flag=known"
    comparison = audit.main.control_comparisons.get("gt_known")
    if comparison is None:
        return Headline(label, None, url, "no ground-truth boxes")
    change = comparison.change
    return Headline(label, change.b, url, "", change.a, CONTROL_LABELS[comparison.name], comparison_verdict(change))


def _calibration(audit: Audit) -> Headline:
    label, url, calibration = "Calibration error (ECE)", "confidence/index.html", audit.main.calibration
    if calibration is None:
        return Headline(label, None, url, "no labels")
    confidence, accuracy = (f"{100 * v:.0f} %" for v in (calibration.mean_confidence, calibration.accuracy))
    limit = f"{calibration.chance_ece[1]:.2f}"
    return Headline(
        label,
        None,
        url,
        value=f"{calibration.ece:.2f}",
        detail=f"mean confidence {confidence}, accuracy {accuracy}",
        verdict=f"more than chance explains (up to {limit})"
        if calibration.is_clear
        else f"within chance (up to {limit})",
    )


def comparison_verdict(change: ErrorChange) -> str:
    """Whether an error (B) is lower than that of its control (A), and whether chance may explain the difference."""
    if not change.difference:
        return "equal to the control"
    direction = "below" if change.difference < 0 else "above"
    if change.is_clear:
        return f"clearly {direction} the control"
    return f"{direction} the control, perhaps by chance (p = {change.p:.2f})"
