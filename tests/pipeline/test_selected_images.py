"""Units and the expensive methods in a whole run: a planted unit is detected, and wrong maxima are reported."""

from __future__ import annotations

import base64
import hashlib
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from reportgen.audit.audit import Audit
from reportgen.config import AuditConfig
from reportgen.errors import ConfigError, ModelError
from reportgen.gallery.components.section import Section
from reportgen.gallery.core.media import Media
from reportgen.gallery.core.registry import SectionEntry, all_sections
from reportgen.gallery.sections.occlusion import fill_text
from reportgen.methods.occlusion.occluder import Occluder
from reportgen.metrics.localization.boxes import to_image
from reportgen.pipeline.image_loader import NetworkInput
from reportgen.pipeline.run import run_audit
from reportgen.pipeline.selected_images import fill_colour
from reportgen.pipeline.selection import select_images
from reportgen.pipeline.summary import RunSummary
from reportgen.pipeline.unit_images import top_patches_work
from reportgen.store.per_image import PerImageResults
from reportgen.store.table import Store
from tests.support.html import read_html
from tests.support.jobs import inputs_of, job_of

SIDE = 224
PATTERN = np.random.default_rng(5).choice([0, 255], (9, 9)).astype(np.uint8)
PLACES = {1: (40, 150), 4: (180, 60), 6: (100, 100)}
"""Picture → row and column of the pattern's upper left corner."""


def planted() -> nn.Module:
    """Unit 2 of the first layer is the pattern itself."""
    torch.manual_seed(0)
    first = nn.Conv2d(3, 4, 9)
    nn.init.normal_(first.weight, std=1e-3)
    pattern = torch.from_numpy(PATTERN / 255.0 - (PATTERN / 255.0).mean()).float()
    with torch.no_grad():
        first.weight[2] = pattern
    return nn.Sequential(
        first, nn.ReLU(), nn.Conv2d(4, 6, 3, 4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 3)
    )


def without_convolutions() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * SIDE * SIDE, 3))


def settings_of(folder: Path, **more: object) -> AuditConfig:
    given = {"select": "all", "layers": ("1", "3"), "occlusion_stride": 24, "precision": "fp32", "device": "cpu"} | more
    model = "python:tests.pipeline.test_selected_images:planted"
    return AuditConfig(**{"data": folder / "photos", "out": folder / "report", "model": model, **given})


def section_entry(name: str) -> SectionEntry:
    (entry,) = [entry for entry in all_sections() if (entry.scope, entry.name) == ("image", name)]
    return entry


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> RunSummary:
    folder = tmp_path_factory.mktemp("planted")
    random = np.random.default_rng(0)
    for n in range(8):
        pixels = np.repeat(random.integers(100, 150, (SIDE, SIDE, 1)), 3, 2).astype(np.uint8)
        if n in PLACES:
            y, x = PLACES[n]
            pixels[y : y + 9, x : x + 9] = PATTERN[:, :, None]
        (folder / "photos").mkdir(exist_ok=True)
        Image.fromarray(pixels).save(folder / "photos" / f"{n}.png")
    return run_audit(settings_of(folder))


def test_top_patches_of_a_planted_unit_show_its_pattern(report: RunSummary) -> None:
    audit = report.audit
    layer = audit.main.info.layers[0]
    unit = audit.main.units[layer.name][2]
    assert set(unit.images[:3].tolist()) == set(PLACES)
    for i, where in zip(unit.images[:3].tolist(), unit.where[:3].tolist(), strict=True):
        box = to_image(layer.box(where), audit.main.windows[i], audit.main.info.input_size, audit.main.sizes[i])
        y, x = PLACES[i]
        assert box.tolist() == [x, y, x + 9, y + 9]


def test_every_unit_has_a_page_and_confirmed_top_patches(report: RunSummary) -> None:
    site = report.index.parent
    assert len(list((site / "units").glob("*/0*.html"))) == 4 + 6
    assert report.audit.main.unconfirmed_patches == frozenset()
    assert "run through the network alone" not in read_html(site / "units" / "index.html")


def test_unconfirmed_patches_are_maxima_not_reached_alone(report: RunSummary) -> None:
    model = report.audit.main
    units = model.units["1"]
    changed = {**model.units, "1": [*units[:2], replace(units[2], values=units[2].values * 1.01), units[3]]}
    job = job_of(inputs_of(settings_of(report.index.parents[2])))
    work = top_patches_work(job, model.info.layers, changed)
    work.open()
    assert work.waiting == []
    found = work.fields()["unconfirmed_patches"]
    assert {(layer, u) for layer, u, _ in found} == {("1", 2)}
    assert len(found) == len(units[2].images)


def test_per_image_job_reads_a_file_that_still_has_the_bytes(report: RunSummary, tmp_path: Path) -> None:
    inputs = inputs_of(settings_of(report.index.parents[2]))
    whole = inputs.samples[0]
    (tmp_path / "changed.png").write_bytes(b"other bytes")
    samples = [replace(whole, path=tmp_path / name) for name in ("changed.png", "gone.png")]
    key = (hashlib.sha256(whole.path.read_bytes()).hexdigest(), -1)
    job = replace(job_of(inputs), samples=[*samples, whole], table=inputs.models[0].run.store.select([key] * 3))
    seen, ticks = [], []

    def see(row: int, image: NetworkInput, x: torch.Tensor) -> dict[str, np.ndarray]:
        seen.append(image.pixels)
        return {"n": np.zeros(())}

    for rows, computed in (([0, 1, 2], 1), ([0, 1], 0)):
        results = job.compute(f"test {rows}", {}, rows, see, lambda steps=1: ticks.append(steps))
        assert (len(seen), len(results.rows)) == (computed, computed * len(rows))
        if computed:
            np.testing.assert_array_equal(
                seen.pop(), np.asarray(Image.open(whole.path).convert("RGB")).transpose(2, 0, 1)
            )
            assert len(results.table["n"]) == 3
    assert sum(ticks) == 5


def test_occlusion_equals_the_network_on_occluded_images(report: RunSummary) -> None:
    """The stored grids of an image with the pattern, compared with the network on images with the square drawn in."""
    audit = report.audit
    results = audit.main.selected["occlusion"]
    assert sorted(results.rows) == list(range(8))
    assert results.table.settings["note"] == ""  # incremental: there is no reason for a slower method
    row = results.rows[4]
    rows, columns, side = (results.table.settings[name] for name in ("rows", "columns", "side"))
    probability = np.asarray(results.table["occlusion/probability"][row])
    classes = np.asarray(results.table["occlusion/class"][row])
    network = planted().eval()
    pixels = np.asarray(Image.open(audit.dataset.samples[4].path).convert("RGB")) / 255
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    for r, c in ((0, 0), (len(rows) - 1, 3), (PLACES[4][0] // 24, PLACES[4][1] // 24)):
        hidden = pixels.copy()
        hidden[rows[r] : rows[r] + side, columns[c] : columns[c] + side] = results.table.settings["fill"]
        x = torch.from_numpy(((hidden - mean) / std).transpose(2, 0, 1)[None]).float()
        with torch.no_grad():
            expected = network(x).softmax(1)[0]
        subject = int(results.table["occlusion/subject"][row])
        assert probability[r, c] == pytest.approx(float(expected[subject]), abs=1e-4)
        assert classes[r, c, 0] == int(expected.argmax())


def test_image_page_shows_occlusion_maps_and_their_data(report: RunSummary) -> None:
    page = read_html(next((report.index.parent / "images").glob("000004-*.html")))
    assert "Occlusion sensitivity" in page
    assert page.count('class="layer"') >= 3
    assert '"rows":' in page


def test_stored_saliency_equals_the_gradient(report: RunSummary) -> None:
    results = report.audit.main.selected["saliency"]
    row = results.rows[4]
    network = planted().eval()
    pixels = np.asarray(Image.open(report.audit.dataset.samples[4].path).convert("RGB")) / 255
    x = (pixels - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    leaf = torch.from_numpy(x.transpose(2, 0, 1)[None]).float().requires_grad_()
    logits = network(leaf)[0]
    logits.max().backward()
    expected = leaf.grad[0].abs().amax(0).reshape(112, 2, 112, 2).mean((1, 3))
    stored = np.asarray(results.table["saliency/map"][row])
    assert int(results.table["saliency/class"][row]) == int(logits.argmax())
    np.testing.assert_allclose(stored[0], expected, rtol=1e-3, atol=1e-7)
    page = read_html(next((report.index.parent / "images").glob("000004-*.html")))
    assert "Saliency (input gradient)" in page
    assert "Rank correlation" in page


def test_sections_contain_the_stored_values(report: RunSummary, tmp_path: Path) -> None:
    """What the viewer reads under the pointer: occlusion to three digits, saliency to 2 %, small values as 0.

    The pattern changes the network's probabilities hardly, so those of occlusion are made up.
    """
    audit = with_results(report.audit, "occlusion", with_effect(report.audit, 4), tmp_path / "effect")
    selected = audit.main.selected
    drawn = [section_entry(name).draw(audit, Media(tmp_path), 4) for name in ("occlusion", "saliency")]
    occlusion, saliency = (section.data["cells"] for section in drawn)
    stored = {
        name: selected[name.split("/")[0]].of_image(4)[name]
        for name in (
            "occlusion/probability",
            "occlusion/class",
            "occlusion/total",
            "occlusion/clean",
            "saliency/map",
        )
    }
    settings = selected["occlusion"].table.settings
    np.testing.assert_allclose(occlusion["y"], (np.array(settings["rows"]) + settings["side"] / 2) / SIDE, atol=1e-5)
    drop, first, total_drop = occlusion["layers"]
    for layer, name, whole in zip((drop, total_drop), ("probability", "total"), stored["occlusion/clean"], strict=True):
        falls = [float(whole) - float(value) for value in stored[f"occlusion/{name}"].ravel()]
        np.testing.assert_allclose(layer["values"], falls, rtol=5e-3, atol=1e-12)
    names = [audit.classes[k] for k in stored["occlusion/class"][..., 0].ravel()]
    assert [first["names"][k] for k in first["values"]] == names
    assert saliency["x"] == saliency["y"]
    np.testing.assert_allclose(saliency["x"], (np.arange(112) + 0.5) / 112, atol=1e-5)
    for layer, map_ in zip(saliency["layers"], stored["saliency/map"], strict=True):
        code = np.frombuffer(base64.b64decode(layer["codes"]), np.uint8).reshape(112, 112)
        value = np.where(code, layer["top"] * 10 ** ((code - 255.0) / layer["decade"]), 0)
        large = map_ >= 2e-4 * map_.max()
        np.testing.assert_allclose(value[large], map_[large], rtol=0.02)
        assert value[~large].max(initial=0) <= 3e-4 * map_.max()


def with_effect(audit: Audit, i: int) -> dict[str, np.ndarray]:
    """The arrays of occlusion, with random probabilities, classes and totals of image i."""
    results, random = audit.main.selected["occlusion"], np.random.default_rng(2)
    arrays = {name: np.array(results.table[name]) for name in results.table.names()}
    row, shape = results.rows[i], arrays["occlusion/probability"].shape[1:]
    arrays["occlusion/probability"][row] = random.random(shape)
    arrays["occlusion/total"][row] = 100 * random.random(shape)
    arrays["occlusion/class"][row, ..., 0] = random.integers(0, 3, shape)
    return arrays


def with_results(audit: Audit, kind: str, arrays: dict[str, np.ndarray], folder: Path) -> Audit:
    """The audit with other arrays of an expensive method."""
    results = audit.main.selected[kind]
    store = Store(folder, results.table.settings)
    store.commit(arrays)
    changed = PerImageResults(store.select(results.table.keys), results.rows)
    return replace(audit, models=[replace(audit.main, selected={**audit.main.selected, kind: changed})])


def test_occlusion_without_effect_is_a_sentence_and_no_picture(report: RunSummary, tmp_path: Path) -> None:
    """Of the image with the pattern, made up so that no square changes the class, and then not the probability."""
    row, arrays = report.audit.main.selected["occlusion"].rows[4], with_effect(report.audit, 4)
    arrays["occlusion/class"][row, ..., 0] = arrays["occlusion/class"][row, 0, 0, 0]
    first = report.audit.classes[int(arrays["occlusion/class"][row, 0, 0, 0])]
    positions = arrays["occlusion/probability"][row].size

    def drawn(folder: str) -> Section:
        changed = with_results(report.audit, "occlusion", arrays, tmp_path / folder)
        section = section_entry("occlusion").draw(changed, Media(tmp_path / "site"), 4)
        assert section is not None
        return section

    section = drawn("class")
    assert [figure.title.split()[0] for figure in section.figures] == ["Drop", "Drop"]
    assert len(section.data["cells"]["layers"]) == 2
    assert f"The predicted class is {first} at all {positions} positions" in section.caption
    assert section.legend == []
    assert section.scale is not None

    arrays["occlusion/probability"][row] = arrays["occlusion/clean"][row, 0] - 0.004
    section = drawn("both")
    assert [figure.title.split()[1] for figure in section.figures] == ["of"]
    assert section.figures[0].title.startswith("Drop of unit")
    assert f"At none of the {positions} positions" in section.caption
    assert section.scale is None


def test_guided_map_that_equals_the_gradient_is_left_out(report: RunSummary, tmp_path: Path) -> None:
    """A network without a ReLU has nothing to guide."""
    audit, results = report.audit, report.audit.main.selected["saliency"]
    arrays = {name: np.array(results.table[name]) for name in results.table.names()}
    arrays["saliency/map"][:, 1] = arrays["saliency/map"][:, 0]
    audit = with_results(audit, "saliency", arrays, tmp_path)
    section = section_entry("saliency").draw(audit, Media(tmp_path), 4)
    assert [figure.title for figure in section.figures] == ["Input gradient", "Input gradient, random weights"]
    assert len(section.data["cells"]["layers"]) == 2
    assert "Guided backpropagation is left out" in section.caption


@pytest.mark.filterwarnings("error")
def test_constant_saliency_map_has_no_rank_correlation(report: RunSummary, tmp_path: Path) -> None:
    audit, results = report.audit, report.audit.main.selected["saliency"]
    arrays = {name: np.array(results.table[name]) for name in results.table.names()}
    arrays["saliency/map"][:, 2] = 0
    section = section_entry("saliency").draw(with_results(audit, "saliency", arrays, tmp_path), Media(tmp_path), 4)
    assert section.figures[2].caption.startswith("No rank correlation")


def test_activations_of_a_planted_unit_peak_on_its_pattern(report: RunSummary) -> None:
    results = report.audit.main.selected["activations"]
    assert sorted(results.rows) == list(range(8))
    for i, place in PLACES.items():
        stored = np.asarray(results.table["activations/1/map"][results.rows[i]])
        assert stored.shape == (4, SIDE - 8, SIDE - 8)
        assert np.unravel_index(stored[2].argmax(), stored[2].shape) == place
    pages = sorted((report.index.parent / "activations").glob("000004-*/*.html"))
    assert len(pages) == 2
    text = read_html(pages[0])
    assert "Parameters up to here</dt><dd>976<" in text  # 4 · 3 · 9 · 9 + 4
    assert text.count("<img") == 4
    image = read_html(next((report.index.parent / "images").glob("000004-*.html")))
    assert f'href="../activations/{pages[0].parent.name}/' in image


def test_each_filter_has_a_page_with_its_response_and_patches(report: RunSummary) -> None:
    site = report.index.parent
    assert len(list((site / "filters").glob("0*.html"))) == 4
    text = read_html(site / "filters" / "0002.html")
    assert text.count('class="patch"') == 8
    assert "Response" in text
    assert "Kernels of 1 deeper convolution<" in read_html(site / "filters" / "index.html")
    assert "6 × 4 × 3 × 3" in read_html(site / "filters" / "deeper.html")


def test_rerun_computes_no_selected_image_again(report: RunSummary, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {path: path.stat().st_mtime_ns for path in (report.index.parents[1] / "cache").rglob("*.npz")}
    monkeypatch.setattr("reportgen.methods.occlusion.occluder.occlude", lambda *_: pytest.fail("occluded again"))
    monkeypatch.setattr("reportgen.methods.occlusion.occluder._matches_definition", lambda *_: True)
    again = run_audit(settings_of(report.index.parents[2]))
    assert sorted(again.audit.main.selected["occlusion"].rows) == list(range(8))
    assert {path: path.stat().st_mtime_ns for path in (report.index.parents[1] / "cache").rglob("*.npz")} == before


def test_added_image_is_the_only_one_computed(
    report: RunSummary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The square keeps its colour, so the results of the other images stay valid. Unit pages show three patches."""
    shutil.copytree(report.index.parents[2] / "photos", tmp_path / "photos")
    config = settings_of(tmp_path, top_patches=3)
    fill = run_audit(config).audit.main.selected["occlusion"].table.settings["fill"]
    mean = np.mean([np.asarray(Image.open(path)) for path in sorted((tmp_path / "photos").iterdir())]) / 255
    assert np.abs(np.array(fill) - mean).max() <= 0.026
    Image.fromarray(np.full((SIDE, SIDE, 3), 120, np.uint8)).save(tmp_path / "photos" / "9.png")
    occluded = []
    once = Occluder.__call__
    monkeypatch.setattr(Occluder, "__call__", lambda self, *of: occluded.append(1) or once(self, *of))
    again = run_audit(config)
    assert again.audit.main.selected["occlusion"].table.settings["fill"] == fill
    assert (len(occluded), len(again.audit.main.selected["occlusion"].rows)) == (1, 9)
    assert {len(unit.images) for units in again.audit.main.units.values() for unit in units} == {3}
    assert read_html(next((again.index.parent / "units").glob("1-*/0002.html"))).count('class="patch"') == 3


def test_occluding_square_larger_than_the_input_is_refused(tmp_path: Path, report: RunSummary) -> None:
    config = AuditConfig(
        data=report.index.parents[2] / "photos",
        model="python:tests.pipeline.test_selected_images:planted",
        occlusion_side=300,
        device="cpu",
        out=tmp_path / "r",
    )
    with pytest.raises(ConfigError, match="a square of 300 pixels does not fit into 224 × 224"):
        run_audit(config)


def test_network_without_a_convolution_is_refused(tmp_path: Path, report: RunSummary) -> None:
    config = AuditConfig(
        data=report.index.parents[2] / "photos",
        model="python:tests.pipeline.test_selected_images:without_convolutions",
        device="cpu",
        out=tmp_path / "r",
    )
    with pytest.raises(ModelError, match="no layer with output") as caught:
        run_audit(config)
    assert "the network has no feature maps" in str(caught.value.hint)


LABELS = np.array([0, 0, 0, 0, 1, 1, -1])
FAILED = np.array([False, True, False, False, False, True, False])
NAMES = list("abcdefg")


@pytest.mark.parametrize(
    ("select", "rows"),
    [
        ("all", [0, 1, 2, 3, 4, 5, 6]),
        ("none", []),
        ("failures", [1, 5]),
        ("1", [2, 5]),
        ("2", [1, 3, 4, 5]),
        ("b, g", [1, 6]),
        ("auto", [0, 1, 2, 3, 4, 5, 6]),
    ],
)
def test_select_images_follows_the_setting(select: str, rows: list[int]) -> None:
    assert select_images(select, NAMES, LABELS, FAILED) == rows


def test_select_images_takes_a_name_with_a_comma_whole() -> None:
    assert select_images("a, b.jpg", ["a", "b.jpg", "a, b.jpg"], np.zeros(3, np.int64), np.zeros(3, bool)) == [2]


def test_occlusion_caption_names_the_colour_of_the_square(report: RunSummary) -> None:
    assert fill_text({"fill": list(fill_colour(report.audit.main.table, "grey"))}) == "grey"
    assert fill_text({"fill": [0.45, 0.5, 0.4]}) == "the data set's mean colour (rounded)"


def test_select_images_works_without_labels_and_rejects_unknown_names() -> None:
    assert len(select_images("3", NAMES, np.full(7, -1), FAILED)) == 3
    with pytest.raises(ConfigError, match="names `x`"):
        select_images("a,x", NAMES, LABELS, FAILED)
