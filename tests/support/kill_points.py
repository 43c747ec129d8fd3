"""Kill the extraction stage at every write point and at random moments, run it again, and compare the stores.

`test_extraction_kill_points.py` runs this module as a process of its own, which loads torch once and forks for each
try; it prints one JSON object. A random moment is a function call, by its number from the start, so that the moments do
not depend on the machine's speed.
"""

from __future__ import annotations

import builtins
import json
import os
import random
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from reportgen.config import AuditConfig
from reportgen.data.readers.dataset import read_dataset
from reportgen.models.classifier import Preprocessing
from reportgen.models.sources import load_classifier
from reportgen.pipeline import extraction, forward
from reportgen.pipeline.extraction import run_model
from reportgen.pipeline.forward import ForwardPass
from reportgen.pipeline.progress import silent
from reportgen.store import files
from tests.support.square_images import squares
from tests.support.tiny_networks import TINY_NETWORK

torch.set_num_threads(1)  # before any work: a pool of threads does not survive a fork
forward.IMAGES_PER_SHARD = 8
BATCH = 4
CPU = torch.device("cpu")
LOADED = load_classifier(AuditConfig(model=TINY_NETWORK))
NETWORK = replace(LOADED, preprocessing=Preprocessing(size=32, resize_size=32))
FORWARD = ForwardPass(NETWORK)
extraction.forward_pass = lambda *_: FORWARD  # made once, not in every process
POINTS = ("half written", "before the flush", "before the rename", "after the rename")


def job(folder: Path, out: Path) -> None:
    """Run the extraction stage into `out`; the file `computed` holds the number of computed images."""
    config = AuditConfig(data=folder / "table.csv", device="cpu", out=out, batch_size=BATCH, precision="fp32")
    with files.exclusive_run(out):
        run = run_model(read_dataset(folder / "table.csv", NETWORK.class_names), NETWORK, config, CPU, silent)
    (out / "computed").write_text(str(run.extraction.computed))


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def killed_at(point: str, shard: int) -> None:
    """Patch this process so that it dies at a point of writing its shard number `shard`."""
    count = -1
    replaced = os.replace

    def half_written(path: Path, mode: str) -> object:
        nonlocal count
        file = builtins.open(path, mode)  # noqa: SIM115 - the caller closes it
        if mode != "wb":
            return file  # the lock
        count += 1
        if point == "half written" and count == shard:
            write = file.write

            class Half:
                def __enter__(self) -> Half:
                    return self

                def __exit__(self, *_: object) -> None: ...

                def write(self, data: bytes) -> None:
                    write(data[: len(data) // 2])
                    file.flush()
                    die()

            return Half()
        return file

    def flushed(descriptor: int) -> None:
        if point == "before the flush" and count == shard:
            die()

    def renamed(a: Path, b: Path) -> None:
        if point == "before the rename" and count == shard:
            die()
        replaced(a, b)
        if point == "after the rename" and count == shard:
            die()

    files.open, files.os.fsync, files.os.replace = half_written, flushed, renamed


def counting(at: int, then: Callable[[], None]) -> Callable[[], int]:
    """Count calls and returns of functions in the main thread, and call `then` at number `at`; returns the counter."""
    count = 0

    def called(*_: object) -> None:
        nonlocal count
        count += 1
        if count == at:
            then()

    sys.setprofile(called)
    return lambda: count


def child(work: Callable[[], None]) -> int:
    """Fork a process that does the work and return its number. It skips fsync: a kill loses nothing of the disk."""
    number = os.fork()
    if number == 0:
        try:
            os.fsync = lambda descriptor: None
            work()
            os._exit(0)
        except BaseException as error:
            print(error, file=sys.stderr)
            os._exit(1)
    return number


def finished(number: int) -> bool:
    """Wait for a process; returns whether it ended by itself. An error in it is an error here."""
    status = os.waitpid(number, 0)[1]
    if os.WIFSIGNALED(status):
        return False
    assert os.WEXITSTATUS(status) == 0
    return True


def shards(out: Path) -> dict[str, bytes]:
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in sorted(out.rglob("*.npz"))}


def main(folder: Path, moments: int) -> None:
    squares(folder / "data", each=8, side=32)  # 24 images, 3 shards
    data, whole = folder / "data", folder / "whole"

    def counted() -> None:
        calls = counting(-1, die)
        job(data, whole)
        (folder / "calls").write_text(str(calls()))

    assert finished(child(counted))
    calls = int((folder / "calls").read_text())
    expected, faults, killed = shards(whole), [], 0
    chance = random.Random(0)
    tries = [(point, shard) for point in POINTS for shard in range(len(expected))]
    tries += [("call", chance.randrange(calls)) for _ in range(moments)]
    for n, (point, when) in enumerate(tries):
        out = folder / f"out{n}"

        def work(out: Path = out, point: str = point, when: int = when) -> None:
            if point == "call":
                counting(when, die)
            else:
                killed_at(point, when)
            job(data, out)

        ended = finished(child(work))
        killed += not ended
        there = len(shards(out)) if out.exists() else 0
        assert finished(child(lambda out=out: job(data, out)))
        computed = int((out / "computed").read_text())
        if shards(out) != expected:
            faults.append(f"{point} {when}: other bytes")
        if computed != 24 - 8 * there:
            faults.append(f"{point} {when}: {computed} images computed with {there} shards there")
        if left := [path.name for path in out.rglob("*.tmp")]:
            faults.append(f"{point} {when}: left {left}")
    print(json.dumps({"shards": len(expected), "tries": len(tries), "killed": killed, "faults": faults}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
