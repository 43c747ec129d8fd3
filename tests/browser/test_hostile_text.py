"""Hostile texts wherever a report shows text, and private texts that must be nowhere in it.

Two reports of forty images are built. In one, each image carries one of forty payloads as file name, class, group,
columns, tag and note, and some are names of the data set, network, column and reviewer; in the other harmless texts are
in the same places. Its pages must have the same elements and attributes, also in Chromium. The metadata of the images,
the names of user and computer, and all folders are canaries: no byte of a site may contain them.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import csv
import gzip
import json
import os
import platform
import re
import socket
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo
from playwright.sync_api import Browser, Page

from reportgen.config import AuditConfig
from reportgen.gallery.core.check import check_site
from reportgen.gallery.core.data_chunks import read_chunk
from reportgen.gallery.pages.merged_reviews import review_report
from reportgen.pipeline.run import run_audit
from tests.support.browser import opened
from tests.support.tiny_networks import network

ALERT = "alert(document.domain)"
PAYLOADS = [
    f"<script>{ALERT}</script>", f"</script><script>{ALERT}</script>", f"<img src=x onerror={ALERT}>",
    f'"><img src=x onerror={ALERT}>', f"'><svg onload={ALERT}>", f"<svg><script>{ALERT}</script></svg>",
    f'" onmouseover="{ALERT}" x="', f"' onfocus='{ALERT}' autofocus x='", f"` onload={ALERT} x=`",
    f"javascript:{ALERT}", f"java\tscript:{ALERT}", f"data:text/html,<script>{ALERT}</script>",
    f"<a href=javascript:{ALERT}>x</a>", f"<iframe srcdoc='<script>{ALERT}</script>'>", f"<body onload={ALERT}>",
    "<style>@import 'x';</style>", "</style><b>", "</title><b>", "</textarea><b>", "<!--", "-->", "<![CDATA[", "]]>",
    "</table><b>", "<math><mi//xlink:href='x'>", "&lt;b&gt;", "&#60;b&#62;", "&amp;", "<b", "</main>", "<plaintext>",
    "{{ 7*7 }}", "{% raw %}", "${7*7}", "\\u003cb\\u003e", "\u202eevil", "\u2028line", "=1+1", "%3Cb%3E",
    "<template><b>",
]  # fmt: skip
"""Without slash in file names, where it would be a folder."""


def harmless(n: int) -> str:
    return f"text {n:02d}"


class Skeleton(HTMLParser):
    """The elements of a page with the names of their attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, tuple[str, ...]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, tuple(name for name, _ in attrs)))


def skeleton(path: Path) -> tuple[tuple[str, tuple[str, ...]], ...]:
    page = Skeleton()
    page.feed(path.read_text("utf-8"))
    return tuple(page.tags)


@dataclass(frozen=True)
class Report:
    folder: Path
    texts: list[str]

    @property
    def site(self) -> Path:
        return self.folder / "report" / "site"

    def pages(self) -> list[Path]:
        return sorted(path.relative_to(self.site) for path in self.site.rglob("*.html"))


CANARIES = {kind: f"canary-{kind}-8d1f" for kind in ("artist", "gps", "xmp", "comment", "icc", "user", "host", "home")}


def metadata() -> dict[str, object]:
    """What a camera, a program and a person may have left in a PNG."""
    exif = Image.Exif()
    exif[0x013B] = CANARIES["artist"]
    exif.get_ifd(0x8825)[0x001B] = CANARIES["gps"].encode()  # GPSProcessingMethod
    info = PngInfo()
    info.add_text("Comment", CANARIES["comment"])
    info.add_itxt("XML:com.adobe.xmp", f"<x:xmpmeta>{CANARIES['xmp']}</x:xmpmeta>")
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return {"exif": exif, "pnginfo": info, "icc_profile": profile + CANARIES["icc"].encode()}


def unpacked(data: bytes) -> Iterator[bytes]:
    """The bytes of a file, and those that are packed in it: in base64, or compressed as in PNG and gzip."""
    yield data
    for run in re.findall(rb"[A-Za-z0-9+/]{24,}={0,2}", data):
        with contextlib.suppress(binascii.Error):
            yield from unpacked(base64.b64decode(run + b"=" * (-len(run) % 4)))
    for begin in re.finditer(rb"\x78[\x01\x5e\x9c\xda]|\x48\x89|\x1f\x8b\x08", data):
        with contextlib.suppress(zlib.error):
            yield zlib.decompressobj(47 if data[begin.start()] == 0x1F else 15).decompress(data[begin.start() :])


def build(folder: Path, texts: list[str], monkeypatch: pytest.MonkeyPatch) -> Report:
    """A report with each text in every place."""
    (folder / "data").mkdir(parents=True)
    for variable in ("USER", "LOGNAME"):
        monkeypatch.setenv(variable, CANARIES["user"])
    monkeypatch.setenv("HOME", str(folder / CANARIES["home"]))
    monkeypatch.setattr(socket, "gethostname", lambda: CANARIES["host"])
    monkeypatch.setattr(platform, "node", lambda: CANARIES["host"])
    random, rows = np.random.default_rng(0), []
    columns = ["path", "label", "group", texts[0], "column"]
    for n, text in enumerate(texts):
        name = f"{n:02d} {text}.png".replace("/", "\\")
        picture = Image.fromarray(random.integers(0, 255, (32, 32, 3)).astype(np.uint8))
        with open(os.fsencode(folder / "data" / name), "wb") as file:
            picture.save(file, "PNG", **metadata())
        rows.append([name, text, text, text, texts[n % 2]])
    with (folder / "data" / "table.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([columns, *rows])
    (folder / "classes.txt").write_text("\n".join(texts) + "\n", "utf-8")
    monkeypatch.setattr("tests.support.tiny_networks.network", partial(network, classes=len(texts)))
    run_audit(
        AuditConfig(
            data=folder / "data" / "table.csv",
            classes=folder / "classes.txt",
            model="python:tests.support.tiny_networks:network",
            name=texts[1],
            model_name=texts[2],
            select="none",
            device="cpu",
            precision="fp32",
            runtime="torch",
            out=folder / "report",
        )
    )
    chunk = read_chunk(folder / "report" / "site", "images")
    ids = chunk["texts"]["id"].split("\n")
    items = [{"id": i, "tags": [text], "note": text} for i, text in zip(ids, texts, strict=True)]
    export = folder / "review.json"
    export.write_text(json.dumps({"format": 1, "report": chunk["report"], "reviewer": texts[3], "items": items}))
    review_report(folder / "report", [export])
    return Report(folder, texts)


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Report, Report]]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as monkeypatch:
        folder = tmp_path_factory.mktemp("texts")
        benign = [harmless(n) for n in range(len(PAYLOADS))]
        yield build(folder / "hostile", PAYLOADS, monkeypatch), build(folder / "benign", benign, monkeypatch)
    torch.set_num_threads(threads)


MANY = ("images", "classes", "findings")
"""Folders whose pages are named by the texts."""


def skeletons(report: Report) -> dict[str, object]:
    """The skeleton of each page; of the pages in `MANY`, how often each skeleton occurs."""
    found: dict[str, object] = {str(page): skeleton(report.site / page) for page in report.pages()}
    for folder in MANY:
        names = [name for name in found if name.startswith(f"{folder}/")]
        found[folder] = Counter(found.pop(name) for name in names)
    return found


def test_hostile_texts_change_neither_elements_nor_attributes(reports) -> None:
    hostile, benign = reports
    assert len(set(PAYLOADS)) == 40
    assert check_site(hostile.folder / "report")[0] == []
    found, expected = skeletons(hostile), skeletons(benign)
    assert found.keys() == expected.keys()
    assert [name for name in found if found[name] != expected[name]] == []


def dom(page: Page, url: str) -> Counter[str]:
    """How often each element with its attributes is in a page, after its scripts."""
    page.goto(url)
    code = "[...document.querySelectorAll('*')].map((e) => [e.localName, ...e.getAttributeNames()].join(' '))"
    before, found = None, []
    while found != before:  # some parts are made only after the page has loaded
        page.wait_for_timeout(100)
        before, found = found, page.evaluate(code)
    return Counter(found)


SCRIPTED = ("index", "images/index", "classes/index", "review", "merged_reviews", "embedding/index", "provenance")


def test_scripts_build_the_same_elements_from_hostile_texts(browser: Browser, reports) -> None:
    with opened(browser) as (page, messages):
        dialogs: list[str] = []
        page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
        for name in SCRIPTED:
            found, expected = (dom(page, (report.site / f"{name}.html").as_uri()) for report in reports)
            assert found == expected, name
        for folder in MANY:
            for one in sorted((reports[0].site / folder).glob("*.html"))[::20]:
                dom(page, one.as_uri())
        assert dialogs == []
        assert messages == []


def test_site_contains_no_private_text(reports) -> None:
    assert all(text.encode() in next((reports[1].folder / "data").glob("*.png")).read_bytes() or kind in
               ("user", "host", "home", "icc") for kind, text in CANARIES.items())  # fmt: skip
    private = {text.encode() for text in CANARIES.values()} | {os.fsencode(report.folder) for report in reports}
    for report in reports:
        for path in report.site.rglob("*"):
            if path.is_file():
                for data in unpacked(path.read_bytes()):
                    assert not any(text in data for text in private), path


def test_packed_texts_are_found() -> None:
    text = CANARIES["gps"].encode() * 3
    for packed in (
        base64.b64encode(text),
        zlib.compress(text),
        gzip.compress(text),
        base64.b64encode(zlib.compress(text)),
    ):
        assert any(text in data for data in unpacked(b"<p>" + packed + b"</p>")), packed


def test_imported_review_with_hostile_texts_is_text(browser: Browser, reports) -> None:
    hostile, _ = reports
    with opened(browser) as (page, messages):
        dialogs: list[str] = []
        page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
        before = dom(page, (hostile.site / "review.html").as_uri())
        page.locator("summary").click()
        page.get_by_label("import JSON or CSV").set_input_files(hostile.folder / "review.json")
        page.get_by_text("imported").first.wait_for()
        for _ in PAYLOADS[1:]:
            page.keyboard.press("ArrowRight")
        page.wait_for_timeout(100)
        elements = page.evaluate("[...document.querySelectorAll('script, iframe, img[onerror], svg[onload]')].length")
        assert elements == sum(n for name, n in before.items() if name.split()[0] in ("script", "iframe"))
        assert dialogs == []
        assert messages == []
