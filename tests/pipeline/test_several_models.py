"""Several networks in one audit: `[[models]]`, figures for each, the first one on the pages."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from reportgen.config import AuditConfig, override
from reportgen.config_file import read_config
from reportgen.errors import ConfigError, ReportgenError
from reportgen.pipeline.run import run_audit
from reportgen.pipeline.summary import RunSummary
from tests.support.html import read_html
from tests.support.square_images import squares
from tests.support.tiny_networks import TINY_NETWORK


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> RunSummary:
    folder = tmp_path_factory.mktemp("several")
    squares(folder / "data", each=3)
    (folder / "audit.toml").write_text(
        'data = "data/table.csv"\nclasses = "data/classes.txt"\nout = "report"\nselect = "none"\n'
        f'model = "{TINY_NETWORK}"\n'
        "[[models]]\n"
        '[[models]]\nname = "another"\nmodel = "python:tests.support.tiny_networks:other_network"\nresize = "crop"\n'
    )
    return run_audit(read_config(folder / "audit.toml"))


def test_each_network_has_its_own_figures(two: RunSummary) -> None:
    first, second = two.audit.models
    assert (first.info.name, second.info.name) == ("network", "another")
    assert (first.info.resize, second.info.resize) == ("warp", "crop")
    assert first.table.fingerprint != second.table.fingerprint
    assert not np.allclose(first.table["logits"], second.table["logits"])
    assert [s.name for s in first.samples] == [s.name for s in second.samples]
    assert two.computed == 18


def test_results_have_an_entry_for_each_network(two: RunSummary) -> None:
    out = two.index.parents[1]
    metrics = json.loads((out / "metrics.json").read_text())
    assert [m["name"] for m in metrics["models"]] == ["network", "another"]
    for written, model in zip(metrics["models"], two.audit.models, strict=True):
        top1 = np.asarray(model.table["logits"]).argmax(1) != model.labels
        assert written["classification"]["top1_error"] == pytest.approx(top1.mean())
    for name in ("predictions.csv", "localization.csv"):
        rows = list(csv.DictReader((out / name).open()))
        assert {row["model"] for row in rows} == {"network", "another"}
    provenance = json.loads((out / "report.json").read_text())
    assert list(provenance["stores"]) == [m.table.fingerprint for m in two.audit.models]


def test_pages_of_models_and_localization_compare_the_networks(two: RunSummary) -> None:
    for name, table in (("models", "Classification error"), ("localization", "Localization error")):
        page = read_html(two.index.parent / name / "index.html")
        assert table in page
        assert '<th scope="row">another' in page


def test_one_network_needs_no_models_table(tmp_path: Path) -> None:
    config = AuditConfig(data=Path("d"), model="demo")
    assert config.networks() == [config]


def test_models_tables_override_the_keys_above() -> None:
    config = AuditConfig(model="demo", resize="crop", models=({"model": "torchvision:alexnet"}, {"resize": "warp"}))
    assert [(c.model, c.resize) for c in config.networks()] == [("torchvision:alexnet", "crop"), ("demo", "warp")]


def test_flags_override_the_models_tables() -> None:
    config = AuditConfig(models=({"model": "torchvision:alexnet", "resize": "crop"}, {"model": "demo"}))
    assert [c.resize for c in override(config, {"resize": "warp"}).networks()] == ["warp", "warp"]
    assert [c.model for c in override(config, {"model": "demo"}).networks()] == ["demo"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[models]]\nweigths = 'x'", "`weigths` of [[models]] 1"),
        ("[[models]]\ndata = 'x'", "`data` of [[models]] 1"),
        ("[[models]]\nmodel = 3", "`model` of [[models]] 1"),
        ("models = 'demo'", "is not a list of tables"),
        ("[[models]]\nresize = 'up'", "`resize` is `up`"),
    ],
)
def test_bad_models_tables_are_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "audit.toml").write_text(text)
    with pytest.raises(ConfigError) as error:
        read_config(tmp_path / "audit.toml")
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        (({}, {}), "two networks are called `network`"),
        (({}, {"model": "python:tests.support.tiny_networks:four_classes"}), "different classes"),
    ],
)
def test_incompatible_networks_are_refused(tmp_path: Path, tables: tuple, message: str) -> None:
    table = squares(tmp_path / "data", each=1)
    config = AuditConfig(
        data=table,
        model=TINY_NETWORK,
        select="none",
        out=tmp_path / "report",
        models=tables,
    )
    with pytest.raises(ReportgenError) as error:
        run_audit(config)
    assert message in str(error.value)
