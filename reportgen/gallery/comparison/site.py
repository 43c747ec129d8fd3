"""`reportgen compare`: two reports on the same images as a static site of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from reportgen import __version__
from reportgen.errors import OutputError
from reportgen.gallery.comparison.classes import ClassesPage, class_rows
from reportgen.gallery.comparison.image_groups import ImageGroups, ImagePairs, image_group_pages
from reportgen.gallery.comparison.neighbours import neighbours_page
from reportgen.gallery.comparison.overview import overview_page
from reportgen.gallery.comparison.pairing import PairedReports, pair_up
from reportgen.gallery.comparison.results import comparison_csv, comparison_figures
from reportgen.gallery.comparison.units import units_page
from reportgen.gallery.core.data_chunks import remove_unlisted_chunks, write_chunk
from reportgen.gallery.core.glossary import GLOSSARY_PAGE, read_glossary
from reportgen.gallery.core.media import Media
from reportgen.gallery.core.page import Fact, Frame, Link, NavEntry, navigation_of
from reportgen.gallery.core.registry import PageDraft
from reportgen.gallery.core.writer import open_media, write_if_changed, write_site
from reportgen.gallery.pages.glossary import GlossaryPage
from reportgen.gallery.pages.provenance import ProvenancePage
from reportgen.gallery.site_data import search_chunk
from reportgen.results.report import open_report
from reportgen.store.files import exclusive_run

FIGURES_FILE = "comparison.json"


def compare_reports(first: Path, second: Path, out: Path) -> PairedReports:
    """Write the comparison into `out`: its site, `comparison.json` and `comparison.csv`. Errors: ReportgenError."""
    if out.is_dir() and not (out / FIGURES_FILE).is_file() and any(map(_is_foreign, out.iterdir())):
        raise OutputError(f"`{out}` exists and is not a comparison", "name another folder with --out")
    paired = pair_up(open_report(first), open_report(second))
    with exclusive_run(out):
        files = {
            FIGURES_FILE: json.dumps(comparison_figures(paired), indent=2, allow_nan=False) + "\n",
            "comparison.csv": comparison_csv(paired),
        }
        for name, text in files.items():
            write_if_changed(out / name, text.encode())
            write_if_changed(out / "site" / "data" / name, text.encode())
        remove_unlisted_chunks(out / "site")
        last, media = open_media(out / "site")
        title, footer = f"{paired.a.name} → {paired.b.name}", f"{paired.n:,} images · reportgen {__version__}"
        frame = Frame(title, "", navigation(paired), footer)
        groups = ImageGroups(paired)
        groups_of_images = navigation_of(("Images", Link(group.title, group.url())) for group in groups.all())
        classes = [(row.name, row.fixed_url or row.broken_url) for row in class_rows(groups)]
        write_chunk(
            out / "site",
            "search",
            search_chunk([*frame.nav, *groups_of_images], [one for one in classes if one[1]], []),
        )
        write_site(out / "site", frame, page_drafts(groups, media), last, media, {})
    return paired


def _is_foreign(path: Path) -> bool:
    """Whether something in the folder of a comparison was not left by an interrupted comparison that had just begun."""
    return path.name != ".lock" and not path.name.startswith(f".{FIGURES_FILE}.")


def navigation(paired: PairedReports) -> list[NavEntry]:
    """The entries of the navigation."""
    links = [Link("Overview", "index.html")]
    if "top1" in paired.changes:
        links += [
            Link("Classes", "classes.html"),
            Link("Fixed", "top1-fixed/index.html"),
            Link("Broken", "top1-broken/index.html"),
        ]
    links += [
        Link("Neighbours", "neighbours.html"),
        Link("Units", "units.html"),
        Link("Provenance", "provenance.html"),
    ]
    return navigation_of((link.label, link) for link in links)


def page_drafts(groups: ImageGroups, media: Media) -> Iterator[PageDraft]:
    """Every page of the comparison."""
    paired = groups.paired
    pairs, rows = ImagePairs(paired, media), class_rows(groups)
    overview = partial(overview_page, groups, pairs, rows, facts(paired))
    yield PageDraft("index.html", "comparison_overview.html", overview)
    if rows:
        classes = partial(ClassesPage, paired.a.name, paired.b.name, rows)
        yield PageDraft("classes.html", "comparison_classes.html", classes)
    yield from image_group_pages(groups, pairs)
    yield PageDraft("neighbours.html", "comparison_neighbours.html", partial(neighbours_page, paired, media))
    yield PageDraft("units.html", "comparison_units.html", partial(units_page, paired, media))
    yield PageDraft("404.html", "not_found.html", lambda: None)
    yield PageDraft(GLOSSARY_PAGE, "glossary.html", lambda: GlossaryPage(read_glossary()))
    yield PageDraft("provenance.html", "provenance.html", partial(provenance_page, paired))


def facts(paired: PairedReports) -> list[Fact]:
    """A summary of what was compared."""
    sides = zip("AB", (paired.a, paired.b), strict=True)
    return [
        Fact("Images in both reports", f"{paired.n:,}"),
        *(Fact(letter, f"{side.name}, {side.report.name}") for letter, side in sides),
        Fact("Settings that differ", ", ".join(name for name, a, b in settings(paired) if a != b) or "none"),
    ]


def settings(paired: PairedReports) -> list[tuple[str, str, str]]:
    """Every setting of the stores with its values under A and under B, as texts."""
    a, b = (side.model.settings for side in (paired.a, paired.b))
    return [(name, _text(a.get(name)), _text(b.get(name))) for name in sorted({*a, *b})]


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{name} {_text(inner)}" for name, inner in sorted(value.items()))
    return ", ".join(map(_text, value)) if isinstance(value, list) else "–" if value is None else str(value)


def provenance_page(paired: PairedReports) -> ProvenancePage:
    """Both reports, the protocol of the comparison, and all settings."""
    different = [Fact(name, f"{a} → {b}") for name, a, b in settings(paired) if a != b]
    equal = [Fact(name, a) for name, a, b in settings(paired) if a == b]
    protocol = [
        Fact("Images are matched by", "the digest of their bytes"),
        Fact("p", "McNemar's exact test, two-sided"),
        Fact("Intervals", "95 %, Agresti and Min; images count as independent"),
        Fact("Network", "the first of each report"),
        Fact("reportgen", __version__),
    ]
    groups = [
        ("Reports", facts(paired)[:-1]),
        ("Protocol", protocol),
        ("Settings that differ", different),
        ("Equal settings", equal),
    ]
    lead = "The two reports, the protocol of the comparison, and all settings of both networks."
    return ProvenancePage(lead, [group for group in groups if group[1]], [], [])
