"""The backprop baseline: boxes from the definition, errors by hand, the heads that judge, and the rows of Table 2."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage

from reportgen.audit.audit import Audit
from reportgen.config import AuditConfig
from reportgen.metrics.background import alter
from reportgen.metrics.intervals import Rate
from reportgen.metrics.localization.graph_cut import graphcut_box
from reportgen.models.classifier import Preprocessing
from reportgen.models.heads import FittedHead
from reportgen.models.sources import load_classifier
from reportgen.pipeline.backprop_baseline import backprop_boxes, evaluate_boxes
from reportgen.pipeline.image_loader import NetworkInput
from reportgen.pipeline.run import run_audit
from reportgen.store.table import Store
from tests.support import synthetic_dataset
from tests.support.factories import make_samples, make_table
from tests.support.html import read_html
from tests.support.jobs import make_job, make_run
from tests.support.square_images import squares
from tests.support.tiny_networks import SIDE, TINY_NETWORK


def test_backprop_boxes_equal_the_definition() -> None:
    """The largest |gradient| over the colours, taken one logit at a time through the whole network."""
    classifier = synthetic_dataset.trained()
    pixels, labels, _ = synthetic_dataset.images(1, seed=5)
    for image, label in zip(pixels, labels, strict=True):
        x = classifier.preprocessing.normalize(torch.from_numpy(image.transpose(2, 0, 1).copy())[None])
        leaf = x.clone().requires_grad_()
        classifier.head(classifier.trunk(leaf))[0, label].backward()
        assert leaf.grad is not None
        map_ = leaf.grad[0].abs().max(0).values.numpy()
        components, n = ndimage.label(map_ >= 0.2 * map_.max(), np.ones((3, 3)))
        sizes = [(components == k).sum() for k in range(1, n + 1)]
        ys, xs = np.nonzero(components == 1 + int(np.argmax(sizes)))
        found = backprop_boxes(classifier, NetworkInput("", int(label), image.transpose(2, 0, 1)), x)
        assert found[0].tolist() == [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]
        np.testing.assert_allclose(
            found[1], graphcut_box(map_.astype(np.float64), image)
        )  # 64 pixels: not made smaller


def test_backprop_boxes_of_large_inputs_are_cut_at_half_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two blobs, a bright one on a dark ground; the box comes back in pixels of the input."""
    map_ = torch.zeros(1, 1, 224, 224)
    map_[..., 60:120, 80:160] = 1
    map_ += torch.rand(map_.shape, generator=torch.Generator().manual_seed(0)) * 0.01
    monkeypatch.setattr("reportgen.pipeline.backprop_baseline.saliency", lambda *_: map_)
    pixels = np.full((3, 224, 224), 30, np.uint8)
    pixels[:, 60:120, 80:160] = 220
    found = backprop_boxes(synthetic_dataset.trained(), NetworkInput("", 0, pixels), torch.zeros(1, 3, 224, 224))
    assert found.tolist() == [[80, 60, 160, 120]] * 2


def test_backprop_errors_match_values_by_hand() -> None:
    """Four judged images, three of them measured: the label first, second and absent."""
    samples = make_samples([0, 1, 2, 0], [np.array([[0, 0, 10, 10]], np.float32)] * 4)
    arrays = {
        "samples/size": np.full((4, 2), 20),
        "samples/window": np.tile([0.0, 0, 20, 20], (4, 1)),
        "cam/class": np.array([[0, 1, 0], [0, 1, 1], [0, 1, 2], [0, 1, 0]]),
    }
    classifier = replace(synthetic_dataset.trained(), preprocessing=Preprocessing(size=40))
    job = make_job(classifier, samples, make_table(arrays, [0, 1, 2, 0]))
    good, bad, none = [0.0, 0, 20, 20], [20.0, 20, 40, 40], [np.nan] * 4
    boxes = {0: np.array([good, bad]), 1: np.array([good, good]), 2: np.array([good, none])}
    found = evaluate_boxes(job, np.arange(4), boxes)
    paper, cut = (found[name].recipes["paper"] for name in ("paper", "graphcut"))
    assert (paper.top1, paper.top5, paper.gt_known) == (Rate(2, 3), Rate(1, 3), Rate(0, 3))
    assert (cut.top1, cut.top5, cut.gt_known) == (Rate(3, 3), Rate(2, 3), Rate(2, 3))
    low, high = found["graphcut"].ci95["gt_known_error"]
    assert low < 2 / 3 < high


def test_each_image_is_judged_by_the_head_not_fitted_on_it() -> None:
    heads = [FittedHead(torch.full((5, 32), float(f)), torch.zeros(5), 1.0, {}, 2, 0.0) for f in range(2)]
    classifier, samples, table = synthetic_dataset.trained(), make_samples([0, 1, 0]), make_table({}, [0, 1, 0])
    run = make_run(classifier, samples, table, heads=heads, folds={"0.png": 1, "1.png": 0, "2.png": 1})
    own = [run.classifier_for(sample.name).linear_head for sample in samples]
    assert [int(head.weight[0, 0]) for head in own if head is not None] == [1, 0, 1]
    assert make_run(classifier, samples, table).classifier_for("0.png") is classifier


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Audit]:
    folder = tmp_path_factory.mktemp("backprop")
    table = squares(folder / "data", each=4)
    model = TINY_NETWORK
    models = ({"model": model}, {"model": model, "head": "gap"})
    config = AuditConfig(
        data=table, classes=folder / "data" / "classes.txt", models=models, folds=2, select="4", occlusion_stride=64,
        out=folder / "report",
    )  # fmt: skip
    return folder / "report", run_audit(config).audit


def test_backprop_rows_of_every_network_are_in_table_and_metrics(report: tuple[Path, Audit]) -> None:
    out, audit = report
    rows = list(csv.reader((out / "table-2-localization.csv").open()))
    for model, metrics in zip(audit.models, json.loads((out / "metrics.json").read_text())["models"], strict=True):
        mine = [row for row in rows if row[1].startswith(f"{model.info.name}, backprop")]
        assert [row[0] for row in mine] == ["measured", "measured"]
        assert all("(12 images)" in row[1] for row in mine)
        for row, (name, found) in zip(mine, model.backprop.items(), strict=True):
            figures = metrics["localization"]["backprop"][name]
            assert figures["images"] == 12
            assert figures["gt_known_error"] == pytest.approx(1 - found.gt_known_correct.mean())
            assert row[4].startswith(f"{100 * figures['gt_known_error']:.1f} (")
    assert "backprop, GraphCut" in read_html(out / "site" / "localization" / "index.html")


def test_every_network_has_pages_of_its_failures(report: tuple[Path, Audit]) -> None:
    out, audit = report
    for folder, model in zip(("failures", "failures/2"), audit.models, strict=True):
        first = read_html(out / "site" / folder / "index.html")
        assert f'aria-current="page">{model.info.name}</a>' in first
        for kind in ("class", "right", "part", "more", "multi-instance", "other"):
            page = read_html(out / "site" / folder / f"{kind}.html")
            assert f'<p class="quiet">{list(model.outcomes).count(kind)} image' in page
            assert f"Failures of {model.info.name}" in page


def test_stored_backprop_boxes_are_of_the_network_input(report: tuple[Path, Audit]) -> None:
    """The store's boxes of the first network are those of its file, decoded and squashed by Pillow here."""
    _, audit = report
    classifier = load_classifier(AuditConfig(model=TINY_NETWORK, classes=report[0].parent / "data" / "classes.txt"))
    settings = {**audit.main.table.settings, "aliases": {}, "kind": "backprop", "threshold": 0.2, "side": 112}
    store = Store(report[0] / "cache", settings, finished=True)
    ids, labels = (np.asarray(audit.main.table[f"samples/{what}"]) for what in ("id", "label"))
    stored = store.select([(ids[0].decode(), int(labels[0]))])
    image = Image.open(audit.samples[0].path).convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    pixels = np.asarray(image).transpose(2, 0, 1)
    x = classifier.preprocessing.normalize(torch.from_numpy(pixels.copy())[None])
    expected = backprop_boxes(classifier, NetworkInput("", int(labels[0]), pixels), x)
    np.testing.assert_array_equal(stored["backprop/box"][0], expected)


def test_background_test_is_that_of_the_altered_input(report: tuple[Path, Audit]) -> None:
    """The stored predictions of the first tested image are those of its file, altered here."""
    folder, audit = report
    test = audit.main.background_test
    assert test is not None
    row = int(test.rows[0])
    classifier = load_classifier(AuditConfig(model=TINY_NETWORK, classes=folder.parent / "data" / "classes.txt"))
    with Image.open(audit.samples[row].path) as image:
        scale = SIDE / np.array(image.size * 2)
        pixels = np.asarray(image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR)).transpose(2, 0, 1)
    on_object = np.zeros((SIDE, SIDE), bool)
    for box in audit.samples[row].boxes.astype(float):
        (x0, y0), (x1, y1) = np.floor(box * scale)[:2].astype(int), np.ceil(box * scale)[2:].astype(int)
        on_object[y0:y1, x0:x1] = True
    colour = np.asarray(audit.main.table["image/tiny"]).mean((0, 1, 2)).round().astype(np.uint8)
    x = classifier.preprocessing.normalize(torch.from_numpy(alter(pixels, on_object, colour)))
    with torch.no_grad():
        expected = classifier.head(classifier.trunk(x)).argmax(1).numpy()
    assert test.predicted[0].tolist() == expected.tolist()
    assert test.correct[0].tolist() == (expected == audit.labels[row]).tolist()
