"""Plain data that most pages have: links, facts, and what surrounds every page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Link:
    """A link: label, URL relative to the site's root, and whether it leads to the page that shows it."""

    label: str
    url: str
    current: bool = False


@dataclass(frozen=True)
class NavEntry:
    """An entry of the navigation: a group of pages. url: of its first page; current: whether it has the page that shows
    it."""

    label: str
    url: str
    links: Sequence[Link]
    current: bool = False


@dataclass(frozen=True)
class Fact:
    """A line of a list of facts. url: where its value links to, or ""."""

    name: str
    value: str
    url: str = ""


@dataclass(frozen=True)
class Frame:
    """What surrounds every page. root: "" or "../", which leads from the page to the site's root.

    reviews: what distinguishes this report's reviews in the browser's storage, or "" for a site without reviews.
    """

    title: str
    root: str
    nav: Sequence[NavEntry]
    footer: str
    reviews: str = ""


def navigation_of(pages: Iterable[tuple[str, Link]]) -> list[NavEntry]:
    """The navigation of pages, each with the name of its group; groups in the order of their first pages."""
    groups: dict[str, list[Link]] = {}
    for group, link in pages:
        groups.setdefault(group, []).append(link)
    return [NavEntry(group, links[0].url, links) for group, links in groups.items()]


def mark_current(url: str, nav: Sequence[NavEntry]) -> list[NavEntry]:
    """The navigation as a page shows it: the links to its folder, and their entry, are the current ones.

    Only the current entry has links: a page need not be made again for those that it does not show.
    """
    folder = url.split("/", 1)[0]
    marked = []
    for entry in nav:
        links = [replace(link, current=link.url.split("/", 1)[0] == folder) for link in entry.links]
        is_current = any(link.current for link in links)
        marked.append(replace(entry, links=links if is_current else [], current=is_current))
    return marked


def previous_and_next(links: Sequence[Link], position: int) -> tuple[Link | None, Link | None]:
    """Return the links before and after a position of a list."""
    previous = links[position - 1] if position > 0 else None
    following = links[position + 1] if position + 1 < len(links) else None
    return previous, following


def links_to_parts(urls: Sequence[str], current: str) -> list[Link]:
    """Numbered links to the parts of a list that spans several pages; empty for one part."""
    return [Link(str(number), url, url == current) for number, url in enumerate(urls, 1)] if len(urls) > 1 else []
