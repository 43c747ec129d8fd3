"""The embedding page: by mouse, by keyboard, with WebGL2, with a 2-D canvas, and without scripts."""

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

from reportgen.gallery.components.embedding_chunks import class_colours
from reportgen.gallery.core.data_chunks import read_chunk
from tests.support.browser import address, opened, sideways
from tests.support.demo import IMAGES, images_of

pytestmark = pytest.mark.browser


@contextmanager
def the_map(browser: Browser, report: Path, after: str = "", **options: object) -> Iterator[Page]:
    """Open the page and wait for its thumbnails; at the end there must be no error or console message."""
    with opened(browser, offline=True, **options) as (page, messages):
        page.goto((report / "site" / "embedding" / "index.html").as_uri() + after)
        expect(page.locator(".stage")).not_to_have_attribute("data-sprites", "0")
        yield page
        assert messages == []


def listed(page: Page) -> list[str]:
    return page.locator(".listing tbody a").all_inner_texts()


def seen_at(page: Page) -> list[float]:
    """Return the centre of the view and its zoom from the address."""
    return [float(v) for v in parse_qs(urlsplit(address(page)).fragment)["at"][0].split(",")]


def count(page: Page) -> int:
    return int(page.locator("#embedding output.count").inner_text().split()[0].replace(",", ""))


@pytest.mark.parametrize(("after", "renderer"), [("?webgl2", "WebGL2"), ("?canvas2d", "2-D canvas")])
def test_map_draws_dots_and_thumbnails(browser: Browser, demo_report: Path, after: str, renderer: str) -> None:
    with the_map(browser, demo_report, after) as page:
        expect(page.locator(".stage")).to_have_attribute("data-renderer", renderer)
        assert count(page) == IMAGES
        page.get_by_label("layout", exact=True).select_option("grid")
        expect(page.locator(".stage")).to_have_attribute("data-sprites", str(IMAGES), timeout=15_000)
        shot = page.locator(".stage").screenshot()
        assert len(set(shot)) > 200
        assert not page.locator("#stills").is_visible()


@pytest.mark.parametrize("state", ["layout=tsne", "layout=grid", "layout=pca&x=7&y=8"])
def test_map_of_any_shape_fills_its_area(browser: Browser, demo_report: Path, state: str) -> None:
    """The eighth axis of a PCA varies less than the first, by which all of them are scaled."""
    with the_map(browser, demo_report, f"?canvas2d#{state}") as page:
        page.wait_for_timeout(300)
        shot = np.asarray(Image.open(BytesIO(page.locator(".stage").screenshot())).convert("RGB"))[8:-8, 8:-8]
        drawn = (shot != shot[0, 0]).any(2)
        wide, high = (float(np.ptp(np.flatnonzero(drawn.any(axis)))) / drawn.shape[1 - axis] for axis in (0, 1))
        assert max(wide, high) > 0.85


@pytest.mark.parametrize("renderer", ["webgl2", "canvas2d"])
def test_thumbnails_of_the_grid_fill_their_cells_and_none_is_clipped(
    browser: Browser, demo_report: Path, renderer: str
) -> None:
    with the_map(browser, demo_report, f"?{renderer}#layout=grid") as page:
        page.wait_for_timeout(300)
        shot = np.asarray(Image.open(BytesIO(page.locator(".stage").screenshot())).convert("RGB"))[8:-8, 8:-8]
        drawn = (shot != shot[4, 4]).any(2)
        assert not drawn[[0, -1]].any()
        rows, columns = np.flatnonzero(drawn.any(1)), np.flatnonzero(drawn.any(0))
        assert drawn[rows[0] : rows[-1], columns[0] : columns[-1]].mean() > 0.8


COLOURS = """() => {
  const label = Int16Array.from({ length: 60 }, (_, k) => k), zeros = new Int16Array(60);
  const columns = { label, predicted: label, outcome: zeros, score: zeros, iou: zeros, width: zeros, height: zeros };
  const images = { n: 60, outcomes: [["right", "right"]], classes: {}, table_columns: [], ...columns };
  const [byLabel] = reportgen.embeddingColours(images, { agreement: zeros, hub: zeros }), { of } = byLabel.make();
  return [...label].map((k) => of(k));
}"""


def test_class_colours_are_those_of_the_pictures(browser: Browser, demo_report: Path) -> None:
    with the_map(browser, demo_report) as page:
        assert [bytes(rgb).hex() for rgb in page.evaluate(COLOURS)] == class_colours(np.arange(60))


def test_filter_changes_map_table_and_address(browser: Browser, demo_report: Path) -> None:
    with the_map(browser, demo_report) as page:
        page.get_by_label("label", exact=True).select_option(label="espresso")
        assert count(page) == len(listed(page)) == images_of("coffee", "cups")
        assert all("coffee" in name or "cups" in name for name in listed(page))
        assert "label=" in address(page)
        page.get_by_role("button", name="clear", exact=True).click()
        assert count(page) == IMAGES
        page.get_by_label("outcome").select_option(label="wrong class")
        assert count(page) == len(listed(page)) < IMAGES
        again = address(page)
    with the_map(browser, demo_report, "#" + again.partition("#")[2]) as page:
        assert count(page) < IMAGES  # the address holds the state


def test_lasso_selects_images_for_list_csv_and_review(browser: Browser, demo_report: Path) -> None:
    with the_map(browser, demo_report) as page:
        area = page.locator(".stage").bounding_box()
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
        assert 0 < chosen < IMAGES
        assert "lasso=" in address(page)
        places = read_chunk(demo_report / "site", "places")
        assert places["n"] == IMAGES
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


def test_map_is_operated_by_keyboard(browser: Browser, demo_report: Path) -> None:
    with the_map(browser, demo_report) as page:
        surface = page.locator(".stage .surface")
        surface.focus()
        for _ in range(6):
            page.keyboard.press("+")
        assert seen_at(page)[2] > 5
        page.keyboard.press("Enter")
        inside = count(page)
        assert inside < IMAGES
        page.keyboard.press("0")
        page.keyboard.press("Escape")
        assert count(page) == IMAGES
        page.keyboard.press("Enter")
        assert count(page) == IMAGES
        page.keyboard.press("Space")
        expect(page.get_by_label("layout", exact=True)).not_to_have_value("tsne")
        page.keyboard.press("Space")


def test_map_moves_by_wheel_drag_and_buttons(browser: Browser, demo_report: Path) -> None:
    with the_map(browser, demo_report) as page:
        area = page.locator(".stage").bounding_box()
        assert area is not None
        page.mouse.move(area["x"] + 300, area["y"] + 200)
        page.mouse.wheel(0, -600)
        zoomed = seen_at(page)
        assert zoomed[2] > 1.5
        page.mouse.down()
        page.mouse.move(area["x"] + 400, area["y"] + 200, steps=5)
        page.mouse.up()
        assert seen_at(page)[0] < zoomed[0]
        page.get_by_role("button", name="fit the whole map").click()
        assert seen_at(page) == [0.5, 0.5, 1]


def photographed(page: Page) -> np.ndarray:
    return np.asarray(Image.open(BytesIO(page.locator(".stage").screenshot())).convert("RGB")).astype(int)


WATCH = """
  const drawing = document.querySelector(".stage .drawing");
  window.carried = [];
  new MutationObserver(() => carried.push(drawing.style.transform)).observe(drawing, { attributeFilter: ["style"] });
"""


@pytest.mark.parametrize("after", ["?webgl2", "?canvas2d"])
def test_dragged_map_moves_its_drawing_and_draws_it_again(browser: Browser, demo_report: Path, after: str) -> None:
    """While the pointer moves, the drawing is shifted; when it stops, the map is drawn at the new position."""
    with the_map(browser, demo_report, after) as page:
        drawing, area = page.locator(".stage .drawing"), page.locator(".stage").bounding_box()
        assert area is not None
        x, y = area["x"] + 10, area["y"] + 10
        page.mouse.move(x, y)
        page.wait_for_timeout(500)
        before = photographed(page)
        page.evaluate(WATCH)
        page.mouse.down()
        page.mouse.move(x + 60, y + 35)
        expect(drawing).not_to_have_attribute("style", re.compile("translate"))
        carried = page.evaluate("carried")
        assert carried[-2:] == ["translate(60px, 35px) scale(1)", ""]
        page.mouse.up()
        now = photographed(page)
        away = np.abs(now[40:, 80:] - before[40:, 80:]).mean()
        assert np.abs(now[75:, 140:] - before[40:-35, 80:-60]).mean() < 0.2 * away
        page.mouse.move(x + 800, y + 300)
        page.mouse.down()
        for step in range(0, 800, 30):  # beyond what is drawn around the stage, a quarter of it on every side
            page.mouse.move(x + 800 - step, y + 300 - step / 3)
            page.wait_for_timeout(20)
        page.mouse.up()
        moves = [re.findall(r"-?[\d.]+", text)[:2] for text in page.evaluate("carried")[len(carried) :] if text]
        assert moves
        for right, down in moves:
            assert abs(float(right)) <= area["width"] / 4
            assert abs(float(down)) <= area["height"] / 4


def test_zoomed_map_scales_its_drawing_and_draws_it_again(browser: Browser, demo_report: Path) -> None:
    with the_map(browser, demo_report) as page:
        page.wait_for_timeout(500)
        page.evaluate(WATCH)
        page.locator(".stage .surface").focus()
        page.keyboard.press("+")
        expect(page.locator(".stage .drawing")).to_have_attribute("style", "")
        assert page.evaluate("carried") == ["translate(0px, 0px) scale(1.4)", ""]


def test_map_uses_a_canvas_without_a_graphics_processor(browser: Browser, demo_report: Path) -> None:
    name = """() => {
      const gl = document.createElement("canvas").getContext("webgl2");
      return gl?.getParameter(gl.getExtension("WEBGL_debug_renderer_info").UNMASKED_RENDERER_WEBGL) ?? "SwiftShader";
    }"""
    with the_map(browser, demo_report) as page:
        renderer = page.locator(".stage").get_attribute("data-renderer")
        assert renderer == ("2-D canvas" if "SwiftShader" in page.evaluate(name) else "WebGL2")


def test_click_on_a_thumbnail_opens_its_image(browser: Browser, demo_report: Path) -> None:
    with the_map(browser, demo_report) as page:
        page.get_by_label("layout", exact=True).select_option("grid")
        page.wait_for_timeout(1200)
        area = page.locator(".stage").bounding_box()
        assert area is not None
        places = read_chunk(demo_report / "site", "places")
        kind, packed = places["columns"]["grid"]
        assert kind == "u2"
        cells = np.frombuffer(base64.b64decode(packed), "<u2").reshape(-1, 2) / 65534
        width, height = np.ptp(cells, 0) + places["grid_cell"]
        u, v = cells[7]
        side = 0.92 * min(area["width"] / width, area["height"] / height)
        x, y = area["x"] + area["width"] / 2 + (u - 0.5) * side, area["y"] + area["height"] / 2 + (v - 0.5) * side
        page.mouse.move(x, y)
        name = page.locator(".stage .tooltip .quiet").last.inner_text()
        page.mouse.click(x, y)
        page.wait_for_url("**/images/000007-*.html")
        assert name in page.locator("main").inner_text()


def test_two_fingers_zoom_the_map(browser: Browser, demo_report: Path) -> None:
    with the_map(browser, demo_report, has_touch=True) as page:
        touch = page.context.new_cdp_session(page)
        area = page.locator(".stage").bounding_box()
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


def test_maps_are_pictures_without_scripts(browser: Browser, demo_report: Path) -> None:
    with opened(browser, offline=True, java_script_enabled=False) as (page, _):
        page.goto((demo_report / "site" / "embedding" / "index.html").as_uri())
        assert page.locator("#stills figure").count() == 5
        assert page.locator("#stills img").first.is_visible()
        assert not page.locator("#embedding").is_visible()


def test_embedding_page_fits_a_narrow_screen(browser: Browser, demo_report: Path) -> None:
    with the_map(browser, demo_report, width=400) as page:
        assert sideways(page) <= 0
