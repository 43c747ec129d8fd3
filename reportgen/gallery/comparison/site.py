"""`reportgen compare`: two reports on the same images as a static site of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from reportgen import __version__
from reportgen.embedding.space import SHOWN, overlap
from reportgen.errors import OutputError
from reportgen.gallery.comparison.internals import neighbours_page, units_page
from reportgen.gallery.comparison.overview import (
    ClassesPage,
    Galleries,
    Pictures,
    class_rows,
    gallery_pages,
    index_page,
)
from reportgen.gallery.comparison.pairing import Paired, Side, pair_up
from reportgen.gallery.components.figure import Page
from reportgen.gallery.components.page_data import AboutPage, Fact, Frame, Link
from reportgen.gallery.core.data_chunks import switch_chunk, write_chunk
from reportgen.gallery.core.media import Album
from reportgen.gallery.core.writer import open_album, write_if_changed, write_site
from reportgen.results.metrics import csv_text
from reportgen.results.report import open_report
from reportgen.store.files import only_run

FIGURES = "comparison.json"


def compare_reports(first: Path, second: Path, out: Path) -> Paired:
    """Writes the comparison into `out`: its site, `comparison.json` and `comparison.csv`. Errors: ReportgenError."""
    if out.is_dir() and any(out.iterdir()) and not (out / FIGURES).is_file():
        raise OutputError(f"`{out}` is there already, and is no comparison", "name another folder with --out")
    paired = pair_up(open_report(first), open_report(second))
    with only_run(out):
        files = {
            FIGURES: json.dumps(figures(paired), indent=2, allow_nan=False) + "\n",
            "comparison.csv": rows_csv(paired),
        }
        for name, text in files.items():
            write_if_changed(out / name, text.encode())
            write_if_changed(out / "site" / "data" / name, text.encode())
        album = open_album(out / "site")
        frame = Frame(
            f"{paired.a.name} → {paired.b.name}",
            "",
            navigation(paired),
            f"{paired.n:,} images · reportgen {__version__}",
        )
        galleries = Galleries(paired)
        places = [*frame.nav, *(Link(gallery.title, gallery.url()) for gallery in galleries.all())]
        classes = [
            (row.name, row.fixed_url or row.broken_url)
            for row in class_rows(galleries)
            if row.fixed_url or row.broken_url
        ]
        write_chunk(out / "site", "switch", switch_chunk(places, classes, []))
        write_site(out / "site", frame, pages(galleries, album), album, {})
    return paired


def navigation(paired: Paired) -> list[Link]:
    """The places that every page leads to."""
    first = [Link("Overview", "index.html")]
    if "top1" in paired.changes:
        first += [Link("Classes", "classes.html"), Link("Fixed", "top1-fixed/index.html")]
        first += [Link("Broken", "top1-broken/index.html")]
    return [*first, Link("Neighbours", "neighbours.html"), Link("Units", "units.html"), Link("About", "about.html")]


def pages(galleries: Galleries, album: Album) -> Iterator[Page]:
    """Every page."""
    paired = galleries.paired
    pictures = Pictures(paired, album)
    rows = class_rows(galleries)
    yield "index.html", "compare.html", lambda: index_page(galleries, pictures, rows, facts(paired))
    if rows:
        yield "classes.html", "compare_classes.html", lambda: ClassesPage(paired.a.name, paired.b.name, rows)
    yield from gallery_pages(galleries, pictures)
    yield "neighbours.html", "compare_neighbours.html", lambda: neighbours_page(paired, album)
    yield "units.html", "compare_units.html", lambda: units_page(paired, album)
    yield "404.html", "404.html", lambda: None
    yield "about.html", "about.html", lambda: about_page(paired)


def facts(paired: Paired) -> list[Fact]:
    """What was compared: the short form."""
    return [
        Fact("Images that both have", f"{paired.n:,}"),
        *(
            Fact(letter, f"{side.name}, of {side.report.name}")
            for letter, side in zip("AB", (paired.a, paired.b), strict=True)
        ),
        Fact("Differs in", ", ".join(name for name, a, b in settings(paired) if a != b) or "nothing"),
    ]


def settings(paired: Paired) -> list[tuple[str, str, str]]:
    """Every setting of the stores under A and under B, as texts."""
    a, b = (side.model.settings for side in (paired.a, paired.b))
    return [(name, _text(a.get(name)), _text(b.get(name))) for name in sorted({*a, *b})]


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{name} {_text(inner)}" for name, inner in sorted(value.items()))
    return ", ".join(map(_text, value)) if isinstance(value, list) else "–" if value is None else str(value)


def about_page(paired: Paired) -> AboutPage:
    """What both rest on."""
    differing = [Fact(name, f"{a} → {b}") for name, a, b in settings(paired) if a != b]
    alike = [Fact(name, a) for name, a, b in settings(paired) if a == b]
    judging = [
        Fact("Matched by", "the digest of the image's bytes"),
        Fact("p", "McNemar's exact test, two-sided"),
        Fact("Intervals", "95 %, paired bootstrap over images"),
        Fact("Network", "the first of each report"),
        Fact("reportgen", __version__),
    ]
    groups = [
        ("Compared", facts(paired)[:-1]),
        ("Judging", judging),
        ("Settings that differ", differing),
        ("Settings that are alike", alike),
    ]
    return AboutPage("What was compared, and how.", [group for group in groups if group[1]], [], [])


def figures(paired: Paired) -> dict[str, Any]:
    """What `comparison.json` holds; errors are fractions of 1."""
    near = [side.codes.neighbours.index[:, :SHOWN] for side in (paired.a, paired.b)]
    return {
        "schema": 1,
        "a": _side(paired.a),
        "b": _side(paired.b),
        "images": paired.n,
        "only_a": paired.only_a,
        "only_b": paired.only_b,
        "relabelled": len(paired.relabelled),
        "same_answer": int((paired.a.answers == paired.b.answers).sum()),
        "errors": {
            name: {
                "images": one.a.n,
                "a": one.a.value,
                "b": one.b.value,
                "difference": one.difference,
                "ci95": [round(bound, 6) for bound in one.ci95],
                "fixed": len(one.fixed),
                "broken": len(one.broken),
                "mcnemar_p": one.p,
            }
            for name, one in paired.changes.items()
        },
        "neighbours_shared": float(overlap(*near).mean()),
        "units": {
            layer: {
                "median_correlation": float(np.nanmedian(units.own)) if np.isfinite(units.own).any() else None,
                "dead_a": int(units.dead_a.sum()),
                "dead_b": int(units.dead_b.sum()),
            }
            for layer, units in paired.units.items()
        },
    }


def _side(side: Side) -> dict[str, str]:
    return {"model": side.name, "data": side.report.name}


def rows_csv(paired: Paired) -> str:
    """A row an image: both answers, both outcomes, and what became of it."""
    sides = (paired.a, paired.b)
    became = {error: _became(paired, error) for error in ("top1", "box1")}

    def row(i: int) -> list[str]:
        own = [(s.answers[i], f"{s.predictions['score'][i, 0]:.6f}", s.predictions["kind"][i]) for s in sides]
        name, label = sides[0].predictions["name"][i], sides[0].labels[i]
        return [*map(str, (name, label, *own[0], *own[1])), became["top1"][i], became["box1"][i]]

    each = [f"{side}_{what}" for side in "ab" for what in ("class", "score", "kind")]
    return csv_text(["name", "label", *each, "class_change", "box_change"], map(row, range(paired.n)))


def _became(paired: Paired, error: str) -> list[str]:
    found = [""] * paired.n
    if (one := paired.changes.get(error)) is not None:
        for word, rows in (("fixed", one.fixed), ("broken", one.broken)):
            for i in rows.tolist():
                found[i] = word
    return found
