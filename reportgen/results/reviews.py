"""Merging of several reviewers' exports of one report, and their agreement (`reportgen review`)."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from reportgen.errors import ConfigError
from reportgen.json_text import load_json

FORMAT = 1
"""Version of the review page's JSON export."""


@dataclass(frozen=True)
class Review:
    """The export of one reviewer. items: image id → sorted tags, and note."""

    reviewer: str
    items: dict[str, tuple[tuple[str, ...], str]]


@dataclass(frozen=True)
class Pair:
    """Agreement of two reviewers on one tag.

    images: number of images that both reviewed; agreement: share of them on which they agree.
    kappa: Cohen's kappa (1960); None if both gave all images the same tag, or no image.
    """

    first: str
    second: str
    tag: str
    images: int
    agreement: float
    kappa: float | None


@dataclass(frozen=True)
class ReviewedImage:
    """A reviewed image. page: its URL or ""; tags, notes: of each reviewer; is_conflict: whether tags differ."""

    id: str
    name: str
    page: str
    tags: Sequence[str]
    notes: Sequence[str]
    is_conflict: bool


@dataclass(frozen=True)
class MergedReviews:
    """The merged reviews. counts: tag, and number of images of each reviewer; rows: the images; n_conflicts: number of
    images whose tags differ."""

    reviewers: Sequence[str]
    counts: Sequence[tuple[str, Sequence[int]]]
    pairs: Sequence[Pair]
    rows: Sequence[ReviewedImage]
    n_conflicts: int


def read_review(path: Path, report: str) -> Review:
    """Read an export of the review page. Errors: ConfigError for another file, or the export of another report."""
    try:
        export: Any = load_json(path.read_text("utf-8"))
        if not isinstance(export, dict) or export.get("format") != FORMAT or not isinstance(export.get("items"), list):
            raise ValueError("it is not a review export of version 1")
        items = {_text(i["id"]): (_tags(i["tags"]), _text(i["note"])) for i in export["items"]}
        reviewer = _text(export.get("reviewer") or path.stem)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"cannot read `{path}` ({error})", "use “export JSON” on the report's review page") from None
    if export.get("report") != report:
        raise ConfigError(f"`{path}` belongs to another report", "merge exports of the same report only")
    return Review(reviewer, items)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r:.40} is not a text")
    value.encode()  # a lone surrogate raises a ValueError here, not only when the page is written
    return value


def _tags(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ValueError(f"{value!r:.40} is not a list of tags")
    return tuple(sorted({_text(tag) for tag in value}))


def compare_tags(a: Review, b: Review, tag: str) -> Pair | None:
    """Return the agreement of two reviewers on one tag over the images that both reviewed; None if there are none."""
    from sklearn.metrics import cohen_kappa_score

    shared = sorted(a.items.keys() & b.items.keys())
    if not shared:
        return None
    x, y = (np.array([tag in review.items[i][0] for i in shared]) for review in (a, b))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # one answer everywhere: kappa is 0/0, which becomes None
        kappa = float(cohen_kappa_score(x, y, labels=[False, True]))
    return Pair(a.reviewer, b.reviewer, tag, len(shared), float((x == y).mean()), None if np.isnan(kappa) else kappa)


def merge_reviews(reviews: Sequence[Review], known: dict[str, tuple[str, str]]) -> MergedReviews:
    """Merge the exports of several reviewers. known: image id → its name and page.

    Two exports of one reviewer are distinguished by a number.
    """
    names = [r.reviewer for r in reviews]
    named = [
        Review(f"{n} ({names[:j].count(n) + 1})" if names.count(n) > 1 else n, r.items)
        for j, (n, r) in enumerate(zip(names, reviews, strict=True))
    ]
    tags = sorted({tag for review in named for of_image, _ in review.items.values() for tag in of_image})
    ids = {i for review in named for i in review.items}
    rows = [_merge_image(i, named, known) for i in sorted(ids, key=lambda i: (i not in known, known.get(i, (i,))[0]))]
    counts = [(tag, [sum(tag in of_image for of_image, _ in r.items.values()) for r in named]) for tag in tags]
    pairs = [p for a, b in combinations(named, 2) for tag in tags if (p := compare_tags(a, b, tag)) is not None]
    return MergedReviews([r.reviewer for r in named], counts, pairs, rows, sum(row.is_conflict for row in rows))


def _merge_image(image: str, reviews: Sequence[Review], known: dict[str, tuple[str, str]]) -> ReviewedImage:
    items = [review.items.get(image) for review in reviews]
    name, page = known.get(image, (f"image {image}, not in this report", ""))
    return ReviewedImage(
        id=image,
        name=name,
        page=page,
        tags=["–" if item is None else ", ".join(item[0]) or "no tag" for item in items],
        notes=["" if item is None else item[1] for item in items],
        is_conflict=len({tags for tags, _ in filter(None, items)}) > 1,
    )
