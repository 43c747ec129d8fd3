"""Kills the extraction stage at every write point in turn and at random moments, and compares what a rerun leaves.

Run by `test_store_crashes.py` in a process of its own, which loads torch once and forks; prints one JSON object.
A random moment is a call of a function, counted from the start: every place of the code that runs has its turn,
however fast the machine is.
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
from reportgen.pipeline import extraction as passes
from reportgen.pipeline import forward
from reportgen.pipeline.extraction import look, silent
from reportgen.pipeline.forward import Pass
from reportgen.store import files
from tests.support.tiny import squares

torch.set_num_threads(1)  # before any work: a pool of threads does not survive a fork
forward.SHARD = 8
BATCH = 4
CPU = torch.device("cpu")
LOADED = load_classifier(AuditConfig(model="python:tests.support.tiny:network"))
NETWORK = replace(LOADED, preprocessing=Preprocessing(size=32, resize_size=32))
FORWARD = Pass(NETWORK)
passes.pass_for = lambda *_: FORWARD  # made once, not in every process
POINTS = ("half written", "before the flush", "before the rename", "after the rename")


def job(folder: Path, out: Path) -> None:
    """The extraction stage into `out`; the last file says how many images were computed."""
    config = AuditConfig(data=folder / "table.csv", device="cpu", out=out, batch_size=BATCH, precision="fp32")
    with files.only_run(out):
        seen = look(read_dataset(folder / "table.csv", NETWORK.vocabulary), NETWORK, config, CPU, silent)
    (out / "computed").write_text(str(seen.looked.computed))


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def killed_at(point: str, shard: int) -> None:
    """Patches this process so that it dies when it writes its shard number `shard`."""
    count = -1
    replaced = os.replace

    def half_written(path: Path, mode: str) -> object:
        nonlocal count
        file = builtins.open(path, mode)  # noqa: SIM115 - what it stands for is not closed here either
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
    """Counts calls and returns of this process's main thread from now on; at number `at`, `then` happens."""
    count = 0

    def called(*_: object) -> None:
        nonlocal count
        count += 1
        if count == at:
            then()

    sys.setprofile(called)
    return lambda: count


def child(work: Callable[[], None]) -> int:
    """The process number of a fork that does the work. Its flushes wait for no disk: a kill does not need them."""
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
    """Waits; whether it was not killed. Any other failure ends the test."""
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
