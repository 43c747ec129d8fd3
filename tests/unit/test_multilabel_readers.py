"""Several labels of one image, in every form that a data set may state them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reportgen.data.class_names import ClassNames
from reportgen.data.readers.dataset import read_dataset
from reportgen.data.samples import Dataset
from reportgen.errors import DataError

PETS = ClassNames(("cat", "dog", "fox; red"), is_multilabel=True)


def images(folder: Path, count: int = 4) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        Image.fromarray(np.full((8, 8, 3), 40 * i, np.uint8)).save(folder / f"{i}.png")
    return folder


def labels_of(dataset: Dataset) -> dict[str, tuple[int, ...] | None]:
    assert dataset.is_multilabel
    assert all(sample.label is None for sample in dataset.samples)
    return {sample.name: sample.labels for sample in dataset.samples}


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("cat", (0,)),
        ("dog|cat", (0, 1)),
        ("dog ; cat;dog", (0, 1)),
        ("fox; red", (2,)),
        ("fox; red|cat", None),
        ('["fox; red", "cat"]', (0, 2)),
        ("[1, 2]", (1, 2)),
        ("[]", ()),
        ("", None),
        ("cat|bird", None),
        ("[cat", None),
    ],
)
def test_label_cell_lists_classes(cell: str, expected: tuple[int, ...] | None, tmp_path: Path) -> None:
    images(tmp_path, 1)
    quoted = cell.replace('"', '""')
    (tmp_path / "t.csv").write_text(f'path,label\n0.png,"{quoted}"\n')
    dataset = read_dataset(tmp_path / "t.csv", PETS)
    assert labels_of(dataset) == {"0.png": expected}
    assert bool(dataset.refused) == (expected is None and cell != "")
    for row in dataset.refused:
        assert row.where == "t.csv:2"
        assert "\n" not in row.reason


def test_rows_of_one_image_add_up_and_each_box_has_its_label(tmp_path: Path) -> None:
    images(tmp_path, 2)
    rows = ["0.png,cat,0,0,4,4", "0.png,dog,1,1,5,5", "0.png,cat,4,4,8,8", "0.png,cat,0,0,4,4", "1.png,cat|dog,0,0,4,4"]
    (tmp_path / "t.csv").write_text("\n".join(["path,label,x0,y0,x1,y1", *rows]) + "\n")
    dataset = read_dataset(tmp_path / "t.csv", PETS)
    first, second = dataset.samples
    assert (first.labels, first.box_labels) == ((0, 1), (0, 1, 0))
    assert first.boxes.tolist() == [[0, 0, 4, 4], [1, 1, 5, 5], [4, 4, 8, 8]]
    assert (second.labels, len(second.boxes)) == (None, 0)
    assert [(row.where, row.reason) for row in dataset.refused] == [
        ("t.csv:5", "repeats line 2"),
        ("t.csv:6", "a box needs one label in its row"),
    ]


def test_columns_of_classes_have_0_and_1(tmp_path: Path) -> None:
    images(tmp_path)
    rows = ["0.png,1,0,1.0,night", "1.png,0,0,0,day", "2.png,,,,day", "3.png,1,-1,0,day"]
    (tmp_path / "t.csv").write_text("\n".join(["path,cat,Dog,fox; red,time", *rows]) + "\n")
    dataset = read_dataset(tmp_path / "t.csv", PETS)
    assert labels_of(dataset) == {"0.png": (0, 2), "1.png": (), "2.png": None, "3.png": None}
    assert [row.reason for row in dataset.refused] == ["`Dog` is `-1`, not 0 or 1; the image is left without labels"]
    assert [dict(sample.columns) for sample in dataset.samples] == [{"time": t} for t in ("night", "day", "day", "day")]


def test_columns_of_some_classes_are_refused(tmp_path: Path) -> None:
    images(tmp_path, 1)
    (tmp_path / "t.csv").write_text("path,cat,dog\n0.png,1,0\n")
    with pytest.raises(DataError, match="has columns of 2 of 3 classes; `fox; red` has none"):
        read_dataset(tmp_path / "t.csv", PETS)


def test_json_lines_and_parquet_have_lists(tmp_path: Path) -> None:
    images(tmp_path)
    values = [["dog", "cat"], [], None, ["dog"]]
    rows = [{"path": f"{i}.png", "labels": one} for i, one in enumerate(values)]
    (tmp_path / "t.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    expected = {"0.png": (0, 1), "1.png": (), "2.png": None, "3.png": (1,)}
    assert labels_of(read_dataset(tmp_path / "t.jsonl", PETS)) == expected
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "t.parquet")
    assert labels_of(read_dataset(tmp_path / "t.parquet", PETS)) == expected


def test_parquet_with_images_has_lists_of_class_numbers(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    images(tmp_path, 3)
    values = [[1, 0], [], None]
    table = pyarrow.table(
        {
            "image": [{"bytes": (tmp_path / f"{i}.png").read_bytes(), "path": f"{i}.png"} for i in range(3)],
            "labels": pyarrow.array(values, pyarrow.list_(pyarrow.int64())),
        }
    )
    label = {"feature": {"names": ["dog", "cat"], "_type": "ClassLabel"}, "_type": "List"}
    features = {"image": {"_type": "Image"}, "labels": label}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    parquet.write_table(table.replace_schema_metadata(metadata), tmp_path / "packed.parquet")
    found = labels_of(read_dataset(tmp_path / "packed.parquet", PETS))
    assert list(found.values()) == [(0, 1), (), None]


def test_coco_lists_images_without_objects_and_the_labels_of_crowds(tmp_path: Path) -> None:
    images(tmp_path / "images")
    coco = {
        "images": [{"id": i, "file_name": f"{i}.png", "width": 8, "height": 8} for i in range(3)],
        "categories": [{"id": 7, "name": "cat"}, {"id": 8, "name": "dog"}, {"id": 9, "name": "bird"}],
        "annotations": [
            {"id": 1, "image_id": 0, "category_id": 8, "bbox": [0, 0, 4, 4]},
            {"id": 2, "image_id": 0, "category_id": 7, "bbox": [1, 1, 4, 4], "iscrowd": 1},
            {"id": 3, "image_id": 1, "category_id": 9, "bbox": [1, 1, 4, 4]},
        ],
    }
    (tmp_path / "coco.json").write_text(json.dumps(coco))
    dataset = read_dataset(tmp_path / "images", PETS, tmp_path / "coco.json")
    assert labels_of(dataset) == {"0.png": (0, 1), "1.png": (), "2.png": (), "3.png": None}
    assert (dataset.samples[0].box_labels, dataset.samples[0].boxes.tolist()) == ((1,), [[0, 0, 4, 4]])
    assert [row.where for row in dataset.refused] == ["coco.json: annotation 2", "coco.json: annotation 3"]
    assert dataset.refused[0].reason == "a crowd, not a single object: its label counts, its box does not"


def test_pascal_voc_has_a_label_an_object(tmp_path: Path) -> None:
    images(tmp_path / "images", 2)
    (tmp_path / "xml").mkdir()
    box = "<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>4</xmax><ymax>4</ymax></bndbox>"
    objects = "".join(f"<object><name>{name}</name>{box}</object>" for name in ("dog", "cat", "dog"))
    for i, inner in enumerate((objects, "")):
        (tmp_path / "xml" / f"{i}.xml").write_text(f"<annotation><filename>{i}.png</filename>{inner}</annotation>")
    dataset = read_dataset(tmp_path / "images", PETS, tmp_path / "xml")
    assert labels_of(dataset) == {"0.png": (0, 1), "1.png": ()}
    assert dataset.samples[0].box_labels == (1, 0, 1)


def test_class_folders_state_no_labels_and_the_report_says_so(tmp_path: Path) -> None:
    images(tmp_path / "cat", 1)
    images(tmp_path / "dog", 1)
    dataset = read_dataset(tmp_path, PETS)
    assert labels_of(dataset) == {"cat/0.png": None, "dog/0.png": None}
    assert [row.where for row in dataset.refused] == ["class folders"]
    assert "a folder cannot state several labels" in dataset.refused[0].reason


def test_digest_and_limit_follow_all_labels(tmp_path: Path) -> None:
    images(tmp_path)
    digests = set()
    for cell in ("cat", "cat|dog", "[]", ""):
        (tmp_path / "t.csv").write_text("path,label\n" + "".join(f"{i}.png,{cell}\n" for i in range(4)))
        digests.add(read_dataset(tmp_path / "t.csv", PETS).annotation_digest)
    assert len(digests) == 4
    (tmp_path / "t.csv").write_text("path,label\n0.png,cat\n1.png,cat\n2.png,cat\n3.png,cat|dog\n")
    assert [one.name for one in read_dataset(tmp_path / "t.csv", PETS).limited(2).samples] == ["0.png", "3.png"]
