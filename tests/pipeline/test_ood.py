"""Images of no class beside the audited ones: they are run through the network, and only their scores are compared."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
from PIL import Image

from reportgen.audit.separation import separate
from reportgen.config import AuditConfig
from reportgen.pipeline.run import run_audit
from tests.support.html import read_html
from tests.support.square_images import squares
from tests.support.tiny_networks import TINY_NETWORK


def test_images_of_no_class_are_compared_and_count_as_inputs(tmp_path: Path) -> None:
    table = squares(tmp_path / "data", each=4)
    other, random = tmp_path / "other" / "not a class", np.random.default_rng(0)
    other.mkdir(parents=True)
    for k in range(5):
        Image.fromarray(random.integers(0, 256, (40, 40, 3)).astype(np.uint8)).save(other / f"{k}.png")
    config = AuditConfig(
        data=table, model=TINY_NETWORK, ood=tmp_path / "other", select="none", device="cpu", out=tmp_path / "report"
    )
    summary = run_audit(config)
    audit = summary.audit
    assert [len(audit.samples), len(audit.ood.samples)] == [12, 5]
    assert {sample.label for sample in audit.ood.samples} == {None}
    found = json.loads((tmp_path / "report" / "metrics.json").read_text())["models"][0]["ood"]
    expected = separate(audit.main.table["logits"], audit.ood.table["logits"])
    assert [(one["score"], one["audited"], one["other"], one["auroc"]) for one in found] == [
        (one.score, 12, 5, one.auroc) for one in expected
    ]
    page = read_html(tmp_path / "report" / "site" / "confidence" / "index.html")
    assert "from the 5 images of other, which show none of the classes" in page
    assert run_audit(config).is_fresh
    shutil.copy(other / "0.png", other / "9.png")
    again = run_audit(config)
    assert not again.is_fresh
    assert len(again.audit.ood.samples) == 6
