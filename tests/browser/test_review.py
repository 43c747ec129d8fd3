"""The review page by keyboard: tags, notes, export and import."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.pages import visited
from tests.browser.test_image_table import shown
from tests.support.browser import opened
from tests.support.demo import IMAGES

pytestmark = pytest.mark.browser


def test_review_of_filtered_images_is_exported_and_imported(browser: Browser, demo_report: Path) -> None:
    with opened(browser, offline=True) as (page, messages):
        page.goto((demo_report / "site" / "index.html").as_uri())
        page.locator("header nav a", has_text="Images").focus()
        page.keyboard.press("Enter")
        page.wait_for_url("**/images/index.html")
        page.get_by_label("wrong class").focus()
        page.keyboard.press("Space")
        total = shown(page)
        page.get_by_role("link", name="review these").focus()
        page.keyboard.press("Enter")
        page.wait_for_url("**/review.html#*")
        assert f"1 of {total}, 0 reviewed" in page.locator("#review").inner_text()
        for key in ("2", "j", "1", "3", "j", "1", "u", "k"):
            page.keyboard.press(key)
        page.keyboard.press("n")
        page.keyboard.type("only the head")
        page.keyboard.press("Escape")
        expect(page.locator("#review")).to_contain_text("2 reviewed")
        expect(page.locator("header nav a", has_text="Review")).to_have_text("Review 2")
        expect(page.locator("#review")).to_contain_text("Saved in this browser only, 2 not exported.")
        page.locator("summary").focus()
        page.keyboard.press("Enter")
        with page.expect_download() as waiting:
            page.get_by_role("button", name="export JSON").focus()
            page.keyboard.press("Enter")
        review = json.loads(waiting.value.path().read_text())
        assert [item["tags"] for item in review["items"]] == [["part only"], ["label error", "background"]]
        assert review["items"][1]["note"] == "only the head"
        expect(page.locator("#review")).to_contain_text("all exported")

        page.goto((demo_report / "site" / "provenance.html").as_uri())
        expect(page.locator("header nav a", has_text="Review")).to_have_text("Review 2")
        page.go_back()
        expect(page.locator("#review")).to_contain_text("2 reviewed")
        other = {**review, "reviewer": "bob", "items": [{**review["items"][0], "tags": ["looks fine"], "time": 8e15}]}
        page.locator("summary").click()
        payload = {"name": "bob.json", "mimeType": "application/json", "buffer": json.dumps(other).encode()}
        page.get_by_label("import JSON or CSV").set_input_files(payload)
        expect(page.locator("#review")).to_contain_text("1 imported, 1 in conflict")
        foreign = {**payload, "buffer": json.dumps({**other, "report": "x"}).encode()}
        page.get_by_label("import JSON or CSV").set_input_files(foreign)
        expect(page.locator("#review")).to_contain_text("not imported: it belongs to another report")
        assert messages == []


def test_shortcuts_of_the_review_can_be_switched_off(browser: Browser, demo_report: Path) -> None:
    with opened(browser, offline=True) as (page, _):
        page.goto((demo_report / "site" / "review.html").as_uri())
        page.locator("summary").click()
        page.locator("#review").get_by_label("keys").uncheck()
        page.locator("h1").click()
        page.keyboard.press("j")
        page.keyboard.press("1")
        assert f"1 of {IMAGES}, 0 reviewed" in page.locator("#review").inner_text()


def test_review_is_reached_and_exported_by_tab_and_enter(browser: Browser, demo_report: Path) -> None:
    """Without a mouse: to a failure type by Tab and Enter, its review, a tag and a note, and the export."""
    with visited(browser, (demo_report / "site" / "index.html").as_uri(), offline=True) as page:
        walk_to(page, "images/index.html#outcome=class")
        page.keyboard.press("Enter")
        page.wait_for_url("**/images/index.html#outcome=class")
        walk_to(page, "review.html#outcome=class")
        page.keyboard.press("Enter")
        page.wait_for_url("**/review.html#*")
        for key in ("1", "j", "2", "n"):
            page.keyboard.press(key)
        page.keyboard.type("the frame cuts it")
        page.keyboard.press("Escape")
        expect(page.locator("#review")).to_contain_text("2 not exported")
        while page.evaluate("document.activeElement.tagName") != "SUMMARY":
            page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "export JSON"
        with page.expect_download() as waiting:
            page.keyboard.press("Enter")
        items = json.loads(waiting.value.path().read_text())["items"]
        assert [bool(item["tags"]) for item in items] == [True, True]
        assert items[1]["note"] == "the frame cuts it"


def walk_to(page: Page, address: str) -> None:
    """Press Tab until a link to that address has the focus."""
    for _ in range(400):
        page.keyboard.press("Tab")
        if (page.evaluate("document.activeElement.href") or "").endswith(address):
            return
    raise AssertionError(f"no way to {address} by Tab")


def names_of(page: Page, steps: int) -> list[str]:
    """The names of the first images, by the arrow key."""
    names = []
    for _ in range(steps):
        names.append(page.locator("#review .one-line").nth(1).inner_text())
        page.keyboard.press("ArrowRight")
    return names


def test_review_begins_with_the_surest_mistakes_and_turns_with_arrow_keys(browser: Browser, demo_report: Path) -> None:
    rows = list(csv.DictReader((demo_report / "predictions.csv").open()))
    wrong = [row for row in rows if row["kind"] == "class"]
    wrong.sort(key=lambda row: -round(1000 * float(row["score1"])))
    with visited(browser, (demo_report / "site" / "review.html").as_uri(), offline=True) as page:
        assert names_of(page, 8) == [row["name"] for row in wrong[:8]]
        page.keyboard.press("ArrowLeft")
        expect(page.locator("#review")).to_contain_text(f"8 of {IMAGES}")
        page.get_by_label("note").focus()
        page.keyboard.press("ArrowLeft")  # within a text: moves the caret
        expect(page.locator("#review")).to_contain_text(f"8 of {IMAGES}")


def test_tag_leads_to_the_next_image_without_review_if_asked_to(browser: Browser, demo_report: Path) -> None:
    with visited(browser, (demo_report / "site" / "review.html").as_uri(), offline=True) as page:
        review = page.locator("#review")
        for key in ("j", "1", "k"):
            page.keyboard.press(key)
        expect(review).to_contain_text(f"1 of {IMAGES}, 1 reviewed")
        page.get_by_label("next image after a tag").check()
        page.locator("h1").click()
        page.keyboard.press("2")
        expect(review).to_contain_text(f"3 of {IMAGES}, 2 reviewed")
        page.keyboard.press("k")
        page.keyboard.press("1")  # takes the tag of the second image off
        expect(review).to_contain_text(f"2 of {IMAGES}, 1 reviewed")
        page.keyboard.press("k")
        page.keyboard.press("x")
        expect(review).to_contain_text(f"2 of {IMAGES}")
        page.reload()
        assert page.get_by_label("next image after a tag").is_checked()
        page.keyboard.press("a")
        assert not page.get_by_label("next image after a tag").is_checked()


@pytest.mark.parametrize("width", [1280, 400])
def test_nothing_moves_from_image_to_image(browser: Browser, demo_report: Path, width: int) -> None:
    places = "[...document.querySelectorAll('#review .frame, #review h2, #review button, #review textarea')]"
    places += (
        ".map(e => { const r = e.getBoundingClientRect(); return [r.x, r.y + scrollY, r.height].map(Math.round) })"
    )
    with visited(browser, (demo_report / "site" / "review.html").as_uri(), offline=True, width=width) as page:
        first = page.evaluate(places)
        sizes = set()
        for _ in range(30):
            page.keyboard.press("ArrowRight")
            assert page.evaluate(places) == first
            page.evaluate("document.querySelector('#review .photo').decode()")
            sizes.add(
                page.evaluate("(e => e.naturalWidth / e.naturalHeight)(document.querySelector('#review .photo'))")
            )
        assert len(sizes) > 2  # photographs of different shapes


def test_box_of_the_review_lies_on_the_photograph(browser: Browser, demo_report: Path) -> None:
    """The frame is wider or higher than the photograph: both are fitted alike."""
    with visited(browser, (demo_report / "site" / "review.html").as_uri(), offline=True) as page:
        fits = page.evaluate("getComputedStyle(document.querySelector('#review .photo')).objectFit")
        assert (fits, page.locator("#review svg.boxes").get_attribute("preserveAspectRatio")) == (
            "contain",
            "xMidYMid meet",
        )
