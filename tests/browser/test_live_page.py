"""The live page from file://, offline: the network in the page against PyTorch, and how it is used."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from reportgen.config import AuditConfig
from reportgen.data.samples import Sample
from reportgen.models.classifier import Classifier
from reportgen.models.loading import load_classifiers
from reportgen.pipeline.image_loader import load_image
from tests.browser.pages import axe_violations, image_page_of
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
  const cam = liveAnswer.activationMap({ maps }, network.weights, order[0], live);
  const text = Array.from(pixels.data, (value) => String.fromCharCode(value)).join("");
  return { pixels: btoa(text), logits: [...logits], order: order.slice(0, 5), cam };
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
        pixels = (
            np.frombuffer(b64decode(found["pixels"]), np.uint8)
            .astype(int)
            .reshape(*image.pixels.shape[1:], 3)
            .transpose(2, 0, 1)
        )
        assert np.abs(pixels - image.pixels).max() <= 1, path.name
        with torch.no_grad():
            maps = classifier.trunk(classifier.preprocessing.normalize(torch.from_numpy(image.pixels.copy())[None]))
            logits = classifier.head(maps)[0].numpy()
        assert np.abs(np.array(found["logits"]) - logits).max() <= 1e-3, path.name
        order = np.argsort(-logits, kind="stable")
        assert found["order"] == order[:5].tolist(), path.name
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


def score_of_first(page: Page) -> str:
    return page.locator(".class-list .score").first.inner_text()


def test_square_is_dragged_scores_follow_and_are_undone(browser: Browser, demo_report: Path) -> None:
    with opened(browser, offline=True) as (page, said):
        go(page, demo_report)
        before = score_of_first(page)
        assert "→" not in before
        frame = page.get_by_role("group", name="The image")
        box = frame.bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.5 * box["height"])
        page.mouse.down()
        page.mouse.move(box["x"] + 0.4 * box["width"], box["y"] + 0.5 * box["height"], steps=3)
        page.mouse.up()
        expect(page.locator(".class-list .score").first).to_contain_text("→")
        url = address(page)
        assert "square=74.96.32" in url  # centre at 0.4 · 224 and 0.5 · 224
        page.get_by_role("button", name="Undo").click()
        expect(page.locator(".class-list .score").first).to_have_text(before)
        assert "square" not in address(page)
        expect(page.get_by_role("button", name="Undo")).to_be_disabled()
        page.goto("about:blank")
        page.goto(url)
        expect(page.locator(".class-list .score").first).to_contain_text("→", timeout=60_000)
        page.get_by_label("show the original").check()
        expect(page.locator(".class-list .score").first).to_have_text(before)
        expect(page.locator("figcaption")).to_contain_text("image without changes")
        assert said == []


def test_tools_are_used_by_keyboard(live: Page, demo_report: Path) -> None:
    go(live, demo_report)  # an image that is still being opened would discard the edits
    frame = live.get_by_role("group", name="The image")
    frame.focus()
    live.keyboard.press("ArrowRight")
    assert "square=104.96.32" in address(live)  # from the middle by 8 pixels
    live.keyboard.press("Shift+ArrowUp")
    assert "square=104.95.32" in address(live)
    live.keyboard.press("Delete")
    assert "square" not in address(live)
    live.get_by_label("tool").select_option("eraser")
    frame.focus()
    live.keyboard.press("Enter")
    assert "erased=120.111.16" in address(live)
    live.get_by_label("tool").select_option("move the image")
    frame.focus()
    live.keyboard.press("ArrowLeft")
    assert "shift=-8.0" in address(live)
    live.get_by_label("rotation").fill("-20")
    live.get_by_role("button", name="Reset").click()
    assert not {"shift", "erased", "turn"} & {part.split("=")[0] for part in address(live).split("#")[1].split("&")}
    expect(live.locator(".class-list .score").first).not_to_contain_text("→")


def test_occlusion_map_is_computed_while_the_page_is_used_and_can_be_stopped(live: Page) -> None:
    live.get_by_role("radio").first.click()
    live.get_by_role("button", name="Occlusion map").click()
    expect(live.locator(".live-status")).to_contain_text("of 625 places", timeout=60_000)
    expect(live.locator("figcaption")).to_contain_text("Drop of the probability of")
    live.get_by_role("button", name="Stop", exact=True).click()
    expect(live.get_by_role("button", name="Occlusion map")).to_be_visible()
    live.get_by_label("brightness").fill("60")
    expect(live.locator("figcaption")).to_contain_text("Class activation map")
    live.get_by_role("button", name="Reset").click()


def test_occlusion_drops_equal_those_of_the_definition(live: Page, demo_report: Path, classifier: Classifier) -> None:
    """The first places, which are 32 pixels apart, with the square painted by hand."""
    path = photographs(demo_report)[0]
    image = load_image(Sample(path, path.name), lambda *_: False, classifier.preprocessing, "warp").decoded
    assert image is not None
    x = classifier.preprocessing.normalize(torch.from_numpy(image.pixels.copy())[None])
    live.evaluate(START)
    found = live.evaluate(
        """async (image) => {
          await window.reportgen.data.loadScripts("live-occlusion.js");
          const { data, liveAnswer, liveOcclusion } = window.reportgen;
          const live = data.chunk("live");
          const occlusion = liveOcclusion(live);
          const clean = liveAnswer.classify((await network.run(Float32Array.from(image), ["logits"])).logits);
          let drops;
          await occlusion.run(network, Float32Array.from(image), clean.order[0], clean.scores[clean.order[0]],
            (found, done) => { drops = found; return done < 12; });
          return { drops, rows: occlusion.rows, columns: occlusion.columns, ...live.occlusion };
        }""",
        x.ravel().tolist(),
    )
    p = classifier.preprocessing
    colour = [(v - m) / s for v, m, s in zip(found["fill"], p.mean, p.std, strict=True)]
    assert found["rows"] == found["columns"] == list(range(0, 224 - 32 + 1, 8))
    with torch.no_grad():
        clean = classifier.head(classifier.trunk(x)).softmax(1)[0]
        k = int(clean.argmax())
        for r, c in [(0, 0), (0, 4), (0, 24), (4, 0), (4, 16)]:
            occluded = x.clone()
            for channel in range(3):
                occluded[0, channel, 8 * r : 8 * r + 32, 8 * c : 8 * c + 32] = colour[channel]
            drop = float(clean[k] - classifier.head(classifier.trunk(occluded)).softmax(1)[0, k])
            assert found["drops"][r][c] == pytest.approx(drop, abs=1e-4), (r, c)
    assert found["drops"][0][3] == found["drops"][0][0], "the places between have the value of their corner"


def test_nearest_images_are_those_of_the_report(live: Page, demo_report: Path) -> None:
    for row in (0, 8, 20, 33):
        live.get_by_role("radio").nth(row).click()
        name = live.get_by_role("radio").nth(row).get_attribute("title") or ""
        expect(live.locator(".live-status")).to_contain_text(f"{name}: ")
        found = [link.get_attribute("href") for link in live.locator("#live-nearest a").all()]
        own = live.locator("#live dl a").get_attribute("href") or ""
        page = (demo_report / "site" / own).read_text("utf-8")
        strips = page[page.index('id="neighbours"') :]
        stored = [f"images/{href}" for href in re.findall(r'<a class="card" href="\.\./images/([^"]+)"', strips)[:10]]
        assert len(found) == len(stored) == 10
        assert len({*found} & {*stored}) >= 9, name


def test_image_pages_open_their_image_live(browser: Browser, demo_report: Path) -> None:
    with opened(browser, offline=True) as (page, said):
        page.goto(image_page_of(demo_report, "coffee").as_uri())
        page.get_by_role("link", name="Open live").click()
        page.wait_for_url("**/live.html#image=*")
        expect(page.locator(".live-status")).to_contain_text("coffee.jpg: ", timeout=60_000)
        assert said == []


def test_result_is_saved_as_a_picture(live: Page) -> None:
    with live.expect_download() as started:
        live.get_by_role("button", name="Save as PNG").click()
    assert started.value.suggested_filename.endswith("-live.png")
    with Image.open(started.value.path()) as picture:
        assert picture.width == 688
        assert len(picture.convert("RGB").getcolors(10**6) or []) > 1000


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_with_a_prediction_passes_axe(browser: Browser, demo_report: Path, scheme: str) -> None:
    with opened(browser, scheme=scheme, offline=True) as (page, _):
        go(page, demo_report, "#square=90.60.32&turn=-10")
        assert axe_violations(page, scheme) == []


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


def test_browser_without_webassembly_gets_a_sentence_and_the_stored_maps(browser: Browser, demo_report: Path) -> None:
    with opened(browser, offline=True) as (page, said):
        page.add_init_script("delete window.WebAssembly")
        page.goto(image_page_of(demo_report, "coffee").as_uri())
        page.get_by_role("link", name="Open live").click()
        expect(page.locator("#live")).to_contain_text("cannot run in this browser, which has no WebAssembly")
        cards = page.locator("#live .card")
        expect(cards).to_have_count(20)
        assert "coffee" in (cards.first.locator("img.photo").get_attribute("alt") or "")
        assert cards.first.locator("img.layer").count() == 1
        page.get_by_role("link", name="Open all images").click()
        page.wait_for_url("**/images/index.html")
        assert said == []
