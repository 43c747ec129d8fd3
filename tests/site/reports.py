"""Reports of audits that the factories make: the whole site, or the data of one page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from reportgen.audit.audit import Audit
from reportgen.gallery.build import build_site, page_drafts
from reportgen.gallery.core.media import Media
from reportgen.pipeline.outputs import result_files, stage_data
from reportgen.results.metrics import metrics
from reportgen.store.staging import Staging


def write_report(audit: Audit, report: Path) -> Path:
    """Write the site with its result files, as a run does, and return its folder."""
    site = report / "site"
    with Staging(report) as staging:
        data = stage_data(result_files(audit, metrics(audit)), site, staging)
        build_site(audit, site, compressed=data, staging=staging)
        staging.publish()
    return site


def page_at(url: str, audit: Audit, site: Path) -> Any:
    """Make the data that the template of one page gets. site: where its pictures are written."""
    (draft,) = [draft for draft in page_drafts(audit, Media(site)) if draft.url == url]
    return draft.make()
