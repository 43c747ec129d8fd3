"""How kinds of findings register themselves, and the ranked list of what they find.

Every module of `audit.findings` is imported. Functions that it decorates with `finding_kind` are called for each audit;
the list of kinds with their criteria is on the page Findings, in the manual and in `reportgen views`.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Literal

import reportgen.audit.findings as package
from reportgen.audit.findings.finding import Finding
from reportgen.metrics.formatting import slug

if TYPE_CHECKING:
    from reportgen.audit.audit import Audit

Topic = Literal["class", "location", "confidence", "data", "internals"]
Find = Callable[["Audit"], Iterable[Finding]]


@dataclass(frozen=True)
class FindingKind:
    """A registered kind. title: for the card; criterion: when there is such a finding, in one or two sentences;
    is_multilabel: it is right for multi-label data sets, too."""

    name: str
    title: str
    topic: Topic
    criterion: str
    find: Find
    is_multilabel: bool


_kinds: dict[str, FindingKind] = {}


def finding_kind(title: str, *, topic: Topic, criterion: str, multilabel: bool = False) -> Callable[[Find], Find]:
    """Register `function(audit)`, which yields the findings of one kind. The function's name is the kind's.

    multilabel: it is right also where any number of labels may be right for an image.
    """

    def register(function: Find) -> Find:
        _kinds[function.__name__] = FindingKind(function.__name__, title, topic, criterion, function, multilabel)
        return function

    return register


@cache
def all_kinds() -> list[FindingKind]:
    """Every registered kind, by name."""
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{module.name}")
    return [_kinds[name] for name in sorted(_kinds)]


def kind_of(finding: Finding) -> FindingKind:
    """The kind of a finding."""
    return next(kind for kind in all_kinds() if kind.name == finding.kind)


def ranked_findings(audit: Audit) -> list[Finding]:
    """All findings: those that affect the most images at the lower end of their interval first, of equal ones the
    surest. Their slugs are distinct."""
    kinds = [kind for kind in all_kinds() if kind.is_multilabel or not audit.is_multilabel]
    found = [replace(finding, kind=kind.name) for kind in kinds for finding in kind.find(audit)]
    found.sort(key=lambda f: (-f.at_least, 1.0 if f.p is None else f.p, -f.size.count, f.kind, f.slug))
    used: set[str] = set()
    return [replace(finding, slug=_unused(finding.slug, used)) for finding in found]


def _unused(text: str, used: set[str]) -> str:
    """A slug that is not in `used`, to which it is added."""
    plain = name = slug(text)
    number = 1
    while name in used:
        number += 1
        name = f"{plain}-{number}"
    used.add(name)
    return name
