"""A rerun without changes ends before torch is imported. Every change of what a report follows from starts a run."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from reportgen.config import AuditConfig
from reportgen.gallery.core import assets, manifest
from reportgen.pipeline import job, network_sources
from reportgen.pipeline.run import run_audit
from reportgen.results.metrics import metrics
from tests.support.reportgen_process import ROOT
from tests.support.square_images import squares
from tests.support.tiny_networks import network, register_in_torchvision

CONFIG = AuditConfig(
    data=Path("data/table.csv"),
    classes=Path("data/classes.txt"),
    model="torchvision:tiny",
    weights="weights.pth",
    reference=Path("reference"),
    input_size=(64, 64),
    select="none",
    device="cpu",
)
"""Settings with paths relative to the working folder, so that a copied report is up to date where the copy is."""


class NetworkLoadedError(Exception):
    """The run did not end with the quick check."""


def save_weights(path: Path, seed: int) -> None:
    torch.save(network(seed).state_dict(), path)


def make_inputs(folder: Path) -> None:
    """Weights, a table of nine images, one of them broken, and a folder with a reference image."""
    squares(folder / "data", each=3, side=32)
    (folder / "data" / "red-2.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    squares(folder / "reference", each=1, side=32, seed=1)
    (folder / "reference" / "table.csv").unlink()
    save_weights(folder / "weights.pth", seed=0)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("quick")
    make_inputs(folder)
    with pytest.MonkeyPatch.context() as patch:
        register_in_torchvision(patch)
        patch.chdir(folder)
        assert not run_audit(CONFIG).is_fresh
    return folder


@pytest.fixture
def rerun(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder: a copy of inputs and report, with their times."""
    shutil.copytree(made, tmp_path / "copy", copy_function=shutil.copy2)
    register_in_torchvision(monkeypatch)
    monkeypatch.chdir(tmp_path / "copy")
    return tmp_path / "copy"


@pytest.fixture
def copied(rerun: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same; only the quick check can end a run here, as it does before anything changes."""
    refuse_networks(monkeypatch)
    assert is_decided(CONFIG)
    return rerun


def refuse_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a run fail that does not end with the quick check."""

    def refuse(*_: object) -> None:
        raise NetworkLoadedError

    monkeypatch.setattr(job, "run_job", refuse)


def is_decided(config: AuditConfig) -> bool:
    """Whether the run ends with the quick check, which then must find the report up to date."""
    try:
        summary = run_audit(config)
    except NetworkLoadedError:
        return False
    assert summary.is_fresh
    return True


def invert(path: Path) -> None:
    """Change the pixels of an image, but not the size of its file by much, nor its time."""
    stat = path.stat()
    Image.fromarray(255 - np.asarray(Image.open(path))).save(path)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def repair(folder: Path) -> None:
    shutil.copy(folder / "data" / "red-1.png", folder / "data" / "red-2.png")


CHANGES: dict[str, Callable[[Path], object]] = {
    "weights": lambda folder: save_weights(folder / "weights.pth", seed=1),
    "weights removed": lambda folder: (folder / "weights.pth").unlink(),
    "image": lambda folder: invert(folder / "data" / "blue-0.png"),
    "image removed": lambda folder: (folder / "data" / "blue-0.png").unlink(),
    "image added": lambda folder: edit(folder / "data" / "table.csv", "red-2.png,red", "red-1.png,red"),
    "broken image repaired": repair,
    "broken image broken otherwise": lambda folder: (folder / "data" / "red-2.png").write_bytes(b"\x89PNG\r\n\x1a\n"),
    "reference image": lambda folder: invert(folder / "reference" / "red-0.png"),
    "reference image added": lambda folder: shutil.copy(folder / "data" / "red-1.png", folder / "reference" / "b.png"),
    "label": lambda folder: edit(folder / "data" / "table.csv", "green-0.png,green", "green-0.png,red"),
    "box": lambda folder: edit(folder / "data" / "table.csv", "green-0.png,green,", "green-0.png,green,1"),
    "class name": lambda folder: edit(folder / "data" / "classes.txt", "red", "RED"),
    "page of the report": lambda folder: (folder / "report" / "site" / "provenance.html").write_text("mine"),
    "list of checksums": lambda folder: (folder / "report" / "site" / "SHA256SUMS").unlink(),
    "line of the list of checksums": lambda folder: edit(folder / "report" / "site" / "SHA256SUMS", "  404.html", ""),
    "result file": lambda folder: (folder / "report" / "predictions.csv").unlink(),
    "stored results": lambda folder: os.utime(next((folder / "report" / "cache").rglob("[0-9]*.npz"))),
    "record of the last run": lambda folder: (folder / "report" / "cache" / "freshness.json").write_text("{}"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_changed_files_start_a_run(copied: Path, change: str) -> None:
    CHANGES[change](copied)
    assert not is_decided(CONFIG)


@pytest.mark.parametrize(
    "changed",
    [
        {"resize": "crop"},
        {"select": "1"},
        {"limit": 4},
        {"mean": (0.5, 0.5, 0.5)},
        {"model": "torchvision:resnet18"},
        {"weights": "random"},
        {"reference": None},
        {"name": "squares"},
        {"image_format": "webp"},
    ],
    ids=str,
)
def test_changed_option_starts_a_run(copied: Path, changed: dict[str, object]) -> None:
    assert not is_decided(replace(CONFIG, **changed))


@pytest.mark.parametrize("distribution", ["torch", "torchvision", "numpy", "pillow"])
def test_other_version_of_a_library_starts_a_run(copied: Path, distribution: str, monkeypatch) -> None:
    other = {distribution: "0.1"}
    monkeypatch.setattr(network_sources, "version", lambda name: other.get(name) or version(name))
    assert not is_decided(CONFIG)


def test_library_that_has_been_installed_starts_a_run(copied: Path, monkeypatch) -> None:
    """It may decode what could not be decoded, or run the network."""
    monkeypatch.setattr(network_sources, "version", lambda name: "1.0")
    assert not is_decided(CONFIG)


@pytest.mark.parametrize("changed", ["version of reportgen", "template", "style sheet"])
def test_other_reportgen_starts_a_run(copied: Path, changed: str, tmp_path: Path, monkeypatch) -> None:
    package = tmp_path / "installed" / "reportgen"
    shutil.copytree(assets.PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    for kind, (name, _) in assets.FOLDERS.items():
        shutil.copytree(assets.folder(kind), package / name)
    monkeypatch.setattr(assets, "PACKAGE", package)
    manifest.code_digest.cache_clear()
    try:
        assert is_decided(CONFIG)
        if changed == "version of reportgen":
            edit(package / "__init__.py", "__version__ = ", '__version__ = "9" + ')
        elif changed == "template":
            edit(package / "_templates" / "base.html", "<body", "<body data-new")
        else:
            edit(package / "_assets" / "base.css", "{", "{ /* new */")
        manifest.code_digest.cache_clear()
        assert not is_decided(CONFIG)
    finally:
        manifest.code_digest.cache_clear()


def test_edited_code_of_the_networks_package_starts_a_run(copied: Path, monkeypatch, tmp_path: Path) -> None:
    """A package that is developed keeps its version."""
    package = tmp_path / "packages" / "torchvision"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("a = 1\n")
    monkeypatch.setattr(network_sources, "_folder", lambda name: package)
    before = network_sources.network_digest(CONFIG)
    assert network_sources.network_digest(CONFIG) == before
    (package / "__init__.py").write_text("a = 20\n")
    assert network_sources.network_digest(CONFIG) != before


def test_gpus_that_have_become_visible_start_a_run(copied: Path, monkeypatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,7")
    assert not is_decided(CONFIG)


def test_image_that_was_only_touched_starts_no_run(copied: Path) -> None:
    os.utime(copied / "data" / "blue-0.png")
    assert is_decided(CONFIG)


def test_factories_functions_and_hubs_are_never_decided_without_the_network(tmp_path: Path) -> None:
    """They may read anything."""
    for changed in (
        {"model": "python:somewhere:make", "weights": "DEFAULT"},
        {"map_function": "python:somewhere:maps"},
        {"model": "hf:microsoft/resnet-50", "weights": "DEFAULT"},
        {"model": "timm:resnet18", "weights": "DEFAULT"},
        {"model": "timm:hf-hub:timm/resnet18", "weights": "random"},
    ):
        assert network_sources.network_digest(replace(CONFIG, **changed)) is None
    assert network_sources.network_digest(replace(CONFIG, weights="random")) is not None


def test_every_file_of_a_folder_of_weights_counts(tmp_path: Path) -> None:
    """Also those in other folders that an index names."""
    (tmp_path / "weights" / "parts").mkdir(parents=True)
    (tmp_path / "weights" / "parts" / "1.bin").write_bytes(b"1")
    (tmp_path / "weights" / "config.json").write_text("{}")
    (tmp_path / "weights" / "model.bin.index.json").write_text('{"weight_map": {"a": "parts/1.bin"}}')
    config = replace(CONFIG, weights=str(tmp_path / "weights"))
    digests = [network_sources.network_digest(config)]
    for name, data in (("parts/1.bin", "2"), ("config.json", "[]"), ("new.json", "")):
        (tmp_path / "weights" / name).write_text(data)
        digests.append(network_sources.network_digest(config))
    assert len(set(digests)) == 4


@pytest.fixture
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    make_inputs(tmp_path)
    register_in_torchvision(monkeypatch)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_published_weights_that_were_replaced_start_a_run(in_folder: Path, monkeypatch) -> None:
    import torchvision

    known = torchvision.models.ResNet18_Weights.DEFAULT
    monkeypatch.setenv("TORCH_HOME", str(in_folder / "home"))
    file = in_folder / "home" / "hub" / "checkpoints" / known.url.rpartition("/")[2]
    file.parent.mkdir(parents=True)
    for seed in (0, 1):
        torch.save(network(seed, classes=1000).state_dict(), in_folder / f"{seed}.pth")
    shutil.copy(in_folder / "0.pth", file)
    config = replace(CONFIG, classes=None, weights="DEFAULT", data=Path("reference"), reference=None)
    run_audit(config)
    refuse_networks(monkeypatch)
    assert is_decided(config)
    shutil.copy(in_folder / "1.pth", file)
    assert not is_decided(config)
    shutil.copy(in_folder / "0.pth", file)
    assert is_decided(config)
    monkeypatch.setenv("TORCH_HOME", str(in_folder / "other"))
    assert not is_decided(config)


def test_score_maps_and_labels_of_fitted_heads_start_a_run(in_folder: Path, monkeypatch) -> None:
    """The labels are the class names: another spelling is another class."""
    (in_folder / "maps").mkdir()
    for path in (in_folder / "data").glob("*.png"):
        np.save(in_folder / "maps" / f"{path.name}.npy", np.arange(16.0).reshape(4, 4))
    config = replace(CONFIG, classes=None, weights="random", reference=None, maps=Path("maps"), head="gap", folds=2)
    run_audit(config)
    refuse_networks(monkeypatch)
    assert is_decided(config)
    table = in_folder / "data" / "table.csv"
    text = table.read_text()
    table.write_text(text.replace("blue-0.png,blue", "blue-0.png,Blue"))
    assert not is_decided(config)
    table.write_text(text)
    assert is_decided(config)
    np.save(in_folder / "maps" / "red-0.png.npy", np.ones((4, 4)).cumsum(0))
    assert not is_decided(config)


def test_record_is_renewed_when_the_network_finds_the_report_up_to_date(rerun: Path, monkeypatch) -> None:
    os.utime(next((rerun / "report" / "cache").rglob("[0-9]*.npz")))
    again = run_audit(CONFIG)
    assert (again.is_fresh, again.computed) == (True, 0)
    assert "extract" in again.seconds
    refuse_networks(monkeypatch)
    assert is_decided(CONFIG)


def test_audit_of_a_report_that_is_up_to_date_has_its_figures(rerun: Path) -> None:
    again = run_audit(CONFIG)
    assert (again.is_fresh, again.computed, again.reused) == (True, 0, 8)
    assert "extract" not in again.seconds
    assert json.loads(json.dumps(metrics(again.audit))) == again.metrics


def test_rerun_without_changes_does_not_import_torch(copied: Path) -> None:
    flags = [
        *("--data", "data/table.csv", "--classes", "data/classes.txt", "--model", CONFIG.model),
        *("--weights", "weights.pth", "--reference", "reference", "--input-size", "64", "--select", "none"),
        *("--device", "cpu", "--quiet"),
    ]
    code = (
        "import sys\n"
        "from reportgen.cli import main\n"
        "try: main()\n"
        "finally: print(sorted({'torch', 'torchvision', 'scipy', 'sklearn', 'openTSNE'} & set(sys.modules)))\n"
    )
    env = os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "200"}
    done = subprocess.run([sys.executable, "-c", code, "run", *flags], capture_output=True, text=True, env=env)
    assert done.returncode == 3, done.stderr
    assert done.stdout == "report/site/index.html\n[]\n"
    assert "0 computed, 8 reused" in done.stderr
    assert "up to date; nothing was rebuilt" in done.stderr
