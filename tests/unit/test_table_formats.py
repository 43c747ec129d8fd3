"""Tables as JSON lines and Parquet have the columns, the data and the messages of CSV tables."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reportgen.data.class_names import ClassNames
from reportgen.data.readers.dataset import read_dataset
from reportgen.data.samples import Dataset
from reportgen.errors import DataError

PETS = ClassNames(("cat", "dog", "sea lion"), ("n02121620", "n02084071", "n02077923"))
ROWS = [
    {"path": "a.jpg", "label": "dog", "x0": 1, "y0": 2, "x1": 3.5, "y1": 4, "group": "g", "split": "train"},
    {"path": "a.jpg", "label": "dog", "x0": -3, "y0": -1, "x1": 9, "y1": 9, "group": "", "split": "train"},
    {"path": "b.jpg", "label": None, "x0": None, "y0": None, "x1": None, "y1": None, "group": None, "split": "test"},
    {"path": "c.jpg", "label": "cow", "x0": 1, "y0": 1, "x1": 2, "y1": 2, "group": None, "split": "test"},
    {"path": "c.jpg", "label": "sea lion", "x0": 5, "y0": 1, "x1": 2, "y1": 2, "group": None, "split": ""},
    {"path": "c.jpg", "label": "sea lion", "x0": 1, "y0": None, "x1": 2, "y1": 2, "group": None, "split": ""},
    {"path": "", "label": "cat", "x0": None, "y0": None, "x1": None, "y1": None, "group": None, "split": ""},
    {"path": "gone.jpg", "label": "cat", "x0": None, "y0": None, "x1": None, "y1": None, "group": None, "split": ""},
    {"path": "b.jpg", "label": "cat", "x0": None, "y0": None, "x1": None, "y1": None, "group": None, "split": ""},
    {"path": "b.jpg", "label": "cat", "x0": None, "y0": None, "x1": None, "y1": None, "group": None, "split": ""},
]


def write_csv(path: Path, rows: list[dict]) -> None:
    lines = [rows[0].keys(), *(row.values() for row in rows)]
    path.write_text("\n".join(",".join("" if value is None else str(value) for value in line) for line in lines))


def write_json_lines(path: Path, rows: list[dict]) -> None:
    path.write_text("\n".join(map(json.dumps, rows)))


def write_parquet(path: Path, rows: list[dict]) -> None:
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(pa.Table.from_pylist(rows), path, row_group_size=3)


WRITERS = {"t.csv": write_csv, "t.jsonl": write_json_lines, "t.parquet": write_parquet}
FORMATS = pytest.mark.parametrize("name", WRITERS)


def written(folder: Path, name: str, rows: list[dict]) -> Path:
    for image in "abc":
        (folder / f"{image}.jpg").touch()
    WRITERS[name](folder / name, rows)
    return folder / name


def contents(dataset: Dataset) -> list[tuple]:
    return [(s.path.name, s.name, s.label, s.boxes.tolist(), s.group) for s in dataset.samples]


@FORMATS
def test_every_format_gives_the_data_and_the_messages_of_a_csv(tmp_path, name: str) -> None:
    dataset = read_dataset(written(tmp_path, name, ROWS), PETS)
    assert contents(dataset) == [
        ("a.jpg", "a.jpg", 1, [[1, 2, 3.5, 4], [0, 0, 9, 9]], "g"),
        ("b.jpg", "b.jpg", 0, [], ""),
        ("c.jpg", "c.jpg", 2, [], ""),
    ]
    where, unit, first = {
        "t.csv": ("t.csv:{}", "line", 2),
        "t.jsonl": ("t.jsonl:{}", "line", 1),
        "t.parquet": ("t.parquet: row {}", "row", 1),
    }[name]
    assert [(row.where, row.reason.partition(";")[0]) for row in dataset.refused] == [
        (where.format(3 + first), "no class is called `cow`"),
        (where.format(4 + first), "box 5 1 2 2 is reversed: the order is left, top, right, bottom"),
        (where.format(5 + first), "a box needs all four of x0, y0, x1, y1"),
        (where.format(6 + first), "no path"),
        (where.format(7 + first), "`gone.jpg`: no such file or directory"),
        (where.format(9 + first), f"repeats {unit} {8 + first}"),
    ]


@FORMATS
def test_every_format_annotates_a_folder(tmp_path, name: str) -> None:
    table = written(tmp_path, name, [{"path": "b.jpg", "label": "dog"}, {"path": "../x", "label": "cat"}])
    dataset = read_dataset(tmp_path, PETS, table)
    assert {s.name: s.label for s in dataset.samples} == {"a.jpg": None, "b.jpg": 1, "c.jpg": None}
    assert len(dataset.refused) == 1


@FORMATS
def test_class_numbers_may_be_numbers_with_missing_values(tmp_path, name: str) -> None:
    rows = [{"path": "a.jpg", "label": 2.0}, {"path": "b.jpg", "label": float("nan")}, {"path": "c.jpg", "label": 0}]
    if name == "t.csv":
        rows[1]["label"] = None
        rows[0]["label"] = 2
    dataset = read_dataset(written(tmp_path, name, rows), PETS)
    assert [s.label for s in dataset.samples] == [2, None, 0]
    assert not dataset.refused


@FORMATS
def test_table_without_a_path_or_with_some_corners_is_refused(tmp_path, name: str) -> None:
    with pytest.raises(DataError, match="has no column `path`; columns found: `File`, `label`") as error:
        read_dataset(written(tmp_path, name, [{"File": "a.jpg", "label": "cat"}]), PETS)
    assert "path,label,x0,y0,x1,y1" in str(error.value.hint)
    with pytest.raises(DataError, match="has no column `x1`, `y1`; columns found: `path`, `x0`, `y0`"):
        read_dataset(written(tmp_path, name, [{"Path": "a.jpg", "x0": 1, "y0": 1}]), PETS)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{1}", "not JSON at character 2: expecting property name enclosed in double quotes"),
        ("[" * 100_000, "not JSON: its lists are nested too deep"),
        ("[1]", "not a JSON object"),
        (
            '{"path": "a.jpg", "label": ["cat"]}',
            '["cat"] is a list: an image has one label, unless `outputs` is `multilabel`',
        ),
        ('{"path": {"x": 1}}', "{'x': 1} is neither text nor a number"),
        ('{"label": "cat"}', "no path"),
        ('{"path": "a.jpg", "x0": 1}', "a box needs all four of x0, y0, x1, y1"),
    ],
)
def test_bad_json_line_is_left_out_alone(tmp_path, line: str, reason: str) -> None:
    (tmp_path / "b.jpg").touch()
    (tmp_path / "a.jpg").touch()
    complete = {"path": "b.jpg", "label": "cat", "x0": 0, "y0": 0, "x1": 1, "y1": 1}
    (tmp_path / "t.jsonl").write_text(f"\n{line}\n\n{json.dumps(complete)}\n")
    dataset = read_dataset(tmp_path / "t.jsonl", PETS)
    assert [(row.where, row.reason) for row in dataset.refused] == [("t.jsonl:2", reason)]
    assert {s.name: len(s.boxes) for s in dataset.samples}["b.jpg"] == 1


def test_parquet_with_categories_and_class_numbers_gives_their_names(tmp_path) -> None:
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    for image in "abc":
        (tmp_path / f"{image}.jpg").touch()
    paths = pa.array(["a.jpg", "b.jpg", "c.jpg"])
    categories = pa.array(["dog", None, "cat"]).dictionary_encode()
    parquet.write_table(pa.table({"path": paths, "label": categories}), tmp_path / "t.parquet")
    assert [s.label for s in read_dataset(tmp_path / "t.parquet", PETS).samples] == [1, None, 0]
    features = {"label": {"_type": "ClassLabel", "names": ["dog", "sea lion"]}}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    table = pa.table({"path": paths, "label": pa.array([0, 1, -1])}).replace_schema_metadata(metadata)
    parquet.write_table(table, tmp_path / "t.parquet")
    assert [s.label for s in read_dataset(tmp_path / "t.parquet", PETS).samples] == [1, 2, None]


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1" + bytes(100) + b"PAR1", b"path,label\na.jpg,cat\n"])
def test_damaged_parquet_is_one_line(tmp_path, content: bytes) -> None:
    pytest.importorskip("pyarrow")
    (tmp_path / "t.parquet").write_bytes(content)
    with pytest.raises(DataError, match=r"^table `.*t.parquet` cannot be read: ") as error:
        read_dataset(tmp_path / "t.parquet", PETS)
    assert str(error.value).isprintable()


def test_parquet_without_pyarrow_names_the_package(tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow.parquet", None)
    (tmp_path / "t.parquet").touch()
    with pytest.raises(DataError, match="Parquet and Arrow files need an extra") as error:
        read_dataset(tmp_path / "t.parquet", PETS)
    assert error.value.hint == "pip install 'reportgen[parquet]'"


def imagefolder(folder: Path, rows: list[dict]) -> Path:
    """A folder with images and a `metadata.jsonl`, as Hugging Face's `datasets` describes it."""
    for row in rows:
        path = folder / str(row["file_name"])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    write_json_lines(folder / "metadata.jsonl", rows)
    return folder


def test_objects_of_an_imagefolder_are_boxes(tmp_path) -> None:
    """`bbox` has left, top, width and height; the first class is that of the image, unless it has a label."""
    rows = [
        {"file_name": "a.jpg", "objects": {"bbox": [[1, 2, 10, 5], [3.5, 0, 2, 8]], "categories": [1, 1]}, "age": 3},
        {"file_name": "b.jpg", "label": "cat", "objects": {"bbox": [[0, 0, 4, 4]]}},
        {"file_name": "sub/c.jpg", "objects": {"bbox": [[0, 0, 4, 4], [1, 1, 2, 2]], "category": ["dog", "cat"]}},
        {"file_name": "sub/d.jpg", "label": "cat", "objects": {"bbox": []}},
        {"file_name": "e.jpg", "label": "cat", "objects": "none"},
    ]
    dataset = read_dataset(imagefolder(tmp_path / "data", rows), PETS)
    assert {sample.name: (sample.label, sample.boxes.tolist()) for sample in dataset.samples} == {
        "a.jpg": (1, [[1, 2, 11, 7], [3.5, 0, 5.5, 8]]),
        "b.jpg": (0, [[0, 0, 4, 4]]),
        "sub/c.jpg": (1, [[0, 0, 4, 4]]),
        "sub/d.jpg": (0, []),
        "e.jpg": (0, []),
    }
    assert dataset.samples[0].columns == {"age": "3"}
    assert [(row.where, row.reason) for row in dataset.refused] == [
        ("metadata.jsonl:3", "a second label, `cat`: an image has one, and the first row counts")
    ]  # and not that `sub` is no class: the table has the labels of its images


@pytest.mark.parametrize(
    ("objects", "reason"),
    [
        ({"bbox": [[1, 2, 3]], "categories": [0]}, "its `objects` cannot be read: not enough values to unpack"),
        ({"bbox": [[1, 2, "x", 4]]}, "its `objects` cannot be read: could not convert string to float"),
        ({"bbox": [1, 2, 3, 4]}, "its `objects` cannot be read: cannot unpack"),
        ({"bbox": [[1, 2, 3, 4]], "categories": []}, "1 boxes have another number of categories"),
        ({"bbox": [[1, 2, 0, 4]], "categories": ["cat"]}, "has no area"),
        ({"bbox": [[1, 2, 3, 4]], "categories": [[0]]}, "neither text nor a number"),
    ],
)
def test_bad_objects_are_left_out_and_the_image_is_kept(objects: dict, reason: str, tmp_path) -> None:
    rows = [{"file_name": "a.jpg", "label": "cat", "objects": objects}]
    dataset = read_dataset(imagefolder(tmp_path / "data", rows), PETS)
    assert [(s.label, s.boxes.tolist()) for s in dataset.samples] == [(0, [])]
    (refused,) = dataset.refused
    assert refused.where == "metadata.jsonl:1"
    assert reason in refused.reason


def test_imagefolder_of_splits_asks_for_one_of_them(tmp_path) -> None:
    for split in ("train", "test"):
        imagefolder(tmp_path / "data" / split, [{"file_name": "a.jpg", "label": "cat"}])
    with pytest.raises(DataError, match="has the folders `test`, `train`, each with its own table") as caught:
        read_dataset(tmp_path / "data", PETS)
    assert caught.value.hint == f"give one of them: --data {tmp_path / 'data' / 'test'}"
    assert len(read_dataset(tmp_path / "data" / "train", PETS).samples) == 1
