"""Sizes and numbers of objects with which localization fails more often."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from reportgen.audit.audit import Audit
from reportgen.audit.findings.class_not_localized import MIN_IMAGES, from_the_median, object_areas
from reportgen.audit.findings.finding import Bar, Bars, Finding, Maps, Size
from reportgen.audit.findings.registry import finding_kind
from reportgen.audit.model_audit import LABEL, ModelAudit
from reportgen.metrics.formatting import p_equals
from reportgen.metrics.intervals import Rate, fisher_p, fisher_text
from reportgen.metrics.localization.ilsvrc import Localization
from reportgen.metrics.paired import MAX_P


@finding_kind(
    "Object size",
    topic="location",
    criterion=(
        "The label's box is more often wrong for the smaller half of the objects than for the larger half, or less "
        f"often (Fisher's exact test, two-sided, p < {MAX_P}; at least {MIN_IMAGES} images in each). The halves are "
        "divided at the median of the largest box's share of the image. The images are those with a wrong box in the "
        "worse half."
    ),
)
def object_size(audit: Audit) -> Iterator[Finding]:
    """At most one finding, of the first network."""
    model, localization = audit.main, audit.main.localization
    if localization is None:
        return
    judged: list[int] = np.flatnonzero(localization.judged).tolist()
    _, share = object_areas(model, judged)
    border = float(np.median(share))
    limit = f"{100 * border:.0f} %" if border >= 0.1 else f"{100 * border:.1f} %"
    yield from _compare_groups(
        model,
        localization,
        judged,
        share <= border,
        ("Smaller objects", "Larger objects"),
        (f"objects of at most {limit} of the image", f"objects of more than {limit} of the image"),
        "object size",
        "Read the error by object size before you compare data sets or networks; small objects need finer maps.",
    )


@finding_kind(
    "Several objects",
    topic="location",
    criterion=(
        "The label's box is more often wrong in images with several ground-truth boxes than in images with one, or "
        f"less often (Fisher's exact test, two-sided, p < {MAX_P}; at least {MIN_IMAGES} images of each). The images "
        "are those with a wrong box in the worse group."
    ),
)
def several_objects(audit: Audit) -> Iterator[Finding]:
    """At most one finding, of the first network."""
    model, localization = audit.main, audit.main.localization
    if localization is None:
        return
    judged: list[int] = np.flatnonzero(localization.judged).tolist()
    several = np.array([len(model.samples[i].boxes) > 1 for i in judged], bool)
    yield from _compare_groups(
        model,
        localization,
        judged,
        several,
        ("Images with several objects", "Images with one object"),
        ("images with several boxes", "images with one box"),
        "several objects",
        "One box per image cannot fit several objects: judge these images apart, or take one box from each region.",
    )


def _compare_groups(
    model: ModelAudit,
    localization: Localization,
    judged: list[int],
    is_first: np.ndarray,
    subjects: tuple[str, str],
    names: tuple[str, str],
    slug: str,
    next_step: str,
) -> Iterator[Finding]:
    """A finding where the GT-known errors of two groups of the judged images clearly differ.

    judged: n rows; is_first: `(n,)` bool; subjects, names: of the two groups, for the headline and for bars.
    """
    wrong, groups = ~localization.gt_known_correct[judged], model.groups[judged]
    rates = Rate.of(wrong[is_first], groups[is_first]), Rate.of(wrong[~is_first], groups[~is_first])
    if rates[0] is None or rates[1] is None or min(rates[0].n, rates[1].n) < MIN_IMAGES:
        return
    p = fisher_p(rates[0], rates[1])
    if p >= MAX_P:
        return
    first_is_worse = rates[0].value > rates[1].value
    worse, other = (0, 1) if first_is_worse else (1, 0)
    high, low = rates[worse], rates[other]
    assert high is not None
    assert low is not None
    images = [judged[j] for j in np.flatnonzero(wrong & (is_first == first_is_worse))]
    size = Size.sampled(high, names[worse])
    yield Finding(
        slug=slug,
        headline=(
            f"{subjects[worse]} are localized worse: {high.count:,} of {high.n:,} boxes are wrong, otherwise "
            f"{low.count:,} of {low.n:,}"
        ),
        size=size,
        evidence=[
            Bars(
                "Wrong boxes, label given",
                [
                    Bar(names[worse], high.value, high.interval, "wrong"),
                    Bar(names[other], low.value, low.interval),
                ],
            ),
            Maps(from_the_median(images, localization.best_iou[images, LABEL]), (LABEL,), boxes=True),
        ],
        inference=f"{p_equals('p', p)} ({fisher_text(high, low)}). {_share_of_one_class(model, images)}",
        next_step=next_step,
        images=images,
        figures=[(f"error, {names[worse]}", high.value), (f"error, {names[other]}", low.value)],
        see=("Localization", "localization/index.html"),
        at_least=size.at_least,
        p=p,
        model=model.info.name,
    )


def _share_of_one_class(model: ModelAudit, images: list[int]) -> str:
    """How far a single class may explain the finding."""
    classes, counts = np.unique(model.labels[images], return_counts=True)
    name, count = model.classes[int(classes[counts.argmax()])], int(counts.max())
    share = f"{count:,} of these {len(images):,} images"
    if count > len(images) / 2:
        return f"{share} are of one class, {name}, so the class may be the cause instead."
    if (counts == count).sum() > 1:
        return f"No class has more than {share}."
    return f"{share} are of one class, {name}, the most frequent one."
