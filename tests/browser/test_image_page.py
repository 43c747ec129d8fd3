"""The other parts of an image page: without scripts, the occluding square, the position on the embedding map."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.pages import image_page_of, open_image, visited
from tests.conftest import SELECTED_IMAGE
from tests.support.browser import opened

pytestmark = pytest.mark.browser


def test_image_page_shows_maps_and_boxes_without_scripts(browser: Browser, demo_report: Path) -> None:
    with opened(browser, offline=True, java_script_enabled=False) as (page, _):
        open_image(page, demo_report)
        assert page.locator("#viewer .layer").is_visible()
        assert page.locator("#viewer rect.ground-truth").count() == 1
        assert page.locator("#viewer rect.predicted").count() == 1
        assert page.locator("#top_classes .layer").count() == 5


def readout_of(data: dict, row: int, column: int) -> str:
    """Return the expected readout for one square: its position and the five classes with their probabilities."""
    at = row * len(data["columns"]) + column
    classes = [
        f"{data['names'][k]} {p / 100:.2f}" for k, p in zip(data["classes"][at], data["scores"][at], strict=True)
    ]
    assert len(classes) == 5
    return f"Square at {data['columns'][column]}, {data['rows'][row]}: {' · '.join(classes)}"


def test_occluding_square_follows_pointer_and_arrow_keys(browser: Browser, demo_report: Path) -> None:
    with opened(browser, offline=True) as (page, messages):
        open_image(page, demo_report, "chelsea")
        data = json.loads(page.locator("#occlusion script").text_content())
        frame, readout = page.locator("#occlusion .frame").nth(1), page.locator("#occlusion .readout")
        assert readout.get_attribute("aria-live") == "polite"
        box = frame.bounding_box()
        row, column = 6, 17  # the pointer on the centre of this square; the demo squashes the whole image
        places = (data["columns"][column], data["rows"][row])
        x, y = ((place + data["side"] / 2) / side for place, side in zip(places, data["input"], strict=True))
        frame.hover(position={"x": x * box["width"], "y": y * box["height"]})
        assert readout.inner_text() == readout_of(data, row, column)
        square = page.locator("#occlusion rect").nth(1)
        left = float(square.get_attribute("x")) / data["size"][0] * data["input"][0]
        assert left == pytest.approx(data["columns"][column], abs=0.5)
        assert float(square.get_attribute("height")) == pytest.approx(
            data["side"] / data["input"][1] * data["size"][1], abs=0.5
        )
        frame.focus()
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowUp")
        assert readout.inner_text() == readout_of(data, row - 1, column + 1)
        for _ in range(len(data["rows"])):
            page.keyboard.press("ArrowDown")
        assert readout.inner_text() == readout_of(data, len(data["rows"]) - 1, column + 1)
        assert "chelsea" in page.url  # the arrows do not turn the page here
        assert messages == []


def test_image_page_links_to_its_position_on_the_map(browser: Browser, demo_report: Path) -> None:
    path = image_page_of(demo_report, SELECTED_IMAGE)
    assert '<section class="view" id="provenance">' in path.read_text()
    with visited(browser, path.as_uri(), offline=True) as page:
        page.locator("#embedding-inset").scroll_into_view_if_needed()
        expect(page.locator("#embedding-inset .card[href]")).to_have_count(2)
        assert "ids=" in (page.locator("#embedding-inset p a").get_attribute("href") or "")
        page.locator("#embedding-inset .card").first.click()
        page.wait_for_url("**/embedding/index.html#*")
        expect(page.locator(".stage")).not_to_have_attribute("data-sprites", "0")
        area = page.locator(".stage").bounding_box()
        page.mouse.click(area["x"] + area["width"] / 2, area["y"] + area["height"] / 2)
        page.wait_for_url(f"**/images/*{path.stem[:6]}*")


def test_position_on_the_map_is_hidden_without_its_picture(browser: Browser, demo_report: Path) -> None:
    """It has no picture without scripts, and none if the page is printed before the section was scrolled to."""
    url = image_page_of(demo_report, SELECTED_IMAGE).as_uri()
    with opened(browser, offline=True, java_script_enabled=False) as (page, messages):
        page.goto(url)
        assert not page.locator("#embedding-inset").is_visible()
        assert messages == []
    with visited(browser, url, offline=True) as page:
        assert page.locator("#embedding-inset").is_visible()
        page.emulate_media(media="print")
        assert not page.locator("#embedding-inset").is_visible()
        page.emulate_media(media="screen")
        page.locator("#embedding-inset").scroll_into_view_if_needed()
        expect(page.locator("#embedding-inset canvas[aria-label]")).to_have_count(2)
        page.emulate_media(media="print")
        assert page.locator("#embedding-inset canvas").first.is_visible()
