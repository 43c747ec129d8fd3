"""Merged reviews: a page that `reportgen review` fills from the exports of several reviewers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from reportgen import __version__
from reportgen.audit.audit import Audit
from reportgen.errors import ConfigError
from reportgen.gallery.core.check import SHORT_PAGE
from reportgen.gallery.core.checksums import write_checksums
from reportgen.gallery.core.data_chunks import read_chunk
from reportgen.gallery.core.media import Media
from reportgen.gallery.core.pack import site_of
from reportgen.gallery.core.page import Frame, Link, mark_current, navigation_of
from reportgen.gallery.core.registry import page
from reportgen.gallery.core.writer import environment, write_assets, write_if_changed
from reportgen.results.csv_files import csv_text
from reportgen.results.reviews import MergedReviews, merge_reviews, read_review


@page(
    "merged_reviews.html",
    order=111,
    about="Reviews of several reviewers, merged by `reportgen review`: tags, agreement and conflicts.",
    multilabel=True,
)
def merged_reviews(audit: Audit, media: Media) -> None:
    """The page is empty until `reportgen review` fills it."""


def review_report(report: Path, exports: Sequence[Path]) -> MergedReviews:
    """Merge exports into `review.csv` and the page `site/merged_reviews.html`. Errors: ConfigError, OutputError."""
    site = site_of(report)
    images = read_chunk(site, "images")
    ids, names, urls = (images["texts"][key].split("\n") for key in ("id", "name", "page"))
    pages = {id_: (name, url or f"{SHORT_PAGE}#id={id_}") for id_, name, url in zip(ids, names, urls, strict=True)}
    reviews = [read_review(path, images["report"]) for path in exports]
    for path, review in zip(exports, reviews, strict=True):
        if review.items and not review.items.keys() & pages.keys():
            raise ConfigError(f"`{path}` has no image of this report", "merge exports of the same report only")
    merged = merge_reviews(reviews, pages)
    header = ["id", "name", *(f"{what}, {r}" for r in merged.reviewers for what in ("tags", "note")), "conflict"]
    rows = [
        [
            row.id,
            row.name,
            *(t for pair in zip(row.tags, row.notes, strict=True) for t in pair),
            str(int(row.is_conflict)),
        ]
        for row in merged.rows
    ]
    write_if_changed(report / "review.csv", csv_text(header, rows).encode())
    nav = navigation_of((group, Link(label, url)) for label, url, group in read_chunk(site, "search")["pages"])
    frame = Frame(images["title"], "", mark_current("review.html", nav), f"reportgen {__version__}")
    template = environment().get_template("merged_reviews.html")
    html = template.render(page=merged, frame=frame, assets=write_assets(site), data={})
    write_if_changed(site / "merged_reviews.html", html.encode())
    write_checksums(site)
    return merged
