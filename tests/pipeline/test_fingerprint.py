"""Whatever can change a stored number creates a store of its own; whatever cannot, creates none."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from reportgen.config import AuditConfig
from reportgen.data.readers.dataset import read_dataset
from reportgen.models.classifier import MapFunction, Preprocessing
from reportgen.models.sources import load_classifier
from reportgen.pipeline.extraction import ModelRun, resolve_feature_map_storage, run_model, store_settings
from reportgen.pipeline.forward import ForwardPass
from reportgen.pipeline.precision import resolve_precision
from reportgen.pipeline.progress import silent
from reportgen.store.shard import encode
from reportgen.store.table import fingerprint
from tests.support.jobs import inputs_of
from tests.support.square_images import squares
from tests.support.tiny_networks import TINY_NETWORK

CPU = torch.device("cpu")
SMALL = Preprocessing(size=32, resize_size=36)
IMAGES = 6


def extracted(folder: Path, preprocessing: Preprocessing = SMALL, **settings: Any) -> ModelRun:
    """The extraction stage over `folder/data`."""
    given = {
        "model": TINY_NETWORK,
        "precision": "fp32",
        "store_feature_maps": "no",
    } | settings
    data = folder / "data"
    config = AuditConfig(
        data=data / "table.csv", classes=data / "classes.txt", out=folder / "out", batch_size=4, **given
    )
    classifier = replace(load_classifier(config), preprocessing=preprocessing)
    dataset = read_dataset(data / "table.csv", classifier.class_names)
    assert all(sample.label is not None for sample in dataset.samples)
    return run_model(dataset, classifier, config, CPU, silent)


@pytest.fixture
def report(tmp_path: Path) -> tuple[Path, ModelRun, dict[Path, bytes]]:
    """A folder with a finished stage, and its shards."""
    squares(tmp_path / "data", each=IMAGES // 3, side=40)
    path = tmp_path / "data" / "red-0.png"
    Image.open(path).save(path, "BMP")  # whose every byte counts; what a file is, its bytes tell
    first = extracted(tmp_path)
    assert first.extraction.computed == IMAGES
    return tmp_path, first, {path: path.read_bytes() for path in (tmp_path / "out").rglob("*.npz")}


def untouched(shards: dict[Path, bytes]) -> bool:
    return all(path.read_bytes() == data for path, data in shards.items())


@pytest.mark.parametrize(
    "changed",
    [
        {"model": "python:tests.support.tiny_networks:other_network"},
        {"preprocessing": replace(SMALL, mean=(0.5, 0.5, 0.5))},
        {"preprocessing": replace(SMALL, std=(0.5, 0.5, 0.5))},
        {"preprocessing": Preprocessing(size=28, resize_size=36)},
        {"preprocessing": replace(SMALL, interpolation="bicubic")},
        {"resize": "crop"},
        {"decode": "fast"},
        {"layers": ("1",)},
        {"precision": "bf16"},
        {"store_feature_maps": "yes"},
    ],
    ids=["weights", "mean", "deviation", "size", "filter", "resize", "decode", "layers", "precision", "feature maps"],
)
def test_changed_setting_computes_a_new_store_beside_the_old(report, changed: dict) -> None:
    folder, first, shards = report
    again = extracted(folder, **changed)
    assert (again.extraction.computed, again.extraction.reused) == (IMAGES, 0)
    assert again.store.fingerprint != first.store.fingerprint
    assert untouched(shards)
    assert extracted(folder).extraction.computed == 0  # and back again


@pytest.mark.parametrize(
    ("where", "value"),
    [
        ("reportgen.pipeline.extraction.__version__", "99"),
        ("torch.__version__", "99"),
        ("PIL.__version__", "99"),
        ("reportgen.store.table.FORMAT", 99),
    ],
)
def test_changed_version_computes_a_new_store(report, monkeypatch, where: str, value: object) -> None:
    folder, first, shards = report
    monkeypatch.setattr(where, value)
    again = extracted(folder)
    assert (again.extraction.computed, again.extraction.reused) == (IMAGES, 0)
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
def test_changed_data_computes_the_affected_images_only(
    report, change: Callable[[Path], None], computed: int, reused: int
) -> None:
    folder, first, shards = report
    change(folder)
    again = extracted(folder)
    assert (again.extraction.computed, again.extraction.reused) == (computed, reused)
    assert again.store.fingerprint == first.store.fingerprint
    assert untouched(shards)


def test_auto_stores_feature_maps_of_small_data_sets(tmp_path: Path, monkeypatch) -> None:
    squares(tmp_path / "data", each=2, side=40)
    config = AuditConfig(model=TINY_NETWORK, out=tmp_path / "out", precision="fp32")
    classifier = load_classifier(config)
    dataset = read_dataset(tmp_path / "data" / "table.csv", classifier.class_names)
    channels, height, width = classifier.feature_shape
    whole = IMAGES * channels * height * width * 4
    for limit, choice in ((whole, "yes"), (whole - 1, "no")):
        monkeypatch.setattr("reportgen.pipeline.extraction.MAX_FEATURE_MAP_BYTES", limit)
        assert resolve_feature_map_storage(dataset, classifier, config, CPU).store_feature_maps == choice
    wanted = replace(config, store_feature_maps="yes")
    assert resolve_feature_map_storage(dataset, classifier, wanted, CPU).store_feature_maps == "yes"


def test_auto_keeps_its_choice_when_images_are_added_or_removed(tmp_path: Path, monkeypatch) -> None:
    table = squares(tmp_path / "data", each=2, side=40)

    def choice(at_most: int, **changed: Any) -> str:
        """The decision, and the stage run with it."""
        monkeypatch.setattr("reportgen.pipeline.extraction.MAX_FEATURE_MAP_BYTES", at_most)
        model, out = TINY_NETWORK, tmp_path / "out"
        config = replace(AuditConfig(model=model, out=out, precision="fp32"), **changed)
        classifier = load_classifier(config)
        dataset = read_dataset(table, classifier.class_names).limited(config.limit)
        network = resolve_feature_map_storage(dataset, classifier, config, CPU)
        run_model(dataset, classifier, network, CPU, silent)
        return network.store_feature_maps

    one = 4 * 16 * 7 * 7
    assert choice(5 * one, limit=5) == "yes"
    assert choice(5 * one) == "yes"  # a little more than new maps may take
    assert choice(5 * one, resize="crop") == "no"
    assert choice(9 * one, resize="crop") == "no"
    assert choice(9 * one, decode="fast") == "yes"
    assert choice(0, limit=1, out=tmp_path / "other") == "no"
    squares(tmp_path / "data", each=40, side=40)
    assert choice(5 * one) == "no"  # far more: the choice for a few images is not choice


def test_auto_resolves_a_reference_by_its_own_size(tmp_path: Path, monkeypatch) -> None:
    table = squares(tmp_path / "data", each=1, side=40)
    training = squares(tmp_path / "training", each=40, side=40, seed=1)
    monkeypatch.setattr("reportgen.pipeline.extraction.MAX_FEATURE_MAP_BYTES", 3 * 4 * 16 * 7 * 7)
    for out, wanted, choice in (("a", "auto", False), ("b", "yes", True)):
        config = AuditConfig(
            data=table, reference=training, classes=table.parent / "classes.txt", out=tmp_path / out,
            model=TINY_NETWORK, precision="fp32", select="none", store_feature_maps=wanted,
        )  # fmt: skip
        inputs = inputs_of(config)
        assert inputs.models[0].table.settings["store_maps"]
        assert inputs.reference
        assert inputs.reference.table.settings["store_maps"] is choice


def of_other_inputs(whole: bytes) -> bytes:
    """A sound file, but the trial of other settings."""
    return encode({"images": np.array(1), "top1": np.array(1.0), "cosine": np.array(1.0)}, {"inputs": "other"})


@pytest.mark.parametrize(
    "damage",
    [lambda whole: b"", lambda whole: whole[:-1], lambda whole: whole.replace(b"top1", b"top2"), of_other_inputs],
    ids=["empty", "truncated", "changed", "other inputs"],
)
def test_unreadable_precision_trial_is_repeated(tmp_path: Path, monkeypatch, damage: Callable[[bytes], bytes]) -> None:
    squares(tmp_path / "data", each=1, side=40)
    config = AuditConfig(model=TINY_NETWORK, out=tmp_path / "out")
    classifier = load_classifier(config)
    dataset = read_dataset(tmp_path / "data" / "table.csv", classifier.class_names)
    monkeypatch.setattr("reportgen.pipeline.precision.native_precision", lambda device: "bf16")
    first = resolve_precision(dataset, classifier, config, CPU)
    (path,) = (tmp_path / "out" / "cache").glob("precision-*.npz")
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    assert resolve_precision(dataset, classifier, config, CPU) == first
    assert path.read_bytes() == whole


def test_fingerprint_covers_device_layer_method_and_aliases() -> None:
    config = AuditConfig(model=TINY_NETWORK)
    plain = load_classifier(config)

    def drawn(digest: str) -> ForwardPass:
        return ForwardPass(replace(plain, map_function=MapFunction("mine", digest, lambda *_: torch.zeros(1))))

    aliased = ForwardPass(plain)
    aliased.aliases = {"features/code": "features/gmp"}
    seen = [
        ("", ForwardPass(plain), CPU),
        ("device", ForwardPass(plain), torch.device("cuda")),
        ("maps", ForwardPass(replace(plain, feature_layer="3")), CPU),
        ("method", ForwardPass(replace(plain, linear_head=None)), CPU),
        ("method", drawn("code"), CPU),
        ("method", drawn("other code"), CPU),
        ("aliases", aliased, CPU),
    ]
    settings = [store_settings(forward, config, device) for _, forward, device in seen]
    for (name, *_), changed in zip(seen[1:], settings[1:], strict=True):
        assert changed[name] != settings[0][name]
    assert len({fingerprint(one) for one in settings}) == len(settings)
