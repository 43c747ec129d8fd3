"""Activation maps of the user's own function: stored unchanged, evaluated like others, identified by code."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from reportgen.config import AuditConfig
from reportgen.errors import ConfigError, ModelError
from reportgen.models.map_function import apply_map_function, load_map_function
from reportgen.pipeline.run import run_audit
from tests.support import synthetic_dataset
from tests.support.html import read_html
from tests.support.square_images import squares
from tests.support.tiny_networks import TINY_NETWORK

CODE = '''
import torch

def colour(classifier, images, classes):
    """Redness, greenness, blueness: the class's own colour in the picture, in cells of 7 pixels."""
    other = images.mean(1, keepdim=True)
    apart = torch.nn.functional.avg_pool2d(images - other, 7)
    return torch.stack([apart[torch.arange(len(apart)), 2 - k] for k in classes.T], 1)

def gradient(classifier, images, classes):
    leaf = images.clone().requires_grad_()
    logits = classifier.head(classifier.trunk(leaf))
    maps = [torch.autograd.grad(logits[:, k].sum(), leaf, retain_graph=True)[0].abs().amax(1) for k in classes[0]]
    return torch.stack(maps, 1)

def flat(classifier, images, classes):
    return images

def broken(classifier, images, classes):
    raise RuntimeError("no such layer")
'''


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "mymaps_of_test.py").write_text(CODE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "mymaps_of_test", raising=False)
    return "python:mymaps_of_test"


def test_report_uses_maps_of_a_custom_function(module: str, tmp_path: Path) -> None:
    """A map that is the class's colour localizes every square; the network's own maps are a second model."""
    table = squares(tmp_path / "data", each=4)
    model = {"model": TINY_NETWORK, "classes": tmp_path / "data" / "classes.txt"}
    models = ({**model, "map_function": f"{module}:colour", "model_name": "colours"}, model)
    out = tmp_path / "report"
    audit = run_audit(AuditConfig(data=table, models=models, select="none", out=out)).audit
    mine, own = json.loads((out / "metrics.json").read_text())["models"]
    assert (mine["method"], own["method"]) == (f"{module}:colour", "cam")
    assert mine["cam_identity_max_abs"] is None
    assert own["cam_identity_max_abs"] < 1e-3
    assert mine["localization"]["gt_known_error"] == 0
    assert mine["localization"]["controls"]["random_weights"]["gt_known_error"] == 0  # the function asks no weights
    assert own["localization"]["gt_known_error"] > 0.3
    assert audit.main.cams.shape[-1] == 16
    page = read_html(next((out / "site" / "images").glob("000000-*.html")))
    assert f"Map by {module}:colour" in page
    assert ", in logit units" not in page
    assert '"unit": ""' in page
    table_2 = (out / "table-2-localization.csv").read_text()
    assert f"colours, {module}:colour" in table_2.replace('"', "").replace("'", "")


def test_map_function_may_take_gradients(module: str) -> None:
    classifier, images = synthetic_dataset.trained(), torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        maps = apply_map_function(
            classifier, load_map_function(f"{module}:gradient"), images, torch.tensor([[0, 1], [0, 1]])
        )
    assert maps.shape == (2, 2, 64, 64)
    assert not maps.requires_grad
    assert np.isfinite(maps.numpy()).all()


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("flat", ModelError, r"returned \(2, 3, 64, 64\) for classes \(2, 2\)"),
        ("broken", ModelError, "no such layer"),
        ("missing", ModelError, "missing"),
    ],
)
def test_faulty_map_function_is_reported(module: str, name: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        apply_map_function(
            synthetic_dataset.trained(),
            load_map_function(f"{module}:{name}"),
            torch.rand(2, 3, 64, 64),
            torch.zeros(2, 2).long(),
        )


def test_map_function_spec_is_checked_and_its_digest_covers_the_code(module: str, tmp_path: Path) -> None:
    for spec in ("mymaps:colour", "python:mymaps", "python:"):
        with pytest.raises(ConfigError, match="map_function"):
            load_map_function(spec)
    first = load_map_function(f"{module}:colour").digest
    (tmp_path / "mymaps_of_test.py").write_text(CODE.replace(" 7)", " 14)"))
    del sys.modules["mymaps_of_test"]
    assert load_map_function(f"{module}:colour").digest != first
