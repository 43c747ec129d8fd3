"""GAP and GMP heads fitted in a run: each image gets logits and maps from a head that was fitted on other images."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from reportgen.config import AuditConfig
from reportgen.data.class_names import ClassNameCollector
from reportgen.data.readers.dataset import read_dataset
from reportgen.errors import ReportgenError
from reportgen.models.heads import cross_fit_heads
from reportgen.pipeline.cross_fitting import SPLIT_SEED
from reportgen.pipeline.inputs import ExtractedModel
from reportgen.pipeline.run import run_audit
from reportgen.pipeline.summary import RunSummary
from tests.support.jobs import inputs_of
from tests.support.square_images import COLOURS, squares
from tests.support.tiny_networks import SIDE, TINY_NETWORK, network


def config_of(folder: Path, **settings: Any) -> AuditConfig:
    given = {"model": TINY_NETWORK, "select": "none", "models": ({"head": "gap"}, {"head": "gmp"})} | settings
    return AuditConfig(out=folder / "report", **given)


def audit_of(folder: Path, **settings: Any) -> RunSummary:
    return run_audit(config_of(folder, **settings))


def fitted_on(folder: Path, **settings: Any) -> ExtractedModel:
    """The network with a fitted head, after its images were run and the head was fitted: the run's first stages."""
    (model,) = inputs_of(config_of(folder, **settings)).models
    return model


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> RunSummary:
    folder = tmp_path_factory.mktemp("heads")
    table = squares(folder / "data", each=8)
    (folder / "data" / "none.png").write_bytes((folder / "data" / "red-0.png").read_bytes() + b" ")  # no label
    with table.open("a") as file:
        file.write("none.png,,,,,\n")
    return audit_of(folder, data=table)


def test_classes_of_fitted_heads_are_the_labels(both: RunSummary) -> None:
    assert list(both.audit.classes) == sorted(COLOURS)
    listing = ClassNameCollector(())
    read_dataset(both.index.parents[2] / "data" / "table.csv", listing)
    assert listing.collected == set(COLOURS)


def test_logits_and_maps_are_those_of_the_head_of_the_fold(both: RunSummary) -> None:
    """From the pictures, with NumPy: pooling, and the weights of the head that was fitted without the image."""
    trunk = network()[:6].eval()
    for model, name, pooled in zip(both.audit.models, ("gap", "gmp"), (np.mean, np.max), strict=True):
        features = np.asarray(model.table[f"features/{name}"])
        heads, fold = cross_fit_heads(
            features, model.labels, np.arange(len(features)), 3, 5, SPLIT_SEED, torch.device("cpu")
        )
        for i, sample in enumerate(model.samples):
            pixels = np.asarray(Image.open(sample.path).convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR))
            x = (pixels / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
            with torch.no_grad():
                maps = trunk(torch.from_numpy(x.transpose(2, 0, 1)).float()[None])[0].double().numpy()
            weight, bias = heads[fold[i]].weight.double().numpy(), heads[fold[i]].bias.double().numpy()
            logits = weight @ [pooled(m) for m in maps] + bias
            np.testing.assert_allclose(model.table["logits"][i], logits, atol=2e-2)
            for k, cam in zip(model.cam_classes[i], model.cams[i], strict=True):
                expected = np.einsum("c,chw->hw", weight[k], maps) if k >= 0 else np.zeros(maps.shape[1:])
                np.testing.assert_allclose(cam, expected, atol=2e-2)


def test_cam_identity_holds_for_gap_heads_alone(both: RunSummary) -> None:
    gap, gmp = both.audit.models
    assert (gap.info.head, gmp.info.head) == ("gap", "gmp")
    assert gap.cam_identity is not None
    assert gap.cam_identity < 1e-3
    assert gmp.cam_identity is None


def test_figures_of_fitted_heads_are_out_of_fold(both: RunSummary) -> None:
    for model in both.audit.models:
        assert model.classification.top1_error.n == 24
        assert model.info.head_fit.folds == 5
    entries = json.loads((both.index.parents[1] / "metrics.json").read_text())["models"]
    assert [entry["head"] for entry in entries] == ["gap", "gmp"]
    assert entries[0]["name"] == "network + GAP"


def test_rerun_with_fitted_heads_computes_nothing(both: RunSummary) -> None:
    config = AuditConfig(
        model=TINY_NETWORK,
        select="none",
        out=both.index.parents[1],
        data=both.index.parents[2] / "data" / "table.csv",
        models=({"head": "gap"}, {"head": "gmp"}),
    )
    before = (both.index.parents[1] / "metrics.json").read_bytes()
    again = run_audit(config)
    assert again.computed == 0
    assert (both.index.parents[1] / "metrics.json").read_bytes() == before


def random_pictures(folder: Path, copies: int, seed: int = 3) -> Path:
    """24 pictures of noise, each in `copies` files of the same bytes: only who saw a copy can know its label."""
    random = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    rows = []
    for i in range(24):
        Image.fromarray(random.integers(0, 256, (16, 16, 3)).astype(np.uint8)).save(folder / f"{i}.png")
        for copy in range(copies):
            (folder / f"{i}-{copy}.png").write_bytes((folder / f"{i}.png").read_bytes())
            rows.append((f"{i}-{copy}.png", "ab"[i % 2]))
    with open(folder / "table.csv", "w", newline="") as file:
        csv.writer(file).writerows([("path", "label"), *rows])
    return folder / "table.csv"


def test_copies_are_judged_by_heads_fitted_on_none_of_them(tmp_path: Path) -> None:
    table = random_pictures(tmp_path / "data", copies=3)
    model = fitted_on(tmp_path, data=table, models=({"head": "gmp"},))
    predicted = np.asarray(model.table["logits"]).argmax(1)
    labels = [int(sample.name.split("-")[0]) % 2 for sample in model.run.extraction.samples]
    assert len(labels) == 72
    assert (predicted != labels).mean() > 0.5 - 3 * np.sqrt(0.25 / 24)


def test_groups_of_the_table_stay_in_one_fold(tmp_path: Path) -> None:
    table = squares(tmp_path / "data", each=4)
    rows = list(csv.reader(table.open()))
    rows = [[*rows[0], "group"], *([*row, row[0].split("-")[1]] for row in rows[1:])]  # one group: one of each colour
    with table.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    dataset = read_dataset(table, ClassNameCollector(()))
    assert {s.name: s.group for s in dataset.samples}["red-2.png"] == "2.png"
    fit = fitted_on(tmp_path, data=table, folds=4, models=({"head": "gap"},)).info.head_fit
    assert (fit.folds, len(fit.penalties)) == (4, 4)
    assert list(fit.images) == [9] * 4  # each head is fitted on three of the four groups of three


def test_fit_data_excludes_groups_of_audited_images(tmp_path: Path) -> None:
    """Another frame of the same film: other bytes, the same group. A group may also connect through equal bytes."""
    table, training = squares(tmp_path / "data", each=2), squares(tmp_path / "training", each=9, seed=1)
    shared = {"red-0.png": "film", "red-1.png": "film", "blue-0.png": "other"}
    for path, groups in ((table, {"red-0.png": "film"}), (training, shared)):
        with path.open() as file:
            rows = list(csv.reader(file))
        with path.open("w", newline="") as file:
            csv.writer(file).writerows(
                [*rows[0], "group"] if row is rows[0] else [*row, groups.get(row[0], "")] for row in rows
            )
    fit = fitted_on(tmp_path, data=table, fit_data=training, models=({"head": "gap"},)).info.head_fit
    assert fit.images == [27 - 2]


def test_fit_data_replaces_folds_and_excludes_audited_images(tmp_path: Path) -> None:
    table = squares(tmp_path / "data", each=3)
    training = squares(tmp_path / "training", each=9, seed=1)
    with training.open("a") as file:  # an image of the audit, under a wrong label
        file.write("../data/red-0.png,blue,,,,\n")
    fit = fitted_on(tmp_path, data=table, fit_data=training, models=({"head": "gap"},)).info.head_fit
    assert fit.folds == 1
    assert list(fit.images) == [27]


def test_classes_of_a_network_with_its_own_head_take_precedence(tmp_path: Path) -> None:
    table = squares(tmp_path / "data", each=5)
    own, gap = audit_of(
        tmp_path, data=table, classes=tmp_path / "data" / "classes.txt", models=({}, {"head": "gap"})
    ).audit.models
    assert own.classes == gap.classes
    assert own.info.head == "own"
    assert not np.allclose(np.asarray(own.table["logits"]), np.asarray(gap.table["logits"]))
    assert np.asarray(own.table["features/gap"]) == pytest.approx(np.asarray(gap.table["features/gap"]), abs=1e-4)


def test_fitting_heads_on_one_class_is_an_error(tmp_path: Path) -> None:
    table = squares(tmp_path / "data", each=1)
    table.write_text("path,label\nred-0.png,red\nblue-0.png,red\n")
    with pytest.raises(ReportgenError, match="cannot fit a head"):
        audit_of(tmp_path, data=table)
