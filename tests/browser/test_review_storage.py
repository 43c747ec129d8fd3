"""Storage of a review in the browser: every letter is saved, and imported items keep their author."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from reportgen.gallery.pages.merged_reviews import review_report
from tests.browser.pages import axe_violations
from tests.support.browser import opened

pytestmark = pytest.mark.browser


@pytest.fixture
def page(browser: Browser, demo_report: Path) -> Iterator[Page]:
    with opened(browser, offline=True) as (page, messages):
        page.goto((demo_report / "site" / "review.html").as_uri())
        yield page
        assert messages == []


def expect_text(page: Page, text: str) -> None:
    expect(page.locator("#review")).to_contain_text(text)


def export(page: Page, form: str) -> str:
    if not page.locator("#review details").evaluate("one => one.open"):
        page.locator("#review summary").click()
    with page.expect_download() as waiting:
        page.get_by_role("button", name=f"export {form}").click()
    return waiting.value.path().read_text()


def import_file(page: Page, text: str) -> None:
    page.get_by_label("import JSON or CSV").set_input_files(
        {"name": "other", "mimeType": "text/plain", "buffer": text.encode()}
    )


def pressed(page: Page) -> list[str]:
    return page.locator('.tags button[aria-pressed="true"]').all_inner_texts()


def test_note_is_stored_letter_by_letter_and_undone_as_a_whole(page: Page) -> None:
    page.keyboard.press("n")
    page.keyboard.type("only the head")
    page.reload()  # with the note still in focus
    assert page.get_by_label("note").input_value() == "only the head"
    page.keyboard.press("n")
    page.keyboard.press("End")
    page.keyboard.type(", again")
    page.locator(".tags button").first.click()  # of the page as it was before the note
    assert pressed(page) == ["1 label error"]
    page.keyboard.press("u")
    assert pressed(page) == []
    page.keyboard.press("u")
    assert page.get_by_label("note").input_value() == "only the head"


def test_pressed_tag_keeps_the_focus(page: Page) -> None:
    button = page.locator(".tags button").nth(1)
    button.focus()
    page.keyboard.press("Enter")
    expect(button).to_be_focused()
    assert pressed(page) == ["2 part only"]


def test_reviews_of_two_tabs_are_both_stored(page: Page) -> None:
    other = page.context.new_page()
    other.goto(page.url)
    page.keyboard.press("1")
    expect_text(other, "1 reviewed")  # Chromium tells other processes of a change some milliseconds later
    other.keyboard.press("j")
    other.keyboard.press("2")
    expect_text(other, "2 reviewed")
    expect_text(page, "2 reviewed")
    page.reload()
    expect_text(page, "2 reviewed")


def test_damaged_storage_does_not_stop_the_review(page: Page) -> None:
    page.keyboard.press("1")
    for damage in ("{", "[]", "null", '{"items": {"a": {"note": 1}}, "tags": 3, "reviewer": {}}'):
        page.evaluate(
            "text => localStorage.setItem(Object.keys(localStorage).find(key => key.includes('review')), text)", damage
        )
        page.reload()
        expect_text(page, "0 reviewed")
        page.keyboard.press("2")
        expect_text(page, "1 reviewed")


def test_imported_item_keeps_its_author_and_is_not_exported_as_own(page: Page) -> None:
    page.keyboard.press("1")
    mine = json.loads(export(page, "JSON"))
    expect_text(page, "all exported")
    page.keyboard.press("j")
    page.keyboard.press("2")
    expect_text(page, "1 not exported")
    second = json.loads(export(page, "JSON"))["items"][1]
    for _ in range(2):  # until nothing is left
        page.keyboard.press("u")
    expect_text(page, "0 reviewed")
    note = '=1+1, "x"\nand more'
    ben = {**mine, "reviewer": "ben", "items": [{**second, "tags": ["part only", "looks fine"], "note": note}]}
    import_file(page, json.dumps(ben))
    expect_text(page, "1 imported, 0 in conflict")
    expect_text(page, "1 reviewed")
    expect_text(page, "all exported")
    assert json.loads(export(page, "JSON"))["items"] == []
    table = export(page, "CSV")
    (row,) = csv.DictReader(io.StringIO(table, newline=""))
    assert (row["reviewer"], row["tags"], row["note"]) == ("ben", "part only; looks fine", f"'{note}")
    page.locator("h1").click()
    page.keyboard.press("u")  # one step back
    expect_text(page, "0 reviewed")
    import_file(page, table)
    expect_text(page, "1 imported, 0 in conflict")
    assert list(csv.DictReader(io.StringIO(export(page, "CSV"), newline=""))) == [row]


def test_file_with_a_fault_is_not_imported(page: Page) -> None:
    page.keyboard.press("1")
    mine = json.loads(export(page, "JSON"))
    (item,) = mine["items"]
    for fault in ({"tags": None}, {"tags": "abc"}, {"note": 3}, {"time": "x"}, {"id": 7}):
        import_file(page, json.dumps({**mine, "items": [{**item, "tags": [], "time": 9e14}, {**item, **fault}]}))
        expect_text(page, "not imported: an item has no valid id, tags, note or time")
        import_file(page, "not,an\nexport")
        expect_text(page, "not imported: it is not an export of a review")
    import_file(page, json.dumps({**mine, "items": [{**item, "id": "f" * 16}]}))
    expect_text(page, "not imported: it belongs to another report")
    page.reload()
    assert pressed(page) == ["1 label error"]


def test_figure_follows_the_address(page: Page) -> None:
    page.get_by_label("threshold").fill("50")
    page.get_by_label("boxes").uncheck()
    expect(page).to_have_url(re.compile("threshold=50.*boxes=off"))
    page.reload()
    assert page.get_by_label("threshold").input_value() == "50"
    assert not page.get_by_label("boxes").is_checked()
    with page.expect_navigation():
        page.evaluate("location.hash = 'outcome=class&threshold=30'")
    expect(page.get_by_label("threshold")).to_have_value("30")


def test_page_of_merged_reviews_passes_axe_and_links_to_images(
    browser: Browser, demo_report: Path, tmp_path: Path
) -> None:
    with opened(browser, offline=True) as (page, _):  # axe asks for the style sheets, which the policy forbids
        page.goto((demo_report / "site" / "review.html").as_uri())
        page.keyboard.press("1")
        mine = export(page, "JSON")
        assert axe_violations(page) == []
        shutil.copytree(demo_report / "site", tmp_path / "report" / "site")
        files = [tmp_path / "ann.json", tmp_path / "ben.json"]
        for path in files:
            path.write_text(json.dumps({**json.loads(mine), "reviewer": path.stem}))
        review_report(tmp_path / "report", files)
        page.goto((tmp_path / "report" / "site" / "merged_reviews.html").as_uri())
        assert page.get_by_role("heading", level=1).inner_text() == "1 image reviewed by 2 reviewers, 0 in conflict"
        assert axe_violations(page) == []
        page.get_by_role("rowheader").get_by_role("link").click()
        expect(page.locator("#viewer")).to_be_visible()
