"""Plain data that most pages have: links, facts, and what surrounds every page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Link:
    """A link: label, URL relative to the site's root, and whether it leads to the page that shows it."""

    label: str
    url: str
    current: bool = False


@dataclass(frozen=True)
class Fact:
    """A line of a list of facts. url: where its value links to, or ""."""

    name: str
    value: str
    url: str = ""


@dataclass(frozen=True)
class Frame:
    """What surrounds every page. root: "" or "../", which leads from the page to the site's root."""

    title: str
    root: str
    nav: Sequence[Link]
    footer: str


def previous_and_next(links: Sequence[Link], position: int) -> tuple[Link | None, Link | None]:
    """Return the links before and after a position of a list."""
    previous = links[position - 1] if position > 0 else None
    following = links[position + 1] if position + 1 < len(links) else None
    return previous, following


def links_to_parts(urls: Sequence[str], current: str) -> list[Link]:
    """Numbered links to the parts of a list that spans several pages; empty for one part."""
    return [Link(str(number), url, url == current) for number, url in enumerate(urls, 1)] if len(urls) > 1 else []
