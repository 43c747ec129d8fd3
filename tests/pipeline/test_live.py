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
from reportgen.gallery.components.image_figures import image_size
from reportgen.gallery.components.patch import crop_around
from reportgen.gallery.core.check import check_site
from reportgen.gallery.core.data_chunks import read_chunk
from reportgen.metrics.localization.boxes import to_image
from reportgen.pipeline import live
from reportgen.pipeline.live import offered_images
from reportgen.pipeline.run import run_audit
from reportgen.pipeline.summary import RunSummary
from tests.support.square_images import squares
from tests.support.tiny_networks import SIDE, TINY_NETWORK


def runner(folder: Path) -> Callable[..., RunSummary]:
    table = squares(folder / "data", each=4)

    def audit(**settings: object) -> RunSummary:
        given = {"data": table, "model": TINY_NETWORK, "classes": folder / "data" / "classes.txt", "select": "none"}
        return run_audit(AuditConfig(**{**given, "out": folder / "report", "live": True, **settings}))

    return audit


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., RunSummary]:
    return runner(tmp_path)


@pytest.fixture(scope="module")
def summary(tmp_path_factory: pytest.TempPathFactory) -> RunSummary:
    """A run that tests only read."""
    return runner(tmp_path_factory.mktemp("live"))()


def column(site: Path, chunk: str, name: str, dtype: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(read_chunk(site, chunk)["columns"][name][1]), dtype)


def test_site_has_the_page_the_runtime_and_the_network(summary: RunSummary) -> None:
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
    assert about["is_half"]
    half = summary.audit.live.half
    assert (half.images, half.difference < 1e-2) == (len(summary.audit.samples), True)
    assert f"stored in 16 bits. On {half.images} images" in (site / "live.html").read_text("utf-8")
    weights = np.frombuffer(network, "<f2", 3 * 16, about["weights"]).reshape(3, 16)
    head = summary.audit.main.info
    assert weights.shape == (len(about["texts"]["classes"].split("\n")), head.feature_shape[0])


def test_inputs_of_the_report_are_the_pixels_that_the_network_saw(summary: RunSummary) -> None:
    site, samples = summary.index.parent, summary.audit.samples
    rows = column(site, "live", "rows", "<i4")
    assert rows.tolist() == list(range(len(samples)))
    data, ends = column(site, "live-inputs-0", "bytes", "u1"), column(site, "live-inputs-0", "ends", "<u4")
    starts = [0, *ends[:-1]]
    for row, (start, end) in enumerate(zip(starts, ends, strict=True)):
        with Image.open(io.BytesIO(data[start:end].tobytes())) as stored:
            found = np.asarray(stored.convert("RGB"))
        with Image.open(io.BytesIO(samples[row].read())) as image:
            expected = np.asarray(image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR))
        np.testing.assert_array_equal(found, expected)


def test_layers_have_the_receptive_fields_usual_values_and_top_patches_of_their_units(summary: RunSummary) -> None:
    site, model = summary.index.parent, summary.audit.main
    about = read_chunk(site, "live-layers")
    names = ("mean", "deviation", "down", "across", "patch_crop")
    mean, deviation, down, across, crops = (column(site, "live-layers", name, "<f4") for name in names)
    images = column(site, "live-layers", "patch_image", "<i4").reshape(-1, 4)
    down, across, crops = down.reshape(-1, 2), across.reshape(-1, 2), crops.reshape(-1, 4, 3)
    unit = row = col = 0
    assert [layer["name"] for layer in about["layers"]] == [layer.name for layer in model.info.layers]
    for layer, found in zip(model.info.layers, about["layers"], strict=True):
        units, height, width = found["shape"]
        is_last = layer.name == model.info.feature_layer
        assert found["output"] == ("maps" if is_last else f"layer/{summary.audit.live.layers.index(layer.name)}")
        for where in range(height * width):
            y, x = divmod(where, width)
            box = [across[col + x][0], down[row + y][0], across[col + x][1], down[row + y][1]]
            assert box == layer.box(where).tolist()
        for u in range(units):
            maxima = model.unit_maxima(layer)[:, u].astype(np.float64)
            assert (mean[unit + u], deviation[unit + u]) == pytest.approx((maxima.mean(), maxima.std()), rel=1e-5)
            top = np.argsort(-maxima, kind="stable")[:4]
            assert images[unit + u].tolist() == top.tolist()
            i, where = int(top[0]), int(model.unit_positions(layer)[top[0], u])
            box = to_image(layer.box(where), model.windows[i], model.info.input_size, model.sizes[i])
            assert crops[unit + u, 0] == pytest.approx(crop_around(box, *image_size(model, i))[:3])
        unit, row, col = unit + units, row + height, col + width
    assert (len(mean), len(down), len(across)) == (unit, row, col)


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

    monkeypatch.setattr(live, "_exported", refuse)
    summary = run()
    assert summary.notes == ["no live page: this network cannot be exported to ONNX (no such operator)"]
    assert not (summary.index.parent / "live.html").exists()


def test_network_is_exported_once(run, monkeypatch) -> None:
    first = run().audit.live
    monkeypatch.setattr(live, "live_graph", lambda *_: pytest.fail("exported again"))
    again = run(live_limit=59).audit.live
    assert (again.packed, again.half, again.weights) == (first.packed, first.half, first.weights)


def test_network_over_the_limit_gets_one_line_and_no_page(run, monkeypatch) -> None:
    large = live._Exported(np.zeros(61_000_000, np.uint8), *np.zeros((5, 1)))
    monkeypatch.setattr(live, "_exported", lambda *_: large)
    summary = run()
    assert summary.notes == ["no live page: the network has 61 MB, and the limit is 60 MB (setting `live_limit`)"]
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
