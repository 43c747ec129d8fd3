"""A wall of small pictures: the images of an audit grouped by outcome, all of them in one picture file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reportgen.audit.audit import Audit
from reportgen.data.sampling import evenly_spaced
from reportgen.draw.tiles import repeated_picture
from reportgen.gallery.components.embedding_chunks import Thumbnails
from reportgen.gallery.components.outcome_bar import BAR_ORDER
from reportgen.gallery.core.labels import label_text, prediction_text
from reportgen.gallery.core.media import Media, MediaFile
from reportgen.gallery.core.urls import image_list, image_page

MAX_TILES = 300
"""Above so many images, each outcome shows a sample in proportion to its number of images."""
TILE_SIDES = ((72, 128, "large"), (150, 96, "medium"), (MAX_TILES, 64, "small"))
"""Up to so many tiles, the side of a tile in the file, twice that on the screen, and its style."""
ACROSS = 20
"""Tiles in a row of the file."""


@dataclass(frozen=True)
class WallTile:
    """An image. x, y: its place in the file in pixels; about: what is said of it."""

    url: str
    x: int
    y: int
    about: str


@dataclass(frozen=True)
class WallGroup:
    """The images of one outcome. count: of all; url: their list; share: of the images of the wall, 0 to 1."""

    outcome: str
    count: int
    share: float
    url: str
    tiles: Sequence[WallTile]


@dataclass(frozen=True)
class Wall:
    """sheet: the file of all tiles, of `side` pixels each; shown, total: number of tiles and of images."""

    groups: Sequence[WallGroup]
    sheet: MediaFile
    side: int
    style: str
    shown: int
    total: int


def wall(audit: Audit, media: Media) -> Wall | None:
    """The labelled images by outcome, or all images if none has a label; None for an audit without images."""
    outcomes = np.array(audit.main.outcomes)
    labelled = audit.main.annotated
    members = np.flatnonzero(labelled) if labelled.any() else np.arange(len(outcomes))
    if not len(members):
        return None
    counts = Counter(outcomes[members].tolist())
    groups = {outcome: _ordered(audit, members[outcomes[members] == outcome]) for outcome in BAR_ORDER}
    sample = {
        outcome: evenly_spaced(groups[outcome], tiles)
        for outcome, tiles in proportional({o: counts[o] for o in BAR_ORDER if counts[o]}, MAX_TILES).items()
    }
    images = [i for group in sample.values() for i in group]
    side, style = next((side, style) for most, side, style in TILE_SIDES if len(images) <= most)
    rows = -(-len(images) // ACROSS)
    cells = np.resize(images, rows * ACROSS).reshape(rows, ACROSS)
    sheet = media.draw(repeated_picture, cells, Thumbnails(audit), ACROSS * side)
    places = {i: (side * (k % ACROSS), side * (k // ACROSS)) for k, i in enumerate(images)}
    return Wall(
        groups=[
            WallGroup(
                outcome=outcome,
                count=counts[outcome],
                share=counts[outcome] / len(members),
                url=image_list(outcome=outcome),
                tiles=[WallTile(image_page(audit, i), *places[i], _about(audit, i)) for i in group],
            )
            for outcome, group in sample.items()
        ],
        sheet=sheet,
        side=side,
        style=style,
        shown=len(images),
        total=len(members),
    )


def proportional(counts: dict[str, int], most: int) -> dict[str, int]:
    """How many of each group to show: all, or `most` in proportion to the counts (largest remainders), at least one."""
    total = sum(counts.values())
    if total <= most:
        return counts
    shares = {name: max(1.0, most * count / total) for name, count in counts.items()}
    scale = most / sum(shares.values())
    shown = {name: max(1, int(share * scale)) for name, share in shares.items()}
    by_remainder = sorted(shares, key=lambda name: int(shares[name] * scale) - shares[name] * scale)
    for name in by_remainder[: most - sum(shown.values())]:
        shown[name] += 1
    return shown


def _ordered(audit: Audit, images: np.ndarray) -> list[int]:
    """Images of one class side by side: by label, or by predicted class; within it the most confident first."""
    classification = audit.main.classification
    predicted, score = classification.top_classes[:, 0], classification.scores[:, 0]
    classes = np.where(audit.labels >= 0, audit.labels, predicted)
    order = np.lexsort((-score[images], predicted[images], classes[images]))
    return [int(i) for i in images[order]]


def _about(audit: Audit, i: int) -> str:
    """`tabby, predicted Egyptian cat 0.80`."""
    if audit.is_multilabel:
        texts = label_text(audit.samples[i], audit.classes), prediction_text(audit.main, i)
        return f"{_short(texts[0])}; predicted: {_short(texts[1])}"
    classification = audit.main.classification
    predicted = f"{_short(audit.classes[int(classification.top_classes[i, 0])])} {classification.scores[i, 0]:.2f}"
    label = int(audit.labels[i])
    if label < 0:
        return predicted
    return f"{_short(audit.classes[label])}, predicted {predicted}"


def _short(name: str) -> str:
    """A name of at most 40 characters: long ones would make the page of all tiles large."""
    return name if len(name) <= 40 else f"{name[:39]}…"
