"""Failures: right and wrong class × right and wrong box, the failure types, and mean maps by class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from reportgen.audit.audit import Audit
from reportgen.audit.findings.maps import peak_sentence
from reportgen.audit.model_audit import LABEL, ModelAudit
from reportgen.data.sampling import evenly_spaced
from reportgen.draw.overlay import draw_map
from reportgen.gallery.components.figure import Figure
from reportgen.gallery.components.image_figures import figure_boxes, image_card
from reportgen.gallery.core.labels import OUTCOME_LABELS
from reportgen.gallery.core.media import Media
from reportgen.gallery.core.page import Link
from reportgen.gallery.core.registry import PageDraft, pages
from reportgen.gallery.core.urls import class_page
from reportgen.metrics.failures import MIN_DROP, MIN_LEFT_OUT, OUTCOMES, QUADRANTS, mean_class_maps, quadrants
from reportgen.metrics.formatting import counted, interval, minus_signs
from reportgen.metrics.intervals import Rate
from reportgen.metrics.localization.ilsvrc import IOU, Localization

MAX_CARDS_PER_TYPE = 6
MAX_MEAN_MAPS = 24
"""Classes whose mean map is drawn: those with the most images."""
SORTED_OUTCOME = "part"
"""The outcome whose first images are the clearest ones; of the others, evenly spaced images are shown."""

MEANINGS = {
    "right": (
        "The predicted class is the label, and the predicted box has an intersection over union (IoU) of at least "
        f"{IOU:.2f} with a ground-truth box."
    ),
    "class": (
        "The network predicts another class. The activation map shows the evidence for that class, so the image counts "
        "as wrong wherever the box is."
    ),
    "part": (
        f"More than half of the predicted box is on the object, but its IoU is below {IOU:.2f} (TS-CAM's rule). "
        "Such a box often covers only a part of the object, such as a head or a wheel. This is a known weakness of "
        "activation maps: networks are trained to classify, not to cover the object."
    ),
    "more": (
        "The predicted box covers most of the object and much of the background. Possible reasons: context that occurs "
        "with the class, or a map that is too coarse for a small object."
    ),
    "multi-instance": "The image shows several objects of the class, and one predicted box surrounds them.",
    "other": (
        "The predicted class is right, but the box is neither on the object nor around it: the evidence is outside of "
        "the object, or the map has no positive value."
    ),
}
"""Outcome → what it means."""
QUADRANT_LABELS = {
    "right-right": "Right class, right box",
    "right-wrong": "Right class, wrong box",
    "wrong-right": "Wrong class, right box",
    "wrong-wrong": "Wrong class, wrong box",
}


@dataclass(frozen=True)
class Quadrant:
    """Images with a right or wrong class and a right or wrong box, and the page that shows them."""

    title: str
    count: int
    share: str
    url: str
    is_right: bool


@dataclass(frozen=True)
class FailureType:
    """One outcome, with some of its images. url: the page with all of them."""

    outcome: str
    count: int
    share: str
    url: str
    meaning: str
    cards: Sequence[Figure]


@dataclass(frozen=True)
class FailuresPage:
    """networks: first page of each network, or none if there is only one; peak: a finding, or "".

    quadrants: in the order of `QUADRANTS`; types: the most frequent first; mean_maps: by class.
    """

    heading: str
    networks: Sequence[Link]
    lead: str
    peak: str
    quadrants: Sequence[Quadrant]
    types: Sequence[FailureType]
    part_test: str
    mean_maps: Sequence[Figure]


@dataclass(frozen=True)
class NetworkFailures:
    """The failures of one network. by_outcome, by_quadrant: rows of the images; folder: of the pages.

    networks: first page of each network, or none if there is only one.
    """

    audit: Audit
    model: ModelAudit
    localization: Localization
    folder: str
    networks: Sequence[Link]
    by_outcome: Mapping[str, Sequence[int]]
    by_quadrant: Mapping[str, np.ndarray]

    def url(self, name: str) -> str:
        """The page of an outcome or a quadrant; `index` is the first page."""
        return f"{self.folder}/{name}.html"


def network_failures(audit: Audit) -> list[NetworkFailures]:
    """The failures of each network; none without ground-truth boxes."""
    folders = ["failures", *(f"failures/{n}" for n in range(2, 1 + len(audit.models)))]
    links = [Link(m.info.name, f"{f}/index.html") for m, f in zip(audit.models, folders, strict=True)]
    networks = links if len(links) > 1 else []
    results = []
    for model, folder in zip(audit.models, folders, strict=True):
        if model.localization is None:
            continue
        judged = np.flatnonzero(model.localization.judged).tolist()
        by_outcome = {outcome: [i for i in judged if model.outcomes[i] == outcome] for outcome in OUTCOMES}
        if model.part_test is not None:  # the clearest ones, then those that were not tested
            tested = model.part_test.rows.tolist()
            by_outcome["part"] = [*tested, *(i for i in by_outcome["part"] if i not in set(tested))]
        by_quadrant = quadrants(model.classification.top1_correct, model.localization)
        results.append(NetworkFailures(audit, model, model.localization, folder, networks, by_outcome, by_quadrant))
    return results


@pages(
    "failures/index.html",
    nav=("Images", "Failures"),
    order=12,
    about="Images by class and box, right and wrong, the failure types, and mean maps by class.",
)
def failures(audit: Audit, media: Media) -> Iterator[PageDraft]:
    """The first page of each network."""
    results = network_failures(audit)
    if not results:
        yield PageDraft("failures/index.html", "failures.html", lambda: None)
    for failed in results:
        yield PageDraft(failed.url("index"), "failures.html", partial(_failures_page, failed, media))


def _failures_page(failed: NetworkFailures, media: Media) -> FailuresPage:
    by_outcome, by_quadrant = failed.by_outcome, failed.by_quadrant
    n = int(failed.localization.judged.sum())
    wrong_class, wrong_box = len(by_outcome["class"]), len(by_quadrant["right-wrong"])
    right_class = wrong_box + len(by_quadrant["right-right"])
    failures_in_all = n - len(by_outcome["right"])
    return FailuresPage(
        networks=[replace(link, current=link.url == failed.url("index")) for link in failed.networks],
        heading=(
            f"{failures_in_all:,} of {n:,} images with boxes fail: {wrong_class:,} by class, {wrong_box:,} by box"
        ),
        lead=(
            f"Of the {right_class:,} images with the right class, {wrong_box:,} have a wrong box. Each image has one "
            "outcome, the first that applies: wrong class, right, multiple instances, part only, box too large, off "
            "target (as in the released code of TS-CAM)."
        ),
        peak=peak_sentence(failed.model),
        quadrants=[
            Quadrant(
                QUADRANT_LABELS[name],
                len(by_quadrant[name]),
                _share(len(by_quadrant[name]), n),
                failed.url(name),
                name == "right-right",
            )
            for name in QUADRANTS
        ],
        types=[
            FailureType(
                outcome,
                len(rows),
                _share(len(rows), n),
                failed.url(outcome),
                MEANINGS[outcome],
                [failure_card(failed, media, i) for i in _examples(outcome, rows)],
            )
            for outcome, rows in sorted(by_outcome.items(), key=lambda item: (item[0] == "right", -len(item[1])))
        ],
        part_test=part_test_text(failed.model),
        mean_maps=_mean_maps(failed.model, media),
    )


def _examples(outcome: str, rows: Sequence[int]) -> Sequence[int]:
    if outcome == SORTED_OUTCOME:
        return rows[:MAX_CARDS_PER_TYPE]
    return evenly_spaced(rows, MAX_CARDS_PER_TYPE)


def _share(count: int, n: int) -> str:
    return f"{100 * count / n:.0f} %"


def part_test_text(model: ModelAudit) -> str:
    """The result of the causal test of part-only failures, or "" if there was none."""
    test = model.part_test
    if test is None:
        return ""
    rate = Rate.of(test.confirmed, model.groups[test.rows])
    assert rate is not None
    untested = test.n_failures - len(test.rows)
    text = (
        f"Boxes that leave out at least {100 * MIN_LEFT_OUT:.0f} % of the object come first. Causal test: random "
        "squares of the predicted box were occluded, and then as many squares of the rest of the object. In "
        f"{rate.count:,} of {rate.n:,} tested images (95 % interval {interval(rate.interval)}), the prediction depends "
        f"on the part: occluding the box lowered the label's probability by at least {MIN_DROP}, and by more than "
        "occluding the rest."
    )
    if untested:
        text += (
            f" Not tested: {counted(untested, 'image', 'images')}. There the box leaves out less of the object, one "
            "of the two regions is too small, or enough clearer images were tested."
        )
    return text


def failure_card(failed: NetworkFailures, media: Media, i: int) -> Figure:
    """The card of image i with its boxes, and with the result of the causal test if it was tested."""
    model = failed.model
    figure = replace(image_card(failed.audit, media, i, model=model), boxes=figure_boxes(model, i, 0))
    test = model.part_test
    if test is None or i not in test.rows:
        return figure
    at = int(np.flatnonzero(test.rows == i)[0])
    box, rest = (minus_signs(f"{-drop:+.2f}") for drop in test.drops[at])
    verdict = "confirmed" if test.confirmed[at] else "not confirmed"
    return replace(figure, caption=f"{verdict}: box occluded {box}, rest occluded {rest}")


def _mean_maps(model: ModelAudit, media: Media) -> list[Figure]:
    """The mean map of the classes with the most images, by name."""
    maps = mean_class_maps(model.cams[:, LABEL], model.labels)
    largest = sorted(maps, key=lambda k: (-len(model.images_of_class(k)), k))[:MAX_MEAN_MAPS]
    top = max((float(maps[k].max()) for k in largest), default=1.0)
    figures = []
    for k in sorted(largest, key=lambda k: model.classes[k]):
        picture = media.draw(draw_map, maps[k], top)
        figures.append(
            Figure(
                picture=picture,
                alt=f"mean map of {model.classes[k]}",
                size=(picture.width, picture.height),
                title=model.classes[k],
                value=f"{len(model.images_of_class(k)):,}",
                href=class_page(model, k),
            )
        )
    return figures


def outcome_links(failed: NetworkFailures, current: str) -> list[Link]:
    """Links to the pages of all outcomes that have images."""
    return [
        Link(OUTCOME_LABELS[name], failed.url(name), name == current) for name in OUTCOMES if failed.by_outcome[name]
    ]
