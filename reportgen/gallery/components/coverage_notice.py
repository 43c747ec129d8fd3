"""What the report states about expensive methods that are still being computed, or that were not asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from reportgen.audit.audit import Audit
from reportgen.audit.coverage import Coverage
from reportgen.audit.full_pages import FullPages
from reportgen.metrics.formatting import counted


@dataclass(frozen=True)
class Notice:
    """is_running: more is being computed, so the reader should come back."""

    text: str
    is_running: bool


def report_notice(audit: Audit) -> Notice | None:
    """What the report lacks; None if every image has all results."""
    if running := [one for one in audit.coverage if one.waiting]:
        names = _listed([_with_count(one) for one in running])
        return Notice(
            f"This report was written while the run went on. Still being computed: {names}. The report is rebuilt as "
            "results arrive, those of the worst mistakes first: reload the page to see more. If the run was "
            "interrupted, the same command continues it.",
            True,
        )
    sentences = [text for one in audit.coverage for text in _missing(audit, one)]
    return Notice(" ".join(sentences), False) if sentences else None


def image_notice(audit: Audit, i: int) -> Notice | None:
    """What the page of image i lacks; None if it has all sections of the expensive methods."""
    for one in audit.coverage:
        if one.is_of_images and i in one.waiting:
            return Notice(
                f"{_capitalized(_listed(one.methods))} of this image are still being computed. Reload the page to see "
                "them; the worst mistakes come first.",
                True,
            )
        if one.is_of_images and i not in audit.main.selected.get("occlusion", ()):
            return Notice(
                f"{_capitalized(_listed(one.methods))} were not computed for this image ({_reason(audit, one)}).",
                False,
            )
    return None


FULL_PAGE_REASONS = {
    "selected": ("image that `select` names", "images that `select` names"),
    "failures": ("failure", "failures"),
    "findings": ("image of findings", "images of findings"),
    "neighbours": ("nearest neighbour of these", "nearest neighbours of these"),
    "sample": ("image of a sample of all classes", "images of a sample of all classes"),
}
"""Reason for which an image has a full page → what one and several such images are called."""


def full_pages_text(audit: Audit) -> str:
    """Which images have a full page, and why; "" if all have one."""
    pages = audit.full_pages
    if not len(pages.short):
        return ""
    reasons = [_reason_text(pages, reason, n) for reason, n in pages.counts.items() if n]
    return (
        f"This report has full pages for {int(pages.has.sum()):,} of {len(pages.has):,} images: "
        f"{_listed_in_order(reasons)}. The others have a short page; a larger page_limit gives more of them a full one."
    )


def _reason_text(pages: FullPages, reason: str, n: int) -> str:
    """`12 failures`, or `the worst 12 of 40 failures` where the pages do not suffice for all of them."""
    if reason == "failures" and int(pages.has.sum()) == n + pages.counts["selected"] and n < pages.failures:
        return f"the worst {n:,} of {pages.failures:,} failures"
    return counted(n, *FULL_PAGE_REASONS[reason])


def _listed_in_order(texts: Sequence[str]) -> str:
    return " and ".join([", ".join(texts[:-1]), texts[-1]] if len(texts) > 1 else texts)


def _missing(audit: Audit, one: Coverage) -> Iterator[str]:
    if one.done >= one.images:
        return
    subject = _capitalized(_listed(one.methods))
    verb = "were" if len(one.methods) > 1 else "was"
    done = "not computed" if not one.done else f"computed for {one.done:,} of {one.images:,} images"
    yield f"{subject} {verb} {done} ({_reason(audit, one)})."


def _reason(audit: Audit, one: Coverage) -> str:
    """Why some images lack the results, and the way out."""
    if one.over_budget:
        return "the time budget is spent; --budget 1h or --select all computes more"
    if one.wanted < one.images:
        return f"{_selection(audit)}; --select all computes more"
    return "the other files have changed since the network saw them"


def _selection(audit: Audit) -> str:
    """The setting `select`; names of images may be many, so they are not repeated."""
    is_short = audit.select in ("auto", "all", "failures", "none") or audit.select.isdecimal()
    return f"select = {audit.select}" if is_short else "select names the images"


def _with_count(one: Coverage) -> str:
    names = _listed(one.methods)
    return f"{names} ({one.done:,} of {one.wanted:,} images)" if one.is_of_images else names


def _listed(names: Sequence[str]) -> str:
    """`a, b and c`; capitalized words begin small, abbreviations such as LayerCAM stay."""
    words = [name[:1].lower() + name[1:] if name.split()[0].istitle() else name for name in names]
    return _listed_in_order(words)


def _capitalized(text: str) -> str:
    return text[:1].upper() + text[1:]
