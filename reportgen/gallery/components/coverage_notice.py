"""What the report states about expensive methods that are still being computed, or that were not asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from reportgen.audit.audit import Audit
from reportgen.audit.coverage import Coverage


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
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _capitalized(text: str) -> str:
    return text[:1].upper() + text[1:]
