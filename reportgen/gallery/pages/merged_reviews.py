"""Several people's reviews of one report, merged: who tagged what, how far they agree (`reportgen review`)."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import cohen_kappa_score

from reportgen import __version__
from reportgen.errors import ConfigError
from reportgen.gallery.build import navigation
from reportgen.gallery.components.page_data import Frame
from reportgen.gallery.core.data_chunks import read_chunk
from reportgen.gallery.core.pack import site_of
from reportgen.gallery.core.writer import current, environment, write_assets, write_if_changed
from reportgen.results.metrics import csv_text

FORMAT = 1


@dataclass(frozen=True)
class Review:
    """One person's export. items: by image id, the tags (sorted) and the note."""

    reviewer: str
    items: dict[str, tuple[tuple[str, ...], str]]


@dataclass(frozen=True)
class Pair:
    """Two reviewers on one tag. kappa: Cohen's (1960), None where both gave every image the same answer."""

    first: str
    second: str
    tag: str
    images: int
    agreement: float
    kappa: float | None


@dataclass(frozen=True)
class Reviewed:
    """One image: its name, its page (or ""), each reviewer's tags and note in order, and whether they differ."""

    id: str
    name: str
    page: str
    tags: Sequence[str]
    notes: Sequence[str]
    conflict: bool


@dataclass(frozen=True)
class ReviewedPage:
    """What several people found."""

    reviewers: Sequence[str]
    counts: Sequence[tuple[str, Sequence[int]]]
    pairs: Sequence[Pair]
    rows: Sequence[Reviewed]
    conflicts: int


def read_review(path: Path, report: str) -> Review:
    """Reads an export of the review page. Errors: ConfigError for another file, or for another report's export."""
    try:
        found: Any = json.loads(path.read_text("utf-8"))
        if not isinstance(found, dict) or found.get("format") != FORMAT or not isinstance(found.get("items"), list):
            raise ValueError("it is not an export of a review, form 1")
        items = {_text(i["id"]): (_tags(i["tags"]), _text(i["note"])) for i in found["items"]}
        reviewer = _text(found.get("reviewer") or path.stem)
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ConfigError(f"cannot read `{path}` ({error})", "use “export JSON” on the report's review page") from None
    if found.get("report") != report:
        raise ConfigError(f"`{path}` belongs to another report", "merge exports of the same report only")
    return Review(reviewer, items)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r:.40} is no text")
    value.encode()  # half a surrogate pair is a ValueError here, and would be one when the page is written
    return value


def _tags(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ValueError(f"{value!r:.40} is no list of tags")
    return tuple(sorted({_text(tag) for tag in value}))


def agreement(a: Review, b: Review, tag: str) -> Pair | None:
    """How far two people agree on one tag over the images that both have reviewed; None where there are none."""
    shared = sorted(a.items.keys() & b.items.keys())
    if not shared:
        return None
    x, y = (np.array([tag in review.items[i][0] for i in shared]) for review in (a, b))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # one answer everywhere: kappa is 0/0, which is told as none
        kappa = float(cohen_kappa_score(x, y, labels=[False, True]))
    return Pair(a.reviewer, b.reviewer, tag, len(shared), float((x == y).mean()), None if np.isnan(kappa) else kappa)


def merge(reviews: Sequence[Review], known: dict[str, tuple[str, str]]) -> ReviewedPage:
    """Everything that the exports say. known: image id → its name and page.

    Two exports of one reviewer are told apart by a number.
    """
    names = [r.reviewer for r in reviews]
    named = [
        Review(f"{n} ({names[:j].count(n) + 1})" if names.count(n) > 1 else n, r.items)
        for j, (n, r) in enumerate(zip(names, reviews, strict=True))
    ]
    tags = sorted({tag for review in named for kept, _ in review.items.values() for tag in kept})
    rows = []
    for i in sorted(
        {i for review in named for i in review.items}, key=lambda i: (i not in known, known.get(i, (i,))[0])
    ):
        found = [review.items.get(i) for review in named]
        given = {kept for kept, _ in filter(None, found)}
        name, page = known.get(i, (f"image {i}, not in this report any more", ""))
        texts = ["–" if f is None else ", ".join(f[0]) or "no tag" for f in found]
        rows.append(Reviewed(i, name, page, texts, ["" if f is None else f[1] for f in found], len(given) > 1))
    counts = [(tag, [sum(tag in kept for kept, _ in r.items.values()) for r in named]) for tag in tags]
    pairs = [p for a, b in combinations(named, 2) for tag in tags if (p := agreement(a, b, tag)) is not None]
    return ReviewedPage([r.reviewer for r in named], counts, pairs, rows, sum(row.conflict for row in rows))


def review_report(report: Path, exports: Sequence[Path]) -> ReviewedPage:
    """Merges exports into `review.csv` and the page `site/reviewed.html`. Errors: ConfigError, OutputError."""
    site = site_of(report)
    images = read_chunk(site, "images")
    known = dict(
        zip(
            images["texts"]["id"].split("\n"),
            zip(images["texts"]["name"].split("\n"), images["texts"]["page"].split("\n"), strict=True),
            strict=True,
        )
    )
    reviews = [read_review(path, images["report"]) for path in exports]
    for path, review in zip(exports, reviews, strict=True):
        if review.items and not review.items.keys() & known.keys():
            raise ConfigError(f"`{path}` is of none of this report's images", "merge exports of the same report only")
    page = merge(reviews, known)
    header = ["id", "name", *(f"{what}, {r}" for r in page.reviewers for what in ("tags", "note")), "conflict"]
    rows = [
        [row.id, row.name, *(t for pair in zip(row.tags, row.notes, strict=True) for t in pair), str(int(row.conflict))]
        for row in page.rows
    ]
    write_if_changed(report / "review.csv", csv_text(header, rows).encode())
    frame = Frame(
        images["title"],
        "",
        current("review.html", navigation((site / "poolings" / "index.html").is_file())),
        f"reportgen {__version__}",
    )
    html = (
        environment().get_template("reviewed.html").render(page=page, frame=frame, assets=write_assets(site), data={})
    )
    write_if_changed(site / "reviewed.html", html.encode())
    return page
