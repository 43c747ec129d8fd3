"""How pages and sections register themselves.

Every module of `gallery.pages` and `gallery.sections` is imported. Functions that they decorate with `page`, `pages` or
`section` appear in the site, in its navigation, in the manual and in `reportgen views`.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from types import ModuleType
from typing import Any, Literal, NamedTuple, TypeVar

from reportgen.audit.audit import Audit
from reportgen.gallery.components.section import Section
from reportgen.gallery.core.media import Media
from reportgen.gallery.core.page import Link, NavEntry, navigation_of

Scope = Literal["image", "class", "unit"]
F = TypeVar("F", bound=Callable[..., Any])


class PageDraft(NamedTuple):
    """A page to be written. make: returns the dataclass for the template; called when the page is written.

    inputs: digest of all that it is made from; if that is as in the last build, the page is not made. "": not known.
    """

    url: str
    template: str
    make: Callable[[], object]
    inputs: str = ""


@dataclass(frozen=True)
class PageEntry:
    """A registered page, or pages of one kind. url: of the first; nav: group and label, or None for no entry.

    is_multilabel: it is right for multi-label data sets, too.
    """

    name: str
    url: str
    nav: tuple[str, str] | None
    order: int
    requires: Sequence[str]
    when: Callable[[Audit], bool]
    about: str
    draft: Callable[[Audit, Media], Iterable[PageDraft]]
    is_multilabel: bool

    def applies_to(self, audit: Audit) -> bool:
        """Whether the audit has what the page requires."""
        if audit.is_multilabel and not self.is_multilabel:
            return False
        return all(audit.has_array(name) for name in self.requires) and self.when(audit)


@dataclass(frozen=True)
class SectionEntry:
    """A registered section of image, class or unit pages. layer: its name in the image viewer, or ""; is_multilabel:
    as of a page."""

    name: str
    scope: Scope
    order: int
    requires: Sequence[str]
    about: str
    layer: str
    draw: Callable[[Audit, Media, Any], Section | None]
    is_multilabel: bool

    def applies_to(self, audit: Audit) -> bool:
        """Whether the audit has every array that the section requires."""
        if audit.is_multilabel and not self.is_multilabel:
            return False
        return all(audit.has_array(name) for name in self.requires)


def always(audit: Audit) -> bool:
    """The condition of a page without a condition."""
    return True


_pages: dict[str, PageEntry] = {}
_sections: dict[str, SectionEntry] = {}


def page(
    url: str,
    *,
    about: str,
    nav: tuple[str, str] | None = None,
    order: int = 100,
    requires: Sequence[str] = (),
    when: Callable[[Audit], bool] = always,
    multilabel: bool = False,
) -> Callable[[F], F]:
    """Register `function(audit, media)`, which returns the dataclass of one page.

    Its template is `<function>.html`. order: place in the navigation and in lists; about: one sentence for the manual.
    requires: slash paths of arrays (`<layer>` stands for any layer); without them there is no page and no entry.
    when: a further condition, for what the presence of arrays cannot express; multilabel: it is right also where any
    number of labels may be right for an image.
    """

    def register(function: F) -> F:
        name = function.__name__

        def draft(audit: Audit, media: Media) -> Iterator[PageDraft]:
            yield PageDraft(url, f"{name}.html", partial(function, audit, media))

        _pages[name] = PageEntry(name, url, nav, order, requires, when, about, draft, multilabel)
        return function

    return register


def pages(
    url: str,
    *,
    about: str,
    nav: tuple[str, str] | None = None,
    order: int = 100,
    requires: Sequence[str] = (),
    when: Callable[[Audit], bool] = always,
    multilabel: bool = False,
) -> Callable[[F], F]:
    """Register `function(audit, media)`, which yields a `PageDraft` for each of several pages; url: of the first.

    The other arguments are those of `page`.
    """

    def register(function: F) -> F:
        name = function.__name__
        _pages[name] = PageEntry(name, url, nav, order, requires, when, about, function, multilabel)
        return function

    return register


def section(
    scope: Scope,
    *,
    about: str,
    order: int = 100,
    requires: Sequence[str] = (),
    layer: str = "",
    multilabel: bool = False,
) -> Callable[[F], F]:
    """Register `function(audit, media, subject)`, which returns a section, or None where it has nothing to show.

    subject: index of the image or of the class; for `unit` the layer and the unit's number.
    layer: name of the group of layers that the section's figures become in the image viewer; "" for none.
    multilabel: as of `page`.
    """

    def register(function: F) -> F:
        name = function.__name__
        _sections[name] = SectionEntry(name, scope, order, requires, about, layer, function, multilabel)
        return function

    return register


@cache
def _import_all() -> None:
    from reportgen.gallery import pages as page_modules
    from reportgen.gallery import sections as section_modules

    packages: tuple[ModuleType, ...] = (page_modules, section_modules)
    for package in packages:
        for module in pkgutil.iter_modules(package.__path__):
            importlib.import_module(f"{package.__name__}.{module.name}")


def all_pages() -> list[PageEntry]:
    """Every registered page, in order."""
    _import_all()
    return sorted(_pages.values(), key=lambda entry: (entry.order, entry.name))


def all_sections() -> list[SectionEntry]:
    """Every registered section, by scope and order."""
    _import_all()
    return sorted(_sections.values(), key=lambda entry: (entry.scope, entry.order, entry.name))


def draw_sections(scope: Scope, audit: Audit, media: Media, subject: Any) -> list[Section]:
    """The sections of one page: those of its scope whose arrays the audit has and that have something to show."""
    drawn = []
    for entry in all_sections():
        if entry.scope == scope and entry.applies_to(audit):
            section = entry.draw(audit, media, subject)
            if section is not None:
                drawn.append(replace(section, id=entry.name, layer=entry.layer))
    return drawn


def needing_one_label(audit: Audit) -> list[str]:
    """The labels of pages in the navigation that a multi-label data set does not have, in order."""
    one_label = (entry.nav[1] for entry in all_pages() if entry.nav and not entry.is_multilabel)
    shown = {link.label for entry in navigation(audit) for link in entry.links}
    return [name for name in dict.fromkeys(one_label) if name not in shown] if audit.is_multilabel else []


def navigation(audit: Audit) -> list[NavEntry]:
    """The groups of the navigation with their pages, in order."""
    shown = (entry for entry in all_pages() if entry.applies_to(audit))
    return navigation_of((entry.nav[0], Link(entry.nav[1], entry.url)) for entry in shown if entry.nav)
