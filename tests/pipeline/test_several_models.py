"""Several networks in one audit: `[[models]]`, a result for each, the first on the pages."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from reportgen.config import AuditConfig, override, read_config
from reportgen.errors import ConfigError, ReportgenError
from reportgen.pipeline.run import Summary, run_audit
from tests.support.tiny import squares


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Summary:
    folder = tmp_path_factory.mktemp("several")
    squares(folder / "data", each=3)
    (folder / "audit.toml").write_text(
        'data = "data/table.csv"\nclasses = "data/classes.txt"\nout = "report"\nselect = "none"\n'
        'model = "python:tests.support.tiny:network"\n'
        "[[models]]\n"
        '[[models]]\nname = "another"\nmodel = "python:tests.support.tiny:other_network"\nresize = "crop"\n'
    )
    return run_audit(read_config(folder / "audit.toml"))


def test_each_network_has_its_own_figures(two: Summary) -> None:
    first, second = two.audit.models
    assert (first.card.name, second.card.name) == ("network", "another")
    assert (first.card.resize, second.card.resize) == ("warp", "crop")
    assert first.store.fingerprint != second.store.fingerprint
    assert not np.allclose(first.store["logits"], second.store["logits"])
    assert [s.name for s in first.samples] == [s.name for s in second.samples]
    assert two.computed == 18


def test_results_have_an_entry_for_each(two: Summary) -> None:
    out = two.index.parents[1]
    metrics = json.loads((out / "metrics.json").read_text())
    assert [m["name"] for m in metrics["models"]] == ["network", "another"]
    for model, audit in zip(metrics["models"], two.audit.models, strict=True):
        top1 = np.asarray(audit.store["logits"]).argmax(1) != audit.labels
        assert model["classification"]["top1_error"] == pytest.approx(top1.mean())
    for name in ("predictions.csv", "localization.csv"):
        rows = list(csv.DictReader((out / name).open()))
        assert {row["model"] for row in rows} == {"network", "another"}
    provenance = json.loads((out / "report.json").read_text())
    assert list(provenance["stores"]) == [m.store.fingerprint for m in two.audit.models]


def test_overview_compares_them(two: Summary) -> None:
    page = two.index.read_text()
    assert "Compared with what" in page
    assert '<th scope="row">another</th>' in page


def test_one_network_needs_no_table(tmp_path: Path) -> None:
    config = AuditConfig(data=Path("d"), model="demo")
    assert config.networks() == [config]


def test_tables_go_before_the_keys_above_them() -> None:
    config = AuditConfig(model="demo", resize="crop", models=({"model": "torchvision:alexnet"}, {"resize": "warp"}))
    assert [(c.model, c.resize) for c in config.networks()] == [("torchvision:alexnet", "crop"), ("demo", "warp")]


def test_flags_beat_the_tables() -> None:
    config = AuditConfig(models=({"model": "torchvision:alexnet", "resize": "crop"}, {"model": "demo"}))
    assert [c.resize for c in override(config, {"resize": "warp"}).networks()] == ["warp", "warp"]
    assert [c.model for c in override(config, {"model": "demo"}).networks()] == ["demo"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[models]]\nweigths = 'x'", "`weigths` of [[models]] 1"),
        ("[[models]]\ndata = 'x'", "`data` of [[models]] 1"),
        ("[[models]]\nmodel = 3", "`model` of [[models]] 1"),
        ("models = 'demo'", "no list of tables"),
        ("[[models]]\nresize = 'up'", "`resize` is `up`"),
    ],
)
def test_bad_tables_are_named(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "audit.toml").write_text(text)
    with pytest.raises(ConfigError) as error:
        read_config(tmp_path / "audit.toml")
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        (({}, {}), "two networks are called `network`"),
        (({}, {"model": "python:tests.support.tiny:four_classes"}), "different classes"),
    ],
)
def test_networks_that_cannot_stand_together(tmp_path: Path, tables: tuple, said: str) -> None:
    table = squares(tmp_path / "data", each=1)
    config = AuditConfig(
        data=table, model="python:tests.support.tiny:network", select="none", out=tmp_path / "report", models=tables
    )
    with pytest.raises(ReportgenError) as error:
        run_audit(config)
    assert said in str(error.value)
