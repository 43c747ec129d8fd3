"""The setting `runtime`: who decides between PyTorch and ONNX Runtime, and that a report says the same with both."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from reportgen.config import AuditConfig
from reportgen.data.readers.dataset import read_dataset
from reportgen.errors import ConfigError
from reportgen.models.sources import load_classifier
from reportgen.pipeline import runtime
from reportgen.pipeline.extraction import forward_pass
from reportgen.pipeline.forward import ForwardPass
from reportgen.pipeline.run import run_audit
from reportgen.pipeline.runtime import resolve_runtime
from tests.support.html import read_html
from tests.support.square_images import squares
from tests.support.tiny_networks import TINY_NETWORK

CPU = torch.device("cpu")


@pytest.fixture
def config(tmp_path: Path) -> AuditConfig:
    table = squares(tmp_path / "data", each=2)
    return AuditConfig(
        data=table, classes=table.parent / "classes.txt", model=TINY_NETWORK, select="all", device="cpu",
        precision="fp32", out=tmp_path / "out",
    )  # fmt: skip


def resolved(config: AuditConfig, device: torch.device = CPU) -> AuditConfig:
    classifier = load_classifier(config)
    assert config.data
    return resolve_runtime(read_dataset(config.data, classifier.class_names), classifier, config, device)[0]


def test_report_of_onnx_runtime_equals_that_of_pytorch(config: AuditConfig, tmp_path: Path) -> None:
    """All figures within rounding, the same predictions, top patches and failures, and the provenance."""
    reports = {
        name: run_audit(replace(config, runtime=name, out=tmp_path / name)).audit for name in ("torch", "onnxruntime")
    }
    plain, onnx = (audit.main for audit in reports.values())
    assert onnx.info.runtime.startswith("onnxruntime ")
    assert plain.info.runtime == "torch"
    for name in ("logits", "features/gap", "features/gmp", "cam/map"):
        expected = np.asarray(plain.table[name])
        assert np.abs(np.asarray(onnx.table[name]) - expected).max() <= 1e-4 * np.abs(expected).max()
    assert (np.asarray(plain.table["cam/class"]) == np.asarray(onnx.table["cam/class"])).all()
    assert plain.outcomes == onnx.outcomes
    for layer, units in plain.units.items():
        for a, b in zip(units, onnx.units[layer], strict=True):
            np.testing.assert_allclose(a.values, b.values, rtol=1e-4, atol=1e-5)
    rows = plain.selected["occlusion"].rows
    assert rows.keys() == onnx.selected["occlusion"].rows.keys()
    for i in rows:
        a, b = (model.selected["occlusion"].of_image(i)["occlusion/probability"] for model in (plain, onnx))
        np.testing.assert_allclose(a, b, atol=1e-4)
    assert onnx.unconfirmed_patches == frozenset()
    assert "ONNX Runtime" in read_html(tmp_path / "onnxruntime" / "site" / "provenance.html")


def test_graph_is_exported_once_for_a_network_and_its_layers(config: AuditConfig, tmp_path: Path, monkeypatch) -> None:
    """And not by another process; random weights leave no graph behind."""
    own = replace(config, runtime="onnxruntime", select="none")
    run_audit(own)
    assert len(list((own.out / "cache").glob("graph-*.npz"))) == 1
    monkeypatch.setattr("reportgen.pipeline.forward.export_trunk", lambda *_: pytest.fail("exported again"))
    pixels = torch.randint(0, 256, (2, *load_classifier(own).preprocessing.input_shape[1:]), dtype=torch.uint8)
    found = forward_pass(load_classifier(own), own)(pixels, [None, None])
    plain = forward_pass(load_classifier(own), replace(own, runtime="torch"))(pixels, [None, None])
    torch.testing.assert_close(found["logits"], plain["logits"], rtol=1e-4, atol=1e-4)
    monkeypatch.undo()
    forward_pass(load_classifier(own), replace(own, layers=("1",)))(pixels, [None, None])
    assert len(list((own.out / "cache").glob("graph-*.npz"))) == 2


def test_few_images_are_run_by_pytorch_without_a_trial(config: AuditConfig) -> None:
    assert resolved(config).runtime == "torch"
    assert not (config.out / "cache").exists()


def test_trial_is_stored_and_decides_again_for_fewer_images(config: AuditConfig, monkeypatch) -> None:
    monkeypatch.setattr(runtime, "MIN_MULTIPLICATIONS", 0)
    monkeypatch.setattr(runtime, "is_better", lambda trial: True)
    assert resolved(config).runtime == "onnxruntime"
    assert len(list((config.out / "cache").glob("runtime-*.npz"))) == 1
    monkeypatch.setattr(runtime, "MIN_MULTIPLICATIONS", 1e18)
    monkeypatch.setattr(runtime, "_trial", lambda *_: pytest.fail("the trial is stored"))
    assert resolved(config).runtime == "onnxruntime"


def test_a_network_that_cannot_be_exported_is_run_by_pytorch_and_the_page_says_why(
    config: AuditConfig, monkeypatch
) -> None:
    monkeypatch.setattr(runtime, "MIN_MULTIPLICATIONS", 0)
    monkeypatch.setattr("reportgen.models.onnx_export.OPSET", 3)  # older than any that the exporter knows
    audit = run_audit(config).audit
    assert audit.main.info.runtime == "torch"
    assert audit.main.info.runtime_trial
    assert "cannot be exported to ONNX" in audit.main.info.runtime_trial.failure
    assert "cannot be exported to ONNX" in read_html(config.out / "site" / "provenance.html")


@pytest.mark.parametrize(
    ("device", "precision"), [(torch.device("cuda"), "fp32"), (CPU, "bf16")], ids=["gpu", "low precision"]
)
def test_onnx_runtime_is_for_cpus_in_float32(config: AuditConfig, device: torch.device, precision: str) -> None:
    wanted = replace(config, runtime="auto", precision=precision)
    assert resolved(wanted, device).runtime == "torch"
    with pytest.raises(ConfigError, match="cannot be used on") as raised:
        resolved(replace(wanted, runtime="onnxruntime"), device)
    assert raised.value.hint
    assert "--runtime torch" in raised.value.hint


def test_runtime_and_its_version_are_part_of_the_key_of_stored_results(config: AuditConfig) -> None:
    from importlib.metadata import version

    classifier = load_classifier(config)
    assert ForwardPass(classifier, runtime="onnxruntime").runtime_version == f"onnxruntime {version('onnxruntime')}"
    assert ForwardPass(classifier).runtime_version == "torch"
