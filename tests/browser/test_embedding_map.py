"""The page of maps in a browser: by mouse, by keyboard, with WebGL2, with a 2-D canvas, and without scripts."""

from __future__ import annotations

import base64
import csv
import re
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from benchmarks.map import made_up_page, measured
from reportgen.gallery.core.data_chunks import read_chunk
from tests.support.browser import address, opened, sideways


@contextmanager
def the_map(browser: Browser, report: Path, after: str = "", **options: object) -> Iterator[Page]:
    """The page with all of its data, offline; in the end nothing may have gone wrong in it."""
    with opened(browser, offline=True, **options) as (page, said):
        page.goto((report / "site" / "maps" / "index.html").as_uri() + after)
        expect(page.locator(".map")).not_to_have_attribute("data-sprites", "0")
        yield page
        assert said == []


def listed(page: Page) -> list[str]:
    return page.locator(".listing tbody a").all_inner_texts()


def seen_at(page: Page) -> list[float]:
    """The middle of the view and its zoom, as the address has them."""
    return [float(v) for v in parse_qs(urlsplit(address(page)).fragment)["at"][0].split(",")]


def count(page: Page) -> int:
    return int(page.locator("#map output.count").inner_text().split()[0].replace(",", ""))


@pytest.mark.parametrize(("after", "renderer"), [("?webgl2", "WebGL2"), ("?canvas2d", "2-D canvas")])
def test_dots_and_thumbnails_are_drawn(browser: Browser, demo_report: Path, after: str, renderer: str) -> None:
    with the_map(browser, demo_report, after) as page:
        expect(page.locator(".map")).to_have_attribute("data-renderer", renderer)
        assert count(page) == 96
        page.get_by_label("map", exact=True).select_option("grid")
        page.wait_for_timeout(1200)
        assert int(page.locator(".map").get_attribute("data-sprites") or 0) == 96
        shot = page.locator(".map").screenshot()
        assert len(set(shot)) > 200
        assert not page.locator("#stills").is_visible()


@pytest.mark.parametrize("state", ["map=tsne", "map=grid", "map=pca&x=7&y=8"])
def test_a_map_of_any_shape_fills_its_stage(browser: Browser, demo_report: Path, state: str) -> None:
    """The eighth axis of a PCA varies less than the first, by which all of them are scaled."""
    with the_map(browser, demo_report, f"?canvas2d#{state}") as page:
        page.wait_for_timeout(300)
        shot = np.asarray(Image.open(BytesIO(page.locator(".map").screenshot())).convert("RGB"))[8:-8, 8:-8]
        drawn = (shot != shot[0, 0]).any(2)
        wide, high = (float(np.ptp(np.flatnonzero(drawn.any(axis)))) / drawn.shape[1 - axis] for axis in (0, 1))
        assert max(wide, high) > 0.85


def test_a_filter_and_the_table_are_in_step(browser: Browser, demo_report: Path) -> None:
    with the_map(browser, demo_report) as page:
        page.get_by_label("label", exact=True).select_option(label="espresso")
        assert count(page) == len(listed(page)) == 12
        assert all("coffee" in name for name in listed(page))
        assert "label=" in address(page)
        page.get_by_role("button", name="clear").click()
        assert count(page) == 96
        page.get_by_label("outcome").select_option(label="wrong class")
        assert count(page) == len(listed(page)) < 96
        again = address(page)
    with the_map(browser, demo_report, "#" + again.partition("#")[2]) as page:
        assert count(page) < 96  # the address holds the state


def test_a_lasso_by_mouse_leads_to_a_list_and_a_csv(browser: Browser, demo_report: Path) -> None:
    with the_map(browser, demo_report) as page:
        area = page.locator(".map").bounding_box()
        assert area is not None
        middle = area["x"] + area["width"] / 2
        page.get_by_role("button", name="lasso").click()
        top, bottom = area["y"] + 4, area["y"] + area["height"] - 4
        page.mouse.move(middle, top)
        page.mouse.down()
        for x, y in ((area["x"] + 4, top), (area["x"] + 4, bottom), (middle, bottom), (middle, top)):
            page.mouse.move(x, y, steps=8)
        page.mouse.up()
        chosen = count(page)
        assert 0 < chosen < 96
        assert "lasso=" in address(page)
        places = read_chunk(demo_report / "site", "places")
        assert places["n"] == 96
        with page.expect_download() as found:
            page.get_by_role("button", name="export CSV").click()
        rows = list(csv.DictReader(Path(found.value.path()).read_text("utf-8").splitlines()))
        assert [row["name"] for row in rows] == listed(page)
        assert len(rows) == chosen
        found_at = address(page)
        page.get_by_role("link", name="review these").click()
        expect(page.locator("#review")).to_contain_text(f"1 of {chosen}, 0 reviewed")
    with the_map(browser, demo_report, "#" + found_at.partition("#")[2]) as page:
        assert count(page) == chosen


def test_everything_by_keyboard(browser: Browser, demo_report: Path) -> None:
    with the_map(browser, demo_report) as page:
        surface = page.locator(".map .surface")
        surface.focus()
        for _ in range(6):
            page.keyboard.press("+")
        assert seen_at(page)[2] > 5
        page.keyboard.press("Enter")
        inside = count(page)
        assert inside < 96
        page.keyboard.press("0")
        page.keyboard.press("Escape")
        assert count(page) == 96
        page.keyboard.press("Enter")
        assert count(page) == 96
        page.keyboard.press("Space")
        expect(page.get_by_label("map", exact=True)).not_to_have_value("tsne")
        page.keyboard.press("Space")


def test_wheel_drag_and_buttons_move_the_map(browser: Browser, demo_report: Path) -> None:
    with the_map(browser, demo_report) as page:
        area = page.locator(".map").bounding_box()
        assert area is not None
        page.mouse.move(area["x"] + 300, area["y"] + 200)
        page.mouse.wheel(0, -600)
        zoomed = seen_at(page)
        assert zoomed[2] > 1.5
        page.mouse.down()
        page.mouse.move(area["x"] + 400, area["y"] + 200, steps=5)
        page.mouse.up()
        assert seen_at(page)[0] < zoomed[0]
        page.get_by_role("button", name="show the whole map").click()
        assert seen_at(page) == [0.5, 0.5, 1]


def photographed(page: Page) -> np.ndarray:
    return np.asarray(Image.open(BytesIO(page.locator(".map").screenshot())).convert("RGB")).astype(int)


WATCH = """
  const drawing = document.querySelector(".map .drawing");
  window.carried = [];
  new MutationObserver(() => carried.push(drawing.style.transform)).observe(drawing, { attributeFilter: ["style"] });
"""


@pytest.mark.parametrize("after", ["?webgl2", "?canvas2d"])
def test_a_dragged_map_carries_its_drawing_along(browser: Browser, demo_report: Path, after: str) -> None:
    """The picture moves with the hand, and when it rests it is drawn where it then was."""
    with the_map(browser, demo_report, after) as page:
        drawing, area = page.locator(".map .drawing"), page.locator(".map").bounding_box()
        assert area is not None
        x, y = area["x"] + 10, area["y"] + 10
        page.mouse.move(x, y)
        page.wait_for_timeout(500)
        before = photographed(page)
        page.evaluate(WATCH)
        page.mouse.down()
        page.mouse.move(x + 60, y + 35, steps=3)
        expect(drawing).not_to_have_attribute("style", re.compile("translate"))
        carried = page.evaluate("carried")
        assert carried[-2:] == ["translate(60px, 35px) scale(1)", ""]
        page.mouse.up()
        now = photographed(page)
        away = np.abs(now[40:, 80:] - before[40:, 80:]).mean()
        assert np.abs(now[75:, 140:] - before[40:-35, 80:-60]).mean() < 0.2 * away
        page.mouse.move(x + 900, y + 300)
        page.mouse.down()
        for step in range(0, 900, 30):  # beyond what is drawn around the stage, a quarter of it on every side
            page.mouse.move(x + 900 - step, y + 300 - step / 3)
            page.wait_for_timeout(20)
        page.mouse.up()
        moves = [re.findall(r"-?[\d.]+", text)[:2] for text in page.evaluate("carried")[len(carried) :] if text]
        assert moves
        for right, down in moves:
            assert abs(float(right)) <= area["width"] / 4
            assert abs(float(down)) <= area["height"] / 4


def test_a_zoomed_map_carries_its_drawing_along(browser: Browser, demo_report: Path) -> None:
    with the_map(browser, demo_report) as page:
        page.wait_for_timeout(500)
        page.evaluate(WATCH)
        page.locator(".map .surface").focus()
        page.keyboard.press("+")
        expect(page.locator(".map .drawing")).to_have_attribute("style", "")
        assert page.evaluate("carried") == ["translate(0px, 0px) scale(1.4)", ""]


def test_without_a_graphics_processor_the_canvas_is_taken(browser: Browser, demo_report: Path) -> None:
    name = """() => {
      const gl = document.createElement("canvas").getContext("webgl2");
      return gl?.getParameter(gl.getExtension("WEBGL_debug_renderer_info").UNMASKED_RENDERER_WEBGL) ?? "SwiftShader";
    }"""
    with the_map(browser, demo_report) as page:
        renderer = page.locator(".map").get_attribute("data-renderer")
        assert renderer == ("2-D canvas" if "SwiftShader" in page.evaluate(name) else "WebGL2")


def test_from_a_point_to_its_image(browser: Browser, demo_report: Path) -> None:
    with the_map(browser, demo_report) as page:
        page.get_by_label("map", exact=True).select_option("grid")
        page.wait_for_timeout(1200)
        area = page.locator(".map").bounding_box()
        assert area is not None
        kind, packed = read_chunk(demo_report / "site", "places")["columns"]["grid"]
        assert kind == "u2"
        u, v = np.frombuffer(base64.b64decode(packed), "<u2")[2 * 7 : 2 * 7 + 2] / 65534  # image 7's cell
        side = 0.92 * min(area["width"], area["height"])
        x, y = area["x"] + area["width"] / 2 + (u - 0.5) * side, area["y"] + area["height"] / 2 + (v - 0.5) * side
        page.mouse.move(x, y)
        name = page.locator(".map .hover .quiet").last.inner_text()
        page.mouse.click(x, y)
        page.wait_for_url("**/images/000007-*.html")
        assert name in page.locator("main").inner_text()


def test_two_fingers_zoom(browser: Browser, demo_report: Path) -> None:
    with the_map(browser, demo_report, has_touch=True) as page:
        touch = page.context.new_cdp_session(page)
        area = page.locator(".map").bounding_box()
        assert area is not None
        x, y = area["x"] + area["width"] / 2, area["y"] + area["height"] / 3

        def fingers(kind: str, apart: float) -> None:
            points = (
                [] if kind == "touchEnd" else [{"x": x - apart, "y": y, "id": 0}, {"x": x + apart, "y": y, "id": 1}]
            )
            touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

        fingers("touchStart", 40)
        for apart in (60, 80, 100, 120):
            fingers("touchMove", apart)
        fingers("touchEnd", 0)
        assert seen_at(page)[2] > 2


def test_many_images_are_a_density_with_representatives(browser: Browser, tmp_path: Path) -> None:
    page = made_up_page(tmp_path, 400)
    (script,) = (tmp_path / "assets").glob("maps-canvas.*.js")
    script.write_text(script.read_text().replace("MANY = 200000", "MANY = 300"))
    with opened(browser, offline=True) as (tab, said):
        tab.goto(page.as_uri())
        stage = tab.locator(".map")
        expect(stage).not_to_have_attribute("data-sprites", "0")
        expect(stage).to_have_attribute("data-renderer", "2-D canvas")
        tab.get_by_label("outcome").select_option(label="wrong class")
        expect(tab.locator("#map output.count")).not_to_have_text("400 of 400 images")
        tab.wait_for_timeout(200)
        alphas = tab.evaluate(
            "(() => { const c = document.querySelector('.map canvas'), found = new Set();"
            " const all = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
            " for (let at = 3; at < all.length; at += 4) found.add(all[at]); return [...found]; })()"
        )
        assert {0, 255} < set(alphas)  # nothing, thumbnails, and shades between them
        assert said == []


@pytest.mark.parametrize("images", [2, 300])
def test_the_benchmarks_page_is_sound(browser: Browser, tmp_path: Path, images: int) -> None:
    found, said = measured(browser, made_up_page(tmp_path, images), images, 0.1)
    assert said == []
    assert found["renderer"] in ("WebGL2", "2-D canvas")
    assert 0 < found["dots"] <= found["thumbnails"]


def test_without_scripts_the_maps_are_pictures(browser: Browser, demo_report: Path) -> None:
    with opened(browser, offline=True, java_script_enabled=False) as (page, _):
        page.goto((demo_report / "site" / "maps" / "index.html").as_uri())
        assert page.locator("#stills figure").count() == 5
        assert page.locator("#stills img").first.is_visible()
        assert not page.locator("#map").is_visible()


def test_a_narrow_screen(browser: Browser, demo_report: Path) -> None:
    with the_map(browser, demo_report, width=400) as page:
        assert sideways(page) <= 0
