"""The data of the demo: it is written once and completely, and boxes follow the framing of the image."""

import importlib.util

import numpy as np
import pytest
from PIL import Image
from torchvision.models import ResNet18_Weights

from reportgen.data import demo
from reportgen.data.class_names import ClassNames
from reportgen.data.readers.dataset import read_dataset
from reportgen.errors import ConfigError, OutputError

photographs = pytest.mark.skipif(importlib.util.find_spec("skimage") is None, reason="scikit-image is not installed")
cells = pytest.mark.skipif(importlib.util.find_spec("elpv_dataset") is None, reason="elpv-dataset is not installed")


@pytest.fixture(scope="module")
def imagenet() -> ClassNames:
    return ClassNames(tuple(ResNet18_Weights.DEFAULT.meta["categories"]))


@photographs
def test_demo_photos_are_complete_idempotent_and_repaired(tmp_path, imagenet) -> None:
    table = demo.make_demo_photos(tmp_path / "demo")
    dataset = read_dataset(table, imagenet)
    assert (dataset.name, len(dataset.samples), list(dataset.refused)) == ("demo", 96, [])
    assert dataset.samples[0].name == "photos/astronaut-01-original.jpg"
    labelled = [sample for sample in dataset.samples if sample.label is not None]
    assert {imagenet.names[sample.label] for sample in labelled} == {"tabby", "espresso", "moped", "missile", "palace"}
    assert len(labelled) == sum(len(sample.boxes) > 0 for sample in dataset.samples) == 60
    for sample in labelled:
        width, height = Image.open(sample.path).size
        assert (sample.boxes >= 0).all()
        assert (sample.boxes <= [width, height, width, height]).all()

    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in tmp_path.rglob("*.*")}
    assert len(before) == 97
    half, gone = table.parent / "photos/coffee-02-mirror.jpg", table.parent / "photos/china-09-darker.jpg"
    half.write_bytes(half.read_bytes()[:100])
    gone.unlink()
    assert demo.make_demo_photos(tmp_path / "demo") == table
    after = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in tmp_path.rglob("*.*")}
    assert {path: data for path, (data, _) in after.items()} == {path: data for path, (data, _) in before.items()}
    assert {path for path in before if before[path] != after[path]} == {half, gone}


@pytest.mark.parametrize("framing", demo.FRAMINGS, ids=lambda framing: framing.name)
@pytest.mark.parametrize("photo", [photo for photo in demo.PHOTOS if photo.boxes], ids=lambda photo: photo.name)
def test_demo_box_moves_with_its_object(photo: demo.Photo, framing: demo.Framing) -> None:
    box = photo.boxes[0]
    canvas = Image.new("RGB", (max(box[2] + 30, 640), max(box[3], 427)))
    canvas.paste((100, 100, 100), box)
    image, (moved,) = demo.apply_framing(canvas, [box], framing)
    rows, columns = np.nonzero(np.asarray(image)[..., 0])
    assert moved == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    assert np.asarray(image).max() == round(100 * framing.brightness)


def test_demo_box_that_is_mostly_cut_away_is_dropped() -> None:
    image = Image.new("RGB", (100, 100))
    right = demo.Framing("right", (0.5, 0.0, 1.0, 1.0))
    assert demo.apply_framing(image, [(0, 0, 66, 10), (0, 0, 67, 10), (0, 0, 40, 10)], right)[1] == [(0, 0, 17, 10)]


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


def test_missing_demo_packages_are_named_with_the_way_out(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(demo, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="package `skimage`, which contains the data, is not installed") as error:
        demo.make_demo_photos(tmp_path)
    assert error.value.hint == "pip install scikit-image scikit-learn"
    with pytest.raises(ConfigError, match="package `elpv_dataset`") as error:
        demo.make_solar_table(tmp_path)
    assert error.value.hint == "pip install elpv-dataset"
    assert not list(tmp_path.iterdir())


@photographs
def test_demo_folder_that_cannot_be_written_is_an_error(tmp_path) -> None:
    (tmp_path / "photos").write_text("in the way")
    with pytest.raises(OutputError, match="cannot be written"):
        demo.make_demo_photos(tmp_path)
