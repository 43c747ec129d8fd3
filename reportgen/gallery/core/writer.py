"""Writes sites: what build says a page is, rendered and written where it changed, by all cores."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import jinja2

from reportgen.gallery.components.figure import Page
from reportgen.gallery.components.page_data import Frame, Link
from reportgen.gallery.core import assets
from reportgen.gallery.core import labels as words
from reportgen.gallery.core.check import POLICY, policy_of
from reportgen.gallery.core.data_chunks import write_addresses
from reportgen.gallery.core.manifest import LEDGER, Ledger, Written, digest_of, inputs_of, stamped
from reportgen.gallery.core.media import Added, Album
from reportgen.parallel import shared_out
from reportgen.store.files import write_atomic

MADE_LATER = {"reviewed.html"}
"""Pages that other commands fill of a report as it stands; a new build, which they no longer fit, empties them."""


def environment() -> jinja2.Environment:
    """Strict and escaping: a missing field is an error, and text never becomes markup."""
    env = jinja2.Environment(
        loader=jinja2.FileSystemLoader(assets.folder("templates")),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters.update(percent=words.percent, of=words.of, interval=words.interval, thousands="{:,}".format)
    env.filters["address"] = result_address
    env.globals.update(kind_words=words.KIND_WORDS, policy=POLICY, policy_of=policy_of)
    return env


def result_address(name: str, data: Mapping[str, str]) -> str:
    """Where a file of results is: under its name, unless `data` has another address."""
    return data.get(name, f"data/{name}")


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
        write_if_changed(site / urls[source.name], data, durable=False)
    return urls


def write_if_changed(path: Path, data: bytes, durable: bool = True) -> None:
    """A file whose bytes are the same keeps its time, so that syncs skip it. durable: as for `write_atomic`."""
    if not (path.is_file() and path.read_bytes() == data):
        write_atomic(path, data, durable)


class Progress(Protocol):
    """Begins to show how a build goes on; what it gives is called for every page."""

    def __call__(self, *, total: int) -> AbstractContextManager[Callable[[], object]]: ...


def silent(*, total: int) -> AbstractContextManager[Callable[[], object]]:
    """Progress that is not shown."""
    return nullcontext(lambda: None)


def open_album(site: Path, pictures: str = "jpeg") -> Album:
    """The album of a site, which knows what the last build drew; pictures: `jpeg` or `webp`."""
    before = Ledger.read(_note_of(site))
    return Album(site, before.drawn, before.pictures, pictures)


def _note_of(site: Path) -> Path:
    return site.parent / "cache" / LEDGER


def write_site(
    site: Path,
    around: Frame,
    pages: Iterable[Page],
    album: Album,
    data: Mapping[str, str],
    progress: Progress = silent,
) -> int:
    """Writes pages, and removes pages, assets and pictures of earlier builds.

    A page whose inputs are those of the last build is left alone. around: as seen from the root; data: the chunks'
    URLs by name, and those of results that are not under their names. Returns the number of pages. Errors: OutputError.
    """
    urls = write_assets(site)
    write_if_changed(site / ".nojekyll", b"# no Jekyll on GitHub Pages: files are served as they are\n")
    every = list(pages)
    templates = {template for _, template, _ in every}
    press = Press(site, Ledger.read(_note_of(site)), around, {"assets": urls, "data": data}, templates)
    now = Ledger()

    def work(turns: Iterator[int]) -> Iterator[Ledger | Added]:
        for url, template, context in map(every.__getitem__, turns):
            yield Ledger({url: press.write(url, template, context())})
        yield album.added

    with progress(total=len(every)) as tick:
        for made in shared_out(work, len(every)):
            if isinstance(made, Ledger):
                now.pages.update(made.pages)
                tick()
            else:
                album.take(made)
    album.sweep()
    write_addresses(site)
    _sweep(site, {*urls.values(), *now.pages})
    os.sync()  # what the ledger says is on the disk
    now.drawn.update(album.added.drawn)
    now.pictures.update(album.added.files)
    write_if_changed(_note_of(site), now.encode())
    return len(every)


class Press:
    """Writes pages: renders those whose inputs are not those that the ledger says, and writes those that differ."""

    def __init__(
        self,
        site: Path,
        ledger: Ledger,
        around: Frame,
        given: Mapping[str, Mapping[str, str]],
        templates: Iterable[str],
    ) -> None:
        """given: what all templates get beside their page and its frame."""
        self._site, self._ledger, self._around, self._given = site, ledger, around, given
        env = environment()
        self._templates = {name: (env.get_template(name), of) for name, of in inputs_of(templates, env, given).items()}

    def write(self, url: str, template: str, context: object) -> Written:
        """Errors: OutputError."""
        page, form = self._templates[template]
        path = self._site / url
        frame = replace(self._around, root="../" * url.count("/"), nav=current(url, self._around.nav))
        inputs = digest_of(form, frame, context)
        if self._ledger.holds(url, inputs, path):
            return self._ledger.pages[url]
        write_if_changed(path, page.render(page=context, frame=frame, **self._given).encode(), durable=False)
        return stamped(inputs, path)


def _sweep(site: Path, kept: set[str]) -> None:
    """Removes the pages and assets that are not `kept`."""
    for folder, folders, files in os.walk(site):
        within = "" if folder == str(site) else Path(folder).relative_to(site).as_posix() + "/"
        if not within:
            folders[:] = [name for name in folders if name != "media"]  # the album's, and most of the files
        for name in files:
            if (name.endswith(".html") or within == "assets/") and within + name not in kept:
                Path(folder, name).unlink()
