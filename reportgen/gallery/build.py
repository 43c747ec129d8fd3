"""Writes the site: pages from templates, pictures from views, assets as they are."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import jinja2

from reportgen import __version__
from reportgen.analysis.audit import Audit
from reportgen.analysis.poolings import pair_of
from reportgen.gallery import assets, compose, payload, words
from reportgen.gallery.check import POLICY
from reportgen.gallery.confusions import confusions_page
from reportgen.gallery.failures import failure_pages
from reportgen.gallery.localization import localization_page
from reportgen.gallery.maps import maps_page
from reportgen.gallery.neighbourhood import neighbours_page
from reportgen.gallery.pages import Frame, Link, ViewPage
from reportgen.gallery.poolings import poolings_page
from reportgen.store.files import write_atomic
from reportgen.views import views_of
from reportgen.views.album import Album
from reportgen.views.panel import Figure
from reportgen.views.photo import card

MADE_LATER = {"reviewed.html"}
"""Pages that other commands make of a report, and that a new build leaves alone."""


def environment() -> jinja2.Environment:
    """Strict and escaping: a missing field is an error, and text never becomes markup."""
    env = jinja2.Environment(
        loader=jinja2.FileSystemLoader(assets.folder("templates")),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters.update(percent=words.percent, of=words.of, interval=words.interval)
    env.globals.update(kind_words=words.KIND_WORDS, policy=POLICY)
    return env


def pages(audit: Audit, album: Album, cards: Sequence[Figure], site: Path) -> Iterator[tuple[str, str, object]]:
    """Every page as (URL, template, context)."""
    rows = compose.class_rows(audit)
    yield "index.html", "index.html", compose.index_page(audit, album, rows)
    yield "classes/index.html", "classes.html", compose.classes_page(audit, rows)
    for url, page in compose.class_pages(audit, album, rows).items():
        yield url, "class.html", page
    for url, wall in compose.images_pages(audit, cards).items():
        yield url, "images.html", wall
    for url, image in compose.image_pages(audit, album):
        yield url, "image.html", image
    for view in (*views_of("model"), *views_of("dataset")):
        if view.pages is not None:
            yield from view.pages(audit, album)
        else:
            shown = ViewPage(view.label, view.about, view.draw(audit, album, None))
            yield f"{view.name}/index.html", "view.html", shown
    yield "localization/index.html", "localization.html", localization_page(audit)
    yield from failure_pages(audit, album)
    yield "review.html", "review.html", None
    yield "confusions/index.html", "confusions.html", confusions_page(audit, album, site)
    yield "maps/index.html", "maps.html", maps_page(audit, album, site)
    yield "neighbours/index.html", "neighbours.html", neighbours_page(audit, album)
    if (poolings := poolings_page(audit, album)) is not None:
        yield "poolings/index.html", "poolings.html", poolings
    yield "404.html", "404.html", None
    yield "about.html", "about.html", compose.about_page(audit, __version__)


def navigation(poolings: bool) -> list[Link]:
    """The places that every page leads to. poolings: there is a page GAP and GMP."""
    own = [Link(view.label, f"{view.name}/index.html") for view in (*views_of("model"), *views_of("dataset"))]
    fixed = [Link("Overview", "index.html"), Link("Classes", "classes/index.html"), Link("Images", "images/index.html")]
    where = [Link("Localization", "localization/index.html"), Link("Failures", "failures/index.html")]
    if poolings:
        where.append(Link("GAP and GMP", "poolings/index.html"))
    space = [
        Link("Confusions", "confusions/index.html"),
        Link("Maps", "maps/index.html"),
        Link("Neighbours", "neighbours/index.html"),
    ]
    return [*fixed, *where, *space, *own, Link("Review", "review.html"), Link("About", "about.html")]


def current(url: str, nav: Sequence[Link]) -> list[Link]:
    """The navigation as seen from a page: a folder's pages belong to the folder's entry."""
    folder = url.split("/", 1)[0]
    return [Link(e.label, e.url, e.url.split("/", 1)[0] == folder) for e in nav]


def write_assets(site: Path) -> dict[str, str]:
    """Copies CSS and JavaScript under names that carry their digest; returns name → URL."""
    urls = {}
    for source in sorted(assets.folder("assets").iterdir()):
        data = source.read_bytes()
        urls[source.name] = f"assets/{source.stem}.{hashlib.sha256(data).hexdigest()[:10]}{source.suffix}"
        write_if_changed(site / urls[source.name], data)
    return urls


def write_if_changed(path: Path, data: bytes) -> bool:
    """True when the file was written: a page whose bytes are the same keeps its time, so that syncs skip it."""
    if path.is_file() and path.read_bytes() == data:
        return False
    write_atomic(path, data)
    return True


def build(audit: Audit, site: Path, progress: Callable[[str], None] = lambda url: None) -> int:
    """Builds the site and removes what earlier builds left in it; returns the number of pages.

    Errors: OutputError.
    """
    album = Album(site)
    network = audit.card
    footer = (
        f"{len(audit.samples):,} images · {network.name} · {network.input_size} × {network.input_size}, "
        f"{network.resize} · {network.precision} · reportgen {__version__}"
    )
    cards = [card(audit, album, i) for i in range(len(audit.samples))]
    data = {
        "images": payload.write_chunk(site, "images", payload.images_chunk(audit, cards)),
        "maps": payload.write_chunk(site, "maps", payload.maps_chunk(audit)),
    }
    nav = navigation(pair_of(audit) is not None and audit.study is not None)
    frame = Frame(audit.title, "", nav, footer)
    return write_site(site, frame, pages(audit, album, cards, site), album, data, progress)


def write_site(
    site: Path,
    around: Frame,
    pages: Iterable[tuple[str, str, object]],
    album: Album,
    data: Mapping[str, str],
    progress: Callable[[str], None] = lambda url: None,
) -> int:
    """Writes pages given as (URL, template, context), and removes pages, assets and pictures of earlier builds.

    around: as seen from the root; data: the chunks' URLs by name. Returns the number of pages. Errors: OutputError.
    """
    env = environment()
    urls = write_assets(site)
    written = {*urls.values()}
    write_if_changed(site / ".nojekyll", b"# no Jekyll on GitHub Pages: files are served as they are\n")
    for url, template, page in pages:
        frame = replace(around, root="../" * url.count("/"), nav=current(url, around.nav))
        html = env.get_template(template).render(page=page, frame=frame, assets=urls, data=data)
        write_if_changed(site / url, html.encode())
        written.add(url)
        progress(url)
    album.sweep()
    for path in site.rglob("*"):
        name = path.relative_to(site).as_posix()
        ours = path.suffix == ".html" or name.startswith("assets/")
        if path.is_file() and ours and name not in written | MADE_LATER:
            path.unlink()
    return sum(url.endswith(".html") for url in written)
