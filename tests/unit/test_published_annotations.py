"""COCO, Pascal VOC, CUB and ImageNet annotations: boxes by hand, bad entries, orientations and masks."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reportgen.data.class_names import ClassNames
from reportgen.data.decoding import decode
from reportgen.data.masks import ObjectMask, decode_run_lengths, mask_in_window, parse_segmentation
from reportgen.data.readers.dataset import read_dataset
from reportgen.data.samples import Dataset
from reportgen.errors import DataError

PETS = ClassNames(("cat", "dog", "sea lion"), ("n02121620", "n02084071", "n02077923"))


def picture(path: Path, size: tuple[int, int] = (40, 20), orientation: int = 1) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.new("RGB", size).save(path, exif=exif)


def boxes(dataset: Dataset) -> dict[str, list[list[float]]]:
    return {sample.name: sample.boxes.tolist() for sample in dataset.samples}


def refusals(dataset: Dataset) -> dict[str, str]:
    return {row.where: row.reason for row in dataset.refused}


def coco(folder: Path, annotations: list, **more: object) -> Path:
    images = [
        {"id": 1, "file_name": "a.jpg", "width": 40, "height": 20},
        {"id": 2, "file_name": "sub/b.jpg", "width": 40, "height": 20},
        {"id": 3, "file_name": "gone.jpg"},
    ]
    categories = [{"id": 7, "name": "cat"}, {"id": 8, "name": "dog"}, {"id": 9, "name": "unicorn"}]
    table = {"images": images, "categories": categories, "annotations": annotations, **more}
    (folder / "instances.json").write_text(json.dumps(table))
    return folder / "instances.json"


def test_coco_reader_reads_boxes_and_names_every_bad_entry(tmp_path) -> None:
    data = tmp_path / "data"
    for name in ("a.jpg", "sub/b.jpg", "c.jpg"):
        picture(data / name)
    rows = [
        {"id": 1, "image_id": 1, "category_id": 7, "bbox": [1, 2, 10, 5]},
        {"id": 2, "image_id": 1, "category_id": 7, "bbox": [-3, 0, 10.5, 5]},
        {"id": 3, "image_id": 1, "category_id": 8, "bbox": [0, 0, 5, 5]},
        {"id": 4, "image_id": 2, "category_id": 9, "bbox": [0, 0, 5, 5]},
        {"id": 5, "image_id": 2, "category_id": 8, "bbox": [0, 0, 0, 5]},
        {"id": 6, "image_id": 2, "category_id": 8, "bbox": [0, 0, 5]},
        {"id": 7, "image_id": 3, "category_id": 8, "bbox": [0, 0, 5, 5]},
        {"id": 8, "image_id": 4, "category_id": 8, "bbox": [0, 0, 5, 5]},
        {"id": 9, "image_id": 2, "category_id": 8, "bbox": [0, 0, 5, 5], "iscrowd": 1},
        {"id": 10, "image_id": 2, "category_id": 8},
        "nonsense",
    ]
    dataset = read_dataset(data, PETS, coco(tmp_path, rows))
    assert boxes(dataset) == {"a.jpg": [[1, 2, 11, 7], [0, 0, 7.5, 5]], "c.jpg": [], "sub/b.jpg": []}
    assert [s.label for s in dataset.samples] == [0, None, 1]
    reasons = refusals(dataset)
    assert list(reasons) == [f"instances.json: annotation {number}" for number in range(3, 11)]
    for number, words in {
        3: "a second label, `dog`",
        4: "no class is called `unicorn`",
        5: "has no area",
        6: "not an annotation",
        7: "`gone.jpg` is not an image",
        8: "`image_id`",
        9: "a crowd",
    }.items():
        assert words in reasons[f"instances.json: annotation {number}"]
    assert len(dataset.refused) == 9  # the last two share a number; the folder `sub` names no class, but has labels


@pytest.mark.parametrize("orientation", range(1, 9))
def test_boxes_and_masks_follow_the_exif_orientation(tmp_path, orientation: int) -> None:
    """A bright rectangle of the stored pixels is annotated; box and mask must be those of the upright image."""
    stored = np.zeros((20, 40, 3), np.uint8)
    stored[3:9, 5:15] = 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = tmp_path / "data"
    data.mkdir()
    Image.fromarray(stored).save(data / "a.png", exif=exif)
    upright = np.asarray(decode((data / "a.png").read_bytes(), "a.png"))[:, :, 0] > 0
    if orientation < 5:  # the stated size cannot tell; annotations of upright images are meant
        ys, xs = np.nonzero(upright)
        x, y = int(xs.min()), int(ys.min())
    else:
        x, y = 5, 3
    square = [[x, y, x + 9, y, x + 9, y + 5, x, y + 5]]
    row = {"id": 1, "image_id": 1, "category_id": 7, "bbox": [x, y, 10, 6], "segmentation": square}
    path = coco(tmp_path, [row])
    path.write_text(path.read_text().replace("a.jpg", "a.png"))
    (sample,) = read_dataset(data, PETS, path).samples
    ys, xs = np.nonzero(upright)
    assert sample.boxes.tolist() == [[xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]]
    np.testing.assert_array_equal(sample.object_masks[0].to_array(), upright)


def test_reader_rejects_annotations_of_another_image_size(tmp_path) -> None:
    data = tmp_path / "data"
    picture(data / "a.jpg", (80, 40))
    dataset = read_dataset(
        data, PETS, coco(tmp_path, [{"id": 1, "image_id": 1, "category_id": 7, "bbox": [0, 0, 9, 9]}])
    )
    assert refusals(dataset) == {
        "instances.json: annotation 1": "annotated on an image of 40 × 20, but this one is 80 × 40"
    }


VOC = """<annotation><filename>{name}</filename><source><database>{base}</database></source>
<size><width>40</width><height>20</height></size>
<object><name>dog</name><bndbox><xmin>1</xmin><ymin>2</ymin><xmax>10</xmax><ymax>20</ymax></bndbox></object>
<object><name>dog</name><bndbox><xmin>1</xmin><ymin>2</ymin><xmax>ten</xmax></bndbox></object></annotation>"""


def test_coco_image_of_infinite_width_is_left_out(tmp_path) -> None:
    picture(tmp_path / "data" / "a.jpg")
    path = coco(tmp_path, [{"id": 1, "image_id": 1, "category_id": 7, "bbox": [0, 0, 9, 9]}])
    path.write_text(path.read_text().replace('"width": 40', '"width": 1e999'))
    found = refusals(read_dataset(tmp_path / "data", PETS, path))
    assert found["instances.json: annotation 1"].startswith("not an annotation: cannot convert float infinity")


def test_voc_boxes_count_from_one_and_imagenet_boxes_from_zero(tmp_path) -> None:
    data, notes = tmp_path / "data", tmp_path / "notes"
    for name in ("a.jpg", "ILSVRC2012_val_00000001.JPEG"):
        picture(data / name)
    notes.mkdir()
    (notes / "a.xml").write_text(VOC.format(name="a.jpg", base="The VOC2007 Database"))
    (notes / "b.xml").write_text(VOC.format(name="ILSVRC2012_val_00000001", base="ILSVRC_2012"))
    (notes / "c.xml").write_text("<annotation>")
    dataset = read_dataset(data, PETS, notes)
    assert boxes(dataset) == {"a.jpg": [[0, 1, 10, 20]], "ILSVRC2012_val_00000001.JPEG": [[1, 2, 11, 21]]}
    assert [s.label for s in dataset.samples] == [1, 1]
    assert list(refusals(dataset)) == ["a.xml: object 2", "b.xml: object 2", "c.xml"]


def test_voc_file_with_entities_is_refused_unread(tmp_path) -> None:
    picture(tmp_path / "data" / "a.jpg")
    notes = tmp_path / "notes"
    notes.mkdir()
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 9))
    whole = VOC.format(name="&e8;", base="")
    (notes / "a.xml").write_text(f'<!DOCTYPE x [<!ENTITY e0 "dog">{entities}]>{whole}')
    (notes / "b.xml").write_text(VOC.format(name="a.jpg", base=""))
    found = refusals(read_dataset(tmp_path / "data", PETS, notes))
    assert found["a.xml"] == "not XML: it declares entities, which annotations do not need"


def test_cub_reader_reads_labels_and_boxes(tmp_path) -> None:
    for name in ("001.Cat/x_1.jpg", "002.Sea_Lion/y.jpg"):
        picture(tmp_path / "images" / name)
    (tmp_path / "images.txt").write_text("1 001.Cat/x_1.jpg\n2 002.Sea_Lion/y.jpg\n3 002.Sea_Lion/z.jpg\n4\n")
    (tmp_path / "classes.txt").write_text("1 001.Cat\n2 002.Sea_Lion\n")
    (tmp_path / "image_class_labels.txt").write_text("1 1\n2 2\n3 2\n")
    (tmp_path / "bounding_boxes.txt").write_text("1 1.0 2.0 10.0 5.0\n2 0 0 9 9\n3 0 0 9 9\n5 0 0 9 9\n6 0 0 9\n")
    dataset = read_dataset(tmp_path / "images", PETS, tmp_path)
    assert boxes(dataset) == {"001.Cat/x_1.jpg": [[1, 2, 11, 7]], "002.Sea_Lion/y.jpg": [[0, 0, 9, 9]]}
    assert [s.label for s in dataset.samples] == [0, 2]
    reasons = refusals(dataset)
    assert "images.txt:4" in reasons
    assert "not an image" in reasons["bounding_boxes.txt:3"]
    assert "image 5 is not in" in reasons["bounding_boxes.txt:4"]
    assert "is not x, y, width, height" in reasons["bounding_boxes.txt:5"]


def test_imagenet_table_reader_reads_labels_and_boxes(tmp_path) -> None:
    data = tmp_path / "data"
    for number in (1, 2):
        picture(data / f"ILSVRC2012_val_{number}.JPEG")
    table = tmp_path / "LOC_val_solution.csv"
    table.write_text(
        "ImageId,PredictionString\nILSVRC2012_val_1,n02084071 1 2 10 5 n02084071 0 0 3 3 \n"
        "ILSVRC2012_val_2,n02121620 1 2 10\nILSVRC2012_val_2,n02121620 1 2 x 5 n02121620 1 2 3 4\n"
    )
    dataset = read_dataset(data, PETS, table)
    assert boxes(dataset) == {
        "ILSVRC2012_val_1.JPEG": [[1, 2, 11, 6], [0, 0, 4, 4]],
        "ILSVRC2012_val_2.JPEG": [[1, 2, 4, 5]],
    }
    assert list(refusals(dataset)) == ["LOC_val_solution.csv:3", "LOC_val_solution.csv:4"]


@pytest.mark.parametrize(
    ("text", "message"), [("{", "not a COCO"), ("[]", "not a COCO"), ('{"images": []}', "no `categories`")]
)
def test_json_that_is_not_coco_is_one_error(tmp_path, text: str, message: str) -> None:
    picture(tmp_path / "data" / "a.jpg")
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(DataError, match=message):
        read_dataset(tmp_path / "data", PETS, tmp_path / "x.json")


def test_folder_without_annotations_and_missing_path_are_errors(tmp_path) -> None:
    picture(tmp_path / "data" / "a.jpg")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="neither XML files"):
        read_dataset(tmp_path / "data", PETS, tmp_path / "empty")
    with pytest.raises(DataError, match="no such file"):
        read_dataset(tmp_path / "data", PETS, tmp_path / "nowhere.json")


# ---------------------------------------------------------------------------------------------- silhouettes


def packed(runs: list[int]) -> str:
    """COCO's compression, written from its definition."""
    text = ""
    for i, run in enumerate(runs):
        value = run - runs[i - 2] if i > 2 else run
        while True:
            low, value = value & 31, value >> 5
            more = value != (-1 if low & 16 else 0)
            text += chr(48 + low + 32 * more)
            if not more:
                break
    return text


def test_run_lengths_are_decoded_packed_and_plain() -> None:
    mask = np.random.default_rng(0).random((13, 17)) < 0.4
    down = mask.T.ravel()
    changes = np.flatnonzero(np.diff(down)) + 1
    runs = np.diff([0, *([0] if down[0] else []), *changes, down.size]).tolist()
    assert decode_run_lengths(packed(runs)) == runs
    assert decode_run_lengths(packed([0, 100, 3, 2000, 1, 5, 70000])) == [0, 100, 3, 2000, 1, 5, 70000]
    for counts in (runs, packed(runs)):
        shape = parse_segmentation({"size": [13, 17], "counts": counts}, (17, 13), None)
        assert shape is not None
        np.testing.assert_array_equal(shape.to_array(), mask)


@pytest.mark.parametrize(
    "bad",
    [
        [[1, 2, 3, 4]],
        [[0, 0, 1, 1, float("nan"), 2]],
        "x",
        {"counts": [1, 2], "size": [3, 4]},
        {"counts": "~~~", "size": [3, 4]},
        {"counts": [-1, 13], "size": [3, 4]},
        {"counts": [float("inf"), 13], "size": [3, 4]},
        {"counts": [None], "size": [3, 4]},
        {"counts": 12, "size": [3, 4]},
    ],
)
def test_damaged_segmentations_are_refused(bad: object) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_segmentation(bad, (4, 3), None)
    assert parse_segmentation([], (4, 3), None) is None


def test_mask_is_cropped_to_the_window_of_the_network() -> None:
    shape = ObjectMask((8, 4), [[0, 0, 3, 0, 3, 3, 0, 3]])
    assert mask_in_window([shape], np.array([0.0, 0, 8, 4]), 4)[0].tolist() == [True, True, False, False]
    beyond = mask_in_window([shape], np.array([-8.0, 0, 8, 4]), 4)
    assert beyond[0].tolist() == [False, False, True, False]
