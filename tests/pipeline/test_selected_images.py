"""Units and costly looks through the whole job: a planted unit is found where its pattern lies; defects are told."""

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

from reportgen.audit.audit import CloseLook
from reportgen.config import AuditConfig
from reportgen.errors import ConfigError, ModelError
from reportgen.gallery.core.media import Album
from reportgen.gallery.sections import views_of
from reportgen.gallery.sections.occlusion import fill_in_words
from reportgen.methods.occlusion.occluder import Occluder
from reportgen.metrics.localization.boxes import to_image
from reportgen.models.sources import load_classifier
from reportgen.pipeline.image_loader import Framed
from reportgen.pipeline.run import Summary, run_audit
from reportgen.pipeline.selected_images import Subject, fill_colour, look_at, unconfirmed
from reportgen.pipeline.selection import choose

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


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Summary:
    folder = tmp_path_factory.mktemp("planted")
    random = np.random.default_rng(0)
    for n in range(8):
        pixels = np.repeat(random.integers(100, 150, (SIDE, SIDE, 1)), 3, 2).astype(np.uint8)
        if n in PLACES:
            y, x = PLACES[n]
            pixels[y : y + 9, x : x + 9] = PATTERN[:, :, None]
        (folder / "photos").mkdir(exist_ok=True)
        Image.fromarray(pixels).save(folder / "photos" / f"{n}.png")
    config = AuditConfig(
        data=folder / "photos",
        model="python:tests.pipeline.test_selected_images:planted",
        layers=("1", "3"),
        device="cpu",
        occlusion_stride=24,
        out=folder / "report",
        precision="fp32",
    )
    return run_audit(config)


def test_a_planted_unit_is_found_with_its_field_on_the_pattern(report: Summary) -> None:
    audit = report.audit
    layer = audit.card.layers[0]
    unit = audit.units[layer.name][2]
    assert set(unit.images[:3].tolist()) == set(PLACES)
    for i, where in zip(unit.images[:3].tolist(), unit.where[:3].tolist(), strict=True):
        box = to_image(layer.box(where), audit.windows[i], audit.card.input_size, audit.sizes[i])
        y, x = PLACES[i]
        assert box.tolist() == [x, y, x + 9, y + 9]


def test_every_unit_has_its_page_and_the_winners_are_confirmed(report: Summary) -> None:
    site = report.index.parent
    assert len(list((site / "units").glob("*/0*.html"))) == 4 + 6
    assert report.audit.unconfirmed == frozenset()
    assert "defect" not in (site / "units" / "index.html").read_text()


def test_a_maximum_that_is_not_reached_alone_is_a_defect(report: Summary, tmp_path: Path) -> None:
    config = AuditConfig(
        model="python:tests.pipeline.test_selected_images:planted", layers=("1", "3"), precision="fp32"
    )
    audit = report.audit
    units = audit.units["1"]
    changed = replace(audit)
    changed.__dict__["units"] = {
        **audit.units,
        "1": [*units[:2], replace(units[2], values=units[2].values * 1.01), units[3]],
    }
    subject = Subject(load_classifier(config), config, torch.device("cpu"), changed, tmp_path)
    found = unconfirmed(subject, lambda: None)
    assert {(layer, u) for layer, u, _ in found} == {("1", 2)}
    assert len(found) == len(units[2].images)


def test_of_files_with_the_same_bytes_one_that_still_has_them_is_looked_at(
    report: Summary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = AuditConfig(
        model="python:tests.pipeline.test_selected_images:planted", layers=("1", "3"), precision="fp32"
    )
    whole = report.audit.samples[0]
    (tmp_path / "changed.png").write_bytes(b"other bytes")
    samples = [replace(whole, path=tmp_path / name) for name in ("changed.png", "gone.png")]
    audit = replace(report.audit, samples=[*samples, whole])
    subject = Subject(load_classifier(config), config, torch.device("cpu"), audit, tmp_path)
    key = (hashlib.sha256(whole.path.read_bytes()).hexdigest(), -1)
    monkeypatch.setattr(Subject, "keys", lambda self: [key] * 3)
    seen, ticks = [], []

    def see(image: Framed, x: torch.Tensor) -> dict[str, np.ndarray]:
        seen.append(image.pixels)
        return {"n": np.zeros(())}

    for rows, looks in (([0, 1, 2], 1), ([0, 1], 0)):
        store, there = look_at(subject, f"test {rows}", {}, rows, see, lambda: ticks.append(1))
        assert (len(seen), len(there)) == (looks, looks * len(rows))
        if looks:
            np.testing.assert_array_equal(
                seen.pop(), np.asarray(Image.open(whole.path).convert("RGB")).transpose(2, 0, 1)
            )
            assert len(store["n"]) == 3
    assert len(ticks) == 5


def test_hiding_the_pattern_takes_its_units_total_away(report: Summary) -> None:
    """The grids of an image with the pattern, beside the network run on the image with each square drawn in."""
    audit = report.audit
    look = audit.looks["occlusion"]
    assert sorted(look.rows) == list(range(8))
    assert look.store.settings["way"] == "incremental"
    row = look.rows[4]
    rows, columns, side = (look.store.settings[name] for name in ("rows", "columns", "side"))
    probability = np.asarray(look.store["occlusion/probability"][row])
    classes = np.asarray(look.store["occlusion/class"][row])
    network = planted().eval()
    pixels = np.asarray(Image.open(audit.dataset.samples[4].path).convert("RGB")) / 255
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    for r, c in ((0, 0), (len(rows) - 1, 3), (PLACES[4][0] // 24, PLACES[4][1] // 24)):
        hidden = pixels.copy()
        hidden[rows[r] : rows[r] + side, columns[c] : columns[c] + side] = look.store.settings["fill"]
        x = torch.from_numpy(((hidden - mean) / std).transpose(2, 0, 1)[None]).float()
        with torch.no_grad():
            expected = network(x).softmax(1)[0]
        subject = int(look.store["occlusion/subject"][row])
        assert probability[r, c] == pytest.approx(float(expected[subject]), abs=1e-4)
        assert classes[r, c, 0] == int(expected.argmax())


def test_occlusion_pages_show_maps_and_hold_the_data_for_the_browser(report: Summary) -> None:
    page = next((report.index.parent / "images").glob("000004-*.html")).read_text()
    assert "With a part hidden" in page
    assert page.count('class="layer"') >= 3
    assert '"rows":' in page


def test_saliency_is_kept_as_the_definition_gives_it(report: Summary) -> None:
    look = report.audit.looks["saliency"]
    row = look.rows[4]
    network = planted().eval()
    pixels = np.asarray(Image.open(report.audit.dataset.samples[4].path).convert("RGB")) / 255
    x = (pixels - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    leaf = torch.from_numpy(x.transpose(2, 0, 1)[None]).float().requires_grad_()
    logits = network(leaf)[0]
    logits.max().backward()
    expected = leaf.grad[0].abs().amax(0).reshape(112, 2, 112, 2).mean((1, 3))
    kept = np.asarray(look.store["saliency/map"][row])
    assert int(look.store["saliency/class"][row]) == int(logits.argmax())
    np.testing.assert_allclose(kept[0], expected, rtol=1e-3, atol=1e-7)
    page = next((report.index.parent / "images").glob("000004-*.html")).read_text()
    assert "pixel by pixel" in page
    assert "Rank correlation" in page


def test_the_pages_hold_the_values_of_the_looks(report: Summary, tmp_path: Path) -> None:
    """What the viewer reads under the pointer: occlusion to three digits, saliency to 2 %, small values as 0."""
    looks = report.audit.looks
    drawn = {view.name: view.draw(report.audit, Album(tmp_path), 4) for view in views_of("image")}
    occlusion, saliency = (drawn[name].data["cells"] for name in ("occlusion", "saliency"))
    kept = {
        name: np.asarray(looks[name.split("/")[0]].store[name][looks[name.split("/")[0]].rows[4]])
        for name in ("occlusion/probability", "occlusion/class", "occlusion/total", "saliency/map")
    }
    settings = looks["occlusion"].store.settings
    np.testing.assert_allclose(occlusion["y"], (np.array(settings["rows"]) + settings["side"] / 2) / SIDE, atol=1e-5)
    probability, first, total = occlusion["layers"]
    np.testing.assert_allclose(probability["values"], kept["occlusion/probability"].ravel(), rtol=5e-3)
    np.testing.assert_allclose(total["values"], kept["occlusion/total"].ravel(), rtol=5e-3)
    names = [report.audit.classes[k] for k in kept["occlusion/class"][..., 0].ravel()]
    assert [first["names"][k] for k in first["values"]] == names
    assert saliency["x"] == saliency["y"]
    np.testing.assert_allclose(saliency["x"], (np.arange(112) + 0.5) / 112, atol=1e-5)
    for layer, map_ in zip(saliency["layers"], kept["saliency/map"], strict=True):
        code = np.frombuffer(base64.b64decode(layer["codes"]), np.uint8).reshape(112, 112)
        value = np.where(code, layer["top"] * 10 ** ((code - 255.0) / layer["decade"]), 0)
        large = map_ >= 2e-4 * map_.max()
        np.testing.assert_allclose(value[large], map_[large], rtol=0.02)
        assert value[~large].max(initial=0) <= 3e-4 * map_.max()


def test_a_guided_map_that_is_the_gradient_is_not_shown(report: Summary, tmp_path: Path) -> None:
    """A network without a ReLU has nothing to guide."""
    look = report.audit.looks["saliency"]
    maps = np.array(look.store["saliency/map"])
    maps[:, 1] = maps[:, 0]

    class Alike:
        settings = look.store.settings

        def __getitem__(self, name: str) -> np.ndarray:
            return maps if name == "saliency/map" else np.asarray(look.store[name])

    audit = replace(report.audit, looks={"saliency": CloseLook(Alike(), look.rows)})  # type: ignore[arg-type]
    section = next(view for view in views_of("image") if view.name == "saliency").draw(audit, Album(tmp_path), 4)
    assert [figure.title for figure in section.figures[1:]] == ["Gradient", "Gradient, random weights"]
    assert len(section.data["cells"]["layers"]) == 2
    assert "Guided backpropagation is left out" in section.caption


def test_activations_of_the_planted_unit_peak_on_the_pattern(report: Summary) -> None:
    look = report.audit.looks["activations"]
    assert sorted(look.rows) == list(range(8))
    for i, place in PLACES.items():
        kept = np.asarray(look.store["activations/1/map"][look.rows[i]])
        assert kept.shape == (4, SIDE - 8, SIDE - 8)
        assert np.unravel_index(kept[2].argmax(), kept[2].shape) == place
    pages = sorted((report.index.parent / "activations").glob("000004-*/*.html"))
    assert len(pages) == 2
    text = pages[0].read_text()
    assert "Parameters up to here</dt><dd>976<" in text  # 4 · 3 · 9 · 9 + 4
    assert text.count("<img") == 4
    image = next((report.index.parent / "images").glob("000004-*.html")).read_text()
    assert f'href="../activations/{pages[0].parent.name}/' in image


def test_each_filter_has_a_page_with_its_response_and_patches(report: Summary) -> None:
    site = report.index.parent
    assert len(list((site / "filters").glob("0*.html"))) == 4
    text = (site / "filters" / "0002.html").read_text()
    assert text.count('class="patch"') == 8
    assert "Response" in text
    assert "1 deeper convolution<" in (site / "filters" / "index.html").read_text()
    assert "6 × 4 × 3 × 3" in (site / "filters" / "deeper.html").read_text()


def test_a_second_run_computes_no_look_again(report: Summary, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {path: path.stat().st_mtime_ns for path in (report.index.parents[1] / "cache").rglob("*.npz")}
    monkeypatch.setattr("reportgen.methods.occlusion.occluder.occlude", lambda *_: pytest.fail("occluded again"))
    monkeypatch.setattr("reportgen.methods.occlusion.occluder._agrees", lambda *_: True)
    config = AuditConfig(
        data=report.index.parents[2] / "photos",
        model="python:tests.pipeline.test_selected_images:planted",
        layers=("1", "3"),
        device="cpu",
        occlusion_stride=24,
        out=report.index.parents[1],
        precision="fp32",
    )
    again = run_audit(config)
    assert sorted(again.audit.looks["occlusion"].rows) == list(range(8))
    assert {path: path.stat().st_mtime_ns for path in (report.index.parents[1] / "cache").rglob("*.npz")} == before


def test_an_image_more_is_looked_at_alone(report: Summary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The square keeps its colour, so what is kept of the others holds. Pages show three patches, as told."""
    shutil.copytree(report.index.parents[2] / "photos", tmp_path / "photos")
    config = AuditConfig(
        data=tmp_path / "photos",
        model="python:tests.pipeline.test_selected_images:planted",
        layers=("1", "3"),
        device="cpu",
        occlusion_stride=24,
        out=tmp_path / "report",
        precision="fp32",
        top_patches=3,
    )
    fill = run_audit(config).audit.looks["occlusion"].store.settings["fill"]
    mean = np.mean([np.asarray(Image.open(path)) for path in sorted((tmp_path / "photos").iterdir())]) / 255
    assert np.abs(np.array(fill) - mean).max() <= 0.026
    Image.fromarray(np.full((SIDE, SIDE, 3), 120, np.uint8)).save(tmp_path / "photos" / "9.png")
    occluded = []
    once = Occluder.__call__
    monkeypatch.setattr(Occluder, "__call__", lambda self, *of: occluded.append(1) or once(self, *of))
    again = run_audit(config)
    assert again.audit.looks["occlusion"].store.settings["fill"] == fill
    assert (len(occluded), len(again.audit.looks["occlusion"].rows)) == (1, 9)
    assert {len(unit.images) for units in again.audit.units.values() for unit in units} == {3}
    assert next((again.index.parent / "units").glob("1-*/0002.html")).read_text().count('class="patch"') == 3


def test_a_square_larger_than_the_input_is_refused(tmp_path: Path, report: Summary) -> None:
    config = AuditConfig(
        data=report.index.parents[2] / "photos",
        model="python:tests.pipeline.test_selected_images:planted",
        occlusion_side=300,
        device="cpu",
        out=tmp_path / "r",
    )
    with pytest.raises(ConfigError, match="a square of 300 pixels does not fit into 224 × 224"):
        run_audit(config)


def test_a_network_without_a_convolution_is_refused(tmp_path: Path, report: Summary) -> None:
    config = AuditConfig(
        data=report.index.parents[2] / "photos",
        model="python:tests.pipeline.test_selected_images:without_convolutions",
        device="cpu",
        out=tmp_path / "r",
    )
    with pytest.raises(ModelError, match="no layer with maps") as told:
        run_audit(config)
    assert "this network has no maps" in str(told.value.hint)


LABELS = np.array([0, 0, 0, 0, 1, 1, -1])
FAILED = np.array([False, True, False, False, False, True, False])
NAMES = list("abcdefg")


@pytest.mark.parametrize(
    ("select", "seconds", "rows"),
    [
        ("all", 1e9, [0, 1, 2, 3, 4, 5, 6]),
        ("none", 0, []),
        ("failures", 0, [1, 5]),
        ("1", 0, [2, 5]),
        ("2", 0, [1, 3, 4, 5]),
        ("b, g", 0, [1, 6]),
        ("auto", 600 / 7 - 1, [0, 1, 2, 3, 4, 5, 6]),
        ("auto", 600 / 7 + 1, [0, 1, 2, 3, 4, 5]),
    ],
)
def test_which_images_are_chosen(select: str, seconds: float, rows: list[int]) -> None:
    assert choose(select, NAMES, LABELS, FAILED, seconds) == rows


def test_a_name_with_a_comma_is_taken_whole() -> None:
    assert choose("a, b.jpg", ["a", "b.jpg", "a, b.jpg"], np.zeros(3, np.int64), np.zeros(3, bool), 0) == [2]


def test_the_caption_tells_the_squares_colour(report: Summary) -> None:
    assert fill_in_words({"fill": list(fill_colour(report.audit, "grey"))}) == "grey"
    assert fill_in_words({"fill": [0.45, 0.5, 0.4]}) == "the data set's mean colour"


def test_without_labels_so_many_of_all_and_an_unknown_name_is_told() -> None:
    assert len(choose("3", NAMES, np.full(7, -1), FAILED, 0)) == 3
    with pytest.raises(ConfigError, match="names `x`"):
        choose("a,x", NAMES, LABELS, FAILED, 0)
