"""Renders the pages of a site and writes those that changed, with all cores."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

import jinja2

from reportgen.draw.colormap import diverging, inferno, steps
from reportgen.gallery.core import assets, labels
from reportgen.gallery.core.check import LIVE_POLICY, POLICY, policy_of
from reportgen.gallery.core.checksums import CHECKSUMS, write_checksums
from reportgen.gallery.core.data_chunks import publish_chunk_urls, remove_unlisted_chunks
from reportgen.gallery.core.glossary import link_term
from reportgen.gallery.core.manifest import MANIFEST_FILE, Manifest, PageRecord, digest_of, template_digests
from reportgen.gallery.core.media import ABSENT, AddedMedia, Media, state_of
from reportgen.gallery.core.page import Frame, mark_current
from reportgen.gallery.core.registry import PageDraft
from reportgen.metrics import formatting
from reportgen.parallel import run_parallel
from reportgen.store.files import write_atomic
from reportgen.store.staging import Staging

log = logging.getLogger(__name__)


def environment() -> jinja2.Environment:
    """The template environment: a missing field is an error, and text never becomes markup.

    All builds of a process share it, so that each template is compiled once, and again if its file has changed.
    """
    return _environment(assets.folder("templates"))


@cache
def _environment(folder: Path) -> jinja2.Environment:
    env = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters.update(
        percent=formatting.percent, of=formatting.count_of, interval=formatting.interval, thousands="{:,}".format
    )
    env.filters.update(address=result_address, term=link_term, signed=formatting.signed, between=formatting.between)
    env.globals.update(
        policy=POLICY,
        live_policy=LIVE_POLICY,
        policy_of=policy_of,
        scale_colours={"inferno": steps(inferno(), 6), "diverging": steps(diverging(), 9)},
    )
    env.globals.update(outcome_labels=labels.OUTCOME_LABELS, outcome_shapes=labels.OUTCOME_SHAPES)
    return env


def result_address(name: str, data: Mapping[str, str | Sequence[str]]) -> str:
    """URL of a result file: that of its name, unless `data` has another."""
    url = data.get(name, f"data/{name}")
    assert isinstance(url, str), "chunks are no result files"
    return url


def write_assets(site: Path) -> dict[str, str]:
    """Write CSS and JavaScript under names with their digest, and return name → URL."""
    urls = {}
    for name, data in sorted(assets.published_assets().items()):
        stem, suffix = name.rsplit(".", 1)
        urls[name] = f"assets/{stem}.{hashlib.sha256(data).hexdigest()[:10]}.{suffix}"
        write_if_changed(site / urls[name], data, durable=False)
    return urls


def write_if_changed(path: Path, data: bytes, durable: bool = True) -> None:
    """Write a file unless it has these bytes: then its time stays, and syncs skip it. durable: see `write_atomic`."""
    if not (path.is_file() and path.read_bytes() == data):
        write_atomic(path, data, durable)


class Progress(Protocol):
    """Shows the progress of a build; the function that it yields is called for every page."""

    def __call__(self, *, total: int) -> AbstractContextManager[Callable[[], object]]: ...


def silent(*, total: int) -> AbstractContextManager[Callable[[], object]]:
    """Progress that is not shown."""
    return nullcontext(lambda: None)


def open_media(site: Path, image_format: str = "jpeg") -> tuple[Manifest, Media]:
    """The record of the last build of a site, and its media; image_format: `jpeg` or `webp`."""
    last = Manifest.read(_manifest_of(site))
    return last, Media(site, last.drawn, last.pictures, image_format)


def _manifest_of(site: Path) -> Path:
    return site.parent / "cache" / MANIFEST_FILE


def write_site(
    site: Path,
    frame: Frame,
    pages: Iterable[PageDraft],
    last: Manifest,
    media: Media,
    data: Mapping[str, str | Sequence[str]],
    cards: Mapping[str, list[str]] = MappingProxyType({}),
    progress: Progress = silent,
    staging: Staging | None = None,
) -> int:
    """Write the pages, remove pages, assets and pictures of earlier builds, and return the number of pages.

    A page whose inputs are those of the last build is not rendered; where they are known before it is made, it is not
    made either. frame: as seen from the root; last, media: of `open_media`; data: URLs of the files of chunks by name,
    and of results that are not under their names; cards: for the next build, see `Manifest`; staging: where the pages
    wait for the caller to publish them, together with what else it writes; without it they are published here.
    Errors: OutputError.
    """
    if staging is None:
        with Staging(site.parent) as own:
            pages_written = write_site(site, frame, pages, last, media, data, cards, progress, own)
            own.publish()
        return pages_written
    urls = write_assets(site)
    write_if_changed(site / ".nojekyll", b"# no Jekyll on GitHub Pages: files are served as they are\n")
    drafts = list(pages)
    templates = {draft.template for draft in drafts}
    shared: dict[str, Mapping[str, str | Sequence[str]]] = {"assets": urls, "data": data}
    writer = PageWriter(site, last, media, frame, shared, templates, staging)
    manifest = Manifest(cards=dict(cards))
    manifest.pages.update((draft.url, last.pages[draft.url]) for draft in drafts if writer.keeps(draft))
    waiting = [draft for draft in drafts if draft.url not in manifest.pages]

    def work(turns: Iterator[int]) -> Iterator[dict[str, PageRecord] | AddedMedia]:
        for draft in map(waiting.__getitem__, turns):
            yield {draft.url: writer.write(draft)}
        yield media.added

    with progress(total=len(waiting)) as tick:
        for result in run_parallel(work, len(waiting), lambda i: f"the page `{waiting[i].url}`"):
            if isinstance(result, AddedMedia):
                media.merge(result)
            else:
                if result.keys() - manifest.pages.keys():  # not done again
                    tick()
                manifest.pages.update(result)
    log.debug("%d of %d pages made, %d pictures", len(waiting), len(drafts), len(media.added.files))
    manifest.drawn.update(media.used_drawings() | media.added.by_inputs)
    publish_chunk_urls(site, {name: urls[name] for name in assets.ON_DEMAND}, staging)

    def finish() -> None:
        media.remove_unused()
        remove_unlisted_chunks(site)
        _remove_others(site, {*urls.values(), *manifest.pages})
        media.added.by_content.clear()  # no picture comes any more, and these are many
        manifest.pictures.update(dict.fromkeys(media.added.files, ABSENT))
        manifest.pictures.update(media.states())
        unchanged = manifest.unchanged_since(last) if state_of(site / CHECKSUMS) == last.checksums else ()
        write_checksums(site, unchanged)
        write_if_changed(_manifest_of(site), replace(manifest, checksums=state_of(site / CHECKSUMS)).encode())

    staging.afterwards(finish)
    return len(drafts)


class PageWriter:
    """Renders pages whose inputs are not those of the manifest, and writes those whose bytes differ."""

    def __init__(
        self,
        site: Path,
        manifest: Manifest,
        media: Media,
        frame: Frame,
        shared: Mapping[str, Mapping[str, str | Sequence[str]]],
        templates: Iterable[str],
        staging: Staging,
    ) -> None:
        """shared: variables of all templates, besides their page and its frame."""
        self._site, self._manifest, self._media, self._frame = site, manifest, media, frame
        self._shared, self._staging = shared, staging
        env = environment()
        digests = template_digests(templates, env, shared)
        self._templates = {name: (env.get_template(name), digest) for name, digest in digests.items()}

        self._frame_of = cache(self._make_frame)
        self._surroundings = cache(lambda template, folder: digest_of(digests[template], self._frame_of(folder)))

    def keeps(self, draft: PageDraft) -> bool:
        """Whether the last build made this page from the same inputs, as far as these are known beforehand; its
        pictures are kept too."""
        record, key = self._manifest.pages.get(draft.url), self._key(draft)
        is_same = (
            record is not None and record.key == key != "" and record.state == state_of(f"{self._site}/{draft.url}")
        )
        return is_same and record is not None and self._media.keep(record.pictures)

    def write(self, draft: PageDraft) -> PageRecord:
        """Make and write one page, and return its record. Errors: OutputError."""
        compiled, template_digest = self._templates[draft.template]
        path, frame = self._site / draft.url, self._frame_of(_folder_of(draft.url))
        page, pictures = self._media.pictures_of(draft.make)
        inputs, key = digest_of(template_digest, frame, page), self._key(draft)
        pictures = pictures if key else []
        if self._manifest.is_current(draft.url, inputs, path):
            return replace(self._manifest.pages[draft.url], key=key, pictures=pictures)
        html = compiled.render(page=page, frame=frame, **self._shared)
        return PageRecord.of(inputs, self._staging.write(path, html.encode()), key, pictures)

    def _key(self, draft: PageDraft) -> str:
        """See `PageRecord`."""
        if not draft.inputs:
            return ""
        surroundings = self._surroundings(draft.template, _folder_of(draft.url))
        return hashlib.sha256(f"{surroundings} {draft.inputs}".encode()).hexdigest()

    def _make_frame(self, folder: str) -> Frame:
        """The frame of the pages in a folder, see `_folder_of`."""
        return replace(self._frame, root="../" * folder.count("/"), nav=mark_current(folder, self._frame.nav))


def _folder_of(url: str) -> str:
    """`images/` of `images/index.html`; a page of the root has a frame of its own, and stands for itself."""
    return url[: url.rfind("/") + 1] or url


def _remove_others(site: Path, keep: set[str]) -> None:
    """Remove the pages and assets that are not to be kept."""
    for folder, folders, files in os.walk(site):
        within = "" if folder == str(site) else Path(folder).relative_to(site).as_posix() + "/"
        if not within:
            folders[:] = [name for name in folders if name != "media"]  # most of the files, which `Media` takes care of
        for name in files:
            if (name.endswith(".html") or within == "assets/") and within + name not in keep:
                Path(folder, name).unlink()
