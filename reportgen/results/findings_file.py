"""The content of findings.json: the ranked findings with their numbers, for other programs."""

from __future__ import annotations

from math import isfinite
from typing import Any

from reportgen.audit.audit import Audit
from reportgen.audit.findings.finding import Finding
from reportgen.audit.findings.registry import all_kinds

SCHEMA = 1
"""Version of the file's structure."""


def findings_json(audit: Audit) -> dict[str, Any]:
    """Return the kinds with their criteria, and the findings in rank order."""
    return {
        "schema": SCHEMA,
        "kinds": [
            {"kind": kind.name, "title": kind.title, "topic": kind.topic, "criterion": kind.criterion}
            for kind in all_kinds()
        ],
        "findings": [_finding(audit, finding, rank) for rank, finding in enumerate(audit.findings, 1)],
    }


def _finding(audit: Audit, finding: Finding, rank: int) -> dict[str, Any]:
    size = finding.size
    return {
        "rank": rank,
        "kind": finding.kind,
        "slug": finding.slug,
        "page": f"findings/{finding.slug}.html",
        "model": finding.model or None,
        "headline": finding.headline,
        "size": {
            "count": size.count,
            "n": size.n,
            "of": size.of,
            "share": size.count / size.n,
            "ci95": size.interval and [round(bound, 6) for bound in size.interval],
        },
        "at_least": round(finding.at_least, 6),
        "p": finding.p,
        "inference": finding.inference,
        "next_step": finding.next_step,
        "figures": {name: round(value, 6) if isfinite(value) else None for name, value in finding.figures},
        "images": [audit.samples[i].name for i in finding.images],
    }
