"""What a run did, for its caller."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reportgen.audit.audit import Audit


@dataclass
class RunSummary:
    """What a run did.

    index: the site's first page; metrics: the content of `metrics.json`; seconds: by stage.
    computed, reused: images that went through the network, and images that the store had.
    set_aside: one line for every damaged shard and for a cache of another version.
    notes: one line for everything that the settings ask for and that is not in the report.
    is_fresh: the report was up to date, and nothing was rebuilt.
    said: name → what the decoder said of an image that it decoded in this run.
    cleared: pages that `reportgen review` had filled for the report before; the new build has emptied them.
    build_audit: computes the audit; where the report was up to date, only when `audit` is asked for.
    """

    index: Path
    metrics: dict[str, Any]
    computed: int
    reused: int
    set_aside: list[str]
    seconds: dict[str, float]
    is_fresh: bool
    build_audit: Callable[[], Audit]
    cleared: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    said: dict[str, str] = field(default_factory=dict)

    @cached_property
    def audit(self) -> Audit:
        """The figures behind the report."""
        return self.build_audit()


Ready = Callable[[RunSummary], None]
"""Called when the first report is written."""


def ignore(summary: RunSummary) -> None:
    """Do nothing."""
