"""Processes that die or meet: killed runs and helpers, two runs at once, decoders that crash or hang."""

from __future__ import annotations

import contextlib
import json
import os
import random
import time
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from reportgen import parallel
from reportgen.data import isolated
from reportgen.pipeline import image_loader
from tests.faults.job import Job, attempt, faults_of, forked, kill, outcome_of, remove

CORES = 3


def with_helpers() -> None:
    """Let this process share its work with helpers, even if there is little of it."""
    parallel.MIN_PARALLEL_ITEMS = 2
    os.sched_getaffinity = lambda process: set(range(CORES))


def descendants(process: int) -> list[int]:
    """The numbers of the processes that a process has started, and of those that they have."""
    found = []
    for path in Path(f"/proc/{process}/task").glob("*/children"):
        try:
            own = [int(number) for number in path.read_text().split()]
        except OSError:
            continue
        found += [number for child in own for number in (child, *descendants(child))]
    return found


def is_running(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def kill_run(job: Job, seconds: float, folder: Path, expected: dict[str, bytes]) -> list[str]:
    """Kill a job that has helpers after some time, and do it again."""
    out = folder / "killed"
    remove(out)

    def work() -> int:
        with_helpers()
        return job.do(out)

    out.mkdir()
    run = forked(work, folder / "outcome.json")
    time.sleep(seconds)
    helpers = descendants(run)
    kill(run)
    outcome_of(run, folder / "outcome.json")
    until = time.monotonic() + 5
    while (alive := [one for one in helpers if is_running(one)]) and time.monotonic() < until:
        time.sleep(0.01)
    faults = [f"{len(alive)} helpers outlive the run"] if alive else []
    outcome = attempt(lambda: job.do(out), folder / "outcome.json")
    return faults + (faults_of(out, expected) if outcome.is_done else [outcome.end])


def kill_helper(
    job: Job, chance: random.Random, seconds: float, folder: Path, expected: dict[str, bytes]
) -> tuple[int, list[str]]:
    """Kill a helper of a job at some moment; returns the number of killed ones, and the faults."""
    out = folder / "helped"
    remove(out)

    def work() -> int:
        with_helpers()
        return job.do(out)

    out.mkdir()
    run, killed = forked(work, folder / "outcome.json"), 0
    begin = time.monotonic() + chance.uniform(0, seconds)
    until = begin + 120
    while os.waitpid(run, os.WNOHANG)[0] == 0:
        time.sleep(0.01)
        if killed == 0 and time.monotonic() > begin and (helpers := descendants(run)):
            with contextlib.suppress(ProcessLookupError):
                kill(chance.choice(helpers))
                killed += 1
        if time.monotonic() > until:
            kill(run)
            return killed, ["it hangs"]
    end = json.loads((folder / "outcome.json").read_text())["end"]
    return killed, faults_of(out, expected) if end == "done" else [end]


def run_twice_at_once(job: Job, pause: float, folder: Path, expected: dict[str, bytes]) -> list[str]:
    """Start two jobs on one folder, one some time after the other."""
    out = folder / "shared"
    remove(out)
    out.mkdir()
    logs = [folder / f"outcome{k}.json" for k in range(2)]
    runs = [forked(lambda: job.run(out / "report").computed, logs[0])]
    time.sleep(pause)
    runs.append(forked(lambda: job.run(out / "report").computed, logs[1]))
    ends = [outcome_of(run, log).end for run, log in zip(runs, logs, strict=True)]
    refused = f"OutputError: another run is writing to `{out / 'report'}`"
    if ends.count("done") == 0 or any(end not in ("done", refused) for end in ends):
        return ends
    outcome = attempt(lambda: job.do(out), folder / "outcome.json")
    return faults_of(out, expected) if outcome.is_done else [outcome.end]


def bad_decoder(job: Job, bad: Callable[[], object], reason: str, folder: Path) -> list[str]:
    """Run where the decoder of one image does something bad: it is named and left out, the others are computed."""
    out = folder / "decoded"
    remove(out)
    names = sorted(path.name for path in (job.folder / "data").glob("*.png"))
    original = image_loader.decode_scaled

    def decode(data: bytes, name: str, side: int | None) -> tuple[Image.Image, tuple[int, int]]:
        if name == names[1]:
            bad()
        return original(data, name, side)

    def work() -> int:
        image_loader.decode_scaled = decode
        isolated.MAX_SECONDS = 1.0
        summary = job.run(out)
        left = summary.audit.unreadable
        assert [name for name, _ in left] == [names[1]], left
        assert reason in left[0][1], left
        assert reason in (out / "left_out.csv").read_text()
        assert len(summary.audit.samples) + len(left) == len(names)
        return summary.computed

    outcome = attempt(work, folder / "outcome.json")
    if not outcome.is_done:
        return [outcome.end]
    return [] if outcome.computed == len(names) - 1 else [f"{outcome.computed} images computed"]
