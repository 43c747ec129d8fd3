"""The backprop baseline: its boxes from the definition, its errors by hand, its judges, its rows in Table 2."""

import csv
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage

from reportgen.audit.audit import Audit
from reportgen.config import AuditConfig
from reportgen.metrics.intervals import Rate
from reportgen.metrics.localization.graph_cut import graphcut_box
from reportgen.pipeline.backprop_baseline import both_boxes, held, judges
from reportgen.pipeline.run import run_audit
from tests.support import synthetic
from tests.support.tiny import squares


def test_both_boxes_from_the_definition() -> None:
    """The largest |gradient| over the colours, taken one logit at a time through the whole network."""
    classifier = synthetic.trained()
    pixels, labels, _ = synthetic.images(1, seed=5)
    for image, label in zip(pixels, labels, strict=True):
        x = classifier.preprocessing.normalise(torch.from_numpy(image.transpose(2, 0, 1).copy())[None])
        leaf = x.clone().requires_grad_()
        classifier.head(classifier.trunk(leaf))[0, label].backward()
        assert leaf.grad is not None
        map_ = leaf.grad[0].abs().max(0).values.numpy()
        components, n = ndimage.label(map_ >= 0.2 * map_.max(), np.ones((3, 3)))
        sizes = [(components == k).sum() for k in range(1, n + 1)]
        ys, xs = np.nonzero(components == 1 + int(np.argmax(sizes)))
        decoded: Any = SimpleNamespace(label=int(label), pixels=image.transpose(2, 0, 1))
        found = both_boxes(classifier)(decoded, x)["backprop/box"]
        assert found[0].tolist() == [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]
        np.testing.assert_allclose(
            found[1], graphcut_box(map_.astype(np.float64), image)
        )  # 64 pixels: not made smaller


def test_a_large_input_is_cut_at_half_its_side(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two blobs, a bright one on a dark ground; the box comes back in pixels of the input."""
    map_ = torch.zeros(1, 1, 224, 224)
    map_[..., 60:120, 80:160] = 1
    map_ += torch.rand(map_.shape, generator=torch.Generator().manual_seed(0)) * 0.01
    monkeypatch.setattr("reportgen.pipeline.backprop_baseline.saliency", lambda *_: map_)
    pixels = np.full((3, 224, 224), 30, np.uint8)
    pixels[:, 60:120, 80:160] = 220
    see = both_boxes(SimpleNamespace(trunk=None, head=None))  # type: ignore[arg-type]
    found = see(SimpleNamespace(label=0, pixels=pixels), torch.zeros(1, 3, 224, 224))["backprop/box"]  # type: ignore[arg-type]
    assert found.tolist() == [[80, 60, 160, 120]] * 2


def test_errors_by_hand() -> None:
    """Four judged images, three of them measured: the label first, second and absent."""
    audit: Any = SimpleNamespace(
        samples=[SimpleNamespace(boxes=np.array([[0, 0, 10, 10]], np.float32))] * 4,
        sizes=np.full((4, 2), 20),
        windows=np.tile([0.0, 0, 20, 20], (4, 1)),
        card=SimpleNamespace(input_size=40),
        cam_classes=np.array([[0, 1, 0], [0, 1, 1], [0, 1, 2], [0, 1, 0]]),
    )
    good, bad, none = [0.0, 0, 20, 20], [20.0, 20, 40, 40], [np.nan] * 4
    found = held(audit, np.arange(4), {0: np.array([good, bad]), 1: np.array([good, good]), 2: np.array([good, none])})
    paper, cut = (found[name].recipes["paper"] for name in ("paper", "graphcut"))
    assert (paper.top1, paper.top5, paper.gt_known) == (Rate(2, 3), Rate(1, 3), Rate(0, 3))
    assert (cut.top1, cut.top5, cut.gt_known) == (Rate(3, 3), Rate(2, 3), Rate(2, 3))
    low, high = found["graphcut"].ci95["gt_known_error"]
    assert low < 2 / 3 < high


def test_each_image_has_the_judge_that_never_saw_it() -> None:
    heads = [SimpleNamespace(weight=torch.full((2, 3), float(f)), bias=torch.zeros(2)) for f in range(2)]
    classifier = synthetic.trained()
    look: Any = SimpleNamespace(classifier=classifier, heads=heads, fold={"a": 1, "b": 0, "c": 1})
    audit: Any = SimpleNamespace(samples=[SimpleNamespace(name=n) for n in "abc"], classes=("x", "y"))
    found = [(int(judge.own.weight[0, 0]), rows) for judge, rows in judges(audit, look, [0, 1, 2]) if judge.own]
    assert found == [(0, [1]), (1, [0, 2])]
    look.heads = []
    assert list(judges(audit, look, [0, 2])) == [(classifier, [0, 2])]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Audit]:
    folder = tmp_path_factory.mktemp("backprop")
    table = squares(folder / "data", each=4)
    model = "python:tests.support.tiny:network"
    models = ({"model": model}, {"model": model, "head": "gap"})
    settings = {"folds": 2, "select": "4", "occlusion_stride": 64, "classes": folder / "data" / "classes.txt"}
    config = AuditConfig(data=table, models=models, out=folder / "report", **settings)  # type: ignore[arg-type]
    return folder / "report", run_audit(config).audit


def test_every_network_has_its_rows_and_figures(report: tuple[Path, Audit]) -> None:
    out, audit = report
    rows = list(csv.reader((out / "table-2-localization.csv").open()))
    for model, metrics in zip(audit.models, json.loads((out / "metrics.json").read_text())["models"], strict=True):
        mine = [row for row in rows if row[1].startswith(f"{model.card.name}, backprop")]
        assert [row[0] for row in mine] == ["measured", "measured"]
        assert all("(12 images)" in row[1] for row in mine)
        for row, (name, found) in zip(mine, model.backprop.items(), strict=True):
            figures = metrics["localization"]["backprop"][name]
            assert figures["images"] == 12
            assert figures["gt_known_error"] == pytest.approx(1 - found.fits.mean())
            assert row[4].startswith(f"{100 * figures['gt_known_error']:.1f} (")
    assert "backprop, GraphCut" in (out / "site" / "localization" / "index.html").read_text()


def test_every_network_has_its_failures(report: tuple[Path, Audit]) -> None:
    out, audit = report
    for folder, model in zip(("failures", "failures/2"), audit.models, strict=True):
        first = (out / "site" / folder / "index.html").read_text()
        assert f'aria-current="page">{model.card.name}</a>' in first
        for kind in ("class", "right", "part", "more", "multi-instance", "other"):
            page = (out / "site" / folder / f"{kind}.html").read_text()
            assert f'<p class="quiet">{list(model.kinds).count(kind)} image' in page
            assert f"Failures of {model.card.name}" in page


def test_pictures_are_taken_as_the_network_sees_them(report: tuple[Path, Audit]) -> None:
    """The store's boxes of the first network are those of its file, decoded and squashed by Pillow here."""
    _, audit = report
    from reportgen.models.sources import load_classifier  # the job's own network, loaded again
    from reportgen.store.table import Store

    classifier = load_classifier(
        AuditConfig(model="python:tests.support.tiny:network", classes=report[0].parent / "data" / "classes.txt")
    )
    settings = {**audit.store.settings, "aliases": {}, "look": "backprop", "threshold": 0.2, "side": 112}
    store = Store(report[0] / "cache", settings, finished=True)
    ids, labels = (np.asarray(audit.store[f"samples/{what}"]) for what in ("id", "label"))
    store.select([(ids[0].decode(), int(labels[0]))])
    image = Image.open(audit.samples[0].path).convert("RGB").resize((224, 224), Image.Resampling.BILINEAR)
    pixels = np.asarray(image).transpose(2, 0, 1)
    x = classifier.preprocessing.normalise(torch.from_numpy(pixels.copy())[None])
    see = both_boxes(classifier)
    expected = see(SimpleNamespace(label=int(labels[0]), pixels=pixels), x)["backprop/box"]  # type: ignore[arg-type]
    np.testing.assert_array_equal(np.asarray(store["backprop/box"])[0], expected)
