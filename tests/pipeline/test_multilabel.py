"""A multi-label network on planted labels: from the flag to every file and page of the report."""

from __future__ import annotations

import base64
import csv
import json
import re
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import reportgen
from reportgen.config import AuditConfig
from reportgen.data.class_names import ClassNames
from reportgen.errors import ConfigError, DataError, ModelError
from reportgen.gallery.comparison.site import compare_reports
from reportgen.gallery.core.check import check_site
from reportgen.gallery.core.data_chunks import read_chunk
from reportgen.metrics.multilabel import NO_LABELS
from reportgen.models.class_logits import class_logits
from reportgen.models.classifier import Classifier
from reportgen.models.from_module import classifier_from_module
from reportgen.pipeline.run import run_audit
from reportgen.pipeline.summary import RunSummary
from reportgen.results.export.image_table import image_table
from tests.support.multilabel_images import (
    COLOUR_NETWORK,
    colour_network,
    coloured_squares,
    multilabel_coco,
    multilabel_table,
    with_sigmoid,
)
from tests.support.square_images import COLOURS

NAMES = list(COLOURS)
HERE = "python:tests.support.multilabel_images"
TINY = {"device": "cpu", "precision": "fp32", "runtime": "torch", "input_size": (64, 64)}


def settings(folder: Path) -> AuditConfig:
    return AuditConfig(
        data=multilabel_table(folder / "data"),
        model=COLOUR_NETWORK,
        classes=folder / "data" / "classes.txt",
        outputs="multilabel",
        select="01.png,05.png",
        budget="10m",
        occlusion_stride=16,
        out=folder / "out",
        **TINY,
    )


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> AuditConfig:
    return settings(tmp_path_factory.mktemp("multilabel"))


@pytest.fixture(scope="module")
def done(config: AuditConfig) -> RunSummary:
    return run_audit(config)


def test_labels_and_predictions_are_those_of_the_network_alone(done: RunSummary, config: AuditConfig) -> None:
    truth = coloured_squares(config.out.parent / "again")
    model = done.audit.main
    logits = np.asarray(model.table["logits"])
    probability = 1 / (1 + np.exp(-logits.astype(np.float64)))
    rows = list(csv.DictReader((config.out / "predictions.csv").read_text().splitlines()))
    assert len(rows) == len(truth) == 24
    for i, (row, boxes) in enumerate(zip(rows, truth, strict=True)):
        predicted = [name for k, name in enumerate(NAMES) if probability[i, k] >= 0.5]
        assert row["predicted"] == ("|".join(predicted) or "[]")
        assert row["labels"] == ("|".join(boxes) or "[]" if i < 23 else "")
        kind = "unlabelled" if i == 23 else "exact" if predicted == list(boxes) else "inexact"
        assert (row["kind"], model.outcomes[i]) == (kind, kind)
        assert float(row["score1"]) == pytest.approx(probability[i].max(), abs=1e-6)
        assert row["class1"] == NAMES[int(probability[i].argmax())]


def test_stored_maps_are_exact_cams_of_every_label(done: RunSummary) -> None:
    model = done.audit.main
    assert model.cam_classes.shape == (24, 4)
    assert model.cam_identity is not None
    assert model.cam_identity < 1e-5
    bias = colour_network()[-1].bias.detach().numpy()
    for i in range(24):
        assert sorted(model.cam_classes[i, :-1].tolist()) == [0, 1, 2]
        for column, k in enumerate(model.cam_classes[i, :-1].tolist()):
            logit = float(np.asarray(model.table["logits"][i])[k])
            assert model.cams[i, column].mean() + bias[k] == pytest.approx(logit, abs=1e-5)
            assert model.map_column(i, k) == column


def test_metrics_file_counts_every_label(done: RunSummary, config: AuditConfig) -> None:
    found = json.loads((config.out / "metrics.json").read_text())
    figures, rows = found["models"][0]["multilabel"], list(csv.DictReader((config.out / "predictions.csv").open()))
    assert found["dataset"] | {"labelled": 23, "classes": 3, "with_boxes": 0} == found["dataset"]
    assert found["models"][0]["classification"] == {"top1_error": None, "top5_error": None}
    assert found["models"][0]["confidence"] is found["models"][0]["localization"] is None
    rows = [row for row in rows if row["labels"]]
    for name in NAMES:
        labelled, predicted = ([name in row[key].split("|") for row in rows] for key in ("labels", "predicted"))
        hits = sum(a and b for a, b in zip(labelled, predicted, strict=True))
        label = figures["labels"][name]
        assert (label["images"], label["predicted"], label["hits"]) == (sum(labelled), sum(predicted), hits)
        assert label["precision"] == pytest.approx(hits / sum(predicted))
        assert label["recall"] == pytest.approx(hits / sum(labelled))
        assert label["ci95"][0] <= label["average_precision"] <= label["ci95"][1]
    assert figures["exact_match"] == pytest.approx(sum(row["labels"] == row["predicted"] for row in rows) / 23)
    assert figures["map"] == pytest.approx(np.mean([one["average_precision"] for one in figures["labels"].values()]))
    assert 0 < figures["labels"]["red"]["precision"] < 1


def test_site_has_the_pages_that_are_right_for_several_labels(done: RunSummary, config: AuditConfig) -> None:
    site = config.out / "site"
    assert check_site(config.out)[0] == []
    assert {path.name for path in (site / "labels").iterdir()} == {
        "index.html",
        *(f"{k:04d}-{name}.html" for k, name in enumerate(NAMES)),
    }
    for name in ("classes", "confusions", "confidence", "failures", "localization"):
        assert not (site / name).exists()
    left_out = (site / "provenance.html").read_text().split("of labels: ")[1].split(".")[0]
    assert "Confusions" in left_out
    assert not re.search("Embedding|Review", left_out)
    overview = (site / "index.html").read_text()
    assert "mAP" in overview
    pages = {path.name[:6]: path.read_text() for path in (site / "images").glob("0*.html")}
    assert "missed" in pages["000001"]
    assert any("false alarm" in text for text in pages.values())
    assert "Occlusion sensitivity" in pages["000001"]
    assert all('id="review-tags"' in text and 'id="embedding-inset"' in text for text in pages.values())
    texts = "".join([overview, *pages.values(), (site / "labels" / "index.html").read_text()])
    assert "top-1 map" not in texts
    assert "Predicted class</dt>" not in texts


def test_neighbours_page_compares_the_sets_of_labels(done: RunSummary, config: AuditConfig) -> None:
    audit, text = done.audit, (config.out / "site" / "neighbours" / "index.html").read_text()
    near = audit.feature_space.neighbours.index[:, :10]
    own = [None if sample.labels is None else set(sample.labels) for sample in audit.samples]
    for k, name in enumerate(NAMES):
        others = [own[j] for i in range(24) if own[i] and k in own[i] for j in near[i].tolist()]
        known = [labels for labels in others if labels is not None]
        row = text.split(f">{name}</a></th>")[1].split("</tr>")[0]
        assert f"{100 * sum(k in labels for labels in known) / len(known):.0f} %" in row
    assert "Jaccard index" in text
    assert "kNN accuracy" not in text
    with open(config.out / "duplicates.csv") as file:
        labels = {
            audit.samples[i].name: "|".join(NAMES[k] for k in sorted(s)) or "[]"
            for i, s in enumerate(own)
            if s is not None
        }
        assert all(row["label"] == labels.get(row["name"], "") for row in csv.DictReader(file))


def known_labels(done: RunSummary) -> list[set[int] | None]:
    """The labels of each image, None without annotation."""
    return [None if sample.labels is None else set(sample.labels) for sample in done.audit.samples]


def column(chunk: dict[str, Any], name: str) -> list[int]:
    kind, packed = chunk["columns"][name]
    return np.frombuffer(base64.b64decode(packed), {"i2": "<i2", "i4": "<i4"}[kind]).tolist()


def test_data_of_the_map_have_all_labels_and_the_neighbours_with_one_of_them(
    done: RunSummary, config: AuditConfig
) -> None:
    own, site = known_labels(done), config.out / "site"
    near = done.audit.feature_space.neighbours.index[:, :10].tolist()
    agreement = column(read_chunk(site, "places"), "agreement")
    for i, labels in enumerate(own):
        shared = sum(bool(labels and own[j] and labels & (own[j] or set())) for j in near[i])
        assert agreement[i] == (shared if labels else -1)
    images = read_chunk(site, "images")
    for key, sets in (("label", own), ("prediction", [done.audit.main.predicted_labels(i) for i in range(24)])):
        numbers, ends = column(images, f"{key}_sets"), column(images, f"{key}_ends")
        found = [numbers[start:end] for start, end in zip([0, *ends], ends, strict=False)]
        assert found == [sorted(labels or ()) for labels in sets]
    assert images["classes"] == {str(k): name for k, name in enumerate(NAMES)}


def test_embedding_map_page_says_nothing_of_one_label(done: RunSummary, config: AuditConfig) -> None:
    text = (config.out / "site" / "embedding" / "index.html").read_text()
    assert not re.search("kNN|[Ww]rong class|predicted class|[Ii]ts label|its class|another class", text)
    assert "most probable label, predicted or not" in text
    own = [labels for labels in known_labels(done) if labels is not None]
    jaccard = [len(a & b) / len(a | b) if a | b else 1.0 for a, b in combinations(own, 2)]
    (chance,) = re.findall(r"Random positions</th>.*?([\d.]+ %)</td>\s*<td class=\"n\">50.0 %", text, re.S)
    assert chance.split()[0] == f"{100 * sum(jaccard) / len(jaccard):.1f}"
    for layout in done.audit.embedding_maps.maps:
        assert f"{100 * layout.quality.overlap:.1f} %</td>" in text.split(f"{layout.label}</th>")[1].split("</tr>")[0]


def test_regions_count_images_with_wrong_labels_and_with_their_names(done: RunSummary, config: AuditConfig) -> None:
    audit, own = done.audit, known_labels(done)
    predicted = [set(audit.main.predicted_labels(i)) for i in range(24)]
    rows = list(csv.DictReader((config.out / "regions.csv").open()))
    assert len(rows) == len(audit.map_regions)
    assert rows
    for region, row in enumerate(rows):
        members = set(audit.map_regions.members(region).tolist())
        judged = [i for i in members if own[i] is not None]
        assert (int(row["labelled"]), int(row["wrong"])) == (len(judged), sum(own[i] != predicted[i] for i in judged))
        counts = {name: sum(k in predicted[i] for i in members) for k, name in enumerate(NAMES)}
        counts[NO_LABELS] = sum(not predicted[i] for i in members)
        assert counts[row["predicted"]] == max(counts.values())
        assert float(row["share_predicted"]) == pytest.approx(max(counts.values()) / len(members), abs=1e-4)
        if not row["name"]:
            continue
        sets = own if row["named_by"] == "label" else predicted
        named = set() if row["name"] == NO_LABELS else {NAMES.index(name) for name in row["name"].split("|")}
        for key, part in (("share", members), ("share_outside", set(range(24)) - members)):
            having = [i for i in part if sets[i] is not None and (named <= sets[i] if named else not sets[i])]
            assert float(row[key]) == pytest.approx(len(having) / len(part), abs=1e-4)
    assert any(row["name"] for row in rows)


def test_occlusion_records_the_sigmoid_of_the_most_probable_label(done: RunSummary) -> None:
    model = done.audit.main
    for i in model.selected_images("occlusion"):
        arrays = model.selected["occlusion"].of_image(i)
        logit = np.asarray(model.table["logits"][i]).max()
        assert float(arrays["occlusion/clean"][0]) == pytest.approx(1 / (1 + np.exp(-logit)), abs=1e-5)


def test_second_run_is_fresh_and_new_labels_compute_no_image_again(done: RunSummary, config: AuditConfig) -> None:
    assert run_audit(config).is_fresh
    table = Path(config.data or "")
    text = table.read_text()
    try:
        table.write_text(text.replace("01.png,green", "01.png,green|red"))
        changed = run_audit(replace(config, out=config.out, select="none"))
    finally:
        table.write_text(text)
    assert (changed.is_fresh, changed.computed, changed.reused) == (False, 0, 24)
    assert changed.audit.samples[1].labels == (1, 2)


def test_handle_and_export_have_the_labels_as_text(done: RunSummary, config: AuditConfig) -> None:
    report = reportgen.open(config.out)
    assert report.is_multilabel
    columns = image_table(report)
    assert columns["labels"].data.tolist()[:23] == report.predictions["labels"].tolist()[:23]
    assert np.ma.getmaskarray(columns["labels"]).tolist() == [False] * 23 + [True]
    assert "label" not in columns
    assert "24, 23 with a label" in report._repr_html_()
    with pytest.raises(DataError, match="is a report of a multi-label network"):
        compare_reports(config.out, config.out, config.out.parent / "comparison")


def test_sigmoid_at_the_end_is_removed_and_the_cam_stays_exact() -> None:
    made = classifier_from_module(with_sigmoid(), "net", ClassNames(tuple(NAMES)), outputs="multilabel")
    plain = classifier_from_module(colour_network(), "net", ClassNames(tuple(NAMES)), outputs="multilabel")
    assert (made.method, made.outputs, plain.outputs) == ("cam", "sigmoids", "multilabel")
    assert made.source == "multi-label: a logit for each label before the sigmoid at the end"
    images = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        logits = made.head(made.trunk(images))
        torch.testing.assert_close(logits, colour_network()(images))
        torch.testing.assert_close(made.probabilities(logits), with_sigmoid()(images))
        torch.testing.assert_close(class_logits(with_sigmoid()(images), 2, "sigmoids"), logits, rtol=1e-3, atol=1e-4)


def own_parts() -> Classifier:
    """A `Classifier` of one's own that states that it is multi-label."""
    return classifier_from_module(colour_network(), "own_parts", ClassNames(tuple(NAMES)), outputs="multilabel")


def softmax() -> nn.Module:
    return nn.Sequential(colour_network(), nn.Softmax(1))


@pytest.mark.parametrize("model", [f"{HERE}:with_sigmoid", f"python:{__name__}:own_parts"])
def test_other_forms_of_the_network_give_the_same_predictions(model, done: RunSummary, config, tmp_path: Path) -> None:
    given = {} if "sigmoid" in model else {"input_size": None, "outputs": "classes", "resize": "warp"}
    other = run_audit(replace(config, model=model, select="none", out=tmp_path, limit=6, **given))
    expected = done.audit.main if "sigmoid" in model else None
    assert other.audit.main.multilabel is not None
    if expected is not None:
        rows = [int(sample.name[:2]) for sample in other.audit.samples]
        np.testing.assert_allclose(
            np.asarray(other.audit.main.table["logits"]), np.asarray(expected.table["logits"])[rows], atol=1e-5
        )


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"model": f"{HERE}:with_sigmoid", "outputs": "classes"}, ModelError, "`with_sigmoid` ends with a sigmoid"),
        ({"model": f"python:{__name__}:softmax"}, ModelError, "returns probabilities, not logits"),
        ({"head": "gap"}, ConfigError, "`head = gap` fits a head for one label an image"),
        ({"ood": Path("elsewhere")}, ConfigError, "`ood` compares scores of classes that exclude each other"),
        ({"live": True}, ConfigError, "`live` makes a page for classes that exclude each other"),
        ({"masks": Path("elsewhere")}, ConfigError, "`masks` are those of the one label of an image"),
        ({"slices": ({"name": "red", "where": ["label = red"]},)}, ConfigError, "`slices` have errors of one label"),
        (
            {"models": ({"model_name": "a"}, {"model_name": "b", "outputs": "classes"})},
            ConfigError,
            "`a` is a multi-label network, and `b` is not",
        ),
    ],
)
def test_what_needs_one_label_is_refused_with_one_line(changes, error, message, config, tmp_path: Path) -> None:
    with pytest.raises(error, match=message) as caught:
        run_audit(replace(config, out=tmp_path, select="none", **changes))
    assert "\n" not in str(caught.value)
    assert caught.value.hint


def test_boxes_of_a_coco_file_are_those_of_each_label(tmp_path: Path) -> None:
    coco = multilabel_coco(tmp_path / "data", images=8)
    config = AuditConfig(
        data=tmp_path / "data",
        annotations=coco,
        model=COLOUR_NETWORK,
        classes=tmp_path / "data" / "classes.txt",
        outputs="multilabel",
        select="none",
        out=tmp_path / "out",
        **TINY,
    )
    audit = run_audit(config).audit
    for sample, boxes in zip(audit.samples, coloured_squares(tmp_path / "again", images=8), strict=True):
        assert sample.labels == tuple(map(NAMES.index, boxes))
        assert [NAMES[k] for k in sample.box_labels] == list(boxes)
        assert sample.boxes.tolist() == [list(map(float, box)) for box in boxes.values()]
    assert audit.main.localization is None


def test_hugging_face_network_states_that_it_is_multilabel(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    small = {"embedding_size": 8, "hidden_sizes": [8, 12], "depths": [1, 1], "layer_type": "basic"}
    names = {"id2label": dict(enumerate(NAMES)), "label2id": {name: k for k, name in enumerate(NAMES)}}
    torch.manual_seed(0)
    stated = transformers.ResNetConfig(**small, **names, problem_type="multi_label_classification")
    transformers.ResNetForImageClassification(stated).save_pretrained(tmp_path / "net")
    table = multilabel_table(tmp_path / "data", images=6)
    audit = run_audit(
        AuditConfig(data=table, model=f"hf:{tmp_path / 'net'}", select="none", out=tmp_path / "out", **TINY)
    ).audit
    assert audit.is_multilabel
    assert audit.main.multilabel is not None
    assert audit.main.multilabel.images == 5
    assert "multi-label: a logit for each label" in audit.main.info.source
