"""Data that are too large for one file: written in pieces, checked, read again, and put together by the browser."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, expect

from reportgen.gallery.components import embedding_chunks
from reportgen.gallery.core import data_chunks
from reportgen.gallery.core.check import check_site
from reportgen.gallery.core.data_chunks import PIECE, read_chunk, script, write_chunk
from tests.browser.pages import visited
from tests.site.clusters import N, two_clusters
from tests.site.reports import write_report


@pytest.fixture
def small_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_chunks, "MAX_CHUNK", 4000)
    monkeypatch.setattr(data_chunks, "MAX_PIECE", 1500)


def write_whole_atlases(site: Path, name: str, data: bytes) -> list[str]:
    """Atlases are pictures, which are far smaller than the true limit."""
    limit = data_chunks.MAX_CHUNK
    data_chunks.MAX_CHUNK = 10**9 if name.startswith("atlas") else limit
    urls = write_chunk(site, name, data)
    data_chunks.MAX_CHUNK = limit
    return urls


def pieces(site: Path) -> list[Path]:
    return sorted((site / "data").glob(f"*{PIECE}*.js"))


def test_chunk_in_pieces_is_the_chunk(small_files: None, tmp_path: Path) -> None:
    """Also with quotes, backslashes and line breaks at the ends of pieces."""
    columns = {"row": np.arange(3000, dtype=np.int32)}
    texts = {"name": ['"\\"</script>\n' * 50, "é" * 300]}
    data = script("made-up", columns, texts, {"n": 3000})
    urls = write_chunk(tmp_path, "made-up", data)
    body = data_chunks.load_json(data.decode()[data.index(b"{") : data.rindex(b"}") + 1])
    assert read_chunk(tmp_path, "made-up") == body
    assert len(urls) == 1 + len(pieces(tmp_path)) > 3
    assert all(path.stat().st_size <= 2 * 1500 + 100 for path in pieces(tmp_path))


@pytest.mark.browser
def test_report_with_data_in_pieces_is_complete_and_works(
    browser: Browser, small_files: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedding_chunks, "write_chunk", write_whole_atlases)
    site = write_report(two_clusters(), tmp_path)
    assert check_site(tmp_path)[0] == []
    names = {path.name.split(PIECE)[0] for path in pieces(site)}
    assert {"images", "cams"} <= names
    with visited(browser, (site / "images" / "index.html").as_uri() + "#view=table", offline=True) as page:
        expect(page.locator("#explore output").first).to_have_text(f"{N} of {N} images")
        expect(page.locator(".image-table tbody tr")).to_have_count(N)
    with visited(browser, (site / "review.html").as_uri(), offline=True) as page:
        expect(page.locator("#review .frame .photo")).to_be_visible()
    with visited(browser, (site / "embedding" / "index.html").as_uri(), offline=True) as page:
        expect(page.locator("#embedding output").first).to_have_text(f"{N} of {N} images")
    with visited(browser, (site / "provenance.html").as_uri(), offline=True) as page:
        page.keyboard.press("/")
        page.get_by_role("combobox").fill("59.png")
        expect(page.get_by_role("option")).to_have_count(1)

    piece = pieces(site)[0]
    text = piece.read_text()
    piece.unlink()
    assert any(fault.text == "is not a chunk of data" for fault in check_site(tmp_path)[0])
    piece.write_text(text)
    monkeypatch.setattr(data_chunks, "MAX_CHUNK", 16 * 1024 * 1024)
    write_report(two_clusters(), tmp_path)
    assert pieces(site) == []
    assert check_site(tmp_path)[0] == []
