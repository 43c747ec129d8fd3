"""What could change a stored number makes a store of its own; what could not, changes none."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from reportgen.config import AuditConfig
from reportgen.data.readers import read_dataset
from reportgen.models.classifier import Preprocessing
from reportgen.models.sources import load_classifier
from reportgen.passes import Look, look, settled, silent
from tests.tiny import squares

SMALL = Preprocessing(size=32, resize_size=36)
IMAGES = 6


def looked(folder: Path, preprocessing: Preprocessing = SMALL, **settings: Any) -> Look:
    """The extraction stage over `folder/data`."""
    given = {"model": "python:tests.tiny:network", "precision": "fp32", "store_maps": "no"} | settings
    data = folder / "data"
    config = AuditConfig(
        data=data / "table.csv", classes=data / "classes.txt", out=folder / "out", batch_size=4, **given
    )
    classifier = replace(load_classifier(config), preprocessing=preprocessing)
    dataset = read_dataset(data / "table.csv", classifier.vocabulary)
    assert all(sample.label is not None for sample in dataset.samples)
    return look(dataset, classifier, config, torch.device("cpu"), silent)


@pytest.fixture
def report(tmp_path: Path) -> tuple[Path, Look, dict[Path, bytes]]:
    """A folder with a finished stage, and its shards."""
    squares(tmp_path / "data", each=IMAGES // 3, side=40)
    path = tmp_path / "data" / "red-0.png"
    Image.open(path).save(path, "BMP")  # whose every byte counts; what a file is, its bytes tell
    first = looked(tmp_path)
    assert first.looked.computed == IMAGES
    return tmp_path, first, {path: path.read_bytes() for path in (tmp_path / "out").rglob("*.npz")}


def untouched(shards: dict[Path, bytes]) -> bool:
    return all(path.read_bytes() == data for path, data in shards.items())


@pytest.mark.parametrize(
    "changed",
    [
        {"model": "python:tests.tiny:other_network"},
        {"preprocessing": replace(SMALL, mean=(0.5, 0.5, 0.5))},
        {"preprocessing": replace(SMALL, std=(0.5, 0.5, 0.5))},
        {"preprocessing": Preprocessing(size=28, resize_size=36)},
        {"preprocessing": replace(SMALL, interpolation="bicubic")},
        {"resize": "crop"},
        {"decode": "fast"},
        {"layers": ("1",)},
        {"precision": "bf16"},
        {"store_maps": "yes"},
    ],
    ids=["weights", "mean", "deviation", "size", "filter", "resize", "decode", "layers", "precision", "store_maps"],
)
def test_a_setting_that_counts_computes_all_anew_beside_the_old(report, changed: dict) -> None:
    folder, first, shards = report
    again = looked(folder, **changed)
    assert (again.looked.computed, again.looked.reused) == (IMAGES, 0)
    assert again.store.fingerprint != first.store.fingerprint
    assert untouched(shards)
    assert looked(folder).looked.computed == 0  # and back again


@pytest.mark.parametrize(
    ("where", "value"),
    [
        ("reportgen.passes.__version__", "99"),
        ("torch.__version__", "99"),
        ("PIL.__version__", "99"),
        ("reportgen.store.store.FORMAT", 99),
    ],
)
def test_another_version_of_code_or_format_computes_all_anew(report, monkeypatch, where: str, value: object) -> None:
    folder, first, shards = report
    monkeypatch.setattr(where, value)
    again = looked(folder)
    assert (again.looked.computed, again.looked.reused) == (IMAGES, 0)
    assert again.store.fingerprint != first.store.fingerprint
    assert untouched(shards)


def edited(folder: Path) -> None:
    """Another pixel in a file whose size and time stay."""
    path = folder / "data" / "red-0.png"
    stat, data = path.stat(), path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 255]))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def touched(folder: Path) -> None:
    for path in (folder / "data").glob("*.png"):
        os.utime(path, (1, 1))


def renamed(folder: Path) -> None:
    table = folder / "data" / "table.csv"
    table.write_text(table.read_text().replace("red-0.png", "first.png"))
    (folder / "data" / "red-0.png").rename(folder / "data" / "first.png")


def removed(folder: Path) -> None:
    table = folder / "data" / "table.csv"
    table.write_text("".join(line for line in table.read_text().splitlines(True) if "red-0" not in line))


def relabelled(folder: Path) -> None:
    table = folder / "data" / "table.csv"
    table.write_text(table.read_text().replace("red-0.png,red", "red-0.png,blue"))


def boxed(folder: Path) -> None:
    table = folder / "data" / "table.csv"
    lines = table.read_text().splitlines()
    table.write_text("\n".join([lines[0], *(line.rsplit(",", 4)[0] + ",1,1,20,20" for line in lines[1:])]) + "\n")


@pytest.mark.parametrize(
    ("change", "computed", "reused"),
    [
        (edited, 1, IMAGES - 1),
        (relabelled, 1, IMAGES - 1),
        (touched, 0, IMAGES),
        (renamed, 0, IMAGES),
        (removed, 0, IMAGES - 1),
        (boxed, 0, IMAGES),
    ],
)
def test_a_change_of_the_data_computes_the_images_that_it_touches(
    report, change: Callable[[Path], None], computed: int, reused: int
) -> None:
    folder, first, shards = report
    change(folder)
    again = looked(folder)
    assert (again.looked.computed, again.looked.reused) == (computed, reused)
    assert again.store.fingerprint == first.store.fingerprint
    assert untouched(shards)


def test_auto_keeps_the_last_maps_while_those_of_the_whole_data_set_are_small(tmp_path: Path, monkeypatch) -> None:
    squares(tmp_path / "data", each=2, side=40)
    config = AuditConfig(model="python:tests.tiny:network", out=tmp_path / "out", precision="fp32")
    classifier = load_classifier(config)
    dataset = read_dataset(tmp_path / "data" / "table.csv", classifier.vocabulary)
    channels, height, width = classifier.maps_shape
    whole = IMAGES * channels * height * width * 4
    for limit, kept in ((whole, "yes"), (whole - 1, "no")):
        monkeypatch.setattr("reportgen.passes.MAPS_AT_MOST", limit)
        assert settled(dataset, classifier, config, torch.device("cpu"))[0].store_maps == kept
    asked = replace(config, store_maps="yes")
    assert settled(dataset, classifier, asked, torch.device("cpu"))[0].store_maps == "yes"
