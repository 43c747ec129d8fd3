"""`maps`: score maps made elsewhere go through the same localization code as the network's own."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from reportgen.config import AuditConfig
from reportgen.errors import ConfigError
from reportgen.pipeline.run import run_audit
from tests.support.html import read_html
from tests.support.square_images import squares
from tests.support.tiny_networks import TINY_NETWORK


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return squares(tmp_path / "data", each=3)


def config(table: Path, **settings: object) -> AuditConfig:
    plain = AuditConfig(
        data=table,
        model=TINY_NETWORK,
        classes=table.parent / "classes.txt",
        select="none",
        out=table.parent.parent / "out",
    )
    return replace(plain, **settings)  # type: ignore[arg-type]


def box_maps(table: Path, folder: Path) -> Path:
    """Write maps of 48 × 48 that are 1 in the box of an image of 96 × 96, and 0 outside."""
    folder.mkdir()
    for row in csv.DictReader(table.read_text().splitlines()):
        map_ = np.zeros((48, 48))
        x0, y0, x1, y1 = (round(int(row[key]) / 2) for key in ("x0", "y0", "x1", "y1"))
        map_[y0:y1, x0:x1] = 1
        np.save(folder / f"{row['path']}.npy", map_)
    return folder


def results(out: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((out / "metrics.json").read_text())["models"][0]
    return found


def test_maps_of_the_ground_truth_have_no_localization_error(table: Path, tmp_path: Path) -> None:
    settings = config(table, maps=box_maps(table, tmp_path / "maps"))
    audit = run_audit(settings).audit
    found = results(settings.out)
    localization = found["localization"]
    assert isinstance(localization, dict)
    assert (found["method"], found["head"], found["cam_identity_max_abs"]) == ("files", "own", None)
    assert localization["gt_known_error"] == 0
    assert localization["max_box_acc"] == localization["max_box_acc_v2"] == 1
    assert "random_weights" not in localization["controls"]  # the files say nothing of another network
    for i, sample in enumerate(audit.samples):
        expected = np.load(tmp_path / "maps" / f"{sample.name}.npy")
        np.testing.assert_array_equal(audit.main.cams[i], np.stack([expected] * 4))
    page = read_html(next((settings.out / "site" / "images").glob("000000-*.html")))
    assert "Score map from a file, the same for every class" in page
    assert "logit units" not in page
    assert "score maps read from files" in read_html(settings.out / "site" / "provenance.html")


def test_changed_map_changes_the_figures_and_missing_map_leaves_its_image_out(table: Path, tmp_path: Path) -> None:
    """The network's own maps are a second model: both are of the images that have a map."""
    folder = box_maps(table, tmp_path / "maps")
    own = {"model": TINY_NETWORK, "classes": table.parent / "classes.txt"}
    settings = config(table, models=({**own, "maps": folder, "model_name": "files"}, own))
    run_audit(settings)
    np.save(folder / "blue-0.png.npy", np.eye(48))
    np.save(folder / "blue-1.png.npy", np.ones((48, 48)))
    (folder / "red-2.png.npy").unlink()
    audit = run_audit(settings).audit
    assert len(audit.samples) == 8
    np.testing.assert_array_equal(audit.main.cams[0, 0], np.eye(48, dtype=np.float32))
    assert audit.models[1].cams.shape[2:] != (48, 48)
    assert audit.main.localization
    correct = audit.main.localization.gt_known_correct
    wrong = [sample.name for sample, right in zip(audit.samples, correct, strict=True) if not right]
    assert wrong == ["blue-0.png", "blue-1.png"]
    rows = list(csv.reader((settings.out / "left_out.csv").read_text().splitlines()))
    assert [row[1] for row in rows[1:]] == ["blue-1.png", "red-2.png"]
    assert "is constant" in rows[1][2]
    assert "neither `red-2.png.npy` nor `red-2.npy` exists" in rows[2][2]


def test_maps_and_a_function_together_are_an_error(table: Path) -> None:
    with pytest.raises(ConfigError, match="both given"):
        config(table, maps=table.parent, map_function="python:a:b")
