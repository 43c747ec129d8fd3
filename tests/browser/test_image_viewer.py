"""The image viewer: its layers, scale, threshold, boxes, readings, keys and address."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from reportgen.draw.colormap import inferno
from reportgen.metrics.localization.boxes import paper_box, to_image, upsample
from tests.browser.pages import image_page_of, open_image, visited
from tests.conftest import SELECTED_IMAGE
from tests.support.browser import address, opened, sideways
from tests.support.demo import images_of

pytestmark = pytest.mark.browser


def test_viewer_offers_every_stored_layer(browser: Browser, demo_report: Path) -> None:
    """Activation maps of all stored classes, and the maps of every section with a layer; the address has the choice."""
    with visited(browser, image_page_of(demo_report, SELECTED_IMAGE).as_uri(), offline=True) as page:
        choice = page.locator("#viewer select")
        names = choice.locator("option").all_inner_texts()
        data = json.loads(page.locator("#viewer-data").inner_text())
        assert names[: len(data["cams"])] == [one["name"] for one in data["cams"]]
        sections = page.locator("section[data-layer]")
        groups = sections.evaluate_all("all => all.map(section => section.dataset.layer)")
        assert groups == ["Occlusion sensitivity", "Saliency"]
        drawn = sections.locator("figure:has(.layer) .name").all_inner_texts()
        assert names[len(data["cams"]) :] == drawn
        assert len(drawn) >= 5
        assert choice.locator("optgroup").evaluate_all("all => all.map(group => group.label)")[1:] == groups
        choice.select_option(label="Guided backpropagation")
        shown = page.locator("#viewer img.layer")
        source = page.locator("#saliency figure", has_text="Guided backpropagation").locator("img.layer")
        assert shown.get_attribute("src") == source.evaluate("image => image.src")
        assert page.get_by_label("threshold").is_disabled()
        assert page.locator("#viewer canvas").count() == 0
        chosen = address(page)
    with visited(browser, chosen, offline=True) as page:
        assert page.locator("#viewer select").locator("option:checked").inner_text() == "Guided backpropagation"


def test_viewer_scales_maps_together_or_one_by_one(browser: Browser, demo_report: Path) -> None:
    """The scale ends at the largest maximum of all maps, or at that of the map shown if normalized per map."""
    with visited(browser, image_page_of(demo_report, SELECTED_IMAGE).as_uri(), offline=True) as page:
        data = json.loads(page.locator("#viewer-data").inner_text())
        tops = [max(map(max, one["grid"])) for one in data["cams"]]
        weakest = tops.index(min(tops))
        page.locator("#viewer select").select_option(str(weakest))
        end = page.locator("#viewer .scale > span").last
        assert end.inner_text() == f"{max(tops):.1f} logit"
        page.get_by_label("normalize per map").check()
        assert end.inner_text() == f"{tops[weakest]:.1f} logit"
        assert "normalize=on" in address(page)


def test_caption_scale_boxes_and_legend_follow_the_layer(browser: Browser, demo_report: Path) -> None:
    with visited(browser, image_page_of(demo_report, SELECTED_IMAGE).as_uri(), offline=True) as page:
        data = json.loads(page.locator("#viewer-data").inner_text())
        viewer, choice = page.locator("#viewer"), page.locator("#viewer select")
        caption, scale, legend = viewer.locator("figcaption"), viewer.locator(".scale"), viewer.locator(".legend")
        stored, preview = viewer.locator("rect.predicted"), viewer.locator("rect.preview")
        first = caption.inner_text()
        iou = re.match(r"[\d.]+", facts_of(page)["IoU, map of the predicted class"])
        assert iou is not None
        assert first.endswith(f": {iou[0]}.")
        assert legend.inner_text().split("\n") == ["ground-truth box", "predicted box"]

        choice.select_option("1")
        assert caption.inner_text() == data["cams"][1]["caption"] != first
        assert scale.is_visible()
        assert (stored.is_visible(), preview.is_visible()) == (False, True)
        assert legend.inner_text().split("\n") == ["ground-truth box", "predicted box (preview)"]

        choice.select_option(label="Guided backpropagation")
        assert caption.inner_text().startswith("Guided backpropagation. ")
        assert not scale.is_visible()
        assert (stored.is_visible(), preview.count()) == (False, 0)
        assert legend.inner_text().split("\n") == ["ground-truth box"]

        choice.select_option("0")
        assert caption.inner_text() == first
        assert (scale.is_visible(), stored.is_visible(), preview.count()) == (True, True, 0)


def facts_of(page: Page) -> dict[str, str]:
    """Return the facts of an image page by their names."""
    facts = page.locator(".two dl > div").all()
    return {fact.locator("dt").inner_text(): fact.locator("dd").inner_text() for fact in facts}


def test_viewer_is_operated_by_keyboard(browser: Browser, demo_report: Path) -> None:
    with visited(browser, image_page_of(demo_report, SELECTED_IMAGE).as_uri(), offline=True) as page:
        data = json.loads(page.locator("#viewer-data").inner_text())
        page.keyboard.press("m")
        page.keyboard.press("]")
        assert page.locator("#viewer select").input_value() == "1"
        assert page.get_by_label("threshold").input_value() == "21"
        assert "preview" in page.locator("#viewer .reading").inner_text()
        page.keyboard.press("b")
        assert not page.get_by_label("boxes").is_checked()
        frame = page.locator("#viewer .frame")
        before = frame.bounding_box()["width"]
        page.keyboard.press("+")
        assert frame.bounding_box()["width"] == pytest.approx(1.5 * before, rel=0.03)  # a scroll bar
        assert sideways(page) <= 0
        page.keyboard.press("0")
        assert frame.bounding_box()["width"] == pytest.approx(before, rel=0.01)
        frame.focus()
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("ArrowRight")  # in the middle of the picture, and so of the map
        grid = np.array(data["cams"][1]["grid"])
        assert grid.shape == (7, 7)
        assert page.locator("#viewer .reading").inner_text() == f"{grid[3, 3]:.2f} logit"
        assert image_page_of(demo_report, SELECTED_IMAGE).name in page.url  # the arrows did not turn the page


def test_viewer_shows_the_value_under_pointer_and_cursor(browser: Browser, demo_report: Path) -> None:
    """By pointer and by arrow keys; the expected readings come from the numbers on the page."""
    with visited(browser, image_page_of(demo_report, SELECTED_IMAGE).as_uri(), offline=True) as page:
        reading, frame = page.locator("#viewer .reading"), page.locator("#viewer .frame")
        for section in ("occlusion", "saliency"):
            cells = json.loads(page.locator(f"#{section} script").text_content() or "")["cells"]
            names = page.locator(f"#{section} figure:has(.layer) .name").all_inner_texts()
            assert len(names) == len(cells["layers"]) >= 2
            for name, layer in zip(names, cells["layers"], strict=True):
                page.locator("#viewer select").select_option(label=name)
                box = frame.bounding_box()
                assert box is not None
                for u, v in ((0.31, 0.62), (0.8, 0.2)):  # of the picture, which the demo squashes into the input
                    frame.hover(position={"x": u * box["width"], "y": v * box["height"]})
                    assert reading.inner_text() == reading_of(cells, layer, u, v), name
                frame.focus()
                page.keyboard.press("ArrowRight")
                page.keyboard.press("ArrowLeft")
                assert reading.inner_text() == reading_of(cells, layer, 0.5, 0.5), name
                frame.blur()
            page.locator("#viewer select").select_option(label=names[0])
            frame.hover(position={"x": 4, "y": 100})  # no square is centred so near to the border
            assert (reading.inner_text() == "no value here") == (section == "occlusion")


def reading_of(cells: dict, layer: dict, u: float, v: float) -> str:
    """Return the expected reading of a layer at a place: the value of the cell whose centre is nearest."""
    row, column = (int(np.abs(np.array(cells[axis]) - place).argmin()) for axis, place in (("y", v), ("x", u)))
    k = row * len(cells["x"]) + column
    if "codes" in layer:
        code = base64.b64decode(layer["codes"])[k]
        value = float(f"{layer['top'] * 10 ** ((code - 255) / layer['decade']):.2g}") if code else 0
        return np.format_float_positional(value, trim="-") if value >= 1e-6 or not value else f"{value:.2g}"
    value = layer["values"][k]
    return layer["names"][value] if "names" in layer else np.format_float_positional(value, trim="-")


def test_viewer_limits_how_often_the_address_changes(browser: Browser, demo_report: Path) -> None:
    """For a slider that moves for seconds, Chromium would print an error on the console and Safari stop the script."""
    with visited(browser, image_page_of(demo_report, SELECTED_IMAGE).as_uri(), offline=True) as page:
        page.get_by_label("opacity").evaluate(
            "i => { for (let k = 0; k < 300; k++) { i.value = k % 100; i.dispatchEvent(new Event('input')); } }"
        )
        assert "opacity=99" in address(page)


def test_edited_address_changes_viewer_and_table(browser: Browser, demo_report: Path) -> None:
    with visited(
        browser, image_page_of(demo_report, SELECTED_IMAGE).as_uri() + "#threshold=40&zoom=2", offline=True
    ) as page:
        threshold, choice = page.get_by_label("threshold"), page.locator("#viewer select")
        assert threshold.input_value() == "40"
        page.evaluate("location.hash = 'layer=1&boxes=off'")
        expect(choice).to_have_value("1")
        assert (threshold.input_value(), page.get_by_label("boxes").is_checked()) == ("20", False)
        page.evaluate("location.hash = 'main'")  # a place on the page, as by “Skip to content”
        expect(choice).to_have_value("1")
        page.evaluate("location.hash = 'layer=constructor&threshold=x'")
        expect(choice).to_have_value("0")
        assert threshold.input_value() == "20"
    with visited(
        browser, (demo_report / "site" / "images" / "index.html").as_uri() + "#q=coffee", offline=True
    ) as page:
        expect(page.locator("#results .card")).to_have_count(images_of("coffee"))
        page.evaluate("location.hash = 'main'")
        expect(page.locator("#results .card")).to_have_count(images_of("coffee"))
        page.evaluate("location.hash = 'q=chelsea_mirrored'")
        expect(page.locator("#results .card")).to_have_count(1)


def test_preview_box_is_that_of_the_recipe_at_the_threshold(browser: Browser, demo_report: Path) -> None:
    """At other thresholds the box of the browser's code agrees with that of the analysis, and is labelled a preview."""
    with opened(browser, offline=True) as (page, messages):
        open_image(page, demo_report)
        data = json.loads(page.locator("#viewer-data").inner_text())
        assert page.locator("#viewer rect.preview").count() == 0
        for percent in (35, 60):
            page.get_by_label("threshold").fill(str(percent))
            grid = np.array(data["cams"][0]["grid"])
            width, height = data["input"]
            box = paper_box(upsample(grid, height, width), percent / 100)
            expected = to_image(box, np.array(data["window"]), (height, width), np.array(data["size"]))
            live = page.locator("#viewer rect.preview")
            x, y, w, h = (float(live.get_attribute(k) or "nan") for k in ("x", "y", "width", "height"))
            assert [x, y, x + w, y + h] == pytest.approx(expected, abs=data["size"][0] / width)
            assert "preview" in page.locator("#viewer").inner_text()
        page.get_by_label("threshold").fill("20")
        assert page.locator("#viewer rect.preview").count() == 0
        assert messages == []


@pytest.mark.parametrize("threshold", [0.2, 0.5])
def test_box_of_an_input_that_is_not_square_is_that_of_the_recipe(
    browser: Browser, demo_report: Path, threshold: float
) -> None:
    grid = np.random.default_rng(3).normal(0, 1, (4, 11))
    window, size = [10.0, 5.0, 190.0, 65.0], [200, 80]
    expected = to_image(paper_box(upsample(grid, 32, 96), threshold), np.array(window), (32, 96), np.array(size))
    with opened(browser, offline=True) as (page, messages):
        open_image(page, demo_report)
        script = """([grid, threshold, area, size]) => {
            const { boxes, cam } = window.reportgen;
            return boxes.predicted(cam.enlarge(grid, [96, 32]), threshold, area, size);
        }"""
        found = page.evaluate(script, [grid.tolist(), threshold, window, size])
        assert found == pytest.approx(expected.tolist())
        assert messages == []


def test_viewer_changes_opacity_and_hides_boxes(browser: Browser, demo_report: Path) -> None:
    with opened(browser, offline=True) as (page, messages):
        open_image(page, demo_report)
        for percent in (0, 50):
            page.get_by_label("opacity").fill(str(percent))
            expect(page.locator("#viewer canvas")).to_have_css("opacity", str(percent / 100).removesuffix(".0"))
        page.get_by_label("boxes").uncheck()
        assert not page.locator("#viewer svg.boxes").is_visible()
        assert messages == []


def test_arrow_keys_lead_to_the_neighbouring_images(browser: Browser, demo_report: Path) -> None:
    with opened(browser, offline=True) as (page, _):
        pages = sorted((demo_report / "site" / "images").glob("0*.html"))
        page.goto(pages[0].as_uri())
        page.keyboard.press("ArrowRight")
        page.wait_for_url(f"**/{pages[1].name}")
        page.keyboard.press("ArrowLeft")
        page.wait_for_url(f"**/{pages[0].name}")


def test_colours_of_a_map_are_those_of_the_pictures(browser: Browser, demo_report: Path) -> None:
    with visited(browser, image_page_of(demo_report, SELECTED_IMAGE).as_uri(), offline=True) as page:
        colours = page.evaluate("Array.from({ length: 256 }, (_, t) => reportgen.cam.colour(t / 255))")
        np.testing.assert_allclose(colours, inferno(), atol=0.51)


def test_maximum_of_maps_as_large_as_the_input(browser: Browser, demo_report: Path) -> None:
    """Those of a network without pooling, or of files: 300,000 values of an image."""
    with visited(browser, image_page_of(demo_report, SELECTED_IMAGE).as_uri(), offline=True) as page:
        maps = "Array.from({ length: 6 }, (_, k) => Array.from({ length: 224 }, (_, y) => Array(224).fill(k - y)))"
        assert page.evaluate(f"reportgen.cam.maximum(...{maps})") == 5
