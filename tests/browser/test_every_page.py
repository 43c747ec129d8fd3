"""Every kind of page: from a file, under a sub-path, narrow and wide, without scripts, accessible."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.pages import axe_violations, image_page_of, one_of_each, visited
from tests.conftest import SELECTED_IMAGE
from tests.support.browser import address, broken_pictures, hosted, opened, sideways

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("width", [1280, 400])
def test_every_kind_of_page_opens_from_a_file(browser: Browser, demo_report: Path, width: int) -> None:
    site = demo_report / "site"
    with opened(browser, width, offline=True) as (page, messages):
        for name in one_of_each(site):
            page.goto((site / name).as_uri())
            assert broken_pictures(page) == 0, name
            assert sideways(page) <= 0, f"{name} scrolls sideways"
            assert messages == [], name


def test_every_kind_of_page_opens_under_a_sub_path(browser: Browser, demo_report: Path) -> None:
    site = demo_report / "site"
    with hosted(site) as root, opened(browser) as (page, messages):
        for name in one_of_each(site):
            page.goto(root + name)
            assert broken_pictures(page) == 0, name
            assert messages == [], name


def test_page_for_unknown_addresses_links_to_the_overview(browser: Browser, demo_report: Path) -> None:
    site = demo_report / "site"
    for under in ("audits", "audits/classes"):
        with hosted(site, under) as root:
            for gone in ("gone.html", "classes/gone.html", "units/no-layer/", "a/b/c/d"):
                with opened(browser) as (page, messages):
                    page.goto(root + gone)
                    page.wait_for_function(
                        "url => document.querySelector('main a').href === url", arg=root + "index.html"
                    )
                    assert page.evaluate("getComputedStyle(document.body).maxWidth") != "none"
                    assert all(line.startswith(("404: ", "console error: Failed to load")) for line in messages), (
                        messages
                    )
                    page.get_by_role("link", name="Overview").click()
                    page.wait_for_url(f"{root}index.html")
    with opened(browser, offline=True) as (page, messages):
        page.goto((site / "404.html").as_uri())
        page.get_by_role("link", name="Overview").click()
        page.wait_for_url("**/site/index.html")
        assert messages == []


def test_page_above_the_site_forwards_to_it(browser: Browser, demo_report: Path) -> None:
    with opened(browser, offline=True) as (page, _):
        page.goto((demo_report / "index.html").as_uri())
        page.wait_for_url("**/site/index.html")
        assert page.locator("h1").is_visible()


def test_every_kind_of_page_is_readable_without_scripts(browser: Browser, demo_report: Path) -> None:
    site = demo_report / "site"
    pictured = 0
    with opened(browser, offline=True, java_script_enabled=False) as (page, messages):
        for name in one_of_each(site):
            page.goto((site / name).as_uri())
            assert page.locator("h1").is_visible(), name
            assert page.locator("main").inner_text().strip(), name
            assert page.locator("button").count() == 0, name  # none of them would work
            for picture in page.locator("main .layer, main .still img, main svg[role=img]").all():
                pictured += picture.is_visible()
        assert pictured > 150
        assert messages == []


def test_no_page_scrolls_sideways_at_200_percent(browser: Browser, demo_report: Path) -> None:
    """A window of 1280 pixels at 200 % is one of 640 CSS pixels."""
    site = demo_report / "site"
    with opened(browser, 640, offline=True, device_scale_factor=2) as (page, messages):
        for name in one_of_each(site):
            page.goto((site / name).as_uri())
            assert sideways(page) <= 0, name
            assert page.locator("h1").is_visible(), name
        assert messages == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_kind_of_page_passes_axe(browser: Browser, demo_report: Path, scheme: str) -> None:
    """WCAG 2.2 A and AA by axe-core, on one page of each kind, and on the images as a table."""
    site = demo_report / "site"
    with opened(browser, scheme=scheme, offline=True) as (page, _):
        for name in [*one_of_each(site), "images/index.html#view=table"]:
            page.goto("about:blank")
            page.goto(f"{site.as_uri()}/{name}")
            assert axe_violations(page, scheme) == [], name


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_enough_contrast(browser: Browser, demo_report: Path, scheme: str) -> None:
    """WCAG 2.2, 1.4.3: every colour of text has a contrast of at least 4.5 to 1 with what is behind it."""
    luminance = """(text) => {
      const linear = v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
      const rgb = text.match(/[0-9.]+/g).slice(0, 3).map(v => linear(v / 255));
      return 0.2126 * rgb[0] + 0.7152 * rgb[1] + 0.0722 * rgb[2];
    }"""
    with opened(browser, scheme=scheme, offline=True) as (page, _):
        page.goto((demo_report / "site" / "index.html").as_uri())
        colours = page.evaluate(
            "[...document.querySelectorAll('main *:not(.hidden), footer, header a')]"
            ".filter(e => [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim()))"
            ".map(e => { let of = e; const ground = () => getComputedStyle(of).backgroundColor;"
            " while (ground() === 'rgba(0, 0, 0, 0)') of = of.parentElement;"
            " return `${getComputedStyle(e).color} ${ground()}`; })"
        )
        assert len(set(colours)) > 3
        for colour in set(colours):
            text, ground = (page.evaluate(luminance, f"{part})") for part in colour.split(")")[:2])
            high, low = max(text, ground), min(text, ground)
            assert (high + 0.05) / (low + 0.05) >= 4.5, colour


def test_single_character_keys_are_switched_off_for_all_pages(browser: Browser, demo_report: Path) -> None:
    """WCAG 2.1.4: the setting is stored, and it is reached without a single-character key."""
    site = demo_report / "site"
    with hosted(site) as root, visited(browser, root + "provenance.html") as page:
        page.get_by_role("button", name="Search").click()
        page.locator("dialog").get_by_label("single-character keys").uncheck()
        page.keyboard.press("Escape")
        page.keyboard.press("/")
        assert not page.get_by_role("combobox").is_visible()
        page.goto(root + "images/index.html")
        page.keyboard.press("f")
        assert page.evaluate("document.activeElement.tagName") == "BODY"
        page.goto(f"{root}images/{image_page_of(demo_report, SELECTED_IMAGE).name}")
        for key in "mcbs[]+0?":
            page.keyboard.press(key)
        assert page.get_by_label("boxes").is_checked()
        assert not page.get_by_label("normalize per map").is_checked()
        assert page.locator("#viewer select").input_value() == "0"
        assert page.get_by_label("threshold").input_value() == "20"
        assert "#" not in address(page)
        page.goto(root + "review.html")
        page.keyboard.press("1")
        assert "0 reviewed" in page.locator("#review").inner_text()
        page.locator("summary").click()
        page.locator("#review").get_by_label("single-character keys").check()
        page.keyboard.press("1")
        assert "1 reviewed" in page.locator("#review").inner_text()
        page.goto(f"{root}images/{image_page_of(demo_report, SELECTED_IMAGE).name}")
        page.keyboard.press("b")
        assert not page.get_by_label("boxes").is_checked()
        page.keyboard.press("?")
        assert page.locator("#viewer").get_by_label("single-character keys").is_checked()
