"""`reportgen fit`: the network learns, an interruption changes no weight, and the report shows the training curve.

The network is small: a trunk of one convolution, 16 maps, images of 32 pixels.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn

from reportgen.config import AuditConfig, FitConfig
from reportgen.errors import ReportgenError
from reportgen.models.cam_networks import CamNet
from reportgen.models.classifier import Preprocessing
from reportgen.models.sources import cam_source
from reportgen.pipeline import training as job
from reportgen.pipeline import training_loop as training
from reportgen.pipeline.run import run_audit
from reportgen.pipeline.training import CHECKPOINT, fit_network
from reportgen.pipeline.training_loop import Training, batches, order_of
from tests.support.html import read_html
from tests.support.square_images import COLOURS, squares

SMALL = Preprocessing(32, 36)


def small(name: str, classes: int, pretrained: bool, seed: int) -> CamNet:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        trunk = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU())
        return CamNet(trunk, 8, "gap", classes, maps=16)


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(job, "cam_network", small)
    monkeypatch.setattr(cam_source, "cam_network", small)
    monkeypatch.setattr(training, "Preprocessing", lambda: SMALL)
    monkeypatch.setattr(cam_source, "Preprocessing", lambda source: replace(SMALL, source=source))
    monkeypatch.setattr(job, "STEPS_PER_CHECKPOINT", 3)
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return squares(tmp_path_factory.mktemp("fit") / "data", each=14, side=40)


def config(table: Path, out: Path, epochs: int = 10, train_trunk: bool = False) -> FitConfig:
    return FitConfig("cam:alexnet-gap", table, out=out, batch_size=8, rate=0.05, epochs=epochs, train_trunk=train_trunk)


class StopError(Exception):
    """The process dies here."""


def stops_after(steps: int) -> Callable:
    """A progress that fails when so many steps were taken."""
    left = steps

    @contextmanager
    def progress(stage: str, total: int | None, unit: str, seconds: float = 0) -> Iterator[Callable[[int], None]]:
        def tick(count: int = 1) -> None:
            nonlocal left
            left -= count if stage == "Training" else 0
            if left < 0:
                raise StopError

        yield tick

    return progress


def test_training_reduces_the_loss_and_the_report_shows_the_curve(table: Path, tmp_path: Path) -> None:
    weights = fit_network(config(table, tmp_path / "w", epochs=12, train_trunk=True))
    with safetensors.safe_open(weights, "pt") as file:
        metadata = json.loads(file.metadata()["reportgen"])
    assert metadata["classes"] == sorted(COLOURS)
    assert [row["epoch"] for row in metadata["curve"]] == [*range(1, 13)]
    assert metadata["curve"][-1]["loss"] < 0.5 * metadata["curve"][0]["loss"]
    model = {"model": "cam:alexnet-gap", "weights": str(weights)}
    audit = run_audit(AuditConfig(data=table, **model, select="none", out=tmp_path / "report")).audit
    assert audit.main.classification.top1_error is not None
    assert audit.main.classification.top1_error.value < 0.2
    assert audit.main.info.head == "own"
    about = read_html(tmp_path / "report" / "site" / "provenance.html")
    assert "Learning curve of alexnet-gap" in about
    assert f"{metadata['curve'][3]['held_loss']:.3f}" in about


@pytest.mark.parametrize("steps", [1, 3, 5, 8, 14])
def test_interrupted_training_resumes_to_the_same_weights(table: Path, tmp_path: Path, steps: int) -> None:
    """Five steps an epoch, a checkpoint after every third and at each epoch's end."""
    unbroken = fit_network(config(table, tmp_path / "a", epochs=3, train_trunk=True)).read_bytes()
    with pytest.raises(StopError):
        fit_network(config(table, tmp_path / "b", epochs=3, train_trunk=True), stops_after(steps))
    assert (tmp_path / "b" / CHECKPOINT).exists() == (steps >= 3)
    again = fit_network(config(table, tmp_path / "b", epochs=3, train_trunk=True))
    assert again.read_bytes() == unbroken
    assert not list((tmp_path / "b").glob(".*.tmp"))


@pytest.mark.parametrize("train_trunk", [False, True])
def test_frozen_trunk_is_unchanged_by_training(table: Path, tmp_path: Path, train_trunk: bool) -> None:
    weights = fit_network(config(table, tmp_path, epochs=1, train_trunk=train_trunk))
    state, before = safetensors.torch.load_file(weights), small("", 3, True, 0).state_dict()
    same = [torch.equal(state[key], before[key]) for key in before if key.startswith("trunk.")]
    assert all(same) is not train_trunk
    assert not torch.equal(state["conv.weight"], before["conv.weight"])


def test_training_step_equals_sgd_by_hand() -> None:
    """Momentum 0.9, decay 5e-4, the rate on half a cosine; by hand, from the gradients alone."""
    network, x, y = small("", 3, True, 0), torch.zeros(4, 3, 32, 32, dtype=torch.uint8), torch.tensor([0, 1, 2, 2])
    x[:, 0] = torch.arange(4)[:, None, None] * 60
    one = Training(network, epochs=4, rate=0.1, train_trunk=False, device=torch.device("cpu"))
    weight, velocity = network.fc.weight.detach().clone(), torch.zeros(3, 16)
    for epoch in (0, 0, 1):
        one.epoch = epoch
        network.train()
        network.trunk.eval()
        network.zero_grad()
        torch.nn.functional.cross_entropy(network(SMALL.normalize(x)), y).backward()
        assert network.fc.weight.grad is not None
        velocity = 0.9 * velocity + network.fc.weight.grad + 5e-4 * weight
        weight = weight - 0.1 * (1 + np.cos(np.pi * epoch / 4)) / 2 * velocity
        one.learn(x, y)
        torch.testing.assert_close(network.fc.weight.detach(), weight)


def test_augmented_pictures_depend_on_row_and_epoch_alone(table: Path) -> None:
    samples = job._readable(config(table, Path("w")), job._class_names(config(table, Path("w"))))[0]
    rows = order_of(len(samples), 0, 0)
    assert sorted(rows) == [*range(len(samples))]
    whole = torch.cat([pixels for pixels, _ in batches(samples, rows, 5, SMALL, (0, 1))])
    parts = torch.cat([pixels for pixels, _ in batches(samples, rows[10:], 8, SMALL, (0, 1))])
    assert torch.equal(whole[10:], parts)
    assert whole.shape[1:] == (3, 32, 32)
    assert not torch.equal(whole, torch.cat([pixels for pixels, _ in batches(samples, rows, 5, SMALL, (0, 2))]))


def test_checkpoint_of_another_training_is_refused(table: Path, tmp_path: Path) -> None:
    fit_network(config(table, tmp_path, epochs=1))
    with pytest.raises(ReportgenError, match="other settings or images"):
        fit_network(config(table, tmp_path, epochs=2))
    (tmp_path / CHECKPOINT).write_bytes(b"garbage")
    with pytest.raises(ReportgenError, match="cannot read the checkpoint"):
        fit_network(config(table, tmp_path, epochs=1))


def test_training_on_too_few_images_is_an_error(table: Path, tmp_path: Path) -> None:
    few = table.parent / "few.csv"
    few.write_text("path,label\nred-0.png,red\nblue-0.png,red\n")
    with pytest.raises(ReportgenError, match="too few"):
        fit_network(config(few, tmp_path))
