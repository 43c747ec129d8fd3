"""`reportgen cache` and `reportgen.open` on a finished report."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import reportgen
from reportgen.cli import cli
from reportgen.config import AuditConfig
from reportgen.errors import StoreError
from reportgen.pipeline.run import run_audit
from reportgen.store import inventory as cache
from tests.support.square_images import squares
from tests.support.tiny_networks import TINY_NETWORK


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    table = squares(folder / "data", each=2)
    for resize in ("crop", "warp"):
        config = AuditConfig(
            data=table, classes=table.parent / "classes.txt", model=TINY_NETWORK, out=folder / "out", resize=resize,
            select="1",
        )  # fmt: skip
        run_audit(config)
    return folder / "out"


def test_report_opens_without_torch_and_equals_its_tables(report: Path) -> None:
    code = (
        "import sys, json, numpy as np, reportgen\n"
        "r = reportgen.open(sys.argv[1])\n"
        "gap = r['features/gap']\n"
        "print(json.dumps({'torch': 'torch' in sys.modules, 'names': r.predictions['name'].tolist(),\n"
        "  'top': r.predictions['top'][:, 0].tolist(), 'kind': r.predictions['kind'].tolist(), 'shape': gap.shape,\n"
        "  'iou': r.localization['iou'].tolist(), 'rank': r.localization['rank'].tolist(), 'classes': r.classes}))\n"
    )
    done = subprocess.run([sys.executable, "-c", code, report], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert found["torch"] is False
    rows = list(csv.DictReader((report / "predictions.csv").open()))
    assert found["names"] == [row["name"] for row in rows]
    assert [found["classes"][k] for k in found["top"]] == [row["class1"] for row in rows]
    assert found["kind"] == [row["kind"] for row in rows]
    assert found["shape"] == [6, 16]
    boxes = list(csv.DictReader((report / "localization.csv").open()))
    assert found["rank"] == [int(row["rank"]) for row in boxes]
    assert found["iou"] == pytest.approx([float(row["iou"]) for row in boxes], abs=1e-4)


def test_report_returns_arrays_by_row_and_by_image(report: Path) -> None:
    opened = reportgen.open(report)
    logits = np.asarray(opened["logits"])
    assert logits.argmax(1).tolist() == opened.predictions["top"][:, 0].tolist()
    identity = opened["samples/id"][4].decode()
    np.testing.assert_array_equal(opened["logits"][opened.table.find([identity])[0]], logits[4])
    np.testing.assert_array_equal(opened["features/code"], opened["features/gap"])
    assert opened.table.ragged("image/jpeg", 0)[:2] == b"\xff\xd8"


def test_cache_lists_stores_and_prunes_those_of_other_settings(report: Path) -> None:
    before = {entry.path.name: entry.is_used for entry in cache.cache_entries(report)}
    shown = CliRunner().invoke(cli, ["cache", "list", str(report)])
    assert shown.exit_code == 0
    lines = shown.output.splitlines()
    assert len(lines) == len(before) >= 4
    assert sum(" old " in line for line in lines) == sum(not used for used in before.values()) > 0
    assert any("6 images" in line and "crop" in line and " old " in line for line in lines)
    pruned = CliRunner().invoke(cli, ["cache", "prune", str(report)])
    assert pruned.exit_code == 0
    assert {entry.path.name for entry in cache.cache_entries(report)} == {name for name, used in before.items() if used}
    assert reportgen.open(report)["logits"].shape == (6, 3)
    assert list(cache.prune(report)) == []


def test_cache_verify_names_a_damaged_shard(report: Path) -> None:
    assert CliRunner().invoke(cli, ["cache", "verify", str(report)]).exit_code == 0
    path = sorted((report / "cache").glob("*/000000-*.npz"))[0]
    whole = path.read_bytes()
    path.write_bytes(whole[:-200] + bytes([whole[-200] ^ 1]) + whole[-199:])
    found = CliRunner().invoke(cli, ["cache", "verify", str(report)])
    path.write_bytes(whole)
    assert found.exit_code == 1
    assert f"shard `{path.name}` is corrupt" in found.output


def test_missing_report_or_cache_is_a_one_line_error(report: Path, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="contains no report"):
        reportgen.open(tmp_path)
    with pytest.raises(StoreError, match="has no cache"):
        cache.cache_entries(tmp_path)
    (tmp_path / "report.npz").write_bytes((report / "report.npz").read_bytes())
    opened = reportgen.open(tmp_path)
    assert len(opened.predictions) == 6
    with pytest.raises(StoreError, match=r"the cache of .* is missing"):
        opened["logits"]
    (tmp_path / "cache").mkdir()
    with pytest.raises(StoreError, match="not known which stores"):
        list(cache.prune(tmp_path))


def test_prune_after_a_failed_run_keeps_its_stores(tmp_path: Path, monkeypatch) -> None:
    table = squares(tmp_path / "data", each=1)
    given = {"data": table, "classes": table.parent / "classes.txt", "model": TINY_NETWORK, "select": "none"}
    config = AuditConfig(**given, out=tmp_path / "out")
    run_audit(config)
    names = {entry.path.name for entry in cache.cache_entries(config.out)}
    with monkeypatch.context() as patch:
        patch.setattr("reportgen.pipeline.job.build_audit", lambda *_: 1 / 0)
        for _ in range(2):
            with pytest.raises(ZeroDivisionError):
                run_audit(replace(config, resize="crop"))
    stopped = {entry.path.name for entry in cache.cache_entries(config.out)} - names
    assert len(stopped) >= 1
    assert list(cache.prune(config.out)) == []
    run_audit(config)  # up to date: the used stores are those that were noted
    assert {entry.path.name for entry in cache.prune(config.out)} == stopped
    assert {entry.path.name for entry in cache.cache_entries(config.out)} == names
