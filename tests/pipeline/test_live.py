"""The live page's files: written with the setting `live`, and not, with one line, where the network cannot run."""

from __future__ import annotations

import base64
import gzip
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reportgen.config import AuditConfig
from reportgen.errors import ModelError
from reportgen.gallery.core.check import check_site
from reportgen.gallery.core.data_chunks import read_chunk
from reportgen.pipeline import live
from reportgen.pipeline.live import offered_images
from reportgen.pipeline.run import run_audit
from reportgen.pipeline.summary import RunSummary
from tests.support.square_images import squares
from tests.support.tiny_networks import TINY_NETWORK


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., RunSummary]:
    table = squares(tmp_path / "data", each=4)

    def audit(**settings: object) -> RunSummary:
        given = {"data": table, "model": TINY_NETWORK, "classes": tmp_path / "data" / "classes.txt", "select": "none"}
        return run_audit(AuditConfig(**{**given, "out": tmp_path / "report", "live": True, **settings}))

    return audit


def column(site: Path, chunk: str, name: str, dtype: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(read_chunk(site, chunk)["columns"][name][1]), dtype)


def test_site_has_the_page_the_runtime_and_the_network(run) -> None:
    summary = run()
    site = summary.index.parent
    assert summary.notes == []
    assert "wasm-unsafe-eval" in (site / "live.html").read_text("utf-8")
    assert "wasm-unsafe-eval" not in (site / "index.html").read_text("utf-8")
    assert 'href="live.html"' in (site / "index.html").read_text("utf-8")
    assert check_site(site.parent)[0] == []
    wasm = gzip.decompress(column(site, "live-runtime", "wasm", "u1").tobytes())
    assert wasm.startswith(b"\0asm")
    network = gzip.decompress(column(site, "live-network-0", "bytes", "u1").tobytes())
    about = read_chunk(site, "live")
    weights = np.frombuffer(network, "<f4", 3 * 16, about["weights"]).reshape(3, 16)
    head = summary.audit.main.info
    assert weights.shape == (len(about["texts"]["classes"].split("\n")), head.feature_shape[0])


def test_inputs_of_the_report_are_the_pixels_that_the_network_saw(run) -> None:
    summary = run()
    site, samples = summary.index.parent, summary.audit.samples
    rows = column(site, "live", "rows", "<i4")
    assert rows.tolist() == list(range(len(samples)))
    data, ends = column(site, "live-inputs-0", "bytes", "u1"), column(site, "live-inputs-0", "ends", "<u4")
    starts = [0, *ends[:-1]]
    for row, (start, end) in enumerate(zip(starts, ends, strict=True)):
        with Image.open(io.BytesIO(data[start:end].tobytes())) as stored:
            found = np.asarray(stored.convert("RGB"))
        with Image.open(io.BytesIO(samples[row].read())) as image:
            expected = np.asarray(image.convert("RGB").resize((224, 224), Image.Resampling.BILINEAR))
        np.testing.assert_array_equal(found, expected)


def test_report_without_the_setting_has_no_live_page_and_none_of_its_files(run) -> None:
    site = run().index.parent
    assert (site / "live.html").exists()
    run(live=False)
    assert not (site / "live.html").exists()
    assert not list((site / "data").glob("live*"))
    assert check_site(site.parent)[0] == []


def test_network_that_cannot_be_exported_gets_one_line_and_no_page(run, monkeypatch) -> None:
    def refuse(*_: object) -> None:
        raise ModelError("this network cannot be exported to ONNX (no such operator)")

    monkeypatch.setattr(live, "live_graph", refuse)
    summary = run()
    assert summary.notes == ["no live page: this network cannot be exported to ONNX (no such operator)"]
    assert not (summary.index.parent / "live.html").exists()


def test_network_over_the_limit_gets_one_line_and_no_page(run, monkeypatch) -> None:
    monkeypatch.setattr(live, "MAX_BYTES", 1000)
    summary = run()
    assert len(summary.notes) == 1
    assert summary.notes[0].startswith("no live page: the network has 0 MB")
    assert not (summary.index.parent / "live.html").exists()


def test_heads_fitted_in_folds_are_no_single_network(run) -> None:
    assert run(head="gap", folds=2).notes == [
        "no live page: its head was fitted in 2 folds, so there is no single network"
    ]


@pytest.mark.parametrize("n", [0, 1, 5, 298, 299, 100_000])
def test_offered_images_are_all_or_an_even_sample(n: int) -> None:
    rows = offered_images(n, 224 * 224)
    assert len(rows) == len(set(rows)) == min(n, 15_000_000 // 224**2)
    assert not n or (rows[0], rows[-1]) == (0, n - 1)
    assert max(np.diff(rows), default=0) - min(np.diff(rows), default=0) <= 1
