"""Numbers and outcomes in words."""

from __future__ import annotations

from reportgen.audit.audit import Audit
from reportgen.metrics.failures import peaks
from reportgen.metrics.intervals import Rate
from reportgen.results.tables import CONTROL_WORDS

KIND_WORDS = {
    "right": "right",
    "class": "wrong class",
    "part": "part only",
    "more": "spills over",
    "multi-instance": "several as one",
    "other": "elsewhere",
    "unlabelled": "no label",
}
"""What the chip of an outcome says."""

METHOD_WORDS = {"cam": "class activation maps, exact", "grad-cam": "Grad-CAM, through the head"}
HEAD_WORDS = {
    "own": "global average pooling and one linear layer",
    "own-gmp": "global maximum pooling and one linear layer",
    "other": "another; maps by Grad-CAM",
    "gap": "average pooling and a linear layer fitted here",
    "gmp": "maximum pooling and a linear layer fitted here",
}
"""How a network comes from its last maps to its logits."""


def percent(rate: Rate | None) -> str:
    """`33.3 %`, or a dash where there is nothing to judge."""
    return "–" if rate is None else f"{100 * rate.value:.1f} %"


def of(rate: Rate) -> str:
    """`10 of 30`."""
    return f"{rate.count:,} of {rate.n:,}"


def interval(rate: Rate) -> str:
    """`19–51 %`."""
    low, high = rate.interval
    return f"{100 * low:.0f}–{100 * high:.0f} %"


def heading(audit: Audit) -> str:
    """The first line of the report: it answers how good."""
    top1, where = audit.classification.top1, audit.localization
    if top1 is None:
        return f"{len(audit.samples):,} images without labels, as {audit.card.name} sees them"
    right = f"Knows the class in {top1.n - top1.count:,} of {top1.n:,}"
    if where is None:
        return right
    found = where.top1.n - where.top1.count
    same = where.top1.n == top1.n
    return (
        f"{right}, and the place in {found:,}"
        if same
        else f"{right}, and class and place in {found:,} of {where.top1.n:,}"
    )


def lead(audit: Audit) -> str:
    """Two or three sentences that put the figures beside their control."""
    top1, where = audit.classification.top1, audit.localization
    if top1 is None:
        return (
            "Nothing here is right or wrong: the images have no labels. "
            "The pages show what the network answers and where it looks."
        )
    both = audit.classification.right1 & (where.judged if where else False)
    text = f"{audit.card.name} names {100 * (1 - top1.value):.0f} % of the labelled images right."
    if where is None:
        return text + " There are no boxes, so nothing is said of where it looks."
    text += (
        f" Of the {int(both.sum()):,} that it names right and that have a box, its activation map finds the object in"
        f" {int(where.right1.sum()):,}. Given the class, the map finds {where.gt_known.n - where.gt_known.count:,} of"
        f" {where.gt_known.n:,}; a box around the whole image would have found {where.whole.n - where.whole.count:,}."
    )
    return text


def control_alerts(audit: Audit) -> list[str]:
    """A sentence for every network whose maps do not beat boxes that do not look at the image."""
    found = []
    for model in audit.models:
        if model.study is None or model.localization is None:
            continue
        known = model.localization.gt_known
        equal = [
            f"{CONTROL_WORDS[name]} ({percent(control.gt_known)})"
            for name, control in model.study.controls.items()
            if control.gt_known.value <= known.value
        ]
        if equal:
            found.append(
                f"The maps of {model.card.name} do not beat boxes that do not look at the image: with the class given, "
                f"{percent(known)} are wrong, against {', '.join(equal)}."
            )
    return found


def peak_alarm(audit: Audit) -> str:
    """A sentence where the maps peak at one place whatever the image, else ""."""
    where = peaks(audit.cams[:, 0])
    if where is None or not where.alarming:
        return ""
    return (
        f"{100 * where.share:.0f} % of the {where.n:,} top-1 maps peak in the same cell (row {where.row + 1}, column "
        f"{where.column + 1} of {audit.cams.shape[2]} × {audit.cams.shape[3]}), whatever the image: see whether the "
        "maps follow the objects at all."
    )
