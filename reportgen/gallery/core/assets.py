"""Where the templates, the CSS and the JavaScript are: in the installed package, or in the checkout."""

from __future__ import annotations

import re
from pathlib import Path

from reportgen.errors import ReportgenError

PACKAGE = Path(__file__).resolve().parents[2]
FOLDERS = {
    "templates": ("_templates", "../templates"),
    "assets": ("_assets", "../site/assets"),
    "docs": ("_docs", "../site/docs"),
    "vendor": ("_vendor", "../site/vendor"),
}
"""What → its folder in an installed package, and in a checkout."""

STYLE_SHEETS = (
    "base", "page", "text", "headlines", "pictures", "controls", "image-page", "selection", "neighbours", "confusions",
    "findings", "embedding", "units", "live", "chips", "outcome-bars", "overview", "error-tables", "charts", "tables",
    "modes",
)  # fmt: skip
"""The parts of `gallery.css`, in order: where two rules are equally specific, the later one applies."""

ON_DEMAND = (
    "image-figures.js", "csv.js", "image-filter.js", "image-order.js", "selection-bar.js", "selection-steps.js",
    "embedding-selection.js", "embedding-colours.js", "embedding-regions.js", "embedding-tooltip.js",
    "embedding-table.js", "embedding-panel.js", "embedding-positions.js", "boxes.js", "viewer-probe.js",
    "live-stored.js", "live-facts.js", "live-classes.js", "live-tools.js", "live-occlusion.js", "live-card.js",
    "live-nearest.js", "live-neighbours.js", "live-place.js", "live-layer-maps.js", "live-unit.js", "live-layers.js",
    "live-sections.js",
)  # fmt: skip
"""Scripts that pages which do not name them load when they need them, with `data.loadScripts`."""


def files(kind: str) -> list[Path]:
    """The files of one of the `FOLDERS`, sorted."""
    return sorted(path for path in folder(kind).iterdir() if path.is_file())


def all_contents() -> list[bytes]:
    """The bytes of every file of the `FOLDERS`."""
    return [path.read_bytes() for kind in FOLDERS for path in files(kind)]


def published_assets() -> dict[str, bytes]:
    """Name → bytes of the assets of a site: one style sheet, scripts compacted, and `constants.js`."""
    from reportgen.gallery.core.browser_constants import constants_script  # needs the metrics

    published = {path.name: path.read_bytes() for path in files("assets") if path.suffix != ".css"}
    published["gallery.css"] = b"".join((folder("assets") / f"{name}.css").read_bytes() for name in STYLE_SHEETS)
    published["constants.js"] = constants_script()
    for name in published:
        if name.endswith(".js"):
            published[name] = compact(published[name].decode()).encode()
    return published


def vendored(name: str) -> bytes:
    """The bytes of a file of another project that is part of this package."""
    return (folder("vendor") / name).read_bytes()


def compact(script: str) -> str:
    """A script without comments, type assertions, indentation and empty lines: with them, a page would load more than
    60 KB.

    It is no parser. A template literal must not depend on its indentation or empty lines, nor hold a line that looks
    like a comment. A comment at the end of a line with quotes or slashes is not removed.
    """
    script = re.sub(r"^[ \t]*/\*(?:(?!\*/).)*\*/[ \t]*\n", "", script, flags=re.MULTILINE | re.DOTALL)
    script = re.sub(r"^[ \t]*//.*\n", "", script, flags=re.MULTILINE)
    script = re.sub(r"^([^'\"`/\n]*[;,{(\[]) // .*$", r"\1", script, flags=re.MULTILINE)
    script = re.sub(r"/\*\* @type (?:(?!\*/).)*\*/ ?", "", script)
    return re.sub(r"^[ \t\n]+", "", script, flags=re.MULTILINE)


def folder(kind: str) -> Path:
    """The folder of one of the `FOLDERS`. Errors: ReportgenError for a broken installation."""
    for place in FOLDERS[kind]:
        if (path := (PACKAGE / place).resolve()).is_dir():
            return path
    raise ReportgenError(f"reportgen's {kind} are not installed", "reinstall the package")
