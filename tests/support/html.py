"""Pages of a site as tests read them: independent of line breaks and indentation in the templates."""

from __future__ import annotations

import re
from pathlib import Path


def read_html(path: Path) -> str:
    """Return the HTML of a page with single spaces, with none between tags, and without links to the glossary."""
    html = re.sub(r">\s+<", "><", " ".join(path.read_text("utf-8").split()))
    return re.sub(r'<a class="term"[^>]*>([^<]*)</a>', r"\1", html)
