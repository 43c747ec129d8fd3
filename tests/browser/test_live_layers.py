"""The live page's sections below the image: the inside of the network and the place on the map, on one page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.pages import axe_violations, image_page_of
from tests.support.browser import address, opened, sideways

pytestmark = pytest.mark.browser
CROSS = "[...document.querySelector('.mark').getAttribute('transform').matchAll(/[-\\d.]+/g)].map(Number)"
NEAR = "[...document.querySelectorAll('.near circle')].map(c => [+c.getAttribute('cx'), +c.getAttribute('cy')])"


@pytest.fixture(scope="module")
def inside(browser: Browser, demo_report: Path) -> Iterator[Page]:
    """The live page with an image whose layers are shown."""
    with opened(browser, offline=True) as (page, said):
        page.goto(image_page_of(demo_report, "motorcycle").as_uri())
        page.get_by_role("link", name="Open live").click()
        page.locator("#live dl > div").first.wait_for(timeout=60_000)
        assert "layer" not in address(page)
        page.get_by_role("button", name="Look inside").click()
        page.locator(".live-units button").first.wait_for()
        yield page
        assert said == []


def test_strongest_units_of_each_layer_are_those_of_the_image_page(inside: Page, demo_report: Path) -> None:
    html = image_page_of(demo_report, "motorcycle").read_text("utf-8")
    section = html[html.index('id="strongest_units"') :]
    section = section[: section.index("</section>")]
    stored = re.findall(r'<span>([^<]+)</span>\s*</div>\s*<a href="\.\./units/([^/]+)/(\d+)\.html"', section)
    steps = inside.get_by_role("radiogroup", name="Layers").get_by_role("radio")
    found = []
    for n in range(steps.count()):
        steps.nth(n).click()
        name = steps.nth(n).evaluate("step => step.firstChild.textContent")
        expect(inside.locator("#live-layers h3 a")).to_contain_text(f" of {name}")
        folder = (inside.locator("#live-layers h3 a").get_attribute("href") or "").split("/")[-2]
        for card in inside.locator(".live-units li").all()[:2]:
            unit, value = card.locator(".name").inner_text(), card.locator(".quiet").inner_text()
            found.append((value.split(",")[0], folder, f"{int(unit.removeprefix('unit ')):04d}"))
    assert [unit for _, *unit in found] == [unit for _, *unit in stored]
    assert [float(value) for value, *_ in found] == pytest.approx([float(value) for value, *_ in stored], rel=0.01)


def test_layers_and_units_are_chosen_by_keyboard_and_are_in_the_address(inside: Page, demo_report: Path) -> None:
    steps = inside.get_by_role("radiogroup", name="Layers").get_by_role("radio")
    steps.first.click()
    steps.first.press("ArrowRight")
    expect(steps.nth(1)).to_be_focused()
    expect(steps.nth(1)).to_be_checked()
    name = steps.nth(1).evaluate("step => step.firstChild.textContent")
    heading = inside.locator("#live-layers h3 a")
    expect(heading).to_have_text(re.compile(f"of {re.escape(name)}$"), timeout=15_000)
    tiles = inside.locator(".live-tiles")
    tiles.focus()
    inside.keyboard.press("ArrowRight")
    inside.keyboard.press("ArrowRight")
    expect(inside.locator("figcaption", has_text="Map of unit")).to_be_visible()
    unit = re.search(r"\d+", heading.inner_text())
    assert unit is not None
    expect(heading).to_have_text(f"Unit {unit[0]} of {name}")
    page = demo_report / "site" / (heading.get_attribute("href") or "")
    assert page.is_file()
    inside.wait_for_timeout(400)  # the address follows at most three times a second
    assert f"layer={name}" in address(inside)
    assert f"unit={unit[0]}" in address(inside)


def test_receptive_field_of_a_position_is_drawn_on_the_image(inside: Page) -> None:
    steps = inside.get_by_role("radiogroup", name="Layers").get_by_role("radio")
    steps.first.click()
    expect(inside.locator(".live-filter")).to_be_visible()  # the weights of a filter of the first convolution
    frame = inside.get_by_role("group", name="Map of unit")
    frame.focus()
    inside.keyboard.press("ArrowRight")
    reading = inside.locator(".live-reading")
    expect(reading).to_contain_text("Row 57, column 59: ")  # 50 % and 52 % of 112 cells, from 0
    expect(reading).to_contain_text("3 × 3 pixels of the input")
    box = inside.locator(".live-unit .ground-truth").first
    # Stride 2 and no padding at the upper and left edge ("same" padding of an even input).
    assert [box.get_attribute(key) for key in ("x", "y", "width", "height")] == ["116", "112", "3", "3"]


def test_cross_is_the_images_place_on_the_map_and_the_neighbours_mean_after_a_change(inside: Page) -> None:
    places = """() => {
      const { data, embeddingPositions } = window.reportgen;
      const own = data.chunk("images").name.findIndex((name) => name.includes("motorcycle"));
      const { xy, extent } = embeddingPositions(data.chunk("places")).of("tsne");
      const [, , width, height] = document.querySelector(".live-map").getAttribute("viewBox").split(" ").map(Number);
      const scale = (width - 32) / extent[0];
      return [width / 2 + (xy[2 * own] - 0.5) * scale, height / 2 + (xy[2 * own + 1] - 0.5) * scale];
    }"""
    assert inside.evaluate(CROSS) == pytest.approx(inside.evaluate(places), abs=0.1)
    inside.get_by_label("rotation").fill("60")
    expect(inside.locator("#live-place")).to_contain_text("the mean position of the ten nearest images")
    distances = [float(text) for text in inside.locator("#live-nearest .card .quiet").all_inner_texts()]
    near = inside.evaluate(NEAR)
    weights = [1 / distance**2 for distance in distances]
    assert len(near) == len(weights) == 10
    for axis in (0, 1):
        expected = sum(w * place[axis] for w, place in zip(weights, near, strict=True)) / sum(weights)
        assert inside.evaluate(CROSS)[axis] == pytest.approx(expected, abs=1)
    inside.get_by_role("button", name="Reset").click()


def test_address_opens_a_unit_and_the_page_passes_axe_and_fits_a_phone(browser: Browser, demo_report: Path) -> None:
    with opened(browser, scheme="dark", offline=True) as (page, _):
        page.goto(f"{(demo_report / 'site' / 'live.html').as_uri()}#layer=_blocks.2&unit=7&square=90.60.32")
        expect(page.locator("#live-layers h3 a")).to_have_text("Unit 7 of _blocks.2", timeout=60_000)
        assert axe_violations(page, "dark") == []
        page.set_viewport_size({"width": 400, "height": 900})
        assert sideways(page) <= 0
