"""Files and annotations that are missing from every figure."""

from __future__ import annotations

from collections.abc import Iterator

from reportgen.audit.audit import Audit
from reportgen.audit.findings.finding import Finding, Lines, Size
from reportgen.audit.findings.registry import finding_kind
from reportgen.metrics.formatting import counted

MAX_LINES = 100


@finding_kind(
    "Unreadable files",
    topic="data",
    criterion="An image file could not be decoded. The number is exact.",
    multilabel=True,
)
def unreadable(audit: Audit) -> Iterator[Finding]:
    """At most one finding, with all files."""
    count = len(audit.unreadable)
    if not count:
        return
    total = len(audit.samples) + count
    yield Finding(
        slug="unreadable files",
        headline=f"{counted(count, 'file is', 'files are')} unreadable",
        size=Size(count, total, "files"),
        evidence=[Lines(list(audit.unreadable[:MAX_LINES]), count)],
        inference=f"Every figure is of the other {len(audit.samples):,} images.",
        next_step="Replace the files, or remove them from the data set.",
        see=("Provenance", "provenance.html"),
        at_least=float(count),
    )


@finding_kind(
    "Refused annotations",
    topic="data",
    criterion="A row or file of the data set contradicts itself or points to nothing. The number is exact.",
    multilabel=True,
)
def refused(audit: Audit) -> Iterator[Finding]:
    """At most one finding, with all rows and files."""
    count = len(audit.dataset.refused)
    if not count:
        return
    rows = [(one.where, one.reason) for one in audit.dataset.refused[:MAX_LINES]]
    yield Finding(
        slug="refused annotations",
        headline=f"{counted(count, 'row or file', 'rows and files')} of the data set could not be used as given",
        size=Size(count, len(audit.dataset.samples) + count, "rows and files"),
        evidence=[Lines(rows, count)],
        inference="What they describe is missing from the figures, or has no label or box there.",
        next_step="Correct the annotations; the list names each place and reason.",
        see=("Provenance", "provenance.html"),
        at_least=float(count),
    )
