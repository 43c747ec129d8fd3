"""Pages without scripts, on paper, in forced colours; addresses that were edited; what is missing said in words."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.test_navigation_and_viewer import at, image_of
from tests.conftest import ONE
from tests.support.browser import address, hosted, opened


def test_the_place_on_the_map_is_shown_with_a_picture_or_not_at_all(browser: Browser, demo_report: Path) -> None:
    """Without scripts, and printed before anybody scrolled to it, there is none; the file to mail is of the same."""
    url = image_of(demo_report, ONE).as_uri()
    with opened(browser, offline=True, java_script_enabled=False) as (page, said):
        page.goto(url)
        assert not page.locator("#place").is_visible()
        assert said == []
    with at(browser, url, offline=True) as page:
        assert page.locator("#place").is_visible()
        page.emulate_media(media="print")
        assert not page.locator("#place").is_visible()
        page.emulate_media(media="screen")
        page.locator("#place").scroll_into_view_if_needed()
        expect(page.locator("#place canvas")).to_have_count(2)
        page.emulate_media(media="print")
        assert page.locator("#place canvas").first.is_visible()


CONTROLS = "button:not(th button), input, select, progress, fieldset, nav, dialog, .filters > a"


@pytest.mark.parametrize(
    "name",
    [
        "index.html",
        "images/index.html",
        "images/index.html#view=table",
        "maps/index.html",
        "review.html",
        "confusions/index.html",
        "activations/index.html",
        "image",
    ],
)
def test_no_control_is_printed(browser: Browser, demo_report: Path, name: str) -> None:
    site = demo_report / "site"
    url = image_of(demo_report, ONE).as_uri() if name == "image" else f"{(site / 'x').as_uri()[:-1]}{name}"
    with at(browser, url, offline=True) as page:
        expect(page.get_by_role("button", name="Go to")).to_be_visible()
        page.emulate_media(media="print")
        assert page.locator(CONTROLS).count() > 2
        shown = [part for part in page.locator(CONTROLS).all() if part.is_visible()]
        assert [part.evaluate("e => e.outerHTML.slice(0, 90)") for part in shown] == []
        assert page.locator("h1").is_visible()


def test_what_a_reviewer_said_is_printed(browser: Browser, demo_report: Path) -> None:
    with at(browser, (demo_report / "site" / "review.html").as_uri(), offline=True) as page:
        page.keyboard.press("2")
        page.emulate_media(media="print")
        shown = [tag.inner_text() for tag in page.locator(".tags button").all() if tag.is_visible()]
        assert shown == ["2 part only"]


def test_forced_colours_tell_what_is_pressed_and_where_one_is(browser: Browser, demo_report: Path) -> None:
    """The system's colours replace all of ours: what only a background or a shadow told would be lost."""
    look = (
        "e => ['backgroundColor', 'color', 'borderBottomColor', 'borderBottomWidth', 'textDecorationLine']"
        ".map(name => getComputedStyle(e)[name]).join()"
    )
    site = demo_report / "site"
    with opened(browser, offline=True, forced_colors="active") as (page, said):
        page.goto((site / "review.html").as_uri())
        page.keyboard.press("2")
        tags = page.locator(".tags button")
        assert tags.nth(1).evaluate(look) != tags.nth(0).evaluate(look)
        nav = page.locator("header nav a")
        assert page.locator("header nav a[aria-current]").evaluate(look) != nav.first.evaluate(look)
        page.keyboard.press("/")
        options = page.get_by_role("option")
        assert options.nth(0).evaluate(look) != options.nth(1).evaluate(look)
        page.goto((site / "maps" / "index.html").as_uri())
        lasso = page.get_by_role("button", name="lasso")
        before = lasso.evaluate(look)
        lasso.click()
        page.mouse.move(0, 0)
        assert lasso.evaluate(look) != before
        swatches = {s.evaluate("e => getComputedStyle(e).backgroundColor") for s in page.locator(".legend-row i").all()}
        assert len(swatches) > 2
        assert said == []


def test_one_switch_silences_the_single_keys_of_every_page(browser: Browser, demo_report: Path) -> None:
    """WCAG 2.1.4; it is kept, and the way to it needs no key that it silences."""
    site = demo_report / "site"
    with hosted(site) as root, at(browser, root + "about.html") as page:
        page.get_by_role("button", name="Go to").click()
        page.locator("dialog").get_by_label("single-character keys").uncheck()
        page.keyboard.press("Escape")
        page.keyboard.press("/")
        assert not page.get_by_role("combobox").is_visible()
        page.goto(root + "images/index.html")
        page.keyboard.press("f")
        assert page.evaluate("document.activeElement.tagName") == "BODY"
        page.goto(f"{root}images/{image_of(demo_report, ONE).name}")
        for key in "mcbs[]+0?":
            page.keyboard.press(key)
        assert page.get_by_label("boxes").is_checked()
        assert not page.get_by_label("own scale").is_checked()
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
        page.goto(f"{root}images/{image_of(demo_report, ONE).name}")
        page.keyboard.press("b")
        assert not page.get_by_label("boxes").is_checked()
        page.keyboard.press("?")
        assert page.locator("#viewer").get_by_label("single-character keys").is_checked()


def test_images_without_an_iou_are_not_the_lowest(browser: Browser, demo_report: Path) -> None:
    with at(browser, (demo_report / "site" / "images" / "index.html").as_uri() + "#sort=iou%2B", offline=True) as page:
        shown = page.locator("#results .under-name").all_inner_texts()
        found = [re.search(r"IoU (\S+)", text) for text in shown]
        values = [float(match[1]) if match else 2.0 for match in found]
        assert values == sorted(values)
        assert {values[0] < 1, values[-1] == 2.0} == {True}


@pytest.mark.parametrize(
    "bad",
    ["page=abc", "page=-3", "sort=constructor", "sort=__proto__", "label=x", "kind=toString", "iouFrom=x", "view=1"],
)
def test_what_an_address_cannot_mean_is_left_out(browser: Browser, demo_report: Path, bad: str) -> None:
    url = (demo_report / "site" / "images" / "index.html").as_uri()
    with at(browser, f"{url}#{bad}&q=chelsea", offline=True) as page:
        expect(page.locator("#results .card")).to_have_count(12)
        expect(page.locator("#explore output")).to_have_text("12 of 96 images")
    with at(browser, f"{url}#{bad}", offline=True) as page:
        expect(page.locator("#wall")).to_be_visible()


def test_an_address_that_is_edited_changes_the_page(browser: Browser, demo_report: Path) -> None:
    with at(browser, image_of(demo_report, ONE).as_uri() + "#t=40&zoom=2", offline=True) as page:
        threshold, choice = page.get_by_label("threshold"), page.locator("#viewer select")
        assert threshold.input_value() == "40"
        page.evaluate("location.hash = 'map=1&boxes=off'")
        expect(choice).to_have_value("1")
        assert (threshold.input_value(), page.get_by_label("boxes").is_checked()) == ("20", False)
        page.evaluate("location.hash = 'main'")  # a place on the page, as by “Skip to content”
        expect(choice).to_have_value("1")
        page.evaluate("location.hash = 'map=constructor&t=x'")
        expect(choice).to_have_value("0")
        assert threshold.input_value() == "20"
    with at(browser, (demo_report / "site" / "images" / "index.html").as_uri() + "#q=coffee", offline=True) as page:
        expect(page.locator("#results .card")).to_have_count(12)
        page.evaluate("location.hash = 'main'")
        expect(page.locator("#results .card")).to_have_count(12)
        page.evaluate("location.hash = 'q=chelsea-01'")
        expect(page.locator("#results .card")).to_have_count(1)


def test_data_that_are_missing_are_said_in_words(browser: Browser, demo_report: Path, tmp_path: Path) -> None:
    shutil.copytree(demo_report / "site", tmp_path / "site")
    for name in ("images", "places", "atlas-0"):
        next((tmp_path / "site" / "data").glob(f"{name}.*.js")).unlink()
    with opened(browser, offline=True) as (page, _):
        page.goto(image_of(tmp_path, ONE).as_uri())
        page.keyboard.press("/")
        expect(page.get_by_text("Nowhere to go: data/images.")).to_be_visible()
        page.keyboard.type("x")
        expect(page.get_by_text("Nowhere to go: data/images.")).to_be_visible()
        page.keyboard.press("Escape")
        page.locator("#place").scroll_into_view_if_needed()
        expect(page.locator("#place .empty")).to_contain_text("cannot be read: the report is not whole")


def test_a_map_says_what_it_misses(browser: Browser, demo_report: Path, tmp_path: Path) -> None:
    shutil.copytree(demo_report / "site", tmp_path / "site")
    next((tmp_path / "site" / "data").glob("images.*.js")).unlink()
    with opened(browser, offline=True) as (page, _):
        page.goto((tmp_path / "site" / "maps" / "index.html").as_uri())
        expect(page.locator("#map .empty")).to_contain_text("data/images.")


def test_every_figure_leads_to_as_many_images_as_it_counts(browser: Browser, demo_report: Path) -> None:
    """Headlines, our own network's row in the tables, the classes and the warnings of the overview."""
    url = (demo_report / "site" / "index.html").as_uri()
    wanted: dict[str, int] = {}
    with at(browser, url, offline=True) as page:
        for link in page.locator(".headlines a").all():
            wanted[link.get_attribute("href") or ""] = int(re.findall(r"(\d+) of 60", link.inner_text())[0])
        for link in page.locator("table.errors tbody:not(.published) a").all():
            count = round(float(link.inner_text()) * 60 / 100)
            assert wanted.setdefault(link.get_attribute("href") or "", count) == count
        for link in page.locator("td[title] a").all():
            title = link.locator("xpath=..").get_attribute("title") or ""
            wanted[link.get_attribute("href") or ""] = int(title.split(" of ")[0])
        for alert in page.locator(".alert:has(a[href*='mark='])").all():
            wanted[alert.locator("a").get_attribute("href") or ""] = int(re.findall(r"\d+", alert.inner_text())[0])
    assert len([link for link in wanted if "mark=" in link]) >= 6
    assert any("top5" in link for link in wanted)
    for link, count in wanted.items():
        with at(browser, url.replace("index.html", link), offline=True) as page:
            expect(page.locator("#explore output")).to_have_text(f"{count} of 96 images")


def test_the_models_have_a_page_of_their_own(browser: Browser, demo_report: Path) -> None:
    site = demo_report / "site"
    with at(browser, (site / "index.html").as_uri(), offline=True) as page:
        page.get_by_role("navigation", name="Report").get_by_role("link", name="Models").click()
        page.wait_for_url("**/models/index.html")
        text = page.locator("main").inner_text()
        for said in ("efficientnet_lite0", "Precision", "fp32", "224 × 224", "Weights, SHA-256", "random weights"):
            assert said in text
        page.locator("main a[href*='units/']").first.click()
        page.wait_for_url("**/units/**")
