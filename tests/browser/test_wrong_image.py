"""The page of a wrong prediction: both maps with a slider, without scripts next to each other; tags of the review."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.pages import axe_violations, image_page_of, visited
from tests.conftest import SELECTED_IMAGE
from tests.support.browser import hosted, opened, sideways

pytestmark = pytest.mark.browser


def frames(page: Page) -> list[dict[str, float]]:
    boxes = [frame.bounding_box() for frame in page.locator(".wipe .frame").all()]
    return [box for box in boxes if box is not None]


def cut(page: Page) -> str:
    return page.locator(".wipe .frame").nth(1).evaluate("frame => getComputedStyle(frame).clipPath")


def test_maps_are_side_by_side_without_scripts(browser: Browser, demo_report: Path) -> None:
    with opened(browser, offline=True, java_script_enabled=False) as (page, messages):
        page.goto(image_page_of(demo_report, SELECTED_IMAGE).as_uri())
        left, right = frames(page)
        assert left["x"] + left["width"] < right["x"]
        assert left["y"] == right["y"]
        assert page.locator(".wipe .layer").count() == 2
        assert page.locator("#comparison input").count() == 0
        assert cut(page) == "none"
        assert messages == []


def test_slider_uncovers_one_map_or_the_other(browser: Browser, demo_report: Path) -> None:
    """By the slider, its keys, and the pointer on the picture. The maps lie over each other."""
    with visited(browser, image_page_of(demo_report, SELECTED_IMAGE).as_uri(), offline=True) as page:
        first, second = frames(page)
        assert first == second
        slider = page.locator("#comparison input[type=range]")
        assert cut(page) == "inset(0px 0px 0px 50%)"
        slider.fill("20")
        assert cut(page) == "inset(0px 0px 0px 20%)"
        slider.press("ArrowRight")
        assert cut(page) == "inset(0px 0px 0px 21%)"
        y = second["y"] + second["height"] / 2
        page.mouse.move(second["x"] + 0.8 * second["width"], y)
        page.mouse.down()
        assert cut(page) == "inset(0px 0px 0px 80%)"
        page.mouse.move(second["x"] + 0.6 * second["width"], y)
        page.mouse.up()
        assert cut(page) == "inset(0px 0px 0px 60%)"
        page.mouse.move(second["x"] + 0.1 * second["width"], y)
        assert cut(page) == "inset(0px 0px 0px 60%)"


def test_comparison_comes_first_with_bars_and_a_neighbour(browser: Browser, demo_report: Path) -> None:
    """The report has no image with the label Egyptian cat: the page states that."""
    with visited(browser, image_page_of(demo_report, SELECTED_IMAGE).as_uri(), offline=True) as page:
        comparison = page.locator("#comparison")
        assert page.locator("main h2").first.inner_text() == "Predicted class and label"
        names = comparison.locator(".class-name").all_inner_texts()
        assert names == ["Egyptian cat predicted", "tabby label", "all 998 others"]
        scores = [float(text) for text in comparison.locator(".score").all_inner_texts()]
        assert sum(scores) == pytest.approx(1, abs=0.02)
        widths = comparison.locator(".bar .value").evaluate_all("all => all.map(bar => bar.width.baseVal.value)")
        assert widths == pytest.approx([100 * score for score in scores], abs=0.6)
        assert comparison.locator(".cards .name").all_inner_texts() == ["tabby"]
        assert "No other image has the label Egyptian cat." in comparison.inner_text()
        assert comparison.locator(".frame .layer").count() == 3


def test_list_of_classes_chooses_the_layer_of_the_viewer(browser: Browser, demo_report: Path) -> None:
    with visited(browser, image_page_of(demo_report, SELECTED_IMAGE).as_uri(), offline=True) as page:
        data = json.loads(page.locator("#viewer-data").inner_text())
        buttons = page.locator("#top_classes button")
        assert [
            text.split("\n")[0].split(" predicted")[0].split(" label")[0] for text in buttons.all_inner_texts()
        ] == [one["name"] for one in data["cams"]]
        buttons.nth(2).click()
        expect(page.locator("#viewer select")).to_have_value("2")
        expect(page).to_have_url(f"{image_page_of(demo_report, SELECTED_IMAGE).as_uri()}#layer=2")
        pressed = buttons.evaluate_all("all => all.map(button => button.ariaPressed)")
        assert pressed == ["false", "false", "true", *["false"] * (len(pressed) - 3)]
        page.locator("#top_classes .frame").first.click()
        expect(page.locator("#viewer select")).to_have_value("0")


def test_tags_and_note_of_the_review_show_on_the_image_page(browser: Browser, demo_report: Path) -> None:
    """Also after "back", and where the browser has something else stored."""
    name = image_page_of(demo_report, SELECTED_IMAGE).name
    with hosted(demo_report / "site") as root, visited(browser, f"{root}images/{name}") as page:
        line = page.locator("#review-tags")
        expect(line).to_have_text("Review this image")
        line.get_by_role("link").click()
        page.wait_for_url("**/review.html#at=*")
        expect(page.locator("#review h2")).to_contain_text("tabby")
        expect(page.locator("#review")).to_contain_text(SELECTED_IMAGE)
        page.get_by_role("button", name="label error").click()
        page.get_by_role("button", name="background").click()
        page.get_by_label("note").fill("an Egyptian Mau?")
        page.goto(f"{root}images/{name}")
        expect(line).to_contain_text("Reviewed:")
        assert line.locator(".tag").all_inner_texts() == ["label error", "background"]
        expect(line).to_contain_text("“an Egyptian Mau?”")
        page.evaluate("for (const key of Object.keys(localStorage)) localStorage.setItem(key, '[1')")
        page.reload()
        expect(line).to_have_text("Review this image")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
def test_wrong_image_is_accessible_and_as_wide_as_the_window(
    browser: Browser, demo_report: Path, width: int, scheme: str
) -> None:
    with opened(browser, width, scheme, offline=True) as (page, _):
        page.goto(image_page_of(demo_report, SELECTED_IMAGE).as_uri() + "#outcome=class")
        expect(page.locator(".selection")).to_be_visible()
        assert sideways(page) <= 0
        assert axe_violations(page, scheme) == []
