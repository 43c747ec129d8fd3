"""The short page of an image without a full one: complete, accessible, steady, and reached from everywhere."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.layout import RECORD_SHIFTS, layout_shifts, scroll_through
from tests.browser.pages import axe_violations, visited
from tests.support.browser import broken_pictures, hosted, opened, sideways
from tests.support.short_reports import IMAGES, ShortReport

pytestmark = pytest.mark.browser


def test_short_page_shows_the_image_and_passes_axe(browser: Browser, short_report: ShortReport) -> None:
    image = next(image for image in short_report.short_images() if image["predicted"])
    with hosted(short_report.site) as root, opened(browser) as (page, messages):
        page.add_init_script(RECORD_SHIFTS)
        page.goto(f"{root}image.html#id={image['id']}")
        expect(page.locator("h1")).to_contain_text(image["heading"])
        expect(page.locator(".file")).to_contain_text(f"image {image['row'] + 1} of {IMAGES}")
        assert page.locator("#short-image dl").first.locator("dd").all_inner_texts() == [
            v for _, v, _ in image["facts"]
        ]
        scroll_through(page)
        expect(page.locator(".strips image[href]")).to_have_count(len(image["neighbours"]))
        assert broken_pictures(page) == 0
        assert layout_shifts(page) == []
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            assert axe_violations(page, scheme) == []
        page.set_viewport_size({"width": 400, "height": 900})
        assert sideways(page) <= 0
        assert messages == []


def test_short_page_shows_the_map_of_another_class_by_keyboard(browser: Browser, short_report: ShortReport) -> None:
    """The predicted box belongs to the map of the predicted class, so it is hidden with others."""
    image = next(image for image in short_report.short_images() if image["predicted"])
    pixels = "document.querySelector('.viewer canvas').toDataURL()"
    with visited(browser, f"{(short_report.site / 'image.html').as_uri()}#id={image['id']}", offline=True) as page:
        classes = page.locator("#top_classes button")
        expect(classes).to_have_count(len(image["classes"]))
        before = page.evaluate(pixels)
        expect(page.locator(".boxes rect.predicted")).to_be_visible()
        classes.nth(1).focus()
        page.keyboard.press("Enter")
        expect(classes.nth(1)).to_have_attribute("aria-pressed", "true")
        expect(classes.nth(0)).to_have_attribute("aria-pressed", "false")
        expect(page.locator(".boxes rect.predicted")).not_to_be_visible()
        expect(page.locator(".viewer figcaption")).to_contain_text(image["classes"][1][1])
        assert page.evaluate(pixels) != before


def test_short_pages_are_reached_from_lists_search_review_and_each_other(
    browser: Browser, short_report: ShortReport
) -> None:
    def step_to_short(image: dict[str, Any]) -> int | None:
        """0 if the image before it has a short page, else 1 if the one after it has one."""
        return next((k for k, link in enumerate(image["around"]) if link and link[0].startswith("image.html")), None)

    images = [one for one in short_report.short_images() if "." not in one["id"]]
    image = next(one for one in images if step_to_short(one) is not None)
    name, site = image["name"], short_report.site.as_uri()
    with visited(browser, f"{site}/images/index.html#q={name}", offline=True) as page:
        card = page.locator("#results a.card").first
        expect(card.locator("svg.part image[href]")).to_have_count(1)
        card.click()
        page.wait_for_url(f"**/image.html#**id={image['id']}*")
        expect(page.locator(".around .place")).to_contain_text("1 of")
        expect(page.locator(".file")).to_contain_text(name)
    with visited(browser, f"{site}/image.html#id={image['id']}", offline=True) as page:
        step = step_to_short(image)
        following = image["around"][step]
        expect(page.locator(".file")).to_contain_text(name)
        page.locator(f".around a[rel={('prev', 'next')[step]}]").click()
        expect(page.locator(".file")).to_contain_text(following[1])
        page.go_back()
        expect(page.locator(".file")).to_contain_text(name)
        page.keyboard.press("/")
        page.get_by_role("combobox", name="Go to a page").fill(name)
        expect(page.get_by_role("option").first).to_contain_text(name)
        page.keyboard.press("Escape")
        page.get_by_role("link", name="Review this image").click()
        expect(page.locator("#review .one-line").nth(1)).to_have_text(name)
        expect(page.locator("#review .frame svg.part image[href]")).to_have_count(1)
        expect(page.locator("#review a", has_text="image page")).to_have_attribute(
            "href", f"image.html#id={image['id']}"
        )


@pytest.mark.parametrize("address", ["", "#id=0123456789abcdef", "#id=<b>"])
def test_short_page_says_that_there_is_no_such_image(browser: Browser, short_report: ShortReport, address: str) -> None:
    with visited(browser, f"{(short_report.site / 'image.html').as_uri()}{address}", offline=True) as page:
        expect(page.locator("#short-image .empty")).to_contain_text("no image")
        expect(page.locator("h1")).to_have_text("Image")
