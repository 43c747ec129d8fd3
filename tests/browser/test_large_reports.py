"""Reports with many classes and long names, and the pages of the benchmarks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, expect

from benchmarks import browser as browser_benchmark
from benchmarks.map import made_up_page, measured
from reportgen.config import AuditConfig
from reportgen.gallery.components import embedding_chunks
from reportgen.gallery.core.check import check_site
from reportgen.pipeline.run import run_audit
from tests.browser.pages import one_of_each
from tests.support.browser import opened, sideways

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def long_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """1,000 classes with names of 200 characters, an image of each, and file names of 200. Few images have a full page:
    those of others would be alike."""
    folder = tmp_path_factory.mktemp("long")
    names = [f"{k:04d} " + "a class whose name goes on and on, " * 6 for k in range(1000)]
    names = [name[:200] for name in names]
    (folder / "classes.txt").write_text("\n".join(names) + "\n")
    (folder / "data").mkdir()
    random = np.random.default_rng(0)
    rows = ["path,label"]
    for k in range(1000):
        name = f"{k:04d}-".ljust(196, "x") + ".png"
        Image.fromarray(random.integers(0, 256, (8, 8, 3)).astype(np.uint8)).resize((32, 32)).save(
            folder / "data" / name
        )
        rows.append(f'{name},"{names[k]}"')
    (folder / "data" / "table.csv").write_text("\n".join(rows) + "\n")
    run_audit(
        AuditConfig(
            data=folder / "data" / "table.csv",
            classes=folder / "classes.txt",
            model="python:tests.support.tiny_networks:thousand_classes",
            select="none",
            layers=("0",),
            page_limit=50,
            out=folder / "report",
        )
    )
    return folder / "report"


def test_pages_stay_small_and_narrow_with_a_thousand_long_names(browser: Browser, long_report: Path) -> None:
    site = long_report / "site"
    assert check_site(long_report)[0] == []
    large = {
        p.relative_to(site).as_posix(): p.stat().st_size for p in site.rglob("*.html") if p.stat().st_size > 150_000
    }
    assert large == {}
    listed = [p.read_text().count('<th scope="row" class="names"><a') for p in (site / "classes").glob("[ip]*.html")]
    assert sum(listed) == 1000
    with opened(browser, offline=True) as (page, messages):
        for name in one_of_each(site):
            page.goto((site / name).as_uri())
            for width in (1280, 400):
                page.set_viewport_size({"width": width, "height": 900})
                assert sideways(page) <= 0, name
        assert messages == []


def test_pages_of_the_browser_benchmark_open(browser: Browser, tmp_path: Path) -> None:
    """The synthetic audit of `python -m benchmarks browser` has everything that the pages need."""
    image = browser_benchmark.write(tmp_path, 200)
    with opened(browser, offline=True) as (page, messages):
        for name in ("index.html", "images/index.html", "embedding/index.html", image):
            page.goto((tmp_path / name).as_uri())
            assert page.get_by_role("heading", level=1).is_visible()
        assert messages == []


def test_many_images_are_drawn_as_density_with_representatives(browser: Browser, tmp_path: Path) -> None:
    page = made_up_page(tmp_path, 400)
    (script,) = (tmp_path / "assets").glob("embedding-stage.*.js")
    script.write_text(script.read_text().replace("MANY = 200000", "MANY = 300"))
    with opened(browser, offline=True) as (tab, messages):
        tab.goto(page.as_uri())
        stage = tab.locator(".stage")
        expect(stage).not_to_have_attribute("data-sprites", "0")
        expect(stage).to_have_attribute("data-renderer", "2-D canvas")
        tab.get_by_label("outcome").select_option(label="wrong class")
        expect(tab.locator("#embedding output.count")).not_to_have_text("400 of 400 images")
        tab.wait_for_timeout(200)
        alphas = tab.evaluate(
            "(() => { const c = document.querySelector('.stage .drawing'), found = new Set();"
            " const all = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
            " for (let at = 3; at < all.length; at += 4) found.add(all[at]); return [...found]; })()"
        )
        assert {0, 255} < set(alphas)  # nothing, thumbnails, and shades between them
        assert messages == []


@pytest.mark.parametrize("images", [2, 300])
def test_page_of_the_map_benchmark_has_no_errors(browser: Browser, tmp_path: Path, images: int) -> None:
    figures, errors = measured(browser, made_up_page(tmp_path, images), images, 0.1)
    assert errors == []
    assert figures["renderer"] in ("WebGL2", "2-D canvas")
    assert 0 < figures["dots"] <= figures["thumbnails"]


def test_grid_of_more_images_than_a_call_has_arguments_is_drawn(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`Math.max(...values)` of some 100,000 values raises a RangeError."""
    monkeypatch.setattr(embedding_chunks, "MAX_ATLASES", 1)
    page = made_up_page(tmp_path, 130_000)
    with opened(browser, offline=True) as (tab, messages):
        tab.goto(page.as_uri() + "#map=grid")
        expect(tab.locator(".stage")).not_to_have_attribute("data-frames", "0")
        expect(tab.locator("#embedding output.count")).to_have_text("130,000 of 130,000 images")
        assert messages == []
