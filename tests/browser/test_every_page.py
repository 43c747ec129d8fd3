"""Every kind of page in a real browser: from file://, under a sub-path, narrow and wide, with and without scripts."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from reportgen.metrics.localization.boxes import paper_box, to_image, upsample
from tests.support.browser import broken_pictures, hosted, opened, sideways


def one_of_each(site: Path) -> list[str]:
    """The pages of the site's root and one page of every folder, relative to the site."""
    pages = []
    for folder in sorted({page.parent for page in site.rglob("*.html")}):
        found = sorted(folder.glob("*.html"))
        pages += found if folder == site else dict.fromkeys([found[0], found[-1]])
    return [page.relative_to(site).as_posix() for page in pages]


@pytest.mark.parametrize("width", [1280, 400])
def test_every_kind_of_page_from_a_file(browser: Browser, demo_report: Path, width: int) -> None:
    site = demo_report / "site"
    with opened(browser, width, offline=True) as (page, said):
        for name in one_of_each(site):
            page.goto((site / name).as_uri())
            assert broken_pictures(page) == 0, name
            assert sideways(page) <= 0, f"{name} scrolls sideways"
            assert said == [], name


def test_every_kind_of_page_under_a_sub_path(browser: Browser, demo_report: Path) -> None:
    site = demo_report / "site"
    with hosted(site) as root, opened(browser) as (page, said):
        for name in one_of_each(site):
            page.goto(root + name)
            assert broken_pictures(page) == 0, name
            assert said == [], name


def test_a_missing_page_is_answered_with_one_that_leads_back(browser: Browser, demo_report: Path) -> None:
    site = demo_report / "site"
    for under in ("audits", "audits/classes"):
        with hosted(site, under) as root:
            for gone in ("gone.html", "classes/gone.html", "units/no-layer/", "a/b/c/d"):
                with opened(browser) as (page, said):
                    page.goto(root + gone)
                    page.wait_for_function(
                        "url => document.querySelector('main a').href === url", arg=root + "index.html"
                    )
                    assert page.evaluate("getComputedStyle(document.body).maxWidth") != "none"
                    assert all(line.startswith(("404: ", "console error: Failed to load")) for line in said), said
                    page.get_by_role("link", name="To the overview").click()
                    page.wait_for_url(f"{root}index.html")
    with opened(browser, offline=True) as (page, said):
        page.goto((site / "404.html").as_uri())
        page.get_by_role("link", name="To the overview").click()
        page.wait_for_url("**/site/index.html")
        assert said == []


def test_the_page_above_the_site_leads_to_it(browser: Browser, demo_report: Path) -> None:
    with opened(browser, offline=True) as (page, _):
        page.goto((demo_report / "index.html").as_uri())
        page.wait_for_url("**/site/index.html")
        assert page.locator("h1").is_visible()


def test_links_lead_both_ways(browser: Browser, demo_report: Path) -> None:
    with opened(browser, offline=True) as (page, said):
        page.goto((demo_report / "site" / "index.html").as_uri())
        page.get_by_role("link", name="espresso").first.click()
        assert "/classes/" in page.url or "/images/" in page.url
        page.goto((demo_report / "site" / "classes" / "index.html").as_uri())
        page.get_by_role("link", name="espresso", exact=True).click()
        page.locator("a.card").first.click()
        assert "/images/" in page.url
        page.locator("dl").get_by_role("link", name="espresso", exact=True).first.click()
        assert "/classes/" in page.url
        page.get_by_role("link", name="Overview").click()
        assert page.url.endswith("/site/index.html")
        assert said == []


def open_image(page: Page, report: Path, name: str = "motorcycle") -> None:
    page.goto(min((report / "site" / "images").glob(f"*{name}*.html")).as_uri())


def test_without_scripts_the_maps_and_boxes_show(browser: Browser, demo_report: Path) -> None:
    with opened(browser, offline=True, java_script_enabled=False) as (page, _):
        open_image(page, demo_report)
        assert page.locator("#viewer .layer").is_visible()
        assert page.locator("#viewer rect.true").count() == 1
        assert page.locator("#viewer rect.found").count() == 1
        assert page.locator("#top_five .layer").count() == 5


def test_the_live_box_is_the_recipes(browser: Browser, demo_report: Path) -> None:
    """The browser's own box code agrees with the analysis at another threshold, and is called a preview."""
    with opened(browser, offline=True) as (page, said):
        open_image(page, demo_report)
        data = json.loads(page.locator("#viewer-data").inner_text())
        assert page.locator("#viewer rect.live").count() == 0
        for percent in (35, 60):
            page.get_by_label("threshold").fill(str(percent))
            grid = np.array(data["maps"][0]["grid"])
            box = paper_box(upsample(grid, data["input"], data["input"]), percent / 100)
            expected = to_image(box, np.array(data["window"]), data["input"], np.array(data["size"]))
            live = page.locator("#viewer rect.live")
            x, y, width, height = (float(live.get_attribute(k) or "nan") for k in ("x", "y", "width", "height"))
            assert [x, y, x + width, y + height] == pytest.approx(expected, abs=data["size"][0] / data["input"])
            assert "preview" in page.locator("#viewer").inner_text()
        page.get_by_label("threshold").fill("20")
        assert page.locator("#viewer rect.live").count() == 0
        assert said == []


def told(data: dict, row: int, column: int) -> str:
    """What is said of the square at one place: where it stands, and the five classes with their probabilities."""
    at = row * len(data["columns"]) + column
    classes = [
        f"{data['names'][k]} {p / 100:.2f}" for k, p in zip(data["classes"][at], data["scores"][at], strict=True)
    ]
    assert len(classes) == 5
    return f"Square at {data['columns'][column]}, {data['rows'][row]}: {' · '.join(classes)}"


def test_the_occluding_square_stands_under_the_pointer_and_moves_by_the_arrows(
    browser: Browser, demo_report: Path
) -> None:
    with opened(browser, offline=True) as (page, said):
        open_image(page, demo_report, "chelsea-01")
        data = json.loads(page.locator("#occlusion script").text_content())
        frame, readout = page.locator("#occlusion .frame").nth(1), page.locator("#occlusion .readout")
        assert readout.get_attribute("aria-live") == "polite"
        box = frame.bounding_box()
        row, column = 6, 17  # the pointer on the centre of this square; the demo squashes the whole image
        x, y = ((data[axis][n] + data["side"] / 2) / data["input"] for axis, n in (("columns", column), ("rows", row)))
        frame.hover(position={"x": x * box["width"], "y": y * box["height"]})
        assert readout.inner_text() == told(data, row, column)
        square = page.locator("#occlusion rect").nth(1)
        left = float(square.get_attribute("x")) / data["size"][0] * data["input"]
        assert left == pytest.approx(data["columns"][column], abs=0.5)
        assert float(square.get_attribute("height")) == pytest.approx(
            data["side"] / data["input"] * data["size"][1], abs=0.5
        )
        frame.focus()
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowUp")
        assert readout.inner_text() == told(data, row - 1, column + 1)
        for _ in range(len(data["rows"])):
            page.keyboard.press("ArrowDown")
        assert readout.inner_text() == told(data, len(data["rows"]) - 1, column + 1)
        assert "chelsea-01" in page.url  # the arrows do not turn the page here
        assert said == []


def test_opacity_and_boxes_can_be_turned_off(browser: Browser, demo_report: Path) -> None:
    with opened(browser, offline=True) as (page, said):
        open_image(page, demo_report)
        for percent in (0, 50):
            page.get_by_label("opacity").fill(str(percent))
            expect(page.locator("#viewer canvas")).to_have_css("opacity", str(percent / 100).removesuffix(".0"))
        page.get_by_label("boxes").uncheck()
        assert not page.locator("#viewer svg.boxes").is_visible()
        assert said == []


def test_arrow_keys_turn_the_pages(browser: Browser, demo_report: Path) -> None:
    with opened(browser, offline=True) as (page, _):
        pages = sorted((demo_report / "site" / "images").glob("0*.html"))
        page.goto(pages[0].as_uri())
        page.keyboard.press("ArrowRight")
        page.wait_for_url(f"**/{pages[1].name}")
        page.keyboard.press("ArrowLeft")
        page.wait_for_url(f"**/{pages[0].name}")


def test_tables_sort_by_a_heading(browser: Browser, demo_report: Path) -> None:
    with opened(browser, offline=True) as (page, _):
        page.goto((demo_report / "site" / "classes" / "index.html").as_uri())
        page.get_by_role("button", name="Top-1 error").click()
        column = page.locator("tbody td:nth-child(3)")
        down = [float(v) for v in column.evaluate_all("cells => cells.map(c => c.dataset.value)")]
        assert down == sorted(down, reverse=True)
        page.get_by_role("button", name="Top-1 error").click()
        up = [float(v) for v in column.evaluate_all("cells => cells.map(c => c.dataset.value)")]
        assert up == sorted(up) != down


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_violation(browser: Browser, demo_report: Path, scheme: str) -> None:
    """WCAG 2.2 A and AA by axe-core, on one page of each kind, and on the images as a table."""
    site = demo_report / "site"
    rules = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}}
    with opened(browser, scheme=scheme, offline=True) as (page, _):
        for name in [*one_of_each(site), "images/index.html#view=table"]:
            page.goto("about:blank")
            page.goto(f"{site.as_uri()}/{name}")
            found = Axe().run(page, options=rules).response["violations"]
            told = [f"{v['id']}: {v['nodes'][0]['html'][:160]} ({len(v['nodes'])} places)" for v in found]
            assert told == [], name


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_keeps_its_contrast(browser: Browser, demo_report: Path, scheme: str) -> None:
    """WCAG 2.2, 1.4.3: every colour that text has against the ground, at least 4.5 to 1."""
    luminance = """(text) => {
      const linear = v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
      const rgb = text.match(/[0-9.]+/g).slice(0, 3).map(v => linear(v / 255));
      return 0.2126 * rgb[0] + 0.7152 * rgb[1] + 0.0722 * rgb[2];
    }"""
    with opened(browser, scheme=scheme, offline=True) as (page, _):
        page.goto((demo_report / "site" / "index.html").as_uri())
        colours = page.evaluate(
            "[...document.querySelectorAll('main *, footer, header a')].filter(e => e.textContent.trim())"
            ".map(e => getComputedStyle(e).color)"
        )
        ground = page.evaluate(luminance, page.evaluate("getComputedStyle(document.body).backgroundColor"))
        for colour in set(colours):
            text = page.evaluate(luminance, colour)
            high, low = max(text, ground), min(text, ground)
            assert (high + 0.05) / (low + 0.05) >= 4.5, colour
