"""How pages load: the weight of the wall of images, and that nothing moves while a page loads."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from reportgen.gallery.pages.image_list import IMAGES_PER_PAGE
from tests.browser.pages import one_of_each
from tests.support.browser import hosted, opened
from tests.support.demo import IMAGES

pytestmark = pytest.mark.browser
MAX_WALL = 1_000_000
MAX_SHIFT = 0.1
"""Cumulative layout shift that web.dev calls good."""
SHIFTS = """
window.shifts = [];
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) {
    if (entry.hadRecentInput) continue;
    const [first] = entry.sources;
    window.shifts.push([entry.startTime, entry.value, first?.node?.outerHTML?.slice(0, 120) ?? ""]);
  }
}).observe({ type: "layout-shift", buffered: true });
"""


def scroll_through(page: Page) -> None:
    """Scroll to the end in steps of a window, so that lazy pictures load and sections are drawn."""
    height = page.evaluate("document.documentElement.scrollHeight")
    for y in range(0, height + 900, 900):
        page.evaluate(f"scrollTo(0, {y})")
        page.wait_for_timeout(40)
    page.wait_for_load_state("networkidle")


def cumulative_shift(entries: list[tuple[float, float, str]]) -> float:
    """The largest sum of a window of shifts less than 1 s apart and at most 5 s long, as web.dev defines it."""
    worst = total = 0.0
    start = last = float("-inf")
    for time, value, _ in entries:
        if time - last > 1000 or time - start > 5000:
            start, total = time, 0.0
        last, total = time, total + value
        worst = max(worst, total)
    return worst


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
        pictures = page.locator("#wall img").evaluate_all("all => all.filter(i => i.naturalWidth).map(i => i.src)")
        cards = page.locator("#wall .card").count()
        assert cards == IMAGES <= IMAGES_PER_PAGE
        assert len(pictures) >= IMAGES
        assert set(pictures) <= set(loaded)
        of_images = sum(size for url, size in loaded.items() if not url.endswith(".css") and "/assets/" not in url)
        assert sum(loaded.values()) - of_images + of_images * IMAGES_PER_PAGE / cards < MAX_WALL
        assert messages == []


@pytest.mark.parametrize("width", [1280, 400])
def test_nothing_moves_while_a_page_loads(browser: Browser, demo_report: Path, width: int) -> None:
    """The cumulative layout shift of every kind of page, with a selection in its address and without one."""
    site = demo_report / "site"
    moved = {}
    with hosted(site) as root, opened(browser, width) as (page, messages):
        page.add_init_script(SHIFTS)
        for name in [*one_of_each(site), "images/index.html#outcome=class", "index.html#outcome=class"]:
            page.goto("about:blank")
            page.goto(root + name)
            scroll_through(page)
            shifts = page.evaluate("window.shifts")
            if cumulative_shift(shifts) >= MAX_SHIFT:
                moved[name] = shifts
        assert messages == []
    assert moved == {}


def test_every_picture_has_its_size_in_the_markup(browser: Browser, demo_report: Path) -> None:
    site = demo_report / "site"
    with opened(browser, offline=True) as (page, messages):
        for name in [*one_of_each(site), "images/index.html#outcome=class", "images/index.html#view=table"]:
            page.goto("about:blank")
            page.goto(f"{site.as_uri()}/{name}")
            page.wait_for_timeout(50)
            without = page.locator("img:not([width][height])").evaluate_all("all => all.map(i => i.outerHTML)")
            assert without == [], name
        assert messages == []
