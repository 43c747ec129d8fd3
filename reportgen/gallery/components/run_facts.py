"""The facts of the run in one line, at the end of the overview."""

from __future__ import annotations

from reportgen.audit.audit import Audit
from reportgen.gallery.core.labels import input_size_label, method_label


def run_facts(audit: Audit) -> list[str]:
    """What a reader needs to place the figures; the page Provenance has all."""
    info, known = audit.main.info, int(audit.main.annotated.sum())
    networks = f" and {len(audit.models) - 1} more" if len(audit.models) > 1 else ""
    return [
        f"{len(audit.samples):,} images, {known:,} with {'annotated labels' if audit.is_multilabel else 'a label'}",
        f"{info.name}{networks}",
        f"input {input_size_label(info)}, {info.resize}",
        method_label(info),
        info.precision,
    ]
