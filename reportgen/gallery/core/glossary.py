"""The glossary of the manual, in the report: terms with their definitions, and links from texts to them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from markupsafe import Markup, escape

from reportgen.gallery.core.assets import folder

GLOSSARY_PAGE = "glossary.html"
ENTRY = re.compile(r"^### (?P<names>.*?) \{ #(?P<id>[\w-]+) \}\n(?P<text>.*?)(?=^#|\Z)", re.MULTILINE | re.DOTALL)
MAX_TOOLTIP = 200
"""Characters of a tooltip from which on only the first sentence is shown."""


@dataclass(frozen=True)
class Term:
    """An entry of the glossary. id: its anchor; names: the first is the title; text: its definition as HTML."""

    id: str
    names: Sequence[str]
    text: Markup

    @property
    def tooltip(self) -> str:
        """The definition as plain text, or its first sentence."""
        plain = self.text.striptags()
        return plain if len(plain) <= MAX_TOOLTIP else re.split(r"(?<=[.:]) ", plain)[0].rstrip(":")


@dataclass(frozen=True)
class TermGroup:
    """A part of the glossary."""

    title: str
    terms: Sequence[Term]


def glossary_text() -> str:
    """The manual's page, in Markdown."""
    return (folder("docs") / "glossary.md").read_text("utf-8")


@cache
def read_glossary() -> list[TermGroup]:
    """The parts of the glossary, in order."""
    groups = []
    for part in re.split(r"^## ", glossary_text(), flags=re.MULTILINE)[1:]:
        title, _, text = part.partition("\n")
        terms = [Term(m["id"], m["names"].split(", "), _html(m["text"])) for m in ENTRY.finditer(text)]
        groups.append(TermGroup(re.sub(r" \{.*", "", title), terms))
    return groups


def _html(markdown: str) -> Markup:
    """Code, emphasis and links of a paragraph. Links to other pages of the manual become text: a report is offline."""
    text = str(escape(" ".join(markdown.split())))
    text = re.sub(r"`([^`]+)`", r"<code>\1</code>", text)
    text = re.sub(r"\*([^*]+)\*", r"<em>\1</em>", text)
    text = re.sub(r"\[([^\]]+)\]\((#[\w-]+)\)", r'<a href="\2">\1</a>', text)
    return Markup(re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", text))


@cache
def _pattern() -> tuple[re.Pattern[str], dict[str, Term]]:
    """A pattern of all names, the longest first, and lower-case name → term."""
    by_name = {name.lower(): term for group in read_glossary() for term in group.terms for name in term.names}
    names = sorted(by_name, key=len, reverse=True)
    return re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, names))})(?![\w-])", re.IGNORECASE), by_name


@cache
def link_term(text: str, root: str) -> Markup:
    """A short text, such as a heading, in which the first term of the glossary links to its entry."""
    pattern, by_name = _pattern()
    match = pattern.search(text)
    if match is None:
        return escape(text)
    term = by_name[match[0].lower()]
    link = Markup('<a class="term" href="{}#{}" title="{}">{}</a>').format(
        f"{root}{GLOSSARY_PAGE}", term.id, term.tooltip, match[0]
    )
    return escape(text[: match.start()]) + link + escape(text[match.end() :])
