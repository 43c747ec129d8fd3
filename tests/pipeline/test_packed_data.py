"""A run on packed images computes what a run on their files computes, stores nothing twice, and resumes."""

from __future__ import annotations

import csv
import io
import json
import tarfile
from pathlib import Path

import pytest

from reportgen.audit.audit import Audit
from reportgen.config import AuditConfig
from reportgen.pipeline.run import run_audit
from reportgen.pipeline.summary import RunSummary
from tests.support.square_images import squares
from tests.support.tiny_networks import TINY_NETWORK


def packed_as_parquet(table: Path, folder: Path) -> Path:
    """The images of a table of squares in one Parquet file."""
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    with open(table, newline="") as file:
        rows = [row | {"image": (table.parent / row.pop("path")).read_bytes()} for row in csv.DictReader(file)]
    for row in rows:
        row |= {name: float(row[name]) for name in ("x0", "y0", "x1", "y1")}
    parquet.write_table(pa.Table.from_pylist(rows), folder / "squares.parquet", row_group_size=2)
    return folder / "squares.parquet"


def packed_as_tar(table: Path, folder: Path) -> Path:
    """The images of a table of squares in one WebDataset shard."""
    with open(table, newline="") as file, tarfile.open(folder / "squares-000.tar", "w") as tar:
        for row in csv.DictReader(file):
            image = table.parent / row.pop("path")
            tar.add(image, image.name)
            text = json.dumps(row).encode()
            member = tarfile.TarInfo(f"{image.stem}.json")
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text))
    return folder / "squares-{000..000}.tar"


PACKERS = {"parquet": packed_as_parquet, "tar": packed_as_tar}


def run(folder: Path, data: Path, classes: Path) -> RunSummary:
    return run_audit(AuditConfig(data=data, classes=classes, model=TINY_NETWORK, out=folder / "out", select="none"))


def logits_by_image(audit: Audit) -> dict[str, tuple[int, list[float]]]:
    """The label and the logits of each image, by the digest of its bytes."""
    rows = zip(audit.main.table["samples/id"], audit.main.labels, audit.main.table["logits"], strict=True)
    return {str(identity): (int(label), logits.tolist()) for identity, label, logits in rows}


@pytest.mark.parametrize("kind", PACKERS)
def test_packed_images_give_the_results_of_their_files(tmp_path, kind: str) -> None:
    table = squares(tmp_path / "data", each=1)
    packed = PACKERS[kind](table, tmp_path)
    classes = table.parent / "classes.txt"
    plain = run(tmp_path / "plain", table, classes).audit
    summary = run(tmp_path / "packed", packed, classes)
    assert not summary.audit.unreadable
    expected, found = map(logits_by_image, (plain, summary.audit))
    assert found == expected
    assert sorted(map(len, (s.boxes for s in summary.audit.samples))) == sorted(len(s.boxes) for s in plain.samples)
    # the store of the plain run has every image already, because images are identified by their bytes
    reused = run(tmp_path / "plain", packed, classes)
    assert (reused.computed, reused.reused) == (0, len(plain.samples))
    assert run(tmp_path / "packed", packed, classes).is_fresh
