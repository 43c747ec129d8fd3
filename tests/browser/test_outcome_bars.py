"""Outcome bars: parts in proportion, wide enough to be hit, with links to exactly the images that they count."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.pages import assert_links_lead_to_as_many_images, visited
from tests.support.demo import CLASSES

pytestmark = pytest.mark.browser

LEAST_WIDTH = 24
"""CSS pixels of a target (WCAG 2.2, 2.5.8)."""


@pytest.mark.parametrize("width", [1280, 400])
def test_parts_have_the_shares_of_their_counts_and_are_wide_enough(
    browser: Browser, demo_report: Path, width: int
) -> None:
    url = (demo_report / "site" / "classes" / "index.html").as_uri()
    with visited(browser, url, offline=True, width=width) as page:
        bars = page.locator(".outcome-bar")
        assert bars.count() == 1 + CLASSES  # of all images, and of each class
        parted = 0
        for bar in bars.all():
            parts = bar.locator("li").all()
            counts = [int(part.locator("span").first.inner_text()) for part in parts]
            widths = [part.evaluate("e => e.getBoundingClientRect().width") for part in parts]
            assert min(widths) >= LEAST_WIDTH - 0.1
            free = [(n, w) for n, w in zip(counts, widths, strict=True) if w > LEAST_WIDTH + 1]
            for n, w in free:
                assert w / sum(w for _, w in free) == pytest.approx(n / sum(n for n, _ in free), abs=0.02)
            assert sum(widths) <= bar.evaluate("e => e.clientWidth") + 0.5
            parted += len(parts) > 1
        assert parted >= 2


def test_part_leads_to_as_many_images_as_it_counts(browser: Browser, demo_report: Path) -> None:
    url = (demo_report / "site" / "classes" / "index.html").as_uri()
    with visited(browser, url, offline=True) as page:
        links = page.locator(".outcome-bar a, .outcome-legend a")
        wanted = {
            link.get_attribute("href") or "": int(re.findall(r"\b\d+\b", link.locator("xpath=..").inner_text())[0])
            for link in links.all()
        }
    assert len(wanted) > 8
    assert_links_lead_to_as_many_images(browser, demo_report / "site", wanted)


def test_number_that_does_not_fit_is_hidden_and_not_cut(browser: Browser, demo_report: Path) -> None:
    url = (demo_report / "site" / "classes" / "index.html").as_uri()
    with visited(browser, url, offline=True) as page:
        link = page.locator("table .outcome-bar a").first
        number = link.locator("span").first
        inside = "e => e.getBoundingClientRect().top < e.closest('a').getBoundingClientRect().bottom"
        assert number.evaluate(inside)
        number.evaluate("e => { e.textContent = '1,234,567,890,123,456,789,012,345,678,901,234,567,890,123,456,789' }")
        assert not number.evaluate(inside)
