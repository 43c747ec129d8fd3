"""The overview and the tables: order, links that lead to as many images as they count, sorting."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.pages import assert_links_lead_to_as_many_images, visited
from tests.support.browser import opened
from tests.support.demo import LABELLED

pytestmark = pytest.mark.browser


def test_overview_has_its_sections_in_order(browser: Browser, demo_report: Path) -> None:
    with visited(browser, (demo_report / "site" / "index.html").as_uri(), offline=True) as page:
        headings = [text.split()[0] for text in page.locator("h2").all_inner_texts()]
        assert headings[-3:] == ["Findings", "Classes", "Map"]
        assert page.locator("main table").count() == page.locator("main .class-bars, main .finding-bars").count()


@pytest.mark.parametrize("width", [1280, 400])
def test_first_photograph_is_seen_without_scrolling(browser: Browser, demo_report: Path, width: int) -> None:
    with visited(browser, (demo_report / "site" / "index.html").as_uri(), offline=True) as page:
        page.set_viewport_size({"width": width, "height": 800})
        box = page.locator(".wall li").first.bounding_box()
        assert box is not None
        assert box["y"] + box["height"] < 800
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        header = page.locator("header.top").bounding_box()
        assert header is not None
        assert header["height"] < 60
        assert page.evaluate("scrollTo(0, 900), scrollY") > 500
        assert page.locator("header.top").bounding_box() == {**header, "y": 0}


def test_published_errors_are_folded(browser: Browser, demo_report: Path) -> None:
    with visited(browser, (demo_report / "site" / "models" / "index.html").as_uri(), offline=True) as page:
        published = page.locator("tbody.published")
        assert not published.first.is_visible()
        page.locator("summary", has_text="Published errors").first.click()
        assert "GoogLeNet-GAP" in published.first.inner_text()


def test_error_of_a_class_links_to_as_many_images(browser: Browser, demo_report: Path) -> None:
    """The link shows as many images as the class has errors."""
    with visited(browser, (demo_report / "site" / "classes" / "index.html").as_uri(), offline=True) as page:
        cell = page.locator("td[title]:has(a[href*='outcome=class']):not(:has(a[href*='sort=']))").first
        wrong = int((cell.get_attribute("title") or "").split(" of ")[0])
        cell.locator("a").click()
        page.wait_for_url("**/images/index.html#label=*")
        expect(page.locator("#results .card")).to_have_count(wrong)


def test_every_figure_links_to_as_many_images(browser: Browser, demo_report: Path) -> None:
    """Headlines and groups of the wall, the measured row of the tables, and the classes."""
    site = demo_report / "site"
    wanted: dict[str, int] = {}
    with visited(browser, (site / "index.html").as_uri(), offline=True) as page:
        for link in page.locator(".headlines a[href*='#']").all():
            wanted[link.get_attribute("href") or ""] = int(re.findall(r"(\d+) of \d+", link.inner_text())[0])
        for link in page.locator(".wall h2 a").all():
            count = int(link.locator("strong").inner_text())
            assert wanted.setdefault(link.get_attribute("href") or "", count) == count
        for link in page.locator(".finding a[href*='finding=']").all():
            wanted[link.get_attribute("href") or ""] = int(re.findall(r"\d+", link.inner_text())[0])
    for name in ("models/index.html", "localization/index.html", "classes/index.html"):
        with visited(browser, (site / name).as_uri(), offline=True) as page:
            for link in page.locator("table.errors tbody:not(.published) a, td[title] a").all():
                title = link.locator("xpath=ancestor::td").get_attribute("title") or ""
                if counts := re.match(r"(\d+) of \d+", title):
                    wanted[(link.get_attribute("href") or "").removeprefix("../")] = int(counts[1])
    assert len([link for link in wanted if "flag=" in link]) >= 4
    assert any("top5" in link for link in wanted)
    assert_links_lead_to_as_many_images(browser, site, wanted)


def test_models_page_shows_weights_input_and_precision(browser: Browser, demo_report: Path) -> None:
    site = demo_report / "site"
    with visited(browser, (site / "index.html").as_uri(), offline=True) as page:
        page.get_by_role("navigation", name="Report").get_by_role("link", name="Method").click()
        page.get_by_role("navigation", name="Method").get_by_role("link", name="Models").click()
        page.wait_for_url("**/models/index.html")
        text = page.locator("main").inner_text()
        for part in ("efficientnet_lite0", "Precision", "fp32", "224 × 224", "Weights, SHA-256", "Table 1"):
            assert part in text
        page.locator("main a[href*='units/']").first.click()
        page.wait_for_url("**/units/**")


def test_class_and_image_pages_link_to_each_other(browser: Browser, demo_report: Path) -> None:
    with opened(browser, offline=True) as (page, messages):
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
        assert messages == []


@pytest.mark.parametrize("name", ["tabby", "egyptian-cat"])
def test_counts_of_a_class_page_link_to_as_many_images(browser: Browser, demo_report: Path, name: str) -> None:
    url = next((demo_report / "site" / "classes").glob(f"*-{name}.html")).as_uri()
    with visited(browser, url, offline=True) as page:
        links = page.locator(".outcome-bar a, .shares .n a, main > p a").all()
        wanted = {link.get_attribute("href") or "": int(re.findall(r"\d+", link.inner_text())[0]) for link in links}
    assert len(wanted) >= 2
    assert_links_lead_to_as_many_images(browser, demo_report / "site", wanted)


def test_table_sorts_by_a_column_in_both_directions(browser: Browser, demo_report: Path) -> None:
    with opened(browser, offline=True) as (page, _):
        page.goto((demo_report / "site" / "classes" / "index.html").as_uri())
        page.get_by_role("button", name="Top-1 error").click()
        column = page.locator("tbody td:nth-child(4)")
        down = [float(v) for v in column.evaluate_all("cells => cells.map(c => c.dataset.value)")]
        assert down == sorted(down, reverse=True)
        page.get_by_role("button", name="Top-1 error").click()
        up = [float(v) for v in column.evaluate_all("cells => cells.map(c => c.dataset.value)")]
        assert up == sorted(up) != down


@pytest.mark.parametrize(
    ("name", "selector"), [("index.html", ".headlines a"), ("failures/index.html", ".quadrants a")]
)
def test_focus_ring_of_a_cell_lies_inside_its_frame(
    browser: Browser, demo_report: Path, name: str, selector: str
) -> None:
    """The frame of the cells clips what reaches beyond its rounded corners."""
    with visited(browser, (demo_report / "site" / name).as_uri(), offline=True) as page:
        cells = page.locator(selector)
        assert cells.count() == 4
        for cell in cells.all():
            page.keyboard.press("Tab")  # the ring is shown for focus by keyboard only
            cell.focus()
            offset, width, style = cell.evaluate(
                "e => ['outlineOffset', 'outlineWidth', 'outlineStyle'].map(name => getComputedStyle(e)[name])"
            )
            assert style == "solid"
            assert float(offset.removesuffix("px")) + float(width.removesuffix("px")) <= 0


@pytest.mark.parametrize("width", [1280, 400])
def test_failure_cards_have_equal_frames_with_the_whole_image(browser: Browser, demo_report: Path, width: int) -> None:
    url = (demo_report / "site" / "failures" / "index.html").as_uri()
    with visited(browser, url, offline=True, width=width) as page:
        frames = page.locator(".cards.whole .frame")
        assert frames.count() > 6
        sizes = frames.evaluate_all("all => all.map(e => [e.offsetWidth, e.offsetHeight].join())")
        assert len(set(sizes)) == 1
        frame = frames.first
        assert frame.locator(".photo").evaluate("e => getComputedStyle(e).objectFit") == "contain"
        assert frame.locator("svg").get_attribute("preserveAspectRatio") == "xMidYMid meet"
        assert all(section.locator(".card").count() for section in page.locator("section.group").all())


def test_bars_of_a_chart_link_to_as_many_images(browser: Browser, demo_report: Path) -> None:
    url = (demo_report / "site" / "confidence" / "index.html").as_uri()
    wanted: dict[str, int] = {}
    with visited(browser, url, offline=True) as page:
        reliability, histogram, _ = page.locator(".chart").all()
        for link in reliability.locator("svg a").all():
            text = link.get_attribute("aria-label") or ""
            wanted[link.get_attribute("href") or ""] = int(re.findall(r"(\d+) images", text)[0])
        for link in histogram.locator("svg a").all():
            wanted[link.get_attribute("href") or ""] = int((link.get_attribute("aria-label") or "").split(": ")[1])
        for chart in (reliability, histogram):
            in_plot = {link.get_attribute("href") for link in chart.locator("svg a").all()}
            chart.locator("summary").click()
            # the table also has the bars without height: bins in which no prediction is right
            assert {link.get_attribute("href") for link in chart.locator("table a").all()} >= in_plot
    assert sum(wanted.values()) >= LABELLED
    assert len(wanted) > 15
    assert_links_lead_to_as_many_images(browser, demo_report / "site", wanted)


@pytest.mark.parametrize("name", ["confidence", "localization", "neighbours"])
def test_texts_of_charts_do_not_collide_on_narrow_screens(browser: Browser, demo_report: Path, name: str) -> None:
    boxes = """svg => [...svg.querySelectorAll('text')].map(t => [t.textContent, t.getBoundingClientRect()])
      .map(([text, r]) => ({ text, left: r.left, right: r.right, top: r.top + 2, bottom: r.bottom - 2 }))"""
    url = (demo_report / "site" / name / "index.html").as_uri()
    with visited(browser, url, offline=True, width=400) as page:
        charts = page.locator(".chart > svg")
        assert charts.count() >= 1
        for chart in charts.all():
            texts = chart.evaluate(boxes)
            for k, a in enumerate(texts):
                for b in texts[:k]:
                    apart = a["right"] <= b["left"] or b["right"] <= a["left"]
                    assert apart or a["bottom"] <= b["top"] or b["bottom"] <= a["top"], (a["text"], b["text"])
