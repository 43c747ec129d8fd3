"""How pages load: the weight of the wall of images, and the measure of what moves while a page loads."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from reportgen.gallery.pages.image_list import IMAGES_PER_PAGE
from tests.browser.layout import cumulative_shift, scroll_through
from tests.support.browser import hosted, opened
from tests.support.demo import IMAGES

pytestmark = pytest.mark.browser
MAX_WALL = 1_000_000


def test_windows_of_shifts_are_summed_as_defined() -> None:
    assert cumulative_shift([]) == 0
    assert cumulative_shift([(0, 0.05, ""), (900, 0.04, ""), (2000, 0.08, "")]) == pytest.approx(0.09)
    assert cumulative_shift([(900.0 * k, 0.02, "") for k in range(8)]) == pytest.approx(0.12)


def test_wall_of_images_loads_less_than_a_megabyte(browser: Browser, demo_report: Path) -> None:
    """Everything that the page loads until its end is reached: markup, scripts, data and all of its pictures.

    The demo has fewer images than a page can have, so the pictures and the data of the others are added.
    """
    with hosted(demo_report / "site") as root, opened(browser) as (page, messages):
        loaded: dict[str, int] = {}
        page.on("response", lambda response: loaded.update({response.url: len(response.body())}))
        page.goto(root + "images/index.html")
        scroll_through(page)
        page.wait_for_load_state("networkidle")
        pictures = page.locator("#wall img").evaluate_all("all => all.filter(i => i.naturalWidth).map(i => i.src)")
        cards = page.locator("#wall .card").count()
        assert cards == IMAGES <= IMAGES_PER_PAGE
        assert len(pictures) >= IMAGES
        assert set(pictures) <= set(loaded)
        of_images = sum(size for url, size in loaded.items() if not url.endswith(".css") and "/assets/" not in url)
        assert sum(loaded.values()) - of_images + of_images * IMAGES_PER_PAGE / cards < MAX_WALL
        assert messages == []
