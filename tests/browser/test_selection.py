"""The selection of images that travels from page to page in the address."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.pages import axe_violations, visited
from tests.support.browser import opened, sideways
from tests.support.demo import IMAGES

pytestmark = pytest.mark.browser


def predictions(report: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO((report / "predictions.csv").read_text())))


def wrong_rows(report: Path) -> list[int]:
    return [i for i, row in enumerate(predictions(report)) if row["kind"] == "class"]


def page_of(report: Path, row: int) -> str:
    (page,) = (report / "site" / "images").glob(f"{row:06d}-*.html")
    return page.as_uri()


def row_of(page: Page) -> int:
    return int(page.url.rsplit("/", 1)[1][:6])


def hash_of(page: Page) -> dict[str, str]:
    return {key: values[0] for key, values in parse_qs(urlsplit(page.url).fragment).items()}


def test_filter_travels_to_image_pages_and_their_neighbours(browser: Browser, demo_report: Path) -> None:
    wrong = wrong_rows(demo_report)
    with visited(browser, (demo_report / "site" / "images" / "index.html").as_uri(), offline=True) as page:
        page.get_by_label("wrong class").check()
        page.locator("#results .card").nth(2).click()
        page.wait_for_url("**/images/0*#outcome=class")
        steps = page.locator(".around")
        expect(steps.locator(".place")).to_have_text(f"3 of {len(wrong)} wrong class")
        assert row_of(page) == wrong[2]
        page.get_by_label("threshold").fill("35")  # the viewer's state joins it
        expect(page).to_have_url(f"{page_of(demo_report, wrong[2])}#outcome=class&threshold=35")
        steps.get_by_role("link", name="next").click()
        page.wait_for_url(f"**/images/{wrong[3]:06d}-*")
        expect(steps.locator(".place")).to_have_text(f"4 of {len(wrong)} wrong class")
        assert hash_of(page) == {"outcome": "class"}
        page.keyboard.press("ArrowLeft")
        page.wait_for_url(f"**/images/{wrong[2]:06d}-*")
        expect(page.locator(".selection")).to_contain_text(f"wrong class {len(wrong)} of {IMAGES} images")


def test_ends_of_a_selection_and_images_outside_of_it(browser: Browser, demo_report: Path) -> None:
    wrong = wrong_rows(demo_report)
    outside = next(i for i in range(IMAGES) if i not in wrong)
    with visited(browser, page_of(demo_report, wrong[-1]) + "#outcome=class", offline=True) as page:
        steps = page.locator(".around")
        expect(steps.locator(".place")).to_have_text(f"{len(wrong)} of {len(wrong)} wrong class")
        assert steps.locator("a[rel=next]").count() == 0
        page.goto(page_of(demo_report, outside) + "#outcome=class")
        expect(steps.locator(".place")).to_have_text(f"not among the {len(wrong)} wrong class")
        steps.get_by_role("link", name="next").click()
        page.wait_for_url(f"**/images/{wrong[0]:06d}-*")


def test_order_travels_with_the_selection(browser: Browser, demo_report: Path) -> None:
    rows = predictions(demo_report)
    surest = sorted(wrong_rows(demo_report), key=lambda i: -round(1000 * float(rows[i]["score1"])))
    url = page_of(demo_report, surest[0]) + "#outcome=class&sort=score-"
    with visited(browser, url, offline=True) as page:
        expect(page.locator(".around .place")).to_have_text(f"1 of {len(surest)} wrong class")
        page.locator(".around a[rel=next]").click()
        page.wait_for_url("**#outcome=class&sort=score-")
        assert row_of(page) == surest[1]


def test_back_undoes_one_filter_step(browser: Browser, demo_report: Path) -> None:
    with visited(browser, (demo_report / "site" / "images" / "index.html").as_uri(), offline=True) as page:
        count = page.locator("#explore output.count")
        page.get_by_label("wrong class").check()
        expect(count).to_have_text(f"{len(wrong_rows(demo_report))} of {IMAGES} images")
        page.get_by_label("label", exact=True).select_option(label="tabby")
        tabby = count.inner_text()
        page.get_by_role("searchbox").press_sequentially("mirror")  # six letters, one step
        expect(count).not_to_have_text(tabby)
        page.go_back()
        expect(count).to_have_text(tabby)
        expect(page.get_by_role("searchbox")).to_have_value("")
        page.go_back()
        expect(count).to_have_text(f"{len(wrong_rows(demo_report))} of {IMAGES} images")
        page.go_back()
        expect(page.locator("#wall")).to_be_visible()
        page.go_forward()
        expect(count).to_have_text(f"{len(wrong_rows(demo_report))} of {IMAGES} images")


def test_selection_shows_on_every_kind_of_page(browser: Browser, demo_report: Path) -> None:
    """The links to images outside of it are marked, and no others; links carry it, unless they have their own."""
    wrong, site = set(wrong_rows(demo_report)), demo_report / "site"
    pages = ["index.html", "failures/class.html", "neighbours/index.html", "embedding/index.html", "review.html"]
    marked = 0
    with opened(browser, offline=True) as (page, messages):
        for name in pages:
            page.goto("about:blank")
            page.goto(f"{(site / name).as_uri()}#outcome=class")
            expect(page.locator(".selection")).to_contain_text(f"{len(wrong)} of {IMAGES} images")
            links = page.locator("main a[href*='images/0']").evaluate_all(
                "all => all.map(a => [Number(a.getAttribute('href').match(/images.(\\d+)/)[1]), a.className])"
            )
            for row, names in links:
                assert ("outside" in names.split()) == (row not in wrong), name
            marked += len(links)
        assert marked > IMAGES
        page.locator(".selection").get_by_role("link", name="images").click()
        page.wait_for_url("**/images/index.html#outcome=class**")
        page.goto(f"{(site / 'confusions' / 'index.html').as_uri()}#outcome=class")
        own = page.locator("main a[href*='index.html#label=']").first
        expected = own.get_attribute("href")
        own.click()
        page.wait_for_url(f"**/{(expected or '').removeprefix('../')}")
        page.goto("about:blank")
        page.goto(f"{(site / 'index.html').as_uri()}#outcome=class")
        page.get_by_role("button", name="clear the selection").click()
        expect(page.locator(".selection")).to_have_count(0)
        assert page.locator("a.outside").count() == 0
        assert "#" not in page.url
        page.go_back()
        expect(page.locator(".selection")).to_be_visible()
        assert messages == []


def test_ticked_rows_and_lasso_travel_as_chosen_images(browser: Browser, demo_report: Path) -> None:
    with opened(browser, offline=True) as (page, messages):
        page.goto((demo_report / "site" / "images" / "index.html").as_uri() + "#view=table")
        names = page.locator("#results tbody td:nth-child(3)").all_inner_texts()
        for k in (1, 4):
            page.locator("#results tbody input[type=checkbox]").nth(k).check()
        page.get_by_role("link", name=names[4]).last.click()
        page.wait_for_url("**/images/000004-*")
        expect(page.locator(".around .place")).to_have_text("2 of 2 chosen images")
        assert [len(part) for part in hash_of(page)["ids"].split(",")] == [8, 8]

        page.goto((demo_report / "site" / "embedding" / "index.html").as_uri())
        stage = page.locator(".stage")
        expect(stage).not_to_have_attribute("data-sprites", "0")
        page.get_by_role("button", name="lasso").click()
        area = stage.bounding_box()
        assert area is not None
        points = [(0.2, 0.2), (0.75, 0.2), (0.75, 0.75), (0.2, 0.75)]
        x, y = ([area["x"] + u * area["width"] for u, _ in points], [area["y"] + v * area["height"] for _, v in points])
        page.mouse.move(x[0], y[0])
        page.mouse.down()
        for u, v in zip(x[1:], y[1:], strict=True):
            page.mouse.move(u, v, steps=4)
        page.mouse.up()
        count = page.locator("#embedding output.count")
        expect(count).not_to_have_text(f"{IMAGES} of {IMAGES} images")
        within = int(count.inner_text().split()[0])
        page.locator("#embedding .listing tbody a").first.click()
        page.wait_for_url("**/images/0*#ids=*")
        expect(page.locator(".around .place")).to_have_text(f"1 of {within} chosen images")
        assert messages == []


def test_large_choices_are_bits_and_small_ones_ids(browser: Browser, demo_report: Path) -> None:
    """Both forms select the rows that were chosen; bits of another number of images are no selection."""
    with visited(browser, (demo_report / "site" / "images" / "index.html").as_uri(), offline=True) as page:
        chosen = np.flatnonzero(np.random.default_rng(3).random(5000) < 0.5).tolist()
        found = page.evaluate(
            """(chosen) => {
              const { imageFilter } = reportgen;
              const id = Array.from({ length: 5000 }, (_, i) => i.toString(16).padStart(8, "0") + "00000000");
              const images = { n: 5000, id, outcomes: [], flag_names: [], classes: {}, table_columns: [] };
              const bits = imageFilter.chosen(images, chosen);
              const few = imageFilter.chosen(images, chosen.slice(0, 20));
              const other = { ...images, n: 4999 };
              return [bits.rows.length, imageFilter.select(images, bits), few.ids, imageFilter.select(images, few),
                imageFilter.select(other, bits).length];
            }""",
            chosen,
        )
        assert found[0] < 900
        assert found[1] == chosen
        assert len(found[2]) == 20 * 9 - 1
        assert found[3] == chosen[:20]
        assert found[4] == 4999


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_bar_of_the_selection_is_narrow_and_accessible(browser: Browser, demo_report: Path, scheme: str) -> None:
    url = page_of(demo_report, wrong_rows(demo_report)[0]) + "#outcome=class&q=chelsea&scoreFrom=20&scoreTo=90"
    with opened(browser, 400, scheme, offline=True) as (page, _):
        page.goto(url)
        expect(page.locator(".selection")).to_contain_text("wrong class · confidence 20 to 90 % · “chelsea”")
        assert sideways(page) <= 0
        assert axe_violations(page, scheme) == []
        page.goto((demo_report / "site" / "index.html").as_uri() + "#outcome=class")
        expect(page.locator(".selection")).to_be_visible()
        assert axe_violations(page, scheme) == []
