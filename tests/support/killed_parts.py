"""Compute parts in several processes that are killed at random moments, and compare the store with that of one run.

`test_parts.py` runs this module as a process of its own, which loads torch once and forks for each worker; it prints
one JSON object. Each part has two workers at a time: locks that do not reach from machine to machine are no locks.
"""

from __future__ import annotations

import contextlib
import json
import random
import sys
from pathlib import Path

from reportgen.config import AuditConfig
from reportgen.data.readers.dataset import read_dataset
from reportgen.pipeline.extraction import run_model
from reportgen.pipeline.part import WHOLE, Part
from reportgen.pipeline.progress import silent
from reportgen.store import files
from tests.support.kill_points import BATCH, CPU, NETWORK, child, counting, die, finished, shards
from tests.support.square_images import squares

PARTS = 4
MAX_STARTS = 60
files._locked = lambda *_: contextlib.nullcontext()


def job(folder: Path, out: Path, part: Part) -> int:
    """Run the extraction stage on a part into `out`; returns the number of computed images."""
    config = AuditConfig(data=folder / "table.csv", device="cpu", out=out, batch_size=BATCH, precision="fp32")
    dataset = read_dataset(folder / "table.csv", NETWORK.class_names)
    with files.shared_run(out, str(part)):
        return run_model(dataset, NETWORK, config, CPU, silent, part).extraction.computed


def main(folder: Path) -> None:
    data, whole, out = folder / "data", folder / "whole", folder / "out"
    squares(data, each=15, side=32)  # 45 images, 6 units of 8
    (data / "green-3.png").write_bytes(b"no image")

    def count() -> None:
        calls = counting(-1, die)
        job(data, whole, WHOLE)
        (folder / "calls").write_text(str(calls()))

    assert finished(child(count))
    calls = int((folder / "calls").read_text()) // PARTS
    chance, killed, starts = random.Random(0), 0, 0
    left = {Part(number, PARTS): 2 for number in range(1, PARTS + 1)}
    while any(left.values()):
        workers = []
        for part, count_ in left.items():
            for _ in range(count_):
                # later starts live longer: at first most are killed
                at, starts = chance.randrange(calls // 3, calls) * (1 + starts // 8), starts + 1
                workers.append((part, child(lambda part=part, at=at: (counting(at, die), job(data, out, part)))))
        assert starts < MAX_STARTS
        for part, number in workers:
            ended = finished(number)
            killed += not ended
            left[part] -= ended
    expected, found = shards(whole), shards(out)
    (folder / "computed").unlink(missing_ok=True)
    assert finished(child(lambda: (folder / "computed").write_text(str(job(data, out, WHOLE)))))
    computed_again = int((folder / "computed").read_text())
    print(json.dumps({"shards": len(expected), "equal": found == expected, "killed": killed, "starts": starts,
                      "computed_again": computed_again}))  # fmt: skip


if __name__ == "__main__":
    main(Path(sys.argv[1]))
