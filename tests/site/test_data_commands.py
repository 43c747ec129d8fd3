"""Every command of the page *Data* reads data of the kind that its section describes."""

from __future__ import annotations

import io
import json
import re
import shlex
import tarfile
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from PIL import Image

from reportgen.cli import cli
from reportgen.data.class_names import ClassNames
from reportgen.data.mask_files import with_masks
from reportgen.data.readers.dataset import read_dataset

DOCS = Path(__file__).resolve().parents[2] / "site" / "docs"
CLASSES = ClassNames(("cat", "dog"), ("n02123045", "n02084071"))


def picture(colour: str = "black") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (40, 20), colour).save(file, "PNG")
    return file.getvalue()


def write(path: str, content: bytes | str = picture()) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_bytes(content.encode() if isinstance(content, str) else content)


def photos() -> None:
    write("photos/cat/a.png")
    write("photos/dog/b.png")
    write("boxes.csv", "path,label,x0,y0,x1,y1\ncat/a.png,cat,1,2,11,7\ndog/b.png,dog,1,2,11,7\n")


def snapshots() -> None:
    write("snapshots/a.png")
    write("snapshots/b.png")


def tables() -> None:
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    write("images/a.png")
    write("images/b.png")
    rows = [{"path": "images/a.png", "label": "cat"}, {"path": "images/b.png", "label": "dog"}]
    write("table.csv", "path,label\n" + "\n".join(",".join(row.values()) for row in rows))
    write("table.jsonl", "\n".join(map(json.dumps, rows)))
    pq.write_table(pa.Table.from_pylist(rows), "table.parquet")


def imagefolder() -> None:
    write("imagefolder/a.png")
    write("imagefolder/sub/b.png")
    lines = ({"file_name": "a.png", "label": "cat"}, {"file_name": "sub/b.png", "label": "dog"})
    write("imagefolder/metadata.jsonl", "\n".join(map(json.dumps, lines)))


def coco() -> None:
    write("val2017/1.png")
    write("val2017/2.png")
    table = {
        "images": [{"id": n, "file_name": f"{n}.png"} for n in (1, 2)],
        "categories": [{"id": 3, "name": "cat"}, {"id": 4, "name": "dog"}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 3, "bbox": [1, 2, 10, 5]},
            {"id": 2, "image_id": 2, "category_id": 4, "bbox": [1, 2, 10, 5]},
        ],
    }
    write("instances_val2017.json", json.dumps(table))


def voc() -> None:
    for name, label in (("a", "cat"), ("b", "dog")):
        write(f"VOC2012/JPEGImages/{name}.png")
        box = "<xmin>2</xmin><ymin>3</ymin><xmax>11</xmax><ymax>7</ymax>"
        item = f"<object><name>{label}</name><bndbox>{box}</bndbox></object>"
        write(f"VOC2012/Annotations/{name}.xml", f"<annotation><filename>{name}.png</filename>{item}</annotation>")


def cub() -> None:
    folder = "CUB_200_2011"
    for name in ("001.Cat/a.png", "002.Dog/b.png"):
        write(f"{folder}/images/{name}")
    write(f"{folder}/images.txt", "1 001.Cat/a.png\n2 002.Dog/b.png\n")
    write(f"{folder}/classes.txt", "1 001.Cat\n2 002.Dog\n")
    write(f"{folder}/image_class_labels.txt", "1 1\n2 2\n")
    write(f"{folder}/bounding_boxes.txt", "1 1.0 2.0 10.0 5.0\n2 1.0 2.0 10.0 5.0\n")


def imagenet() -> None:
    names = {"ILSVRC2012_val_00000001": "n02123045", "ILSVRC2012_val_00000002": "n02084071"}
    for name in names:
        write(f"ILSVRC/Data/CLS-LOC/val/{name}.png")
    rows = [f"{name},{wnid} 1 2 10 6 " for name, wnid in names.items()]
    write("LOC_val_solution.csv", "\n".join(["ImageId,PredictionString", *rows]))


def parquet(folder: str, *names: str) -> None:
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    struct = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    for number, name in enumerate(names):
        image = pa.array([{"bytes": picture(), "path": f"{number}.png"}] * 2, struct)
        Path(folder).mkdir(exist_ok=True)
        pq.write_table(pa.table({"image": image, "label": ["cat", "dog"]}), f"{folder}/{name}")


def saved_to_disk() -> None:
    pa = pytest.importorskip("pyarrow")

    image = pa.array(
        [{"bytes": picture(), "path": None}] * 2, pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    )
    table = pa.table({"image": image, "label": ["cat", "dog"]})
    Path("saved-to-disk").mkdir()
    with (
        pa.OSFile("saved-to-disk/data-00000-of-00001.arrow", "wb") as file,
        pa.ipc.new_stream(file, table.schema) as out,
    ):
        out.write_table(table)
    write("saved-to-disk/state.json", json.dumps({"_data_files": [{"filename": "data-00000-of-00001.arrow"}]}))
    write("saved-to-disk/dataset_info.json", "{}")


def shards() -> None:
    Path("shards").mkdir()
    for number in range(13):
        with tarfile.open(f"shards/train-{number:06}.tar", "w") as file:
            for key, label in ((f"{number}a", "cat"), (f"{number}b", "dog")):
                for name, content in ((f"{key}.png", picture()), (f"{key}.cls", label.encode())):
                    info = tarfile.TarInfo(name)
                    info.size = len(content)
                    file.addfile(info, io.BytesIO(content))


def open_images() -> None:
    for name in ("cat/a", "dog/b"):
        write(f"OpenImages30k/test/{name}.png")
        write(f"OpenImages30k-masks/test/{name}_m01_1.png", picture("white"))


BUILDERS: dict[str, Callable[[], None]] = {
    "photos": photos,
    "snapshots": snapshots,
    "table.csv": tables,
    "table.jsonl": tables,
    "table.parquet": tables,
    "imagefolder": imagefolder,
    "val2017": coco,
    "VOC2012/JPEGImages": voc,
    "CUB_200_2011/images": cub,
    "ILSVRC/Data/CLS-LOC/val": imagenet,
    "train-00000-of-00001.parquet": lambda: parquet(".", "train-00000-of-00001.parquet"),
    "data/train-{00000..00012}-of-00013.parquet": lambda: parquet(
        "data", *(f"train-{n:05}-of-00013.parquet" for n in range(13))
    ),
    "data/test-*.parquet": lambda: parquet("data", "test-0.parquet", "test-1.parquet"),
    "saved-to-disk": saved_to_disk,
    "shards/train-{000000..000012}.tar": shards,
    "OpenImages30k/test": open_images,
}
"""What `--data` names in a command, and how such data is made in the working folder."""


def commands() -> list[str]:
    blocks = re.findall(r"^```sh\n(.*?)^```$", (DOCS / "data.md").read_text("utf-8"), re.DOTALL | re.MULTILINE)
    return [
        line
        for block in blocks
        for line in block.splitlines()
        if line.startswith("reportgen run --data") and "://" not in line
    ]


@pytest.mark.parametrize("command", commands())
def test_command_reads_images_and_their_annotations(command: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = cli.commands["run"].make_context("run", shlex.split(command)[2:], parent=click.Context(cli)).params
    data, annotations = settings["data"], settings["annotations"]
    BUILDERS[str(data)]()
    dataset = read_dataset(Path(data), CLASSES, Path(annotations) if annotations else None)
    if masks := settings["masks"]:
        dataset = with_masks(dataset, Path(masks))
        assert [len(sample.object_masks) for sample in dataset.samples] == [1, 1]
    assert len(dataset.samples) >= 2
    if str(data) != "snapshots":
        assert {sample.label for sample in dataset.samples} == {0, 1}
    if annotations:
        assert [sample.boxes.tolist() for sample in dataset.samples] == [[[1, 2, 11, 7]]] * 2
    assert not [row for row in dataset.refused if "passed over" not in row.reason and "no class" not in row.reason]


def test_every_kind_of_data_has_a_command() -> None:
    assert {shlex.split(line)[3] for line in commands()} == set(BUILDERS)
