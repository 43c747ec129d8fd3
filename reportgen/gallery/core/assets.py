"""Where the templates and the gallery's own CSS and JavaScript are: in the installed package, or in the checkout."""

from __future__ import annotations

from pathlib import Path

from reportgen.errors import ReportgenError

PACKAGE = Path(__file__).resolve().parents[2]
PLACES = {"templates": ("_templates", "../templates"), "assets": ("_assets", "../site/assets")}


def folder(kind: str) -> Path:
    """The folder of `templates` or `assets`. Errors: ReportgenError for a broken installation."""
    for place in PLACES[kind]:
        if (found := (PACKAGE / place).resolve()).is_dir():
            return found
    raise ReportgenError(f"reportgen's {kind} are not installed", "reinstall the package")
