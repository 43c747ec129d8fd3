"""Pack a report: one zip of the site, or one HTML file of a few images (`reportgen pack`)."""

from __future__ import annotations

import base64
import re
import zipfile
from collections.abc import Sequence
from pathlib import Path

from reportgen.errors import ConfigError, OutputError
from reportgen.gallery.core.check import SHORT_PAGE
from reportgen.store.files import open_atomic, remove_leftovers, write_atomic

ZIP_TIME = (1980, 1, 1, 0, 0, 0)
"""Time of every file in the zip, so that the same site gives the same bytes: the earliest that the format has."""
MEDIA_TYPES = {".jpg": "image/jpeg", ".png": "image/png", ".webp": "image/webp"}
"""Suffix → media type of pictures, which are compressed already."""
SINGLE_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
"""The policy of a single file: no scripts and no requests."""


def site_of(report: Path) -> Path:
    """The site of a report. Errors: OutputError if there is none."""
    if not (report / "site" / "index.html").is_file():
        raise OutputError(f"`{report}` has no report", "run `reportgen run` or `reportgen demo` first")
    return report / "site"


def size_of(report: Path) -> tuple[int, int]:
    """Number of files and of bytes of the site, before packing."""
    sizes = [path.stat().st_size for path in site_of(report).rglob("*") if path.is_file()]
    return len(sizes), sum(sizes)


def pack(report: Path, out: Path) -> int:
    """Write the site as a zip with one folder in it, and return the size of the zip in bytes.

    The same site gives the same bytes. Errors: OutputError.
    """
    site = site_of(report)
    folder = re.sub(r"[^A-Za-z0-9._-]+", "-", out.stem) or "report"
    remove_leftovers(out)
    with open_atomic(out) as file, zipfile.ZipFile(file, "w") as archive:
        for path in sorted(p for p in site.rglob("*") if p.is_file()):
            info = zipfile.ZipInfo(f"{folder}/{path.relative_to(site).as_posix()}", ZIP_TIME)
            info.external_attr = 0o644 << 16
            info.compress_type = zipfile.ZIP_STORED if path.suffix in MEDIA_TYPES else zipfile.ZIP_DEFLATED
            archive.writestr(info, path.read_bytes())
    return out.stat().st_size


def find_images(report: Path, names: Sequence[str]) -> list[Path]:
    """The page of each name: a file name, or a part of it that only one page has.

    Errors: ConfigError for a name that fits no page or several.
    """
    pages = sorted(page for page in (site_of(report) / "images").glob("*.html") if page.name[0].isdigit())
    chosen = []
    for name in names:
        stem = re.sub(r"[^a-z0-9]+", "-", Path(name).stem.lower()).strip("-")
        matches = [page for page in pages if stem and stem in page.stem]
        exact = [page for page in matches if page.stem.split("-", 1)[-1] == stem or page.stem == stem]
        if not matches and (site_of(report) / SHORT_PAGE).exists():
            raise ConfigError(
                f"the report has no full page of an image called `{name}`",
                "use the name of an image that has one, or raise `page_limit`",
            )
        if not matches:
            raise ConfigError(f"the report has no image called `{name}`", "use a file name from the page Images")
        if len(exact or matches) > 1:
            some = ", ".join(f"`{page.stem}`" for page in (exact or matches)[:3])
            raise ConfigError(f"`{name}` fits {len(exact or matches)} images ({some}, …)", "use one of these names")
        chosen.append((exact or matches)[0])
    return chosen


def single(report: Path, names: Sequence[str], out: Path) -> int:
    """Write a few image pages into one HTML file, everything inlined, without scripts; return its size in bytes."""
    site = site_of(report)
    pages = find_images(report, names)
    styles = "\n".join(path.read_text("utf-8") for path in sorted((site / "assets").glob("gallery.*.css")))
    bodies = "\n<hr>\n".join(_main_of(page, site) for page in pages)
    html = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{SINGLE_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{len(pages)} images of an audit</title><style>{styles}</style></head>\n"
        f"<body><main>{bodies}</main></body></html>\n"
    )
    write_atomic(out, html.encode())
    return out.stat().st_size


def _main_of(page: Path, site: Path) -> str:
    """The content of a page with its pictures inlined, without links to other pages and without scripts."""
    html = page.read_text("utf-8")
    main = html[html.index('<main id="main">') + len('<main id="main">') : html.index("</main>")]
    main = re.sub(r'<script\b.*?</script>|<div class="crumbs">.*?</div>', "", main, flags=re.S)
    main = re.sub(r"<a\b[^>]*>(.*?)</a>", r"<span>\1</span>", main, flags=re.S)
    main = main.replace(
        ' loading="lazy"', ""
    )  # inlined pictures need no loading, and printing must not wait for scrolling

    def inline(match: re.Match[str]) -> str:
        picture = (page.parent / match[2]).resolve()
        return (
            f'{match[1]}"data:{MEDIA_TYPES[picture.suffix]};base64,{base64.b64encode(picture.read_bytes()).decode()}"'
        )

    return re.sub(r'(src=|<image\s+href=)"([^"]+)"', inline, main)
