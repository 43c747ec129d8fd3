"""Values of settings that are more than a text or a number: sizes, numbers of each channel, times.

Each function takes what a flag or a TOML file gives, or its own result, and raises ValueError with the way out.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")
"""A time: hours, minutes and seconds, each of which may be left out."""


def parse_size(value: Any) -> tuple[int, int]:
    """Return height and width in pixels: `224` and `"224"` are a square, `"480x640"` has height 480."""
    parts = value if isinstance(value, tuple) else str(value).lower().split("x")
    try:
        sides = [int(part) for part in parts]
    except ValueError:
        sides = []
    if len(sides) not in (1, 2) or min(sides) < 1 or isinstance(value, bool):
        raise ValueError("use a side in pixels, as `224`, or HEIGHTxWIDTH, as `480x640`")
    return sides[0], sides[-1]


def parse_numbers(value: Any) -> tuple[float, ...]:
    """Return one number, or one for each of three channels, from a number, a list or `0.485,0.456,0.406`."""
    if isinstance(value, str):
        value = value.split(",")
    parts = value if isinstance(value, list | tuple) else [value]
    try:
        numbers = tuple(float(part) for part in parts if not isinstance(part, bool))
    except (TypeError, ValueError):
        numbers = ()
    if len(numbers) not in (1, 3) or len(numbers) != len(parts) or not all(map(math.isfinite, numbers)):
        raise ValueError("use one number, or three separated by commas, for pixels from 0 to 1")
    return numbers


def parse_deviations(value: Any) -> tuple[float, ...]:
    """As `parse_numbers`, for standard deviations, which are positive."""
    numbers = parse_numbers(value)
    if min(numbers) <= 0:
        raise ValueError("use one positive number, or three separated by commas, for pixels from 0 to 1")
    return numbers


def parse_share(value: Any) -> float:
    """Return a number above 0 and at most 1."""
    numbers = parse_numbers(value)
    if len(numbers) != 1 or not 0 < numbers[0] <= 1:
        raise ValueError("use a number above 0 and at most 1, such as 0.875")
    return numbers[0]


def parse_rate(value: Any) -> float:
    """Return a number from 0 to 1."""
    numbers = parse_numbers(value)
    if len(numbers) != 1 or not 0 <= numbers[0] <= 1:
        raise ValueError("use a number from 0 to 1, such as 0.01")
    return numbers[0]


def parse_channels(value: Any) -> int:
    """Return 1 or 3."""
    if str(value) not in ("1", "3"):
        raise ValueError("use 1 for grey or 3 for RGB")
    return int(value)


def parse_ray_address(value: str) -> str:
    """Return the address of a Ray cluster."""
    if value not in ("auto", "local") and not re.fullmatch(r"[^\s/]+:\d{1,5}", value):
        raise ValueError("use `auto`, `local` or HOST:PORT")
    return value


def parse_duration(value: str) -> float:
    """Return a time such as `90s`, `30m` or `1h30m` in seconds."""
    found = DURATION.fullmatch(value)
    if not value or not found:
        raise ValueError("use a time such as `90s`, `30m` or `1h30m`, or `auto`")
    hours, minutes, seconds = (float(number or 0) for number in found.groups())
    return 3600 * hours + 60 * minutes + seconds


OPERATORS = ("<=", ">=", "!=", "=", "<", ">")
"""Comparisons of the conditions of a slice; the longer ones first, because texts are searched for them."""


def parse_slices(value: Any) -> tuple[dict[str, Any], ...]:
    """Return the tables `[[slices]]`: `name`, and `where`, a tuple of conditions, see `parse_condition`."""
    tables = value if isinstance(value, list | tuple) else [value]
    for table in tables:
        is_table = isinstance(table, dict) and set(table) == {"name", "where"} and isinstance(table["name"], str)
        where = table["where"] if is_table else None
        if not isinstance(where, list | tuple) or not where or not all(isinstance(one, str) for one in where):
            raise ValueError('each table [[slices]] has a `name` and `where = ["ATTRIBUTE = VALUE", …]`')
        for condition in where:
            parse_condition(condition)
    names = [table["name"] for table in tables]
    if len(set(names)) < len(names) or not all(re.fullmatch(r"[\w -]+", name) for name in names):
        raise ValueError("names of slices are distinct, and made of letters, digits, spaces, - and _")
    return tuple({"name": table["name"], "where": tuple(table["where"])} for table in tables)


def parse_condition(text: str) -> tuple[str, str, str]:
    """Return the attribute, the operator and the value of a condition such as `brightness < 0.2` or `label = tabby`."""
    places = [(text.index(operator), -len(operator), operator) for operator in OPERATORS if operator in text]
    attribute, operator, value = text.partition(min(places)[2]) if places else ("", "", "")
    if not attribute.strip() or not value.strip():
        raise ValueError(f"`{text}` is no condition; use one of {', '.join(OPERATORS)}, as in `brightness < 0.2`")
    return attribute.strip(), operator, value.strip()


URL = re.compile(r"([a-z][a-z0-9+.-]+):/{1,2}(.+)", re.DOTALL)
"""A URL, also as the text of a Path, which has one slash less."""


def as_url(source: str | Path) -> str | None:
    """Return the URL that a setting is, or None for a local path."""
    match = URL.fullmatch(str(source))
    return f"{match[1]}://{match[2].lstrip('/')}" if match else None
