"""Random damage to the files of a finished job, in caches and results: the next job ends with the same results."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

from tests.faults.job import Job, attempt, faults_of, remove

KINDS = ("flip a bit", "truncate", "append", "empty", "delete", "replace by a folder", "replace by another file")


def damage(path: Path, kind: str, others: list[Path], chance: random.Random) -> None:
    """Damage a file."""
    data = bytearray(path.read_bytes())
    if kind == "flip a bit" and data:
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    elif kind == "truncate":
        del data[chance.randrange(len(data) + 1) :]
    elif kind == "append":
        data += bytes(chance.randrange(256) for _ in range(9))
    elif kind == "replace by another file":
        data[:] = chance.choice(others).read_bytes()
    elif kind in ("delete", "replace by a folder"):
        path.unlink()
        if kind != "delete":
            path.mkdir()
        return
    else:
        data.clear()
    path.write_bytes(data)


def survive_damage(
    job: Job, whole: Path, chance: random.Random, folder: Path, expected: dict[str, bytes]
) -> tuple[str, list[str]]:
    """Damage some files of a copy of a finished job, and do the job again; returns what was done, and faults."""
    out = folder / "damaged"
    remove(out)
    shutil.copytree(whole, out)
    files = sorted(path for path in out.rglob("*") if path.is_file())
    files = [path for path in files if path.name != "comparison.json"]  # without it, a folder is not a comparison
    in_cache = [path for path in files if "cache" in path.parts]
    done = []
    for path in chance.sample(in_cache if chance.random() < 0.7 else files, chance.randint(1, 3)):
        alike = [other for other in files if other.suffix == path.suffix and other.is_file() and other != path]
        kind = chance.choice(KINDS if alike else KINDS[:-1])
        damage(path, kind, alike, chance)
        done.append(f"{kind}: {path.relative_to(out)}")
    outcome = attempt(lambda: job.do(out), folder / "outcome.json")
    is_refused = "replace by a folder" in str(done) and outcome.end.endswith("(Is a directory)")  # in one line
    faults = faults_of(out, expected) if outcome.is_done else [outcome.end]
    return "; ".join(done), [] if is_refused else faults
