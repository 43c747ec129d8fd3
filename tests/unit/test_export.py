"""`reportgen export`, read back with the programs that the files are for, and what notebooks show of a report."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import reportgen
from reportgen.audit.audit import Audit
from reportgen.cli import cli
from reportgen.config import AuditConfig
from reportgen.errors import OutputError, ReportgenError, StoreError
from reportgen.pipeline.outputs import result_files, stage_results
from reportgen.results.export.export import FILES, FOLDERS, export_report
from reportgen.results.export.projector import _sprite
from reportgen.results.metrics import metrics
from reportgen.store.staging import Staging
from tests.support.factories import SIDE, make_audit, make_image_arrays, make_logits, make_model_audit, make_model_info

CLASSES = ("cat", "=dog", "sea <lion>")
LABELS = (0, 1, -1, 0, 2)
PREDICTED = (0, 1, 2, 1, 0)
WHOLE = [0.0, 0.0, SIDE, SIDE]
LEFT_HALF = [0.0, 0.0, SIDE / 2, SIDE]
BOXES = [
    np.array(boxes, np.float32).reshape(-1, 4) for boxes in ([WHOLE], [LEFT_HALF], [WHOLE], [], [WHOLE, LEFT_HALF])
]


def write(audit: Audit) -> Path:
    """Write the files of a report, without its site, around the cache of its first network."""
    report = audit.main.table.cache.parent
    for model in audit.models[1:]:
        shutil.copytree(model.table.cache, report / "cache", dirs_exist_ok=True)
    with Staging(report) as staging:
        stage_results(audit, {}, AuditConfig(out=report), result_files(audit, metrics(audit)), staging)
        staging.publish()
    return report


def make_two_networks() -> Audit:
    """Five images, one of them without a label, two with the same pixels.

    Every map is 1 everywhere, so that its box is the whole image, but the label's map of the last image has no box.
    """
    maps = np.ones((5, 4, 2, 2))
    maps[4, -1] = 0
    tiny = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3)).astype(np.uint8)
    tiny[4] = tiny[3]
    shared: dict[str, Any] = {
        "maps": maps,
        "boxes": BOXES,
        "class_names": CLASSES,
        "arrays": make_image_arrays(tiny),
    }
    first = make_model_audit(LABELS, logits=make_logits(PREDICTED, 0.8, 3), **shared)
    second = make_model_audit(
        LABELS,
        logits=make_logits(PREDICTED[::-1], 0.6, 3),
        info=make_model_info(name="other"),
        settings={"weights": "1" * 64},
        **shared,
    )
    return make_audit(first, second)


@pytest.fixture(scope="module")
def report() -> Path:
    return write(make_two_networks())


@pytest.fixture
def unlocated() -> Path:
    return write(make_audit(make_model_audit((0, 1))))


def rows_of(data: bytes | Path) -> list[dict[str, str]]:
    text = data.read_text("utf-8") if isinstance(data, Path) else data.decode()
    return list(csv.DictReader(io.StringIO(text)))


def test_csv_has_the_values_of_the_reports_own_tables(report: Path, tmp_path: Path) -> None:
    rows = rows_of(export_report(report, "csv", tmp_path / "a.csv"))
    predictions = rows_of(report / "predictions.csv")
    assert len(rows) == 10
    for row, expected in zip(rows, predictions, strict=True):
        for name, value in expected.items():
            assert row[name] == value or float(row[name]) == pytest.approx(float(value), abs=1e-6), name
    by_key = {(row["model"], row["name"]): row for row in rows}
    boxes = rows_of(report / "localization.csv")
    for box in boxes:
        row = by_key[box["model"], box["name"]]
        names = ("x0", "y0", "x1", "y1", "iou", "fits")
        values = [(row[f"box{box['rank']}_{name}"], box[name]) for name in names]
        assert all(found == expected or float(found) == float(expected) for found, expected in values)
    assert len(boxes) == 24
    without = by_key.keys() - {(box["model"], box["name"]) for box in boxes}
    assert sorted(without) == [(model, name) for model in ("net", "other") for name in ("2.png", "3.png")]
    for key in without:
        assert {value for name, value in by_key[key].items() if re.match(r"box\d_", name)} == {""}


def test_csv_lists_sizes_boxes_and_positions(report: Path, tmp_path: Path) -> None:
    rows = rows_of(export_report(report, "csv", tmp_path / "a.csv"))
    assert {(row["width"], row["height"]) for row in rows} == {(str(SIDE), str(SIDE))}
    assert [int(row["boxes"]) for row in rows] == [1, 1, 1, 0, 2] * 2
    maps = [np.load(path)["tsne"] for path in (report / "cache").glob("maps-*.npz") if "tsne" in np.load(path)]
    positions = np.array([[float(row["tsne_x"]), float(row["tsne_y"])] for row in rows])
    np.testing.assert_array_equal(positions[:5], positions[5:])
    assert any(np.allclose(positions[:5], map_, rtol=1e-5) for map_ in maps)


def test_csv_lists_the_findings_of_the_network_and_of_the_data(report: Path, tmp_path: Path) -> None:
    rows = rows_of(export_report(report, "csv", tmp_path / "a.csv"))
    findings = json.loads((report / "findings.json").read_text("utf-8"))["findings"]
    assert {(finding["kind"], finding["model"]) for finding in findings} >= {
        ("near_duplicate", None), ("control", "net"), ("control", "other")
    }  # fmt: skip
    listed = [(slug, row["model"], row["name"]) for row in rows for slug in row["findings"].split()]
    expected = [
        (finding["slug"], model, name)
        for finding in findings
        for model in ([finding["model"]] if finding["model"] else ["net", "other"])
        for name in finding["images"]
    ]
    assert sorted(listed) == sorted(expected)
    assert {slug for slug, _, _ in listed} == {finding["slug"] for finding in findings}


def test_parquet_is_read_with_types_and_class_names(report: Path, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    table = parquet.read_table(export_report(report, "parquet", tmp_path / "a.parquet"))
    types = {field.name: str(field.type) for field in table.schema}
    assert {types[name] for name in ("model", "name", "label", "class1", "findings")} == {"string"}
    assert {types[name] for name in ("width", "height", "boxes")} == {"int64"}
    assert {types[name] for name in ("score1", "tsne_x", "box0_x0", "box1_iou")} == {"double"}
    assert types["box1_fits"] == "bool"
    assert json.loads(table.schema.metadata[b"classes"]) == list(CLASSES)
    assert table["label"].to_pylist() == [None if k < 0 else CLASSES[k] for k in LABELS] * 2
    assert table["class1"].to_pylist() == [CLASSES[k] for k in (*PREDICTED, *PREDICTED[::-1])]
    # The box is the whole image, so its IoU with the left half is one half.
    assert table["box1_iou"].to_pylist() == [1, 0.5, None, None, 1] * 2
    assert table["box1_fits"].to_pylist() == [True, True, None, None, True] * 2


def test_pandas_reads_parquet_and_the_notebook_gives_the_same_frame(report: Path, tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    frame = reportgen.open(report).frame()
    read = pandas.read_parquet(export_report(report, "parquet", tmp_path / "a.parquet"))
    pandas.testing.assert_frame_equal(frame, read.astype(frame.dtypes), check_exact=True)
    assert frame["box1_fits"].dtype == "boolean"
    assert frame.groupby("model")["box1_fits"].sum().tolist() == [3, 3]


def test_pycocotools_reads_and_evaluates_the_boxes(report: Path, tmp_path: Path) -> None:
    """Every box is the whole image. Class 0 has a right box (IoU 1) and one that nothing predicts as its class first;
    the boxes of class 1 have IoU ½, which is enough at the lowest of COCO's ten thresholds alone."""
    coco = pytest.importorskip("pycocotools.coco")
    evaluation = pytest.importorskip("pycocotools.cocoeval")
    folder = export_report(report, "coco", tmp_path / "coco")
    truth = coco.COCO(str(folder / "annotations.json"))
    assert [image["file_name"] for image in truth.loadImgs(truth.getImgIds())] == [f"{i}.png" for i in range(5)]
    assert [c["name"] for c in truth.loadCats(truth.getCatIds())] == list(CLASSES)
    assert [len(truth.getAnnIds(imgIds=i)) for i in truth.getImgIds()] == [1, 1, 0, 0, 2]
    assert [a["bbox"] for a in truth.loadAnns(truth.getAnnIds(catIds=2))] == [[0, 0, SIDE / 2, SIDE]]
    assert {name.name for name in folder.iterdir()} == {"annotations.json", "predictions.json", "predictions-2.json"}
    predicted = truth.loadRes(str(folder / "predictions.json"))
    assert len(predicted.getAnnIds()) == 3 * 3
    assert {tuple(a["bbox"]) for a in predicted.dataset["annotations"]} == {(0, 0, SIDE, SIDE)}
    precision = {}
    for k in (1, 2):
        found = evaluation.COCOeval(truth, predicted, "bbox")
        found.params.catIds = [k]
        found.evaluate()
        found.accumulate()
        found.summarize()
        precision[k] = found.stats[0]
    assert precision[1] == pytest.approx(1)
    assert precision[2] == pytest.approx(0.1)


def test_scores_of_coco_results_are_the_probabilities_of_their_classes(report: Path, tmp_path: Path) -> None:
    folder = export_report(report, "coco", tmp_path / "coco")
    for m, name in enumerate(("predictions.json", "predictions-2.json")):
        logits = np.asarray(reportgen.open(report).models[m]["logits"], np.float64)
        probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        for box in json.loads((folder / name).read_text("utf-8")):
            assert box["score"] == pytest.approx(probabilities[box["image_id"] - 1, box["category_id"] - 1], rel=1e-5)


def test_images_and_maps_without_numbers_have_no_coco_result(tmp_path: Path) -> None:
    maps = np.ones((2, 3, 2, 2))
    maps[0, 0] = np.nan  # no box
    logits = np.array([[2.0, 1.0], [np.nan, np.nan]])
    model = make_model_audit((0, 0), logits=logits, maps=maps, boxes=[np.array([WHOLE])] * 2)
    folder = export_report(write(make_audit(model)), "coco", tmp_path / "coco")
    results = json.loads((folder / "predictions.json").read_text("utf-8"))
    assert [(box["image_id"], box["category_id"]) for box in results] == [(1, 2)]


@pytest.fixture(scope="module")
def projector(report: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_report(report, "tensorboard", tmp_path_factory.mktemp("export") / "projector")


def test_projector_files_have_a_row_and_a_thumbnail_for_each_image(report: Path, projector: Path) -> None:
    opened = reportgen.open(report)
    for suffix, model in zip(("", "-2"), opened.models, strict=True):
        features = np.loadtxt(projector / f"tensors{suffix}.tsv", delimiter="\t")
        np.testing.assert_allclose(features, model["features/code"], rtol=1e-5)
        lines = (projector / f"metadata{suffix}.tsv").read_text("utf-8").splitlines()
        rows = [dict(zip(lines[0].split("\t"), line.split("\t"), strict=True)) for line in lines[1:]]
        assert [row["name"] for row in rows] == model.predictions["name"].tolist()
        assert [row["label"] for row in rows] == ["" if k < 0 else CLASSES[k] for k in LABELS]
        with Image.open(projector / f"sprite{suffix}.png") as sprite:
            assert sprite.size == (3 * 32, 2 * 32)  # three in a row
            for i in range(5):
                tile = sprite.crop((i % 3 * 32, i // 3 * 32, i % 3 * 32 + 32, i // 3 * 32 + 32))
                np.testing.assert_array_equal(tile, model["image/tiny"][i])


def test_tensorboard_serves_the_exported_features(report: Path, projector: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing import data_provider, plugin_event_multiplexer
    from tensorboard.plugins.base_plugin import TBContext
    from tensorboard.plugins.projector.projector_plugin import ProjectorPlugin
    from werkzeug.test import Client

    multiplexer = plugin_event_multiplexer.EventMultiplexer()
    context = TBContext(
        logdir=str(projector),
        multiplexer=multiplexer,
        data_provider=data_provider.MultiplexerDataProvider(multiplexer, str(projector)),
    )
    apps = ProjectorPlugin(context).get_plugin_apps()

    def get(route: str, **query: str) -> Any:
        return Client(apps[route]).get("/", query_string=query)

    (run,) = get("/runs").json
    entries = get("/info", run=run).json["embeddings"]
    assert [entry["tensorName"] for entry in entries] == ["net", "other"]
    assert entries[0]["sprite"]["singleImageDim"] == [32, 32]
    for entry, model in zip(entries, reportgen.open(report).models, strict=True):
        name = entry["tensorName"]
        features = np.frombuffer(get("/tensor", run=run, name=name).data, np.float32)
        np.testing.assert_allclose(features, np.asarray(model["features/code"]).ravel(), rtol=1e-5)
        assert get("/metadata", run=run, name=name).text.count("\n") == 6
        assert get("/sprite_image", run=run, name=name).mimetype == "image/png"


def test_thumbnails_of_many_images_shrink_to_the_projectors_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reportgen.results.export.projector.MAX_SPRITE", 64)
    thumbnails = np.arange(10, dtype=np.uint8)[:, None, None, None] * np.ones((32, 32, 3), np.uint8)
    data, side = _sprite(thumbnails)
    assert side == 16  # four in a row
    with Image.open(io.BytesIO(data)) as sprite:
        assert sprite.size == (64, 48)
        assert np.asarray(sprite)[8::16, 8::16, 0].ravel()[:10].tolist() == list(range(10))


def test_projector_leaves_out_images_whose_features_are_not_finite(tmp_path: Path) -> None:
    features = np.arange(12, dtype=np.float32).reshape(3, 4)
    features[1, 2] = np.inf
    model = make_model_audit((0, 1, 0), arrays={"features/gap": features})
    folder = export_report(write(make_audit(model)), "tensorboard", tmp_path / "projector")
    np.testing.assert_array_equal(np.loadtxt(folder / "tensors.tsv"), features[[0, 2]])
    assert [line.split("\t")[0] for line in (folder / "metadata.tsv").read_text().splitlines()[1:]] == [
        "0.png",
        "2.png",
    ]


def test_notebook_shows_the_headline_figures_with_intervals(report: Path) -> None:
    text = reportgen.open(report)._repr_html_()
    for table in ("table-1-classification.csv", "table-2-localization.csv"):
        for row in rows_of(report / table):
            if row["kind"] == "measured":
                assert f"{row['Top-1, %']} %" in text
    assert "5, 4 with a label" in text
    assert ": Top-5 error" not in text  # it does not apply to three classes
    assert "<td> %</td>" not in text
    assert f'href="{(report / "site" / "index.html").as_uri()}"' in text


def test_notebook_escapes_names_and_links_relative_folders(monkeypatch: pytest.MonkeyPatch) -> None:
    audit = make_audit(make_model_audit((0, 1), info=make_model_info(name="<i>")))
    folder = write(replace(audit, dataset=replace(audit.dataset, name="<b>&")))
    monkeypatch.chdir(folder.parent)
    text = reportgen.open(folder.name)._repr_html_()
    assert "<b>" not in text
    assert "<i>" not in text
    assert "&lt;i&gt;: Top-1 error" in text
    assert "&lt;b&gt;&amp;" in text
    assert f'href="{folder.name}/site/index.html"' in text


def test_notebook_of_a_report_without_boxes_shows_no_localization(unlocated: Path) -> None:
    assert "localization" not in reportgen.open(unlocated)._repr_html_()


def test_report_without_boxes_exports_a_table_but_no_coco_files(unlocated: Path, tmp_path: Path) -> None:
    (first, _) = rows_of(export_report(unlocated, "csv", tmp_path / "a.csv"))
    assert [name for name in first if re.match(r"box\d", name)] == []
    with pytest.raises(OutputError, match="has no boxes"):
        export_report(unlocated, "coco", tmp_path / "coco")
    assert not (tmp_path / "coco").exists()


@pytest.mark.parametrize("to", [*FILES, *FOLDERS])
def test_export_never_overwrites(report: Path, tmp_path: Path, to: str) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "mine.txt").write_text("mine")
    for name in ("file", "folder"):
        with pytest.raises(OutputError, match=f"`{tmp_path / name}` exists"):
            export_report(report, to, tmp_path / name)
    assert (tmp_path / "file").read_text() == "mine"
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["mine.txt"]


def test_export_fills_an_empty_folder_and_makes_missing_ones(report: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert (export_report(report, "coco", tmp_path / "empty") / "annotations.json").is_file()
    assert (export_report(report, "csv", tmp_path / "new" / "a.csv")).is_file()
    with pytest.raises(OutputError, match="exists"):
        export_report(report, "csv", tmp_path / "new")


@pytest.mark.parametrize(
    ("to", "module", "hint"), [("parquet", "pyarrow", "reportgen[parquet]"), ("frame", "pandas", "")]
)
def test_missing_package_is_named_with_its_pip_line(
    report: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, to: str, module: str, hint: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(OutputError) as caught:
        reportgen.open(report).frame() if to == "frame" else export_report(report, to, tmp_path / "out")
    assert "pip install" in str(caught.value.hint)
    assert hint in str(caught.value.hint)


def test_missing_report_cache_or_findings_is_a_one_line_error(report: Path, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="contains no report"):
        export_report(tmp_path, "csv", tmp_path / "a.csv")
    shutil.copy(report / "report.npz", tmp_path)
    for to, message in (("csv", "findings.json"), ("tensorboard", "the cache of")):
        with pytest.raises(ReportgenError, match=message):
            export_report(tmp_path, to, tmp_path / "out")
    assert {path.name for path in tmp_path.iterdir()} == {"report.npz"}
    assert (export_report(tmp_path, "coco", tmp_path / "out") / "predictions.json").is_file()  # needs neither


def test_command_offers_every_format_and_prints_where_it_wrote(report: Path) -> None:
    option = next(option for option in cli.commands["export"].params if option.name == "to")
    assert sorted(option.type.choices) == sorted([*FILES, *FOLDERS])  # type: ignore[attr-defined]
    for to, name in (("csv", f"{report.name}.csv"), ("coco", f"{report.name}-coco")):
        done = CliRunner().invoke(cli, ["export", str(report), "--to", to])
        assert done.exit_code == 0
        assert Path(done.output.rstrip("\n")) == report.resolve().parent / name
        assert (report.parent / name).exists()
