"""A report with fewer full pages than images: what it has, and that short pages say what full ones would."""

from __future__ import annotations

import re
import shutil
from html import unescape
from pathlib import Path

import pytest

from reportgen.errors import ConfigError
from reportgen.gallery.components.short_images import chunk_bits, chunk_number
from reportgen.gallery.core.check import check_site
from reportgen.gallery.core.data_chunks import read_chunk
from reportgen.gallery.core.pack import single
from tests.support.html import read_html
from tests.support.short_reports import FULL_PAGES, IMAGES, ShortReport


def full_pages(site: Path) -> set[str]:
    return {path.name for path in (site / "images").glob("0*.html")}


def test_site_has_so_many_full_pages_and_data_of_all_other_images(short_report: ShortReport) -> None:
    """A report whose images all had full pages loses those that it no longer has."""
    assert check_site(short_report.report)[0] == []
    full, short = full_pages(short_report.site), short_report.short_images()
    assert len(full) == FULL_PAGES
    assert {int(name[:6]) for name in full} | {image["row"] for image in short} == set(range(IMAGES))
    assert len(full) + len(short) == IMAGES
    assert not (short_report.all_full / "image.html").exists()
    text = read_html(short_report.site / "image.html")
    assert f"full pages for {FULL_PAGES} of {IMAGES} images" in text


def test_chunk_of_an_image_follows_from_its_id(short_report: ShortReport) -> None:
    assert [chunk_bits(n) for n in (0, 1, 128, 129, 1_280_000)] == [0, 0, 0, 1, 14]
    assert chunk_number("ffffff0000000000", 14) == 2**14 - 1
    assert chunk_number("8000000000000000.2", 1) == 1
    assert chunk_number("7fffff0000000000", 1) == 0
    assert chunk_number("7fffff0000000000", 0) == 0


def test_short_images_say_what_their_full_pages_say(short_report: ShortReport) -> None:
    """The facts, the classes with their probabilities, the boxes, the caption and the neighbours, character by
    character."""
    images = short_report.short_images()
    assert images
    for image in images:
        html = unescape(read_html(short_report.full_page_of(image["row"])))
        assert f"<h1>{image['heading']} " in html
        facts = re.findall(r"<dt>([^<]*)</dt><dd>(?:<a [^>]*>)?([^<]*)", html)
        assert [(name, value) for name, value, _ in image["facts"]] == facts[: len(image["facts"])]
        rows = re.findall(
            r'class="class-name">([^<]*?)(?: <span class="quiet">([^<]*)</span>)?</span><span class="score">([\d.]*)',
            html[html.index('id="top_classes"') :],
        )
        assert [(name, role, score) for _, name, score, role in image["classes"]] == rows
        viewer = html[html.index('id="viewer"') : html.index('id="viewer-controls"')]
        drawn = re.findall(r'<rect class="(predicted|ground-truth)" x="([^"]*)" y="([^"]*)" width="([^"]*)"', viewer)
        boxes = [("ground-truth", box) for box in image["ground_truth"]]
        boxes += [("predicted", image["predicted"])] if image["predicted"] else []
        assert [kind for kind, *_ in drawn] == [kind for kind, _ in boxes]
        for (_, x, y, width), (_, box) in zip(drawn, boxes, strict=True):
            assert [float(x), float(y), float(width)] == pytest.approx([box[0], box[1], box[2] - box[0]], abs=0.11)
        caption = html[html.index('id="viewer-controls"') :].partition("</figcaption>")[0]
        assert caption.endswith(image["box_caption"])
        strip = html[html.index('id="neighbours"') :].split('<li class="first">')[1]
        assert re.findall(r'title="([^"]*)"', strip)[1:] == [name for _, name, *_ in image["neighbours"]]
        distances = re.findall(r'<span class="quiet">([^<]*)</span></a>', strip)
        assert distances[1:] == [distance for _, _, _, distance, *_ in image["neighbours"]]


def test_pages_without_full_images_are_the_same_with_and_without_the_limit(short_report: ShortReport) -> None:
    """Figures do not depend on the limit: the page of metrics has the same bytes."""
    name = "data/metrics.json"
    assert (short_report.site / name).read_bytes() == (short_report.all_full / name).read_bytes()
    chunk = read_chunk(short_report.site, "images")
    other = read_chunk(short_report.all_full, "images")
    assert chunk["columns"] == other["columns"]
    assert len(chunk["texts"]["page"].split("\n")) == IMAGES


def test_pack_names_the_full_page_that_an_image_lacks(short_report: ShortReport, tmp_path: Path) -> None:
    name = short_report.short_images()[0]["name"]
    with pytest.raises(ConfigError, match="no full page of an image called"):
        single(short_report.report, [name], tmp_path / "one.html")


def test_check_finds_links_to_images_that_the_site_does_not_have(short_report: ShortReport, tmp_path: Path) -> None:
    shutil.copytree(short_report.site, tmp_path / "site")
    page = tmp_path / "site" / "provenance.html"
    known = short_report.short_images()[0]["id"]
    links = f'<a href="image.html#id={known}&label=3">a</a><a href="image.html#id=0123456789abcdef">b</a>'
    page.write_text(page.read_text().replace("</main>", f"{links}</main>"))
    faults = [str(fault) for fault in check_site(tmp_path)[0]]
    assert "provenance.html: `image.html#id=0123456789abcdef` is missing" in faults
    assert not any(known in fault for fault in faults)
