"""Printed pages, and pages in the forced colours of the system."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.layout import A4
from tests.browser.pages import image_page_of, visited
from tests.conftest import SELECTED_IMAGE
from tests.support.browser import broken_pictures, opened, sideways

pytestmark = pytest.mark.browser


def test_image_page_prints_its_overlays(browser: Browser, demo_report: Path) -> None:
    """The overlays are printed, the controls are not."""
    with opened(browser, offline=True) as (page, messages):
        page.goto(image_page_of(demo_report, SELECTED_IMAGE).as_uri())
        assert broken_pictures(page) == 0
        page.emulate_media(media="print")
        assert page.locator("#viewer .layer").is_visible()
        assert page.locator("#viewer rect.predicted").count() == 1
        for hidden in ("header nav", "#viewer .tools label", "#viewer .tools button"):
            assert not any(part.is_visible() for part in page.locator(hidden).all()), hidden
        assert sideways(page) <= 0
        printed = page.pdf(format="A4", print_background=True)
        assert printed.startswith(b"%PDF-")
        assert printed.count(b"/Subtype /Image") >= 10
        assert messages == []


CONTROLS = "button:not(th button), input, select, progress, fieldset, nav, dialog, .filters > a"


@pytest.mark.parametrize(
    "name",
    [
        "index.html",
        "images/index.html",
        "images/index.html#view=table",
        "embedding/index.html",
        "review.html",
        "confusions/index.html",
        "activations/index.html",
        "image",
    ],
)
def test_printed_page_has_no_control(browser: Browser, demo_report: Path, name: str) -> None:
    site = demo_report / "site"
    url = (
        image_page_of(demo_report, SELECTED_IMAGE).as_uri()
        if name == "image"
        else f"{(site / 'x').as_uri()[:-1]}{name}"
    )
    with visited(browser, url, offline=True) as page:
        expect(page.get_by_role("button", name="Search")).to_be_visible()
        page.emulate_media(media="print")
        assert page.locator(CONTROLS).count() > 2
        shown = [part for part in page.locator(CONTROLS).all() if part.is_visible()]
        assert [part.evaluate("e => e.outerHTML.slice(0, 90)") for part in shown] == []
        assert page.locator("h1").is_visible()


def test_overview_prints_on_one_page(browser: Browser, demo_report: Path) -> None:
    with visited(browser, (demo_report / "site" / "index.html").as_uri(), offline=True) as page:
        printed = page.pdf(**A4, print_background=True)
        assert len(re.findall(rb"/Type /Page\b(?!s)", printed)) == 1
        page.emulate_media(media="print")
        for part in ("h1", ".wall", ".headlines", ".first-findings", ".class-bars"):
            assert page.locator(part).is_visible(), part


def test_printed_review_shows_the_chosen_tags_only(browser: Browser, demo_report: Path) -> None:
    with visited(browser, (demo_report / "site" / "review.html").as_uri(), offline=True) as page:
        page.keyboard.press("2")
        page.emulate_media(media="print")
        shown = [tag.inner_text() for tag in page.locator(".tags button").all() if tag.is_visible()]
        assert shown == ["2 part only"]


def test_forced_colours_keep_pressed_and_current_visible(browser: Browser, demo_report: Path) -> None:
    """The system's colours replace all of ours: what only a background or a shadow shows would be lost."""
    look = (
        "e => ['backgroundColor', 'color', 'borderBottomColor', 'borderBottomWidth', 'textDecorationLine']"
        ".map(name => getComputedStyle(e)[name]).join()"
    )
    site = demo_report / "site"
    with opened(browser, offline=True, forced_colors="active") as (page, messages):
        page.goto((site / "review.html").as_uri())
        page.keyboard.press("2")
        tags = page.locator(".tags button")
        assert tags.nth(1).evaluate(look) != tags.nth(0).evaluate(look)
        nav = page.locator("header nav a")
        assert page.locator("header nav a[aria-current]").evaluate(look) != nav.first.evaluate(look)
        page.keyboard.press("/")
        options = page.get_by_role("option")
        assert options.nth(0).evaluate(look) != options.nth(1).evaluate(look)
        page.goto((site / "embedding" / "index.html").as_uri())
        lasso = page.get_by_role("button", name="lasso")
        before = lasso.evaluate(look)
        lasso.click()
        page.mouse.move(0, 0)
        assert lasso.evaluate(look) != before
        swatches = {s.evaluate("e => getComputedStyle(e).backgroundColor") for s in page.locator(".legend-row i").all()}
        assert len(swatches) > 2
        assert messages == []
