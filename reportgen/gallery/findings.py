"""What stands out in an audit: each a sentence, and a link to what is behind it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from reportgen.audit.audit import Audit
from reportgen.embedding.space import SHOWN, near_duplicates, odd_ones, vote
from reportgen.gallery.core import labels as words
from reportgen.metrics.confusion import calibrate

SURE = 0.5
"""Probability from which on a wrong answer, with all neighbours behind it, makes a label suspect."""
UNCALIBRATED, LEAST = 0.1, 50
"""Expected calibration error that is told, and the images that it takes."""


@dataclass(frozen=True)
class Alert:
    """A sentence or two, and where to look: label and URL."""

    text: str
    label: str
    url: str


def alerts(audit: Audit) -> list[Alert]:
    """Everything that stands out, the graver first."""
    return [
        *_of_maps(audit), *_of_labels(audit), *_of_copies(audit), *_of_confidence(audit), *_of_units(audit),
        *_of_files(audit),
    ]  # fmt: skip


def _of_maps(audit: Audit) -> Iterator[Alert]:
    for text in words.control_alerts(audit):
        yield Alert(text, "Localization", "localization/index.html")
    if text := words.peak_alarm(audit):
        yield Alert(text, "These images", "images/index.html#mark=peak")
    if audit.silent:
        yield Alert(
            f"{audit.silent:,} of the top-1 maps have no positive or no finite value: they are not drawn, and give no "
            "box.",
            "These images",
            "images/index.html#mark=silent",
        )


def _of_labels(audit: Audit) -> Iterator[Alert]:
    found = suspects(audit)
    if len(found):
        yield Alert(
            f"{_counted(len(found), 'image bears', 'images bear')} a label that neither the network, "
            f"sure to {SURE:.0%} or more, nor any of "
            f"its {SHOWN} nearest images shares: perhaps a wrong one.",
            "These images",
            "images/index.html#mark=label",
        )


def suspects(audit: Audit) -> np.ndarray:
    """Images whose label is perhaps wrong: the network is sure of another class, and so are all nearest images."""
    near, c = audit.code_space.neighbours.index[:, :SHOWN], audit.classification
    odd = odd_ones(near, audit.labels)
    agreed = (c.top[odd, 0] == vote(near[odd], audit.labels)) & (c.scores[odd, 0] >= SURE)
    return odd[agreed & (c.top[odd, 0] != audit.labels[odd])]


def _of_copies(audit: Audit) -> Iterator[Alert]:
    if audit.reference is not None and audit.matches is not None:
        leaked = {i for i, _, _ in audit.matches[1].close}
        if leaked:
            images = _counted(len(leaked), "image is", "images are")
            yield Alert(
                f"{images} nearly the same in pixels as one of {audit.reference.name}: if the "
                "network was trained on that, these figures are too good.",
                "Neighbours",
                "neighbours/index.html",
            )
    pairs = near_duplicates(audit.pixel_space)
    labels = audit.labels
    across = sum(bool(labels[i] >= 0 and labels[j] >= 0 and labels[i] != labels[j]) for i, j, _ in pairs)
    if pairs:
        text = f"{_counted(len(pairs), 'pair of images is', 'pairs of images are')} nearly the same in pixels"
        text += f", {across:,} of them under different labels" if across else ""
        yield Alert(
            f"{text}. A picture that is in the training data, too, makes figures too good.",
            "Neighbours",
            "neighbours/index.html",
        )


def _of_confidence(audit: Audit) -> Iterator[Alert]:
    use, c = audit.labels >= 0, audit.classification
    found = calibrate(c.scores[use, 0], c.right1[use])
    if found is not None and found.ece >= UNCALIBRATED and found.count.sum() >= LEAST:
        more = "surer" if found.mean_confidence > found.accuracy else "less sure"
        yield Alert(
            f"The network is {more} than it is right: {100 * found.mean_confidence:.0f} % sure on average, right in "
            f"{100 * found.accuracy:.0f} % (expected calibration error {found.ece:.2f}, {found.count.sum():,} images).",
            "Calibration",
            "confusions/index.html",
        )


def _of_units(audit: Audit) -> Iterator[Alert]:
    dead = {layer.name: sum(unit.dead for unit in audit.units[layer.name]) for layer in audit.card.layers}
    told = [f"{count:,} of {name}" for name, count in dead.items() if count]
    if told:
        n = sum(dead.values())
        same = "the same maximum in every image and"
        yield Alert(
            f"{_counted(n, f'unit has {same} tells', f'units have {same} tell')} nothing: {', '.join(told)}.",
            "Units",
            "units/index.html",
        )


def _of_files(audit: Audit) -> Iterator[Alert]:
    if audit.unreadable:
        yield Alert(
            f"{len(audit.unreadable):,} of {len(audit.samples) + len(audit.unreadable):,} files could not be read and "
            "are in no figure.",
            "Which",
            "about.html",
        )
    if audit.dataset.refused:
        notes = _counted(len(audit.dataset.refused), "note says", "notes say")
        yield Alert(f"{notes} which rows and files of the data set were not used as they are.", "Which", "about.html")


def _counted(n: int, one: str, more: str) -> str:
    return f"{n:,} {one if n == 1 else more}"
