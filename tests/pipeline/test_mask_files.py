"""`masks`: PxAP against masks with ignored pixels, compared with a slow computation from its definition."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reportgen.config import AuditConfig
from reportgen.pipeline.run import run_audit
from tests.support.html import read_html
from tests.support.square_images import COLOURS, squares
from tests.support.tiny_networks import TINY_NETWORK

cv2 = pytest.importorskip("cv2")
SIDE = 96
VIEW = 224


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> AuditConfig:
    """Labels without boxes, random score maps, and masks: a disc in the square, whose corners are ignored."""
    root = tmp_path_factory.mktemp("masks")
    table = squares(root / "data", each=3, side=SIDE)
    rows = list(csv.DictReader(table.read_text().splitlines()))
    table.write_text("path,label\n" + "".join(f"{row['path']},{row['label']}\n" for row in rows))
    for name in ("masks", "maps"):
        (root / name).mkdir()
    random = np.random.default_rng(1)
    for row in rows:
        x0, y0, x1, y1 = (int(row[key]) for key in ("x0", "y0", "x1", "y1"))
        y, x = np.mgrid[:SIDE, :SIDE] + 0.5
        disc = np.hypot(x - (x0 + x1) / 2, y - (y0 + y1) / 2) < (x1 - x0) / 2
        square = (x0 <= x) & (x < x1) & (y0 <= y) & (y < y1)
        stem = row["path"].removesuffix(".png")
        Image.fromarray(disc.astype(np.uint8) * 255).save(root / "masks" / f"{stem}_m1.png")
        if not stem.endswith("0"):  # some images have no file of ignored pixels
            Image.fromarray(square.astype(np.uint8) * 255).save(root / "masks" / f"{stem}_ignore.png")
        np.save(root / "maps" / f"{stem}.npy", random.random((12, 12)) + cv2.resize(disc.astype(float), (12, 12)))
    return AuditConfig(
        data=table,
        model=TINY_NETWORK,
        classes=table.parent / "classes.txt",
        masks=root / "masks",
        maps=root / "maps",
        select="none",
        out=root / "out",
    )


def slow_pxap(scores: list[np.ndarray], truths: list[np.ndarray]) -> float:
    """Σ precision · Δrecall over the thresholds 1, 0.999, …, 0. truths: 1 object, 0 background, 255 ignored."""
    score = np.concatenate([one[truth != 255] for one, truth in zip(scores, truths, strict=True)])
    is_object = np.concatenate([truth[truth != 255] == 1 for truth in truths])
    area = last = 0.0
    for threshold in (1.0, *(np.arange(0, 1, 0.001)[::-1])):
        kept = score >= threshold
        if kept.any():
            recall = (kept & is_object).sum() / is_object.sum()
            area += (kept & is_object).sum() / kept.sum() * (recall - last)
            last = recall
    return area


def truth_of(masks: Path, stem: str) -> np.ndarray:
    """As the released code combines the files, sampled at the centres of 224 × 224 pixels."""
    at = ((np.arange(VIEW) + 0.5) * SIDE / VIEW).astype(int)
    objects = np.asarray(Image.open(masks / f"{stem}_m1.png"))[np.ix_(at, at)] > 0
    path = masks / f"{stem}_ignore.png"
    ignored = np.asarray(Image.open(path))[np.ix_(at, at)] > 0 if path.exists() else np.zeros_like(objects)
    return objects.astype(np.uint8) + 255 * (ignored & ~objects).astype(np.uint8)


def test_pxap_of_maps_and_controls_is_that_of_the_definition(config: AuditConfig) -> None:
    audit = run_audit(config).audit
    localization = json.loads((config.out / "metrics.json").read_text())["models"][0]["localization"]
    stems = [f"{colour}-{i}" for colour in sorted(COLOURS) for i in range(3)]
    assert config.masks is not None
    assert config.maps is not None
    truths = [truth_of(config.masks, stem) for stem in stems]
    assert {255 in truth for truth in truths} == {True, False}
    scores = []
    for stem in stems:
        score = cv2.resize(
            np.load(config.maps / f"{stem}.npy").astype(np.float32), (VIEW, VIEW), interpolation=cv2.INTER_CUBIC
        )
        scores.append((score - score.min()) / (score.max() - score.min()))
    assert localization["pxap"] == pytest.approx(slow_pxap(scores, truths), abs=2e-4)
    whole = slow_pxap([np.ones((VIEW, VIEW))] * len(truths), truths)
    share = sum((truth == 1).sum() for truth in truths) / sum((truth != 255).sum() for truth in truths)
    assert whole == pytest.approx(share)
    assert localization["controls"]["whole_image"]["pxap"] == pytest.approx(share, abs=1e-4)
    without_ignoring = slow_pxap(scores, [truth * (truth != 255) for truth in truths])
    assert abs(localization["pxap"] - without_ignoring) > 0.005  # the ignored pixels matter here
    assert len(audit.main.localization_study.images) == 9  # boxes come from the masks


def test_pages_show_pxap_and_a_second_run_is_up_to_date(config: AuditConfig) -> None:
    assert run_audit(config).is_fresh
    text = read_html(config.out / "site" / "localization" / "index.html")
    value = json.loads((config.out / "metrics.json").read_text())["models"][0]["localization"]["pxap"]
    assert "PxAP" in text
    assert f"{100 * value:.1f}" in text
    path = sorted(config.masks.glob("*_ignore.png"))[0]
    before = path.read_bytes()
    Image.new("L", (SIDE, SIDE)).save(path)
    assert not run_audit(config).is_fresh
    path.write_bytes(before)
