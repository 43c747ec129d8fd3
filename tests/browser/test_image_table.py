"""The table of images: filters, search, order, selection, and its address."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.pages import visited
from tests.support.browser import address, opened
from tests.support.demo import IMAGES, images_of

pytestmark = pytest.mark.browser


def outcomes(report: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO((report / "predictions.csv").read_text())))


def shown(page: Page) -> int:
    return int(page.locator("#explore output.count").inner_text().split(" of ")[0].replace(",", ""))


def test_filters_combine_and_are_part_of_the_address(browser: Browser, demo_report: Path) -> None:
    rows = outcomes(demo_report)
    with opened(browser, offline=True) as (page, messages):
        page.goto((demo_report / "site" / "images" / "index.html").as_uri())
        assert page.locator("#wall .card").count() == IMAGES
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
        page.get_by_role("searchbox").fill("MIRROR")
        assert shown(page) == sum("mirror" in row["name"] for row in sure)
        found_at = address(page)
        assert "outcome=class" in found_at
    with opened(browser, offline=True) as (page, messages):
        page.goto(found_at)
        assert shown(page) == sum("mirror" in row["name"] for row in sure)
        assert page.locator("#results .card").count() == shown(page)
        page.get_by_role("button", name="clear").click()
        assert shown(page) == len(rows)
        assert page.locator("#wall").is_visible()
        page.get_by_role("searchbox").fill("TABB")  # a class: of the label or the prediction
        assert shown(page) == sum("tabby" in (row["label"], row["class1"]) for row in rows) > 0
        page.get_by_role("searchbox").fill("no such file")
        expect(page.locator("#results .empty")).to_be_visible()
        assert messages == []


def test_selected_rows_are_exported_as_csv(browser: Browser, demo_report: Path) -> None:
    with opened(browser, offline=True) as (page, messages):
        page.goto((demo_report / "site" / "images" / "index.html").as_uri() + "#view=table&sort=iou%2B")
        boxes = page.locator("#results tbody input[type=checkbox]")
        names = [page.locator("#results tbody tr").nth(i).locator("td:nth-child(3)").inner_text() for i in (0, 2)]
        boxes.nth(0).check()
        boxes.nth(2).check()
        with page.expect_download() as waiting:
            page.get_by_role("button", name="export selected as CSV").click()
        found = list(csv.DictReader(io.StringIO(waiting.value.path().read_text())))
        assert sorted(row["name"] for row in found) == sorted(names)
        assert messages == []


def test_images_without_iou_are_sorted_last(browser: Browser, demo_report: Path) -> None:
    with visited(
        browser, (demo_report / "site" / "images" / "index.html").as_uri() + "#sort=iou%2B", offline=True
    ) as page:
        shown = page.locator("#results .under-name").all_inner_texts()
        found = [re.search(r"IoU (\S+)", text) for text in shown]
        values = [float(match[1]) if match else 2.0 for match in found]
        assert values == sorted(values)
        assert {values[0] < 1, values[-1] == 2.0} == {True}


@pytest.mark.parametrize(
    "bad",
    ["page=abc", "page=-3", "sort=constructor", "sort=__proto__", "label=x", "outcome=toString", "iouFrom=x", "view=1"],
)
def test_invalid_part_of_an_address_is_ignored(browser: Browser, demo_report: Path, bad: str) -> None:
    url = (demo_report / "site" / "images" / "index.html").as_uri()
    with visited(browser, f"{url}#{bad}&q=chelsea", offline=True) as page:
        expect(page.locator("#results .card")).to_have_count(images_of("chelsea"))
        expect(page.locator("#explore output")).to_have_text(f"{images_of('chelsea')} of {IMAGES} images")
    with visited(browser, f"{url}#{bad}", offline=True) as page:
        expect(page.locator("#wall")).to_be_visible()
