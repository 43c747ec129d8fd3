"""A comparison in words."""

from __future__ import annotations

from reportgen.gallery.comparison.pairing import Paired
from reportgen.gallery.core import labels as words
from reportgen.gallery.pages.gap_gmp import between, signed
from reportgen.metrics.paired import Change


def heading(paired: Paired) -> str:
    """What was fixed and broken, in one line."""
    one = paired.changes.get("top1")
    if one is None:
        alike = int((paired.a.answers == paired.b.answers).sum())
        return f"{paired.a.name} and {paired.b.name} answer alike on {alike:,} of {paired.n:,} images"
    return f"{paired.b.name} fixes {len(one.fixed):,} and breaks {len(one.broken):,} of {one.a.n:,} images"


def lead(paired: Paired) -> str:
    """How much the errors move, and whether that may be chance."""
    if not paired.changes:
        return "Nothing here is right or wrong: the images have no labels."
    shown = [paired.changes[error] for error in ("top1", "box1") if error in paired.changes]
    names = ("The top-1 class error", "The error in class and box together")
    return " ".join(_said(name, one, paired) for name, one in zip(names, shown, strict=False))


def _said(name: str, one: Change, paired: Paired) -> str:
    low, high = one.ci95
    chance = "" if high < 0 or low > 0 else " That may be chance: the interval holds 0."
    return (
        f"{name} is {words.percent(one.a)} by {paired.a.name} and {words.percent(one.b)} by {paired.b.name}: "
        f"{signed(one.difference)} points (95 % interval {between(one.ci95)}; McNemar's exact test: p = "
        f"{p_value(one.p)}).{chance}"
    ).replace("p = <", "p <")


def alerts(paired: Paired) -> list[str]:
    """What a reader must know before trusting the figures."""
    found = []
    if paired.only_a or paired.only_b:
        found.append(
            f"{paired.only_a:,} images are in the report of {paired.a.name} alone, {paired.only_b:,} in that of "
            f"{paired.b.name} alone. They are in no figure: compared are the {paired.n:,} that both have."
        )
    if len(paired.relabelled):
        found.append(f"{len(paired.relabelled):,} images bear another label in the other report; they are in no error.")
    if paired.moved_boxes:
        found.append(
            f"{paired.moved_boxes:,} images have other true boxes in the other report; each is judged by its own."
        )
    return found


def p_value(p: float) -> str:
    """`0.14`, `< 0.0001`."""
    return "< 0.0001" if p < 0.0001 else f"{p:.2g}"
