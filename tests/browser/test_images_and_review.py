"""The table of images and the review in a real browser, by mouse and by keyboard."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from tests.support.browser import address, opened


def outcomes(report: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO((report / "predictions.csv").read_text())))


def shown(page: Page) -> int:
    return int(page.locator("#explore output.count").inner_text().split(" of ")[0].replace(",", ""))


def test_filters_combine_count_and_stand_in_the_address(browser: Browser, demo_report: Path) -> None:
    rows = outcomes(demo_report)
    with opened(browser, offline=True) as (page, said):
        page.goto((demo_report / "site" / "images" / "index.html").as_uri())
        assert page.locator("#wall .card").count() == 96
        assert shown(page) == len(rows)
        page.get_by_label("wrong class").check()
        wrong = [row for row in rows if row["kind"] == "class"]
        assert shown(page) == len(wrong)
        page.get_by_label("label", exact=True).select_option(label="tabby")
        tabby = [row for row in wrong if row["label"] == "tabby"]
        assert shown(page) == len(tabby) > 0
        page.get_by_label("confidence, from percent").fill("40")
        sure = [row for row in tabby if round(1000 * float(row["score1"])) >= 400]
        assert shown(page) == len(sure)
        page.get_by_label("search").fill("MIRROR")
        assert shown(page) == sum("mirror" in row["name"] for row in sure)
        found_at = address(page)
        assert "kind=class" in found_at
    with opened(browser, offline=True) as (page, said):
        page.goto(found_at)
        assert shown(page) == sum("mirror" in row["name"] for row in sure)
        assert page.locator("#results .card").count() == shown(page)
        page.get_by_role("button", name="clear").click()
        assert shown(page) == len(rows)
        assert page.locator("#wall").is_visible()
        page.get_by_label("search").fill("TABB")  # a class: of the label or the prediction
        assert shown(page) == sum("tabby" in (row["label"], row["class1"]) for row in rows) > 0
        page.get_by_label("search").fill("no such file")
        expect(page.locator("#results .empty")).to_be_visible()
        assert said == []


def test_the_chosen_rows_export_as_csv(browser: Browser, demo_report: Path) -> None:
    with opened(browser, offline=True) as (page, said):
        page.goto((demo_report / "site" / "images" / "index.html").as_uri() + "#view=table&sort=iou%2B")
        boxes = page.locator("#results tbody input[type=checkbox]")
        names = [page.locator("#results tbody tr").nth(i).locator("td:nth-child(3)").inner_text() for i in (0, 2)]
        boxes.nth(0).check()
        boxes.nth(2).check()
        with page.expect_download() as waiting:
            page.get_by_role("button", name="export the chosen as CSV").click()
        found = list(csv.DictReader(io.StringIO(waiting.value.path().read_text())))
        assert sorted(row["name"] for row in found) == sorted(names)
        assert said == []


def test_a_keyboard_walk_from_the_overview_to_an_exported_review(browser: Browser, demo_report: Path) -> None:
    with opened(browser, offline=True) as (page, said):
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

        page.reload()
        expect(page.locator("#review")).to_contain_text("2 reviewed")
        other = {**review, "reviewer": "bob", "items": [{**review["items"][0], "tags": ["looks fine"], "time": 8e15}]}
        page.locator("summary").click()
        payload = {"name": "bob.json", "mimeType": "application/json", "buffer": json.dumps(other).encode()}
        page.get_by_label("import JSON or CSV").set_input_files(payload)
        expect(page.locator("#review")).to_contain_text("1 taken over, 1 in conflict")
        foreign = {**payload, "buffer": json.dumps({**other, "report": "x"}).encode()}
        page.get_by_label("import JSON or CSV").set_input_files(foreign)
        expect(page.locator("#review")).to_contain_text("not imported: it belongs to another report")
        assert said == []


def test_shortcuts_can_be_switched_off(browser: Browser, demo_report: Path) -> None:
    with opened(browser, offline=True) as (page, _):
        page.goto((demo_report / "site" / "review.html").as_uri())
        page.locator("summary").click()
        page.locator("#review").get_by_label("keys").uncheck()
        page.locator("h1").click()
        page.keyboard.press("j")
        page.keyboard.press("1")
        assert "1 of 96, 0 reviewed" in page.locator("#review").inner_text()
