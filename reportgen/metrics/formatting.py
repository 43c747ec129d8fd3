"""Numbers and names as text: percentages, differences in points, intervals, parts of addresses."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from reportgen.metrics.intervals import Interval, Rate
from reportgen.metrics.localization.ilsvrc import IOU
from reportgen.metrics.paired import ErrorChange

NONE = "–"
"""Text of a value that does not exist."""


def per_cent(value: float | None) -> str:
    """Return a share in per cent with one decimal."""
    return NONE if value is None else f"{100 * value:.1f}"


def with_interval(value: float, bounds: Interval) -> str:
    """Return a share with its interval, in per cent: `41.7 (30.1–54.3)`."""
    return f"{per_cent(value)} ({per_cent(bounds[0])}–{per_cent(bounds[1])})"


def rate_text(rate: Rate | None) -> str:
    """Return a rate with Wilson's interval, in per cent."""
    return NONE if rate is None else with_interval(rate.value, rate.interval)


def signed(share: float) -> str:
    """Return a difference of shares in points: `+1.2`, `−0.3`."""
    return minus_signs(f"{100 * share:+.1f}")


def p_text(p: float) -> str:
    """Return a p value: `0.14`, `< 0.0001`."""
    return "< 0.0001" if p < 0.0001 else f"{p:.2g}"


def p_equals(name: str, p: float) -> str:
    """Return a p value with its name: `p = 0.14`, `q < 0.0001`."""
    text = p_text(p)
    return f"{name} {text}" if text.startswith("<") else f"{name} = {text}"


def between(bounds: Interval) -> str:
    """Return an interval of differences in points: `−1.5 to +3.1`."""
    return f"{signed(bounds[0])} to {signed(bounds[1])}"


def percent(rate: Rate | None) -> str:
    """`33.3 %`, or a dash for None."""
    return "–" if rate is None else f"{100 * rate.value:.1f} %"


def count_of(rate: Rate) -> str:
    """`10 of 30`."""
    return f"{rate.count:,} of {rate.n:,}"


def interval(bounds: Interval) -> str:
    """`19–51 %`, of bounds that are fractions of 1."""
    low, high = bounds
    return f"{100 * low:.0f}–{100 * high:.0f} %"


def rate_with_count(rate: Rate | None) -> str:
    """`33.3 %, 10 of 30`."""
    return "–" if rate is None else f"{percent(rate)}, {count_of(rate)}"


def counted(n: int, singular: str, plural: str) -> str:
    """`1 image`, `1,000 images`."""
    return f"{n:,} {singular if n == 1 else plural}"


def difference_text(change: ErrorChange) -> str:
    """`paired difference +3.3 points, 95 % interval −8.3 to +15.0, p = 0.77`."""
    return (
        f"paired difference {signed(change.difference)} points, 95 % interval {between(change.ci95)}, "
        f"{p_equals('p', change.p)}"
    )


def iou_text(iou: float) -> str:
    """An IoU with two digits, or three where two would hide on which side of the limit it is."""
    text = f"{iou:.2f}"
    return f"{iou:.3f}" if (float(text) >= IOU) != (iou >= IOU) else text


@lru_cache(1 << 14)  # pages link to their neighbours, too
def slug(text: str) -> str:
    """The text in lower-case ASCII letters, digits and single dashes, at most 60 bytes; "x" if nothing is left."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:60].strip("-") or "x"


def shortened(text: str, length: int) -> str:
    """Return the text with at most `length` characters, the last one `…` if it is cut."""
    return text if len(text) <= length else text[: length - 1] + "…"


def minus_signs(text: str) -> str:
    """Return numbers with minus signs in place of hyphens."""
    return text.replace("-", "−")
