"""Every kind of page: from a file, under a sub-path, narrow and wide, on paper, without scripts, accessible.

A test visits each page once and looks at all that can be seen in one visit, because opening them takes the time.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.layout import (
    A4_WIDTH,
    RECORD_SHIFTS,
    cut_at_the_edge,
    layout_shifts,
    pictures_without_size,
    scroll_through,
)
from tests.browser.pages import axe_violations, image_page_of, kind_of, one_of_each, visited
from tests.conftest import SELECTED_IMAGE
from tests.support.browser import address, broken_pictures, hosted, opened, sideways

pytestmark = pytest.mark.browser
MAX_ELEMENTS = 5000
"""Of a page that axe checks: it takes minutes for a layer of a thousand units, whose page is like those of others."""
WITH_A_SELECTION = ["images/index.html#view=table", "images/index.html#outcome=class", "index.html#outcome=class"]


def test_every_kind_of_page_opens_from_a_file_and_fits_phones_and_paper(browser: Browser, demo_report: Path) -> None:
    """At 400 pixels, at 640 (a window of 1280 at 200 %), and on A4, with a selection in the address and without one."""
    site = demo_report / "site"
    with opened(browser, 400, offline=True) as (page, messages):
        page.add_init_script(RECORD_SHIFTS)
        for name in [*one_of_each(site), *WITH_A_SELECTION]:
            page.goto("about:blank")  # another address of the same page would not load it again
            page.goto(f"{site.as_uri()}/{name}")
            scroll_through(page)
            assert layout_shifts(page) == [], name
            assert broken_pictures(page) == 0, name
            assert pictures_without_size(page) == [], name
            for width in (400, 640):
                page.set_viewport_size({"width": width, "height": 900})
                assert sideways(page) <= 0, f"{name} scrolls sideways at {width}"
            page.set_viewport_size({"width": A4_WIDTH, "height": 900})
            page.emulate_media(media="print")
            assert cut_at_the_edge(page) == [], name
            page.emulate_media(media="screen")
            page.set_viewport_size({"width": 400, "height": 900})
            assert messages == [], name


def test_every_kind_of_page_opens_under_a_sub_path_and_passes_axe(browser: Browser, demo_report: Path) -> None:
    """WCAG 2.2 A and AA by axe-core in the light scheme, and what depends on colours in the dark one."""
    site = demo_report / "site"
    checked, seen = set(), set()
    with hosted(site) as root, opened(browser) as (page, messages):
        page.add_init_script(RECORD_SHIFTS)
        for name in [*one_of_each(site), *WITH_A_SELECTION]:
            page.goto("about:blank")
            page.goto(root + name)
            scroll_through(page)
            assert layout_shifts(page) == [], name
            assert broken_pictures(page) == 0, name
            assert sideways(page) <= 0, f"{name} scrolls sideways"
            if page.locator("*").count() < MAX_ELEMENTS:
                for scheme in ("light", "dark"):
                    page.emulate_media(color_scheme=scheme)
                    assert axe_violations(page, scheme) == [], name
                page.emulate_media(color_scheme="light")
                checked.add(kind_of(name))
            seen.add(kind_of(name))
            assert messages == [], name
    assert checked == seen


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
