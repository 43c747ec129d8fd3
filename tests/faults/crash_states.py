"""The state of the disk at every write, flush and rename of a whole job, and the job that finds it there.

What a killed process leaves is what the system has of its files at that moment. So the job runs once, and before each
change the folder is copied (by links); with the file that is being written as it is, and cut to a half. States with the
same bytes are tried once.
"""

from __future__ import annotations

import hashlib
import os
import random
import shutil
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from tests.faults.events import Event, watch
from tests.faults.job import Job, attempt, faults_of, images_in_shards, remove


@dataclass(frozen=True)
class State:
    """A copy of the folder before a change. kind: of the change and of the file, for choosing a sample."""

    folder: Path
    kind: str


def events(job: Job, folder: Path) -> list[str]:
    """Do the job in a process of its own and return the kind of each change."""
    kinds: list[str] = []
    out, log = folder / "counted", folder / "kinds"

    def work() -> int:
        out.mkdir()
        watch(out, lambda _, event: kinds.append(_kind(event, out)))
        computed = job.do(out)
        log.write_text("\n".join(kinds))
        return computed

    outcome = attempt(work, folder / "outcome.json")
    assert outcome.is_done, outcome.end
    remove(out)
    return log.read_text().splitlines()


def record(job: Job, folder: Path, chosen: Collection[int] | None = None) -> list[State]:
    """Do the job in a process of its own and return the different states of its folder, before all or some changes."""
    out, copies = folder / "recorded", folder / "states"
    copies.mkdir(parents=True)

    def work() -> int:
        written: list[Path] = []

        def before(number: int, event: Event) -> None:
            kind, path = event
            if kind == "open" and path.is_file():
                _unlink_copies(path)
            if chosen is None or number in chosen:
                name = f"{number:05d} {_kind(event, out)}"
                _copy(out, copies / name)
                if written and written[-1].is_file() and written[-1].stat().st_size > 1:
                    torn = copies / f"{name} torn"
                    _copy(out, torn)
                    _cut(torn / written[-1].relative_to(out))
            if kind in ("open", "rename"):
                written[:] = [path] if kind == "open" else []

        out.mkdir()
        watch(out, before)
        return job.do(out)

    outcome = attempt(work, folder / "outcome.json")
    assert outcome.is_done, outcome.end
    remove(out)
    different: dict[str, State] = {}
    for copy in sorted(copies.iterdir()):
        different.setdefault(_digest(copy), State(copy, copy.name.split(" ", 1)[1]))
    return list(different.values())


def _kind(event: Event, out: Path) -> str:
    return f"{event[0]} {_sort(event[1].relative_to(out))}"


def _sort(path: Path) -> str:
    """What kind of file this is: its folder without numbers and digests, and its ending."""
    inner = [part for part in path.parts[:-1] if not any(c.isdigit() for c in part)]
    return "-".join([*inner, path.suffix.lstrip(".") or "file"])


def _copy(source: Path, target: Path) -> None:
    shutil.copytree(source, target, copy_function=os.link)


def _unlink_copies(path: Path) -> None:
    """Give a file that is about to be written in place bytes of its own."""
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data)


def _cut(path: Path) -> None:
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data[: len(data) // 2])


def _digest(folder: Path) -> str:
    sha = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        sha.update(f"{path.relative_to(folder)}\0{path.is_dir()}\0".encode())
        sha.update(hashlib.sha256(b"" if path.is_dir() else path.read_bytes()).digest())
    return sha.hexdigest()


def sample(kinds: Sequence[str], n: int, seed: int) -> list[int]:
    """Choose the positions of `n` kinds, as many different ones as possible."""
    chance = random.Random(seed)
    positions: dict[str, list[int]] = {}
    for position in chance.sample(range(len(kinds)), len(kinds)):
        positions.setdefault(kinds[position], []).append(position)
    rounds = zip_longest(*positions.values())
    return [k for one in rounds for k in _shuffled(one, chance)][:n]


def _shuffled(positions: Sequence[int | None], chance: random.Random) -> list[int]:
    there = [k for k in positions if k is not None]
    return chance.sample(there, len(there))


def survive(job: Job, state: State, folder: Path, expected: dict[str, bytes], images: int) -> list[str]:
    """Do the job where a killed one left this state, and return what is wrong then."""
    out = folder / "again"
    remove(out)
    shutil.copytree(state.folder, out)
    in_shards = images_in_shards(out)
    outcome = attempt(lambda: job.do(out), folder / "outcome.json")
    if not outcome.is_done:
        return [outcome.end]
    faults = faults_of(out, expected)
    if outcome.computed != images - in_shards:
        faults.append(f"{outcome.computed} images computed with {in_shards} of {images} in complete shards")
    return faults
