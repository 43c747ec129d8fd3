"""A class that the network confuses with another one."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from reportgen.audit.audit import Audit
from reportgen.audit.findings.finding import Bar, Bars, Finding, Maps, Size, rows_of
from reportgen.audit.findings.registry import finding_kind
from reportgen.audit.model_audit import LABEL, ModelAudit
from reportgen.metrics.confusion import Confusion, confusion_matrix
from reportgen.metrics.formatting import interval
from reportgen.metrics.intervals import Rate
from reportgen.metrics.localization.ilsvrc import IOU
from reportgen.metrics.paired import MAX_P

MIN_IMAGES = 3
MIN_SHARE = 0.2
"""Share of a class's images that is clearly exceeded."""
MAX_FINDINGS = 30
N_BARS = 4
"""Classes in the chart of mean probabilities."""


@finding_kind(
    "Class confused with another",
    topic="class",
    criterion=(
        f"At least {MIN_IMAGES} images of one class are predicted as one other class, and that is more than "
        f"{100 * MIN_SHARE:.0f} % of the class's images (exact binomial test, p < {MAX_P}). The largest {MAX_FINDINGS} "
        "are listed. The test is of a single class: among many classes, some large shares are chance."
    ),
)
def confusion(audit: Audit) -> Iterator[Finding]:
    """The largest confusions, one finding for each pair of classes."""
    predicted, scores = audit.main.classification.top_classes[:, 0], audit.main.classification.scores[:, 0]
    labels = np.where(np.isnan(scores), -1, audit.labels)  # without a confidence there is no prediction
    for pair in confusion_matrix(labels, predicted).largest(MAX_FINDINGS):
        of_class = labels == pair.label
        rate = Rate.of(predicted[of_class] == pair.predicted, audit.main.groups[of_class])
        if rate and pair.count >= MIN_IMAGES and rate.p_above(MIN_SHARE) < MAX_P:
            yield _finding(audit.main, pair, rate)


def _finding(model: ModelAudit, pair: Confusion, rate: Rate) -> Finding:
    label, other = model.classes[pair.label], model.classes[pair.predicted]
    scores = model.classification.scores[:, 0]
    is_predicted = (model.classification.top_classes[:, 0] == pair.predicted) & ~np.isnan(scores)
    images = rows_of((model.labels == pair.label) & is_predicted)
    size = Size.sampled(rate, f"images of {label}")
    all_of_them = rate.count == rate.n
    subject = f"Every {label}" if all_of_them else f"{label}: {rate.count:,} of {rate.n:,} images"
    verb = "is called" if all_of_them else "are called"
    confidence = float(scores[images].mean())
    in_top = int(model.classification.top5_correct[images].sum())
    k = model.classification.top_classes.shape[1] if model.has_top5 else 0
    probabilities = model.probabilities(images).mean(0)
    figures = [
        (f"mean probability of {other}", confidence),
        (f"mean probability of {label}", float(probabilities[pair.label])),
    ]
    if k:
        figures.append((f"images with {label} among the top {k}", float(in_top)))
    inference, more = _position_of_evidence(model, images, label, other)
    by_confidence = model.classification.surest_first(np.array(images)).tolist()
    return Finding(
        slug=f"{label} as {other}",
        headline=f"{subject} {verb} {other}, with {100 * confidence:.0f} % confidence on average",
        size=size,
        evidence=[
            Maps(by_confidence, (0, LABEL), boxes=model.localization is not None),
            _mean_probabilities(model, pair, probabilities),
        ],
        inference=inference,
        next_step=_next_step(rate, in_top, k, label, other),
        images=images,
        figures=[*figures, *more],
        see=("Confusions", "confusions/index.html"),
        at_least=size.at_least,
        p=rate.p_above(MIN_SHARE),
        model=model.info.name,
    )


def _mean_probabilities(model: ModelAudit, pair: Confusion, probabilities: np.ndarray) -> Bars:
    """The classes with the highest mean probability, and the label in any case; probabilities: `(K,)`."""
    shown = np.argsort(-probabilities, kind="stable")[:N_BARS].tolist()
    if pair.label not in shown:
        shown[-1] = pair.label
    bars = [
        Bar(
            f"{model.classes[k]} (label)" if k == pair.label else model.classes[k],
            float(probabilities[k]),
            role="right" if k == pair.label else "wrong" if k == pair.predicted else "",
        )
        for k in shown
    ]
    return Bars("Mean probability on these images", bars, percent=False)


def _position_of_evidence(
    model: ModelAudit, images: list[int], label: str, other: str
) -> tuple[str, list[tuple[str, float]]]:
    """Whether the evidence is on the object, and the figures behind it."""
    if model.info.method == "files":
        return "The maps are read from files, one for each image, and do not show evidence for one class.", []
    similarity = _mean_similarity(model.cams[images, 0], model.cams[images, LABEL])
    figures = [] if similarity is None else [("mean correlation of the two maps", similarity)]
    localization = model.localization
    judged = [] if localization is None else [i for i in images if localization.judged[i]]
    if localization is None or not judged:
        if similarity is None:
            return "The two maps cannot be compared: one of them has no variation.", figures
        return (
            f"The maps of {other} and {label} correlate with r = {similarity:.2f} on average: 1 means that the "
            "evidence for both classes is in the same places."
        ), figures
    on_object = Rate.of(localization.best_iou[judged, 0] >= IOU, model.groups[judged])
    assert on_object is not None
    low, high = on_object.interval
    figures += [
        (f"right boxes of the map of {other} (IoU ≥ {IOU:.2f})", float(on_object.count)),
        ("mean IoU of these boxes", float(localization.best_iou[judged, 0].mean())),
    ]
    found = f"The box of the map of {other} is right in {on_object.count:,} of {on_object.n:,} images"
    if low > 0.5:
        return f"{found}: the network finds the object, and names it {other}.", figures
    if high < 0.5:
        return f"{found}: most of the evidence for {other} is not where the object is.", figures
    bounds = interval(on_object.interval)
    return f"{found} ({bounds}): too few to show whether most evidence is on the object.", figures


def _mean_similarity(first: np.ndarray, second: np.ndarray) -> float | None:
    """Mean over n images of Pearson's correlation of two maps `(n, h, w)`; None where no image has one."""
    a, b = (maps.reshape(len(maps), -1).astype(np.float64) for maps in (first, second))
    a, b = a - a.mean(1, keepdims=True), b - b.mean(1, keepdims=True)
    norms = np.sqrt((a**2).sum(1) * (b**2).sum(1))
    use = np.isfinite(norms) & (norms > 0)
    return float(((a * b).sum(1)[use] / norms[use]).mean()) if use.any() else None


def _next_step(rate: Rate, in_top: int, k: int, label: str, other: str) -> str:
    check_labels = f"Compare the two maps, and check whether the labels separate {label} from {other}."
    if not k:
        return check_labels
    if in_top == rate.count:
        return f"{label} is among the top {k} of each of these images. {check_labels}"
    return (
        f"{label} is among the top {k} of {in_top:,} of these {rate.count:,} images. Compare the two maps, and check "
        f"whether the training data have such images of {label}."
    )
