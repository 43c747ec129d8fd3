"""Folders and tables become data sets; whatever is left out is named with its place and reason."""

import os
from pathlib import Path

import pytest

from reportgen.data.class_names import ClassNames
from reportgen.data.readers.dataset import read_dataset
from reportgen.data.readers.folder import folder_class_names
from reportgen.data.samples import Dataset
from reportgen.errors import DataError

PETS = ClassNames(("cat", "dog", "sea lion"), ("n02121620", "n02084071", "n02077923"))


def plant(root: Path, *names: str) -> Path:
    """Create empty files: readers use names only."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def labels(dataset: Dataset) -> dict[str, int | None]:
    return {sample.name: sample.label for sample in dataset.samples}


def refusals(dataset: Dataset) -> list[tuple[str, str]]:
    return [(row.where, row.reason) for row in dataset.refused]


def tabled(root: Path, text: str | bytes, *names: str) -> Dataset:
    plant(root, *(names or ("a.jpg", "b.jpg", "c.jpg")))
    (root / "t.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_dataset(root / "t.csv", PETS)


# Folders


def test_class_folders_are_matched_by_name_wnid_and_index(tmp_path) -> None:
    root = plant(tmp_path / "pets", "n02084071/b.PNG", "Sea_Lion/x/y/2.tiff", "Sea_Lion/10.webp", "0/a.jpeg", "top.gif")
    dataset = read_dataset(root, PETS)
    assert dataset.name == "pets"
    assert dataset.classes == PETS.names
    assert list(labels(dataset).items()) == [
        ("0/a.jpeg", 0),
        ("Sea_Lion/10.webp", 2),
        ("Sea_Lion/x/y/2.tiff", 2),
        ("n02084071/b.PNG", 1),
        ("top.gif", None),
    ]
    assert all(sample.path == root / sample.name and sample.boxes.shape == (0, 4) for sample in dataset.samples)
    assert not dataset.refused


def test_folder_without_a_class_name_keeps_its_images_unlabelled(tmp_path) -> None:
    dataset = read_dataset(plant(tmp_path, "dig/1.jpg", "dig/2.jpg", "7/1.jpg", "cat/1.jpg"), PETS)
    assert labels(dataset) == {"7/1.jpg": None, "cat/1.jpg": 0, "dig/1.jpg": None, "dig/2.jpg": None}
    assert refusals(dataset) == [
        ("7/", "index 7 is out of range: the last class is 2; 1 image left unlabelled"),
        ("dig/", "no class is called `dig`; nearest: `dog`; 2 images left unlabelled"),
    ]


def test_other_files_are_counted_by_ending_and_hidden_ones_ignored(tmp_path) -> None:
    plant(tmp_path, "a.jpg", "x.txt", "cat/y.TXT", "z.csv", "LICENSE", ".hidden.jpg", ".git/b.jpg", "cat/.DS_Store")
    dataset = read_dataset(tmp_path, PETS)
    assert labels(dataset) == {"a.jpg": None}
    assert refusals(dataset) == [
        ("other files", "passed over: 2 .txt, 1 without ending, 1 .csv"),
    ]


def test_folder_reader_handles_links_loops_and_pipes(tmp_path) -> None:
    root = plant(tmp_path / "root", "cat/a.jpg", "dog/b.jpg")
    plant(tmp_path, "secret/c.jpg", "secret/d.jpg")
    (root / "cat/inside.jpg").symlink_to("../dog/b.jpg")
    (root / "cat/outside.jpg").symlink_to(tmp_path / "secret/c.jpg")
    (root / "cat/gone.jpg").symlink_to("nowhere.jpg")
    (root / "cat/self.jpg").symlink_to("self.jpg")
    (root / "dog/up").symlink_to("..")
    (root / "elsewhere").symlink_to(tmp_path / "secret")
    os.mkfifo(root / "pipe.jpg")
    dataset = read_dataset(root, PETS)
    assert labels(dataset) == {"cat/a.jpg": 0, "cat/inside.jpg": 0, "dog/b.jpg": 1}
    assert refusals(dataset) == [
        ("cat/gone.jpg", "link: no such file or directory"),
        ("cat/outside.jpg", "link: leads out of the data set's folder"),
        ("cat/self.jpg", "link: too many levels of symbolic links"),
        ("dog/up", "link: leads to a folder, and links to folders are not followed"),
        ("elsewhere", "link: leads out of the data set's folder"),
        ("pipe.jpg", "not a regular file"),
    ]


def test_linked_root_and_unprintable_names_are_read(tmp_path) -> None:
    root = plant(tmp_path / "real", "cat/new\nline.jpg", "ev\x1bil/" + os.fsdecode(b"\xff.jpg"))
    (tmp_path / "link").symlink_to(root)
    dataset = read_dataset(tmp_path / "link", PETS)
    assert dataset.name == "link"
    assert labels(dataset) == {"cat/new\nline.jpg": 0, "ev\x1bil/\udcff.jpg": None}
    assert refusals(dataset) == [("ev\\x1bil/", "no class is called `ev\\x1bil`; 1 image left unlabelled")]
    assert len(dataset.annotation_digest) == 64


def test_class_folders_of_a_tree_are_its_class_names(tmp_path) -> None:
    assert folder_class_names(plant(tmp_path / "a", "b/1.jpg", "B/1.jpg", "a/x/2.jpg", "c/note.txt", ".d/1.jpg")) == (
        "B",
        "a",
        "b",
        "c",
    )
    assert folder_class_names(plant(tmp_path / "flat", "1.jpg", "2.jpg")) is None
    assert folder_class_names(plant(tmp_path / "mixed", "1.jpg", "a/2.jpg")) is None
    assert folder_class_names(plant(tmp_path / "bare", "a/readme.md")) is None
    assert folder_class_names(plant(tmp_path, "t.csv") / "t.csv") is None
    assert folder_class_names(tmp_path / "none") is None


def test_data_set_is_named_after_its_folder(tmp_path, monkeypatch) -> None:
    plant(tmp_path / "pets/sub", "1.jpg")
    monkeypatch.chdir(tmp_path / "pets/sub")
    (Path("t.csv")).write_text("path\n1.jpg\n")
    assert read_dataset(Path("."), PETS).name == "sub"
    assert read_dataset(Path(".."), PETS).name == "pets"
    assert read_dataset(Path("t.csv"), PETS).name == "sub"


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("nowhere", "does not exist"),
        ("a.jpg", "is a single image"),
        ("empty", "has no images"),
        ("links", r"has no images; left out: 1, the first: x.jpg: link: no such file"),
    ],
)
def test_sources_that_are_no_data_set_are_errors(tmp_path, source: str, reason: str) -> None:
    plant(tmp_path, "a.jpg")
    (tmp_path / "empty").mkdir()
    (tmp_path / "links").mkdir()
    (tmp_path / "links/x.jpg").symlink_to("gone")
    with pytest.raises(DataError, match=reason):
        read_dataset(tmp_path / source, PETS)


# Tables


@pytest.mark.parametrize(
    "text",
    [
        "path,label,x0,y0,x1,y1\na.jpg,cat,1,2,3.5,4\na.jpg,cat,0,0,9,9\nb.jpg,,,,,\n",
        '\ufeffpath;label;x0;y0;x1;y1\r\n"a.jpg";"cat";1;2;3.5;4\r\n\r\n a.jpg ; 0 ;0;0;9;9\r\nb.jpg\r\n',
        "Y1\tX1\tnote\tY0\tX0\tLabel\tPATH\n4\t3.5\ta, b; c\t2\t1\tn02121620\t./a.jpg\n9\t9\t\t0\t0\tCAT\ta.jpg\n"
        "\t\t\t\t\t\tb.jpg",
        'note,path,label,x0,y0,x1,y1\n"two\nlines, ""quoted""",a.jpg,cat,1,2,3.5,4\n,a.jpg,cat,0,0,9,9\n,b.jpg,,,,,\n',
        "path,label,x0,y0,x1,y1\ra.jpg,cat,1,2,3.5,4\ra.jpg,cat,0,0,9,9\rb.jpg,,,,,\r",
        "\n\npath,label,x0,y0,x1,y1,split\na.jpg,cat,1,2,3.5,4,train\na.jpg,cat,-3,-1,9,9\n,,,,,,\nb.jpg\n",
    ],
)
def test_table_reader_accepts_every_csv_dialect(tmp_path, text: str) -> None:
    dataset = tabled(tmp_path, text)
    assert not dataset.refused
    assert labels(dataset) == {"a.jpg": 0, "b.jpg": None}
    assert dataset.samples[0].boxes.dtype == "float32"
    assert dataset.samples[0].boxes.tolist() == [[1, 2, 3.5, 4], [0, 0, 9, 9]]
    assert dataset.samples[1].boxes.shape == (0, 4)
    assert dataset.samples[0].path == tmp_path / "a.jpg"


@pytest.mark.parametrize(
    ("row", "reason", "label", "boxes"),
    [
        ("b.jpg,cat,nan,0,1,1", "box nan 0 1 1 is not finite", 0, 0),
        ("b.jpg,cat,0,0,inf,1", "box 0 0 inf 1 is not finite", 0, 0),
        ("b.jpg,cat,0,0,1e300,1", "box 0 0 1e+300 1 is larger than any image", 0, 0),
        ("b.jpg,cat,5,0,1,1", "box 5 0 1 1 is reversed: the order is left, top, right, bottom", 0, 0),
        ("b.jpg,cat,0,0,0,1", "box 0 0 0 1 has no area", 0, 0),
        ("b.jpg,cat,1e7,0,10000000.1,1", "box 1e+07 0 1e+07 1 has no area", 0, 0),
        ("b.jpg,cat,-9,0,-1,1", "box -9 0 -1 1 lies outside of the image", 0, 0),
        ("b.jpg,cat,1,2,,4", "a box needs all four of x0, y0, x1, y1", 0, 0),
        ("b.jpg,cat,1,2", "a box needs all four of x0, y0, x1, y1", 0, 0),
        ("b.jpg,cat,1,2,three,4", "`three` is not a number", 0, 0),
        ("b.jpg,,1,2,3,4", "a box needs a label, and the image has none", None, 0),
        ("b.jpg,cow,1,2,3,4", "no class is called `cow`", None, 0),
        ("b.jpg,9,,,,", "index 9 is out of range: the last class is 2", None, 0),
        ("b.jpg,cat\nb.jpg,dog,1,2,3,4", "a second label, `dog`: an image has one, and the first row counts", 0, 0),
        ("b.jpg,cat,1,2,3,4\nb.jpg,n02121620,1,2,3,4", "repeats line 3", 0, 1),
        ("b.jpg,cat\nb.jpg,cat", "repeats line 3", 0, 0),
        ("b.jpg\nb.jpg,cat", None, 0, 0),
        ("b.jpg,,1,2,3,4\nb.jpg,cat", None, 0, 1),
        ("b.jpg\n,cat,1,2,3,4", "no path", None, 0),
        ("b.jpg\ngone.jpg,cat", "`gone.jpg`: no such file or directory", None, 0),
        ("b.jpg\n/somewhere/private/gone.jpg,cat", "`gone.jpg`: no such file or directory", None, 0),
        ("b.jpg\n.,cat", "`.`: not a regular file", None, 0),
        ("b.jpg\npipe,cat", "`pipe`: not a regular file", None, 0),
        ("b.jpg\nx\0.jpg,cat", "`x\\x00.jpg`: embedded null byte", None, 0),
        ('b.jpg\n"never closed,cat', "not CSV: unexpected end of data", None, 0),
        ('b.jpg\n"a"b,cat', "not CSV: ',' expected after '\"'", None, 0),
    ],
)
def test_table_reader_rejects_bad_rows_only(
    tmp_path, row: str, reason: str | None, label: int | None, boxes: int
) -> None:
    os.mkfifo(tmp_path / "pipe")
    dataset = tabled(tmp_path, f"path,label,x0,y0,x1,y1\na.jpg,dog,1,1,2,2\n{row}\nc.jpg,cat,1,1,2,2\n")
    bad_line = 2 + len(row.split("\n"))
    assert refusals(dataset) == ([] if reason is None else [(f"t.csv:{bad_line}", reason)])
    assert labels(dataset) == {"a.jpg": 1, "b.jpg": label, "c.jpg": 0}
    assert [len(sample.boxes) for sample in dataset.samples] == [1, boxes, 1]


def test_table_that_is_not_utf8_can_still_name_its_files(tmp_path) -> None:
    name = os.fsdecode(b"\xe9.jpg")
    dataset = tabled(tmp_path, b"path,label\n\xe9.jpg,cat\na.jpg,caf\xe9\n", name, "a.jpg")
    assert labels(dataset) == {"a.jpg": None, name: 0}
    assert refusals(dataset) == [("t.csv:3", "no class is called `caf\\udce9`")]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "has no column `path`; columns found: none"),
        ("a.jpg,cat\nb.jpg,dog\n", "has no column `path`; columns found: `a.jpg`, `cat`"),
        ("file;label\na.jpg;cat\n", "has no column `path`; columns found: `file`, `label`"),
        ("path,x0,y0\na.jpg,1,2\n", "has no column `x1`, `y1`; columns found: `path`, `x0`, `y0`"),
        ("path,label\ngone.jpg,cat\n", "has no images; left out: 1, the first: t.csv:2: `gone.jpg`: no such file"),
        ("path,label\n", "has no images"),
        ("path\n".encode("utf-16"), "has no column `path`; columns found: `"),
    ],
)
def test_unusable_tables_are_data_errors(tmp_path, text: str | bytes, reason: str) -> None:
    with pytest.raises(DataError) as error:
        tabled(tmp_path, text)
    assert reason in str(error.value)
    assert str(error.value).isprintable()


def test_table_reader_does_not_hang_on_a_pipe(tmp_path) -> None:
    os.mkfifo(tmp_path / "t.csv")
    with pytest.raises(DataError, match="cannot be read: not a regular file"):
        read_dataset(tmp_path / "t.csv", PETS)


def test_sample_names_are_relative_and_unique(tmp_path) -> None:
    plant(tmp_path, "far/imgs/a.jpg", "far/imgs/x/a.jpg", "home/imgs/a.jpg", "home/b.jpg")
    (tmp_path / "home/t.csv").write_text(
        f"path,label\nimgs/a.jpg,cat\n{tmp_path}/far/imgs/a.jpg,dog\n../far/imgs/x/a.jpg,cat\n{tmp_path}/home/b.jpg,dog\n"
    )
    dataset = read_dataset(tmp_path / "home/t.csv", PETS)
    assert labels(dataset) == {"b.jpg": 1, "imgs+/a.jpg": 1, "imgs+/x/a.jpg": 0, "imgs/a.jpg": 0}
    (tmp_path / "home/t.csv").write_text(f"path\n{tmp_path}/far/imgs/a.jpg\n{tmp_path}/far/imgs/x/a.jpg\n")
    assert set(labels(read_dataset(tmp_path / "home/t.csv", PETS))) == {"imgs/a.jpg", "imgs/x/a.jpg"}


def test_order_of_rows_does_not_change_the_data_set(tmp_path) -> None:
    first = tabled(tmp_path, "path,label\nc.jpg,cat\na.jpg,dog\nb.jpg,cat\n")
    second = tabled(tmp_path, "path,label\nb.jpg,cat\nc.jpg,cat\na.jpg,dog\n")
    assert first.annotation_digest == second.annotation_digest


# Annotations of a folder


def test_annotations_replace_labels_and_add_boxes(tmp_path) -> None:
    root = plant(tmp_path / "pets", "cat/1.jpg", "cat/2.jpg", "cat/3.jpg", "odd/4.jpg", "notes/5.jpg")
    (root / "boxes.csv").write_text(
        "path,label,x0,y0,x1,y1\n"
        "cat/1.jpg,dog,,,,\n"  # another label
        "cat/2.jpg,,0,0,5,5\n"  # a box for the folder's label
        "odd/4.jpg,dog,1,1,2,2\n"
        "notes/5.jpg,,1,1,2,2\n"  # no label anywhere
        "cat/9.jpg,cat,,,,\n"
    )
    dataset = read_dataset(root, PETS, root / "boxes.csv")
    assert labels(dataset) == {"cat/1.jpg": 1, "cat/2.jpg": 0, "cat/3.jpg": 0, "notes/5.jpg": None, "odd/4.jpg": 1}
    assert [len(sample.boxes) for sample in dataset.samples] == [0, 1, 0, 0, 1]
    assert [row for row in refusals(dataset) if row[0].startswith("boxes")] == [
        ("boxes.csv:6", "`cat/9.jpg`: no such file or directory"),
        ("boxes.csv:5", "a box needs a label, and the image has none"),
    ]
    assert not [where for where, _ in refusals(dataset) if where == "other files"]


def test_annotations_may_lie_elsewhere_and_use_other_paths(tmp_path) -> None:
    root = plant(tmp_path / "pets", "1.jpg", "2.jpg", "3.jpg")
    plant(tmp_path / "marks", "other.jpg")
    (tmp_path / "alias").symlink_to(root)
    (tmp_path / "marks/t.csv").write_text(
        f"path,label\n1.jpg,cat\n../pets/2.jpg,dog\n{tmp_path}/alias/3.jpg,sea lion\nother.jpg,cat\n"
    )
    dataset = read_dataset(root, PETS, tmp_path / "marks/t.csv")
    assert labels(dataset) == {"1.jpg": 0, "2.jpg": 1, "3.jpg": 2}
    assert refusals(dataset) == [("t.csv:5", "`other.jpg` is not an image of the data set's folder")]


def test_unusable_annotations_are_data_errors(tmp_path) -> None:
    plant(tmp_path, "1.jpg", "marks/2.jpg")
    (tmp_path / "t.csv").write_text("path\n1.jpg\n")
    with pytest.raises(DataError, match="is a table, which cannot"):
        read_dataset(tmp_path / "t.csv", PETS, tmp_path / "t.csv")
    with pytest.raises(DataError, match=r"annotations `.*marks` contain neither XML files"):
        read_dataset(tmp_path, PETS, tmp_path / "marks")
    with pytest.raises(DataError, match="cannot be read: no such file"):
        read_dataset(tmp_path, PETS, tmp_path / "gone.csv")
