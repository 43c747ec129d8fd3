"""The search of every page (`/`): pages, classes, images and units."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Route, expect

from tests.browser.pages import axe_violations, image_page_of, visited
from tests.conftest import SELECTED_IMAGE
from tests.support.browser import hosted, opened

pytestmark = pytest.mark.browser


def test_search_finds_pages_classes_images_and_units(browser: Browser, demo_report: Path) -> None:
    site = demo_report / "site"
    address, layer = first_layer(site)
    wanted = {
        "espresso": "classes/",
        "chelsea_mirrored": "images/*chelsea-mirrored",
        "calib": None,
        "map": "embedding/index.html",
        f"{layer} unit 3": address.replace("index", "0003"),
    }
    for text, expected in wanted.items():
        with visited(browser, image_page_of(demo_report, SELECTED_IMAGE).as_uri(), offline=True) as page:
            page.keyboard.press("/")
            field = page.get_by_role("combobox", name="Go to a page")
            expect(field).to_be_focused()
            expect(page.get_by_role("option")).not_to_have_count(0)
            field.fill(text)
            if expected is None:
                expect(page.get_by_text("No page, class, image or unit has this name.")).to_be_visible()
                page.keyboard.press("Escape")
                expect(field).not_to_be_visible()
            else:
                page.keyboard.press("ArrowDown")
                page.keyboard.press("ArrowUp")
                page.keyboard.press("Enter")
                page.wait_for_url(f"**/{expected}*")
                expect(page.locator("h1")).to_be_visible()


def first_layer(site: Path) -> tuple[str, str]:
    """Return address and name of the first layer in the list of units."""
    page = (site / "units" / "index.html").read_text()
    return re.findall(r'<th scope="row"><a href="\.\./([^"]+)">([^<]+)</a>', page)[0]


def test_search_works_by_mouse_under_a_sub_path(browser: Browser, demo_report: Path) -> None:
    with hosted(demo_report / "site") as root, visited(browser, root + "provenance.html") as page:
        page.get_by_role("button", name="Search").click()
        page.get_by_role("option", name="Confusions").click()
        page.wait_for_url("**/audits/today/confusions/index.html")


def test_search_remembers_enter_until_its_data_is_loaded(browser: Browser, demo_report: Path) -> None:
    with hosted(demo_report / "site") as root, visited(browser, root + "provenance.html") as page:
        waiting: list[Route] = []
        page.route("**/data/images.*", lambda route: waiting.append(route))
        page.keyboard.press("/")
        page.keyboard.type("confusions")
        page.keyboard.press("Enter")
        expect(page.get_by_role("combobox", name="Go to a page")).to_be_visible()
        while not waiting:
            page.wait_for_timeout(20)
        waiting[0].continue_()
        page.wait_for_url("**/audits/today/confusions/index.html")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_open_search_passes_axe(browser: Browser, demo_report: Path, scheme: str) -> None:
    with opened(browser, scheme=scheme, offline=True) as (page, _):
        page.goto((demo_report / "site" / "provenance.html").as_uri())
        page.keyboard.press("/")
        expect(page.get_by_role("option")).not_to_have_count(0)
        assert axe_violations(page) == []
