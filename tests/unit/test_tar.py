"""Tar files: WebDataset shards and packed folders, whose images are read at their place."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import tarfile
from pathlib import Path

import pytest

from reportgen.data.class_names import ClassNames
from reportgen.data.readers.dataset import data_class_names, read_dataset
from reportgen.data.samples import Dataset
from reportgen.errors import DataError, ImageError

PETS = ClassNames(("cat", "dog", "sea lion"))


def write_tar(path: Path, members: dict[str, bytes | str], form: int = tarfile.GNU_FORMAT) -> Path:
    with tarfile.open(path, "w", format=form) as tar:
        for name, content in members.items():
            data = content.encode() if isinstance(content, str) else content
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def refusals(dataset: Dataset) -> list[tuple[str, str]]:
    return [(row.where, row.reason) for row in dataset.refused]


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_shard_gives_images_at_their_place_with_labels_and_boxes(tmp_path, form: int) -> None:
    long = "x" * 90 if form == tarfile.USTAR_FORMAT else "ü" * 200
    shard = {
        "0001.jpg": b"first",
        "0001.cls": "1\n",
        "a.b/0002.cls": "sea lion",  # before its image, in a folder with a dot
        "a.b/0002.png": b"second" * 1000,
        f"{long}.JPEG": b"",
        f"{long}.json": json.dumps({"label": "cat", "x0": 1, "y0": 2, "x1": 3, "y1": 4.5, "group": "g", "more": [1]}),
        "0004.webp": b"fourth",
        "0004.txt": "a caption",
    }
    dataset = read_dataset(write_tar(tmp_path / "s-000.tar", shard, form), PETS)
    assert [(s.name, s.label, s.boxes.tolist(), s.group) for s in dataset.samples] == [
        ("s-000/0001.jpg", 1, [], ""),
        ("s-000/0004.webp", None, [], ""),
        ("s-000/a.b/0002.png", 2, [], ""),
        (f"s-000/{long}.JPEG", 0, [[1, 2, 3, 4.5]], "g"),
    ]
    expected = [b"first", b"fourth", b"second" * 1000, b""]
    assert [s.read() for s in dataset.samples] == expected
    assert [pickle.loads(pickle.dumps(s)).read() for s in dataset.samples] == expected
    assert refusals(dataset) == [("s-000.tar", "passed over: 1 .txt")]
    assert sorted(tmp_path.iterdir()) == [tmp_path / "s-000.tar"]
    assert data_class_names(tmp_path / "s-000.tar") is None


def test_bad_descriptions_keep_their_image(tmp_path) -> None:
    shard = {
        "a.jpg": b"", "a.cls": "cow",
        "b.jpg": b"", "b.json": "{",
        "c.jpg": b"", "c.json": "[1]",
        "d.jpg": b"", "d.json": '{"label": ["cat"]}',
        "e.jpg": b"", "e.json": '{"label": "dog"}', "e.cls": "0",
        "f.jpg": b"", "f.json": '{"x0": 1, "y0": 1, "x1": 2, "y1": 2}',
        "g.jpg": b"", "g.cls": b"\xff",
        "h.jpg": b"", "h.cls": b" " * (1 << 20) + b"0",
        "i.cls": "0",
        "j.mask.png": b"mask", "j.jpg": b"image", "j.cls": "0",
    }  # fmt: skip
    dataset = read_dataset(write_tar(tmp_path / "s.tar", shard), PETS)
    assert {s.name[2:]: s.label for s in dataset.samples} == {
        **dict.fromkeys(("a.jpg", "b.jpg", "c.jpg", "d.jpg", "f.jpg", "g.jpg", "h.jpg")),
        "e.jpg": 0,
        "j.jpg": 0,
    }
    assert [(where, reason.partition(";")[0]) for where, reason in refusals(dataset)] == [
        ("s.tar: a", "no class is called `cow`"),
        ("s.tar: b", "its .json is not JSON"),
        ("s.tar: c", "its .json is not a JSON object"),
        ("s.tar: d", '["cat"] is a list: an image has one label, unless `outputs` is `multilabel`'),
        ("s.tar: f", "a box needs a label, and the image has none"),
        ("s.tar: g", "no class is called `\\udcff`"),
        ("s.tar: h", "its description has more than 1048576 bytes"),
        ("s.tar: i", "a description without an image"),
        ("s.tar", "a sample has one image"),
    ]
    assert dataset.refused[-1].reason.endswith("further ones left out: 1 .mask.png")


def test_packed_folder_has_its_class_folders(tmp_path) -> None:
    photos = {"cat/1.a.jpg": b"1", "cat/1.b.jpg": b"2", "./dog/x/3.png": b"3", "cat/._1.jpg": b"", "cat/notes.txt": b""}
    dataset = read_dataset(write_tar(tmp_path / "t.tar", photos), PETS)
    assert [(s.name, s.label, s.read()) for s in dataset.samples] == [
        ("t/cat/1.a.jpg", 0, b"1"),
        ("t/cat/1.b.jpg", 0, b"2"),
        ("t/dog/x/3.png", 1, b"3"),
    ]
    assert refusals(dataset) == [("t.tar", "passed over: 1 .txt")]
    assert data_class_names(tmp_path / "t.tar") == ("cat", "dog")
    rooted = write_tar(tmp_path / "r.tar", {"photos/dig/1.jpg": b"", "photos/cat/1.jpg": b"", "photos/cat/2.jpg": b""})
    dataset = read_dataset(rooted, PETS)
    assert [s.label for s in dataset.samples] == [0, 0, None]
    assert refusals(dataset) == [("r.tar: dig/", "no class is called `dig`; nearest: `dog`; images left unlabelled: 1")]
    flat = write_tar(tmp_path / "f.tar", {"1.jpg": b"", "2.jpg": b""})
    assert [s.label for s in read_dataset(flat, PETS).samples] == [None, None]
    assert data_class_names(flat) is None


def test_only_regular_members_count_and_the_last_of_a_name(tmp_path) -> None:
    with tarfile.open(tmp_path / "t.tar", "w") as tar:
        for content in (b"old", b"new"):
            info = tarfile.TarInfo("a.jpg")
            info.size = 3
            tar.addfile(info, io.BytesIO(content))
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE):
            info = tarfile.TarInfo(f"link-{kind.decode()}.jpg")
            info.type, info.linkname = kind, "/etc/passwd"
            tar.addfile(info)
    (sample,) = read_dataset(tmp_path / "t.tar", PETS).samples
    assert sample.read() == b"new"


def test_damaged_tar_keeps_what_comes_before(tmp_path) -> None:
    whole = write_tar(tmp_path / "t.tar", {f"{k}.jpg": bytes([k]) * 2000 for k in range(5)}).read_bytes()
    member = 512 + 2048
    (tmp_path / "t.tar").write_bytes(whole[: 3 * member])
    dataset = read_dataset(tmp_path / "t.tar", PETS)
    assert len(dataset.samples) == 3
    assert refusals(dataset) == [("t.tar", "damaged or truncated after 3 files: no mark of the end follows")]
    (tmp_path / "t.tar").write_bytes(whole[: 2 * member + 512 + 100])
    dataset = read_dataset(tmp_path / "t.tar", PETS)
    assert [s.read() for s in dataset.samples[:2]] == [bytes(2000), b"\1" * 2000]
    assert refusals(dataset) == [("t.tar", "damaged or truncated after 3 files: unexpected end of data")]
    with pytest.raises(ImageError, match=r"^`2.jpg` in `t.tar` cannot be read: the file is truncated$"):
        [s.read() for s in dataset.samples]
    (tmp_path / "t.tar").write_bytes(whole[:member] + b"\xff" * 512 + whole[member + 512 :])
    dataset = read_dataset(tmp_path / "t.tar", PETS)
    assert len(dataset.samples) == 1
    assert refusals(dataset) == [("t.tar", "damaged or truncated after 1 files: no mark of the end follows")]
    for content in (b"", b"no tar at all" * 100, gzip.compress(whole)):
        (tmp_path / "t.tar").write_bytes(content)
        with pytest.raises(DataError, match=r"^data `.*t.tar` (cannot be read|has no images)") as error:
            read_dataset(tmp_path / "t.tar", PETS)
        assert str(error.value).isprintable()


def test_compressed_tar_is_refused_with_the_way_out(tmp_path) -> None:
    (tmp_path / "t.tar.gz").touch()
    with pytest.raises(DataError, match="is compressed") as error:
        read_dataset(tmp_path / "t.tar.gz", PETS)
    assert error.value.hint == "decompress it to a .tar, or unpack it to a folder"


def test_shards_are_read_by_pattern_and_by_folder(tmp_path) -> None:
    for k in range(13):
        write_tar(tmp_path / f"train-{k:03}.tar", {f"{k}.jpg": bytes([k]), f"{k}.cls": "0"})
    for source in (tmp_path, tmp_path / "train-{000..012}.tar", tmp_path / "train-*.tar"):
        dataset = read_dataset(source, PETS)
        assert [s.name for s in dataset.samples] == [f"train-{k:03}/{k}.jpg" for k in range(13)]
        assert [s.read() for s in dataset.samples] == [bytes([k]) for k in range(13)]
    assert len(read_dataset(tmp_path / "train-{000..004}.tar", PETS).samples) == 5


# Metadata of a folder


@pytest.mark.parametrize("name", ["metadata.csv", "metadata.jsonl"])
def test_metadata_of_a_folder_labels_its_images(tmp_path, name: str) -> None:
    for image in ("cat/1.jpg", "cat/2.jpg", "3.jpg"):
        (tmp_path / image).parent.mkdir(exist_ok=True)
        (tmp_path / image).touch()
    rows = [{"file_name": "cat/1.jpg", "label": "dog"}, {"file_name": "3.jpg", "label": "sea lion"}]
    if name.endswith("csv"):
        text = "\n".join(["file_name,label", *(",".join(row.values()) for row in rows)])
    else:
        text = "\n".join(json.dumps(row | {"objects": {"bbox": [[1, 2, 3, 4]]}}) for row in rows)
    (tmp_path / name).write_text(text)
    dataset = read_dataset(tmp_path, PETS)
    assert {s.name: s.label for s in dataset.samples} == {"3.jpg": 2, "cat/1.jpg": 1, "cat/2.jpg": 0}
    assert not dataset.refused
    (tmp_path / name).write_text("key,value\ncamera,7\n" if name.endswith("csv") else '{"camera": 7}')
    dataset = read_dataset(tmp_path, PETS)
    assert {s.name: s.label for s in dataset.samples} == {"3.jpg": None, "cat/1.jpg": 0, "cat/2.jpg": 0}
    assert refusals(dataset) == [("other files", f"passed over: 1 {Path(name).suffix}")]
