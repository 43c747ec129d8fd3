"""What could change a stored number makes a store of its own; what could not, changes none."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from reportgen.config import AuditConfig
from reportgen.data.readers.dataset import read_dataset
from reportgen.models.classifier import Drawer, Preprocessing
from reportgen.models.sources import load_classifier
from reportgen.pipeline.extraction import Look, look, settled, silent, store_settings
from reportgen.pipeline.forward import Pass
from reportgen.pipeline.run import run_audit
from reportgen.store.table import fingerprint
from tests.support.tiny import squares

CPU = torch.device("cpu")
SMALL = Preprocessing(size=32, resize_size=36)
IMAGES = 6


def looked(folder: Path, preprocessing: Preprocessing = SMALL, **settings: Any) -> Look:
    """The extraction stage over `folder/data`."""
    given = {"model": "python:tests.support.tiny:network", "precision": "fp32", "store_maps": "no"} | settings
    data = folder / "data"
    config = AuditConfig(
        data=data / "table.csv", classes=data / "classes.txt", out=folder / "out", batch_size=4, **given
    )
    classifier = replace(load_classifier(config), preprocessing=preprocessing)
    dataset = read_dataset(data / "table.csv", classifier.vocabulary)
    assert all(sample.label is not None for sample in dataset.samples)
    return look(dataset, classifier, config, CPU, silent)


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
        {"model": "python:tests.support.tiny:other_network"},
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
        ("reportgen.pipeline.extraction.__version__", "99"),
        ("torch.__version__", "99"),
        ("PIL.__version__", "99"),
        ("reportgen.store.table.FORMAT", 99),
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
    config = AuditConfig(model="python:tests.support.tiny:network", out=tmp_path / "out", precision="fp32")
    classifier = load_classifier(config)
    dataset = read_dataset(tmp_path / "data" / "table.csv", classifier.vocabulary)
    channels, height, width = classifier.maps_shape
    whole = IMAGES * channels * height * width * 4
    for limit, kept in ((whole, "yes"), (whole - 1, "no")):
        monkeypatch.setattr("reportgen.pipeline.extraction.MAPS_AT_MOST", limit)
        assert settled(dataset, classifier, config, CPU)[0].store_maps == kept
    asked = replace(config, store_maps="yes")
    assert settled(dataset, classifier, asked, CPU)[0].store_maps == "yes"


def test_what_auto_decided_stays_when_images_come_or_go(tmp_path: Path, monkeypatch) -> None:
    table = squares(tmp_path / "data", each=2, side=40)

    def kept(at_most: int, **changed: Any) -> str:
        """The decision, and the stage run with it."""
        monkeypatch.setattr("reportgen.pipeline.extraction.MAPS_AT_MOST", at_most)
        model, out = "python:tests.support.tiny:network", tmp_path / "out"
        config = replace(AuditConfig(model=model, out=out, precision="fp32"), **changed)
        classifier = load_classifier(config)
        dataset = read_dataset(table, classifier.vocabulary).limited(config.limit)
        network = settled(dataset, classifier, config, CPU)[0]
        look(dataset, classifier, network, CPU, silent)
        return network.store_maps

    one = 4 * 16 * 14 * 14
    assert kept(5 * one, limit=5) == "yes"
    assert kept(5 * one) == "yes"  # a little more than there may be of new ones
    assert kept(5 * one, resize="crop") == "no"
    assert kept(9 * one, resize="crop") == "no"
    assert kept(9 * one, decode="fast") == "yes"
    assert kept(0, limit=1, out=tmp_path / "other") == "no"
    squares(tmp_path / "data", each=40, side=40)
    assert kept(5 * one) == "no"  # far more: a first look at a few images binds nobody


def test_auto_is_decided_for_a_reference_by_its_own_size(tmp_path: Path, monkeypatch) -> None:
    table = squares(tmp_path / "data", each=1, side=40)
    training = squares(tmp_path / "training", each=40, side=40, seed=1)
    monkeypatch.setattr("reportgen.pipeline.extraction.MAPS_AT_MOST", 3 * 4 * 16 * 14 * 14)
    for out, asked, kept in (("a", "auto", False), ("b", "yes", True)):
        config = AuditConfig(
            data=table, reference=training, classes=table.parent / "classes.txt", out=tmp_path / out,
            model="python:tests.support.tiny:network", precision="fp32", select="none", store_maps=asked,
        )  # fmt: skip
        audit = run_audit(config).audit
        assert audit.store.settings["store_maps"]
        assert audit.reference
        assert audit.reference.store.settings["store_maps"] is kept


@pytest.mark.parametrize("garbled", ["", "[]", "{}", '"top1"', "null value", "null"])
def test_a_trial_of_the_precision_that_cannot_be_read_is_made_again(tmp_path: Path, monkeypatch, garbled: str) -> None:
    squares(tmp_path / "data", each=1, side=40)
    config = AuditConfig(model="python:tests.support.tiny:network", out=tmp_path / "out")
    classifier = load_classifier(config)
    dataset = read_dataset(tmp_path / "data" / "table.csv", classifier.vocabulary)
    monkeypatch.setattr("reportgen.pipeline.extraction.native_precision", lambda device: "bf16")
    first = settled(dataset, classifier, config, CPU)
    (path,) = (tmp_path / "out" / "cache").glob("precision-*.json")
    whole = path.read_bytes()
    path.write_text(json.dumps(json.loads(whole) | {"top1": None}) if garbled == "null value" else garbled)
    assert settled(dataset, classifier, config, CPU) == first
    assert path.read_bytes() == whole


def test_device_cut_method_and_aliases_are_told_apart() -> None:
    config = AuditConfig(model="python:tests.support.tiny:network")
    plain = load_classifier(config)

    def drawn(digest: str) -> Pass:
        return Pass(replace(plain, drawer=Drawer("mine", digest, lambda *_: torch.zeros(1))))

    aliased = Pass(plain)
    aliased.aliases = {"features/code": "features/gmp"}
    seen = [
        ("", Pass(plain), CPU),
        ("device", Pass(plain), torch.device("cuda")),
        ("maps", Pass(replace(plain, maps_layer="3")), CPU),
        ("method", Pass(replace(plain, own=None)), CPU),
        ("method", drawn("code"), CPU),
        ("method", drawn("other code"), CPU),
        ("aliases", aliased, CPU),
    ]
    settings = [store_settings(forward, config, device) for _, forward, device in seen]
    for (name, *_), changed in zip(seen[1:], settings[1:], strict=True):
        assert changed[name] != settings[0][name]
    assert len({fingerprint(one) for one in settings}) == len(settings)
