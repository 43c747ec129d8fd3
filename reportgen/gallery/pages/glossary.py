"""The glossary: the terms of the report, to which its pages link."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reportgen.audit.audit import Audit
from reportgen.gallery.core.glossary import GLOSSARY_PAGE, TermGroup, read_glossary
from reportgen.gallery.core.media import Media
from reportgen.gallery.core.registry import page


@dataclass(frozen=True)
class GlossaryPage:
    """groups: the terms by topic."""

    groups: Sequence[TermGroup]


@page(
    GLOSSARY_PAGE,
    order=98,
    about="The terms of the report with their definitions; other pages link to them.",
    multilabel=True,
)
def glossary(audit: Audit, media: Media) -> GlossaryPage:
    """The same in every report."""
    return GlossaryPage(read_glossary())
