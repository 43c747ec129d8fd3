"""Masks as files: which belong to an image, their size and orientation, ignored pixels, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reportgen.data.class_names import ClassNames
from reportgen.data.decoding import decode
from reportgen.data.mask_files import with_masks, without_masks_as_images
from reportgen.data.masks import ObjectMask
from reportgen.data.readers.dataset import read_dataset
from reportgen.data.samples import Dataset, Sample
from reportgen.errors import DataError

NAMES = ClassNames(("cat", "dog"))
SIZE = (40, 20)


def picture(path: Path, size: tuple[int, int] = SIZE, orientation: int = 1) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.new("RGB", size).save(path, exif=exif)


def rectangle(x0: int, y0: int, x1: int, y1: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    pixels = np.zeros(size[::-1], bool)
    pixels[y0:y1, x0:x1] = True
    return pixels


def write_mask(path: Path, pixels: np.ndarray, white: int = 255) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.astype(np.uint8) * white).save(path)


def read(data: Path, masks: Path) -> Dataset:
    return with_masks(without_masks_as_images(read_dataset(data, NAMES), masks), masks)


def by_name(dataset: Dataset) -> dict[str, Sample]:
    return {sample.name: sample for sample in dataset.samples}


def reasons(dataset: Dataset) -> dict[str, str]:
    return {row.where: row.reason for row in dataset.refused}


@pytest.mark.parametrize("seed", range(8))
def test_run_lengths_give_the_pixels_back(seed: int) -> None:
    random = np.random.default_rng(seed)
    pixels = random.random(random.integers(1, 9, 2)) < random.choice([0.0, 0.1, 0.5, 1.0])
    np.testing.assert_array_equal(ObjectMask.of_array(pixels).to_array(), pixels)


def test_objects_and_ignored_pixels_are_found_by_name(tmp_path: Path) -> None:
    """As in OpenImages30k: one file an object, `…_ignore.png`, in the folder of the image."""
    data, masks = tmp_path / "data", tmp_path / "masks"
    for name in ("cat/a.png", "cat/a_b.png", "dog/c.png"):
        picture(data / name)
    write_mask(masks / "cat/a_m01_1.png", rectangle(1, 2, 5, 6))
    write_mask(masks / "cat/a_m01_2.png", rectangle(10, 3, 20, 9), white=1)
    write_mask(masks / "cat/a_ignore.png", rectangle(0, 0, 30, 10))
    write_mask(masks / "cat/a_b_m02.png", rectangle(7, 7, 8, 9))
    write_mask(masks / "dog/c.png", rectangle(0, 0, 40, 20))
    (masks / "dog/c_notes.txt").write_text("no mask")
    found = by_name(read(data, masks))
    first, second, third = (found[name] for name in ("cat/a.png", "cat/a_b.png", "dog/c.png"))
    assert [mask.to_array().sum() for mask in first.object_masks] == [16, 60]
    assert first.ignore_mask is not None
    np.testing.assert_array_equal(first.ignore_mask.to_array(), rectangle(0, 0, 30, 10))
    assert first.boxes.tolist() == [[1, 2, 5, 6], [10, 3, 20, 9]]
    assert (second.boxes.tolist(), second.ignore_mask) == ([[7, 7, 8, 9]], None)
    assert third.boxes.tolist() == [[0, 0, 40, 20]]


def test_boxes_of_the_annotations_are_kept(tmp_path: Path) -> None:
    picture(tmp_path / "data/cat/a.png")
    (tmp_path / "boxes.csv").write_text("path,label,x0,y0,x1,y1\ncat/a.png,cat,3,3,9,9\n")
    write_mask(tmp_path / "masks/cat/a.png", rectangle(1, 2, 5, 6))
    dataset = with_masks(read_dataset(tmp_path / "data", NAMES, tmp_path / "boxes.csv"), tmp_path / "masks")
    assert dataset.samples[0].boxes.tolist() == [[3, 3, 9, 9]]
    assert len(dataset.samples[0].object_masks) == 1


def test_masks_beside_their_images_are_no_images(tmp_path: Path) -> None:
    for name in ("cat/a.jpg", "cat/b_1.png"):
        picture(tmp_path / name)
    for name in ("cat/a_m1.png", "cat/a_ignore.png", "cat/b_1_m1.png"):
        write_mask(tmp_path / name, rectangle(1, 2, 5, 6))
    dataset = read(tmp_path, tmp_path)
    assert {sample.name: len(sample.object_masks) for sample in dataset.samples} == {"cat/a.jpg": 1, "cat/b_1.png": 1}


def test_folder_of_masks_within_the_data_is_refused(tmp_path: Path) -> None:
    picture(tmp_path / "cat/a.png")
    write_mask(tmp_path / "masks/cat/a.png", rectangle(1, 2, 5, 6))
    with pytest.raises(DataError, match="whose files are among the images") as caught:
        read(tmp_path, tmp_path / "masks")
    assert caught.value.hint == "move it out of the data set's folder"


@pytest.mark.parametrize("factor", [0.5, 2, 3.3])
def test_mask_of_the_same_aspect_is_scaled_to_its_image(tmp_path: Path, factor: float) -> None:
    picture(tmp_path / "data/cat/a.png", (400, 200))
    size = (round(400 * factor), round(200 * factor))
    write_mask(tmp_path / "masks/cat/a.png", rectangle(*(round(v * factor) for v in (100, 40, 300, 160)), size))
    (sample,) = read(tmp_path / "data", tmp_path / "masks").samples
    assert sample.object_masks[0].size == (400, 200)
    np.testing.assert_allclose(sample.boxes, [[100, 40, 300, 160]], atol=1)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_mask_follows_the_exif_orientation(tmp_path: Path, orientation: int) -> None:
    """A mask of the stored pixels' size is turned with them; one of the upright image is not."""
    stored = np.zeros((20, 40, 3), np.uint8)
    stored[3:9, 5:15] = 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    (tmp_path / "data/cat").mkdir(parents=True)
    Image.fromarray(stored).save(tmp_path / "data/cat/a.png", exif=exif)
    upright = np.asarray(decode((tmp_path / "data/cat/a.png").read_bytes(), "a.png"))[:, :, 0] > 0
    write_mask(tmp_path / "masks/cat/a.png", upright)
    (sample,) = read(tmp_path / "data", tmp_path / "masks").samples
    np.testing.assert_array_equal(sample.object_masks[0].to_array(), upright)
    if orientation > 4:  # the size shows which one is meant
        write_mask(tmp_path / "masks/cat/a.png", stored[:, :, 0] > 0)
        (sample,) = read(tmp_path / "data", tmp_path / "masks").samples
        np.testing.assert_array_equal(sample.object_masks[0].to_array(), upright)


def test_masks_that_cannot_be_used_are_one_line_each(tmp_path: Path) -> None:
    data, masks = tmp_path / "data", tmp_path / "masks"
    for name in ("whole", "missing", "size", "damaged", "empty", "ignore"):
        picture(data / f"cat/{name}.png")
    picture(data / "unlabelled.png")
    for name in ("cat/whole.png", "cat/damaged_1.png", "cat/ignore.png", "unlabelled.png"):
        write_mask(masks / name, rectangle(1, 2, 5, 6))
    write_mask(masks / "cat/size.png", rectangle(1, 2, 5, 6, (20, 20)))
    write_mask(masks / "cat/empty.png", rectangle(0, 0, 0, 0))
    (masks / "cat/damaged_2.png").write_bytes((masks / "cat/whole.png").read_bytes()[:60])
    (masks / "cat/ignore_ignore.png").write_bytes(b"")
    dataset = read(data, masks)
    assert [sample.name for sample in dataset.samples if sample.object_masks] == ["cat/whole.png"]
    assert [sample.name for sample in dataset.samples if len(sample.boxes)] == ["cat/whole.png"]
    found = reasons(dataset)
    assert {"\n" in reason for reason in found.values()} == {False}
    assert set(found) == {f"cat/{n}.png" for n in ("missing", "size", "damaged", "empty", "ignore")} | {
        "unlabelled.png"
    }
    for name, words in {
        "missing": "neither `missing.png` nor `missing_*.png` exists",
        "size": "`size.png` is 20 × 20, but its image is 40 × 20",
        "damaged": "`damaged_2.png` cannot be decoded",
        "empty": "no pixel of its masks is set",
        "ignore": "`ignore_ignore.png` cannot be decoded",
    }.items():
        assert words in found[f"cat/{name}.png"]
    assert "has no label" in found["unlabelled.png"]


def test_folder_without_masks_of_the_images_is_an_error(tmp_path: Path) -> None:
    picture(tmp_path / "data/cat/a.png")
    (tmp_path / "masks").mkdir()
    with pytest.raises(DataError, match=r"none of the 1 images has masks in .*; the first: `cat/a.png`") as caught:
        read(tmp_path / "data", tmp_path / "masks")
    assert "a/b_ignore.png" in str(caught.value.hint)
    with pytest.raises(DataError, match="which is not a folder"):
        read(tmp_path / "data", tmp_path / "data/cat/a.png")


def test_annotation_digest_covers_objects_and_ignored_pixels(tmp_path: Path) -> None:
    picture(tmp_path / "data/cat/a.png")
    mask, ignored = tmp_path / "masks/cat/a.png", tmp_path / "masks/cat/a_ignore.png"
    digests = []
    for objects, other in ((9, 12), (9, 13), (10, 12), (9, None)):
        write_mask(mask, rectangle(1, 2, objects, 6))
        ignored.unlink(missing_ok=True)
        if other:
            write_mask(ignored, rectangle(1, 2, other, 9))
        dataset = read(tmp_path / "data", tmp_path / "masks")
        boxes = np.array([[1.0, 2, 9, 6]], np.float32)  # so that only the masks differ
        digests.append(
            Dataset("", [Sample(**{**vars(s), "boxes": boxes}) for s in dataset.samples], NAMES.names).annotation_digest
        )
    assert len(set(digests)) == 4
