"""The live page from file://, offline: the network in the page against PyTorch, and how it is used."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from playwright.sync_api import Browser, Page, expect

from reportgen.config import AuditConfig
from reportgen.data.samples import Sample
from reportgen.models.classifier import Classifier
from reportgen.models.loading import load_classifiers
from reportgen.pipeline.image_loader import load_image
from tests.browser.pages import axe_violations
from tests.support.browser import address, opened, sideways

pytestmark = pytest.mark.browser
PHOTOGRAPHS = 20
START = """async () => {
  const { data, liveNetwork } = window.reportgen;
  window.network = await liveNetwork(data.chunk("live"), () => {});
}"""
RUN = """async (file) => {
  const { data, liveAnswer, livePixels } = window.reportgen;
  const live = data.chunk("live");
  const image = await livePixels.decode(new Blob([data.decodeBase64(file)]), 3);
  const { pixels } = livePixels.input(image, live.preprocessing);
  const { logits, maps } = await network.run(livePixels.normalize(pixels, live.preprocessing), ["logits", "maps"]);
  const { order } = liveAnswer.classify(logits);
  const cam = liveAnswer.activationMap(maps, network.weights, order[0], live.feature_shape);
  return { pixels: [...pixels.data], logits: [...logits], order, cam };
}"""


@pytest.fixture(scope="module")
def live(browser: Browser, demo_report: Path) -> Iterator[Page]:
    """The live page with its first image open."""
    with opened(browser, offline=True) as (page, said):
        go(page, demo_report)
        yield page
        assert said == []


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return load_classifiers([AuditConfig()], torch.device("cpu"))[0]


def go(page: Page, report: Path, state: str = "") -> None:
    page.goto("about:blank")
    page.goto(f"{(report / 'site' / 'live.html').as_uri()}{state}")
    page.locator("#live dl > div").first.wait_for(timeout=60_000)


def photographs(report: Path) -> list[Path]:
    return sorted((report / "demo").rglob("*.jpg"))


def predicted(page: Page) -> str:
    return page.locator(".class-list button").first.inner_text()


def test_logits_top_classes_and_map_of_photographs_equal_those_of_pytorch(
    live: Page, demo_report: Path, classifier: Classifier
) -> None:
    live.evaluate(START)
    for path in photographs(demo_report)[:PHOTOGRAPHS]:
        found = live.evaluate(RUN, b64encode(path.read_bytes()).decode())
        image = load_image(Sample(path, path.name), lambda *_: False, classifier.preprocessing, "warp").decoded
        assert image is not None
        pixels = np.array(found["pixels"], np.int64).reshape(*image.pixels.shape[1:], 3).transpose(2, 0, 1)
        assert np.abs(pixels - image.pixels).max() <= 1, path.name
        with torch.no_grad():
            maps = classifier.trunk(classifier.preprocessing.normalize(torch.from_numpy(image.pixels.copy())[None]))
            logits = classifier.head(maps)[0].numpy()
        assert np.abs(np.array(found["logits"]) - logits).max() <= 1e-3, path.name
        order = np.argsort(-logits, kind="stable")
        assert found["order"][:5] == order[:5].tolist(), path.name
        cam = (classifier.linear_head.weight[order[0]][:, None, None] * maps[0]).sum(0).numpy()
        assert np.abs(np.array(found["cam"]) - cam).max() <= 1e-3 * np.ptp(cam), path.name


def test_image_of_the_report_has_its_prediction_and_its_address(browser: Browser, demo_report: Path) -> None:
    with opened(browser, offline=True) as (page, said):
        go(page, demo_report)
        page.get_by_role("radio").nth(8).click()
        row = page.locator("#live dl > div", has_text="In the report")
        expect(page.locator(".live-status")).to_contain_text("chelsea")
        name, score = row.locator("dd").inner_text().rsplit(", ", 1)
        assert predicted(page) == name
        assert page.locator(".class-list .score").first.inner_text() == score
        page.locator(".class-list button").nth(2).click()
        chosen = page.locator(".class-list button").nth(2).inner_text()
        expect(page.locator("figcaption")).to_contain_text(chosen)
        url = address(page)
        assert "image=" in url
        assert "class=" in url
        page.goto("about:blank")
        page.goto(url)
        expect(page.locator("figcaption")).to_contain_text(chosen, timeout=60_000)
        expect(page.locator(".live-status")).to_contain_text("chelsea")
        assert said == []


def test_file_is_opened_and_a_file_that_is_no_image_is_refused(live: Page, demo_report: Path, tmp_path: Path) -> None:
    path = next(path for path in photographs(demo_report) if path.stem == "goldfish")
    live.locator("input[type=file]").set_input_files(path)
    expect(live.locator(".live-status")).to_contain_text("goldfish.jpg: goldfish")
    assert live.get_by_role("radio", checked=True).count() == 0
    broken = tmp_path / "notes.jpg"
    broken.write_text("no image")
    live.locator("input[type=file]").set_input_files(broken)
    expect(live.locator(".live-status")).to_contain_text("notes.jpg is not an image that this browser can decode")
    assert predicted(live) == "goldfish"


def test_any_class_can_be_chosen_by_its_name(live: Page) -> None:
    live.get_by_label("another class").fill("tabby")
    live.get_by_label("another class").press("Enter")
    expect(live.locator("figcaption")).to_contain_text("of tabby")
    expect(live.locator(".class-list [aria-pressed=true]")).to_have_text("tabby")
    assert live.locator(".class-list li").count() == 6


def test_images_are_chosen_by_the_arrow_keys(live: Page) -> None:
    live.get_by_role("radio").first.click()
    expect(live.get_by_role("radio", checked=True)).to_have_count(1)
    live.get_by_role("radio").first.press("ArrowRight")
    expect(live.get_by_role("radio").nth(1)).to_be_focused()
    expect(live.get_by_role("radio").nth(1)).to_be_checked()
    assert live.get_by_role("radiogroup").locator("[tabindex='0']").count() == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_with_a_prediction_passes_axe(browser: Browser, demo_report: Path, scheme: str) -> None:
    with opened(browser, scheme=scheme, offline=True) as (page, said):
        go(page, demo_report)
        assert axe_violations(page, scheme) == []
        assert said == []


def test_page_with_a_prediction_fits_a_phone(browser: Browser, demo_report: Path) -> None:
    with opened(browser, 400, offline=True) as (page, _):
        go(page, demo_report)
        assert sideways(page) <= 0
        small = page.evaluate(
            "[...document.querySelectorAll('#live :is(button, input, select)')].map(e => e.getBoundingClientRect())"
            ".filter(r => r.width && Math.min(r.width, r.height) < 16).length"
        )
        assert small == 0


def test_camera_is_watched_until_it_is_stopped(browser: Browser, demo_report: Path) -> None:
    """A stream from a canvas replaces the camera, which the machine of a test does not have."""
    with opened(browser, offline=True) as (page, said):
        go(page, demo_report)
        page.evaluate(
            """() => {
              const canvas = Object.assign(document.createElement("canvas"), { width: 320, height: 240 });
              const context = canvas.getContext("2d");
              setInterval(() => { context.fillStyle = "#808080"; context.fillRect(0, 0, 320, 240); }, 30);
              navigator.mediaDevices.getUserMedia = async () => canvas.captureStream(30);
            }"""
        )
        page.get_by_role("button", name="Use the camera").click()
        expect(page.locator(".live-status")).to_contain_text("camera: ")
        page.get_by_role("button", name="Stop the camera").click()
        expect(page.get_by_role("button", name="Use the camera")).to_be_visible()
        assert said == []


def test_browser_without_webassembly_gets_a_sentence_and_a_link(browser: Browser, demo_report: Path) -> None:
    with opened(browser, offline=True) as (page, said):
        page.add_init_script("delete window.WebAssembly")
        page.goto((demo_report / "site" / "live.html").as_uri())
        expect(page.locator("#live")).to_contain_text("cannot run in this browser, which has no WebAssembly")
        page.get_by_role("link", name="The report has its results").click()
        page.wait_for_url("**/images/index.html")
        assert said == []
