"""The pages of activations, units and filters."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page

from tests.support.browser import broken_pictures, hosted, opened
from tests.support.html import read_html

pytestmark = pytest.mark.browser


def activation_page(site: Path, layer: str = "blocks-4") -> Path:
    return next((site / "activations").glob(f"*/{layer}-*.html"))


def data_of(page: Page) -> dict:
    return json.loads(page.locator("section.view > script").inner_text())


def test_mosaics_are_shown_and_channels_link_to_units_without_scripts(browser: Browser, demo_report: Path) -> None:
    site = demo_report / "site"
    with opened(browser, offline=True, java_script_enabled=False) as (page, _):
        page.goto((site / "activations" / "index.html").as_uri())
        page.locator("a.card").first.click()
        assert "/activations/" in page.url
        page.goto(activation_page(site).as_uri())
        assert page.locator("#activations img").count() == 4
        assert all(image.is_visible() for image in page.locator("#activations img").all())
        assert "Parameters up to here" in page.locator("main").inner_text()
        unit = page.locator("tbody th a").first
        number = unit.inner_text()
        unit.click()
        assert page.locator("h1").inner_text().startswith(f"Unit {number} of ")


def test_sorted_mosaic_has_the_tile_of_each_channel(browser: Browser, demo_report: Path) -> None:
    """Every tile of the sorted mosaic is, pixel by pixel, the tile of its channel in the picture."""
    site = demo_report / "site"
    with hosted(site) as root, opened(browser) as (page, messages):
        page.goto(root + activation_page(site).relative_to(site).as_posix())
        data = data_of(page)
        order = np.argsort(-np.array(data["fields"]["activity"]), kind="stable").tolist()
        assert order != list(range(len(order)))
        page.get_by_label("sort by").select_option("activity")
        assert page.locator(".readout a").inner_text() == f"channel {order[0]}"
        same = """(frames, [order, {columns, width, height, gap}]) => frames.slice(0, 3).map(frame => {
          const image = frame.querySelector("img"), canvas = frame.querySelector("canvas");
          const plain = document.createElement("canvas");
          [plain.width, plain.height] = [image.naturalWidth, image.naturalHeight];
          plain.getContext("2d").drawImage(image, 0, 0);
          const at = n => [(n % columns) * (width + gap), Math.floor(n / columns) * (height + gap), width, height];
          const read = (c, n) => c.getContext("2d").getImageData(...at(n)).data.join();
          return order.every((tile, n) => read(canvas, n) === read(plain, tile));
        })"""
        assert page.locator("#activations .frame").evaluate_all(same, [order, data["sheet"]]) == [True] * 3
        messages[:] = [
            line for line in messages if "willReadFrequently" not in line
        ]  # caused by this test, not by the page
        assert page.url.endswith("#sort=activity")
        page.reload()
        assert page.get_by_label("sort by").input_value() == "activity"
        assert messages == []


def test_arrow_keys_select_a_channel_and_enter_opens_its_unit(browser: Browser, demo_report: Path) -> None:
    site = demo_report / "site"
    with opened(browser, offline=True) as (page, messages):
        page.goto(activation_page(site).as_uri())
        data = data_of(page)
        page.locator("#activations .frame").first.focus()
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowDown")
        chosen = 1 + data["sheet"]["columns"]
        readout = page.locator(".readout").inner_text()
        assert readout.startswith(f"channel {chosen} · activity {data['fields']['activity'][chosen]:g}"[:24])
        assert page.locator("#activations .frame").last.locator("canvas").count() == 1
        page.keyboard.press("Enter")
        page.wait_for_url(f"**/units/**/{chosen:04d}.html")
        assert page.locator("h1").inner_text().startswith(f"Unit {chosen} of ")
        assert messages == []


def test_unit_page_shows_patches_with_field_and_value(browser: Browser, demo_report: Path) -> None:
    site = demo_report / "site"
    folder = next((site / "units").glob("blocks-4-*"))
    with opened(browser, offline=True) as (page, messages):
        page.goto((folder / "0001.html").as_uri())
        assert broken_pictures(page) == 0
        patches = page.locator(".patches .patch svg")
        assert patches.count() >= 8
        values = [float(text) for text in page.locator(".patches text").all_text_contents()]
        assert values == sorted(values, reverse=True)
        for svg in patches.all():
            part = [float(v) for v in str(svg.get_attribute("viewBox")).split()]
            outline = svg.locator(".field").evaluate(
                "path => { const b = path.getBBox(); return [b.x, b.y, b.width, b.height]; }"
            )
            x, y, width, height = outline
            assert part[0] - 0.1 <= x <= x + width <= part[0] + part[2] + 0.1
            assert part[1] - 0.1 <= y <= y + height <= part[1] + part[3] + 0.1
        bars = page.locator("path.bar title").all_text_contents()
        counts = [int(re.fullmatch(r"\S+ to \S+: (\d+)", text)[1]) for text in bars]
        assert sum(counts) == len(list((site / "images").glob("0*.html")))
        page.keyboard.press("ArrowRight")
        page.wait_for_url("**/0002.html")
        page.locator("a.patch").first.click()
        assert "/images/" in page.url
        assert messages == []


def test_layer_that_sees_the_whole_image_has_its_effective_receptive_field(demo_report: Path) -> None:
    units = demo_report / "site" / "units"
    rows = re.findall(r"<tr>.*?</tr>", read_html(units / "index.html"))
    fields = {
        name: text for row in rows for name, text in re.findall(r'">([\w.]+)</a></th>.*?<td class="n">(.*?)</td>', row)
    }
    assert re.fullmatch(r"\d+( × \d+)? of the whole image", fields["_swish"])
    assert re.fullmatch(r"\d+", fields["_bn0"])
    assert "holds 95 % of the gradient" in read_html(next(units.glob("swish-1280*")) / "0001.html")


def test_units_of_a_layer_are_a_grid_that_sorts(browser: Browser, demo_report: Path) -> None:
    folder = next((demo_report / "site" / "units").glob("blocks-4*"))
    with opened(browser, offline=True) as (page, messages):
        page.goto((folder / "index.html").as_uri())
        grid = page.locator(".unit-grid li")
        assert grid.count() == page.locator("table.units tbody tr").count() == 40
        assert not page.locator("#unit-sheet").is_visible()
        numbers = [text.split()[0] for text in grid.all_inner_texts()]
        assert numbers == [str(u) for u in range(40)]
        page.get_by_label("order").select_option("largest value")
        values = [float(text.split()[1]) for text in grid.all_inner_texts()]
        assert values == sorted(values, reverse=True)
        assert sorted(text.split()[0] for text in grid.all_inner_texts()) == sorted(numbers)
        first = grid.first.inner_text().split()[0]
        grid.first.locator("a").click()
        page.wait_for_url(f"**/{int(first):04d}.html")
        assert messages == []


def test_layer_page_sorts_its_units_and_is_small(browser: Browser, demo_report: Path) -> None:
    folder = next((demo_report / "site" / "units").glob("swish-1280*"))
    assert (folder / "index.html").stat().st_size <= 150_000
    with opened(browser, offline=True) as (page, messages):
        page.goto((folder / "index.html").as_uri())
        page.get_by_role("button", name="Largest value").click()
        column = [float(t) for t in page.locator("tbody td:nth-child(2)").all_inner_texts()]
        assert column == sorted(column, reverse=True)
        assert len(column) == 1280
        assert messages == []


def test_strongest_units_of_an_image_link_to_their_pages(browser: Browser, demo_report: Path) -> None:
    image = min((demo_report / "site" / "images").glob("0*.html"))
    with opened(browser, offline=True) as (page, _):
        page.goto(image.as_uri())
        title = page.locator("#strongest_units .name").first.inner_text()
        page.locator("#strongest_units a.to").first.click()
        layer, unit = title.split(" · ")
        assert page.locator("h1").inner_text() == f"Unit {unit} of {layer}"


def test_filter_opens_from_the_mosaic(browser: Browser, demo_report: Path) -> None:
    site = demo_report / "site"
    with opened(browser, offline=True) as (page, messages):
        page.goto((site / "filters" / "index.html").as_uri())
        data = data_of(page)
        page.get_by_label("sort by").select_option("frequency")
        finest = int(np.argmax(data["fields"]["frequency"]))
        assert page.locator(".readout a").inner_text() == f"filter {finest}"
        page.locator("#filters .frame").first.click(position={"x": 5, "y": 5})
        page.wait_for_url(f"**/filters/{finest:04d}.html")
        assert page.locator("#weights figure").count() == 4
        assert page.locator("#responses img.layer").count() >= 1
        assert page.locator(".patch").count() >= 8
        assert broken_pictures(page) == 0
        page.locator("summary", has_text="selected image").click()
        page.locator(".columns a").last.click()
        page.wait_for_url(f"**/activations/**#channel={finest}")
        page.wait_for_selector(f".readout a:text-is('channel {finest}')")
        assert page.locator("#activations .frame").last.locator("canvas").count() == 1  # laid over the photograph
        page.goto((site / "filters" / "deeper.html").as_uri())
        assert page.locator("#kernels img").count() > 5
        assert messages == []
