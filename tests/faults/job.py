"""A whole small job (run, review, pack, compare) that is done in forked processes, and its results.

The parent imports everything and does the job once; each try is then a fork that needs no imports. Threads of OpenMP
do not survive a fork, so there is one thread from the start.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
import torch

from reportgen import parallel
from reportgen.config import AuditConfig
from reportgen.data import isolated
from reportgen.gallery.comparison.site import compare_reports
from reportgen.gallery.core.check import check_site
from reportgen.gallery.core.data_chunks import read_chunk
from reportgen.gallery.core.pack import pack
from reportgen.gallery.pages.merged_reviews import review_report
from reportgen.pipeline import forward, job, run
from reportgen.pipeline.run import run_audit
from reportgen.pipeline.summary import RunSummary
from tests.support.square_images import squares
from tests.support.tiny_networks import TINY_NETWORK

torch.set_num_threads(1)
job.use_all_cores = lambda: None
forward.IMAGES_PER_SHARD = 4
parallel.MIN_PARALLEL_ITEMS = 10**9  # one process, except where a try wants helpers
isolated.MAX_SECONDS = 20.0
NOT_COMPARED = ("report.json",)
"""Files that describe the run: its times and folders."""
OTHER_NETWORK = "python:tests.support.tiny_networks:other_network"


@dataclass(frozen=True)
class Outcome:
    """How a forked process ended: `done`, `killed`, or the line of its error."""

    end: str
    computed: int = 0

    @property
    def is_done(self) -> bool:
        return self.end == "done"


class Job:
    """The job's inputs in a folder. `do(out)` writes `out/report`, `out/report.zip` and `out/comparison`."""

    def __init__(self, folder: Path, each: int = 2) -> None:
        self.folder = folder
        self.table = squares(folder / "data", each=each, side=32)
        self._settings = {"data": self.table, "device": "cpu", "precision": "fp32", "runtime": "torch", "batch_size": 2}
        self.other = folder / "other"
        run_audit(AuditConfig(model=OTHER_NETWORK, select="none", out=self.other, **self._settings))

    def run(self, out: Path, select: str = "none") -> RunSummary:
        """Run the audit alone."""
        return run_audit(AuditConfig(model=TINY_NETWORK, select=select, out=out, **self._settings))

    def do(self, out: Path) -> int:
        """Do everything, and return the number of computed images."""
        report = out / "report"
        computed = self.run(report).computed
        review_report(report, [self._export(report, out)])
        pack(report, out / "report.zip")
        compare_reports(report, self.other, out / "comparison")
        return computed

    def _export(self, report: Path, out: Path) -> Path:
        """An export of the review page, as a browser saves it."""
        chunk = read_chunk(report / "site", "images")
        identity = chunk["texts"]["id"].split("\n")[0]
        items = [{"id": identity, "tags": ["label error"], "note": "a note"}]
        path = self.folder / f"exports of {out.name}" / "ann.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({"format": 1, "report": chunk["report"], "items": items}))
        return path


def forked(work: Callable[[], int | None], log: Path | None = None) -> int:
    """Start a process that does the work; returns its number. Its outcome: `outcome_of`."""
    number = os.fork()
    if number:
        return number
    try:
        if log is not None:
            log.unlink(missing_ok=True)
        result = work()
        end = {"end": "done", "computed": result or 0}
    except BaseException as error:
        if "--verbose" in sys.argv:
            import traceback

            traceback.print_exc()
        end = {"end": f"{type(error).__name__}: {error}"}
    if log is not None:
        log.write_text(json.dumps(end))
    os._exit(0)


def outcome_of(number: int, log: Path) -> Outcome:
    """Wait for a process and return how it ended."""
    status = os.waitpid(number, 0)[1]
    if os.WIFSIGNALED(status):
        return Outcome("killed")
    return Outcome(**json.loads(log.read_text()))


def attempt(work: Callable[[], int | None], log: Path) -> Outcome:
    """Do the work in a process of its own and return how that ended."""
    return outcome_of(forked(work, log), log)


def results(out: Path) -> dict[str, bytes]:
    """The files that a job leaves, without caches and what describes the run."""
    return {
        path.relative_to(out).as_posix(): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file()
        and not any(part.startswith("cache") for part in path.relative_to(out).parts)
        and path.name not in (*NOT_COMPARED, ".lock")
    }


def faults_of(out: Path, expected: dict[str, bytes]) -> list[str]:
    """What is wrong with the results of a job in `out`."""
    found = results(out)
    faults = [f"{name} differs" for name in sorted(expected | found) if expected.get(name) != found.get(name)]
    faults += [f"{path.relative_to(out)} was left" for path in out.rglob("*.tmp")]
    if not faults:
        faults += [str(fault) for name in ("report", "comparison") for fault in check_site(out / name)[0]]
    return faults[:5]


def images_in_shards(out: Path) -> int:
    """Number of images in the complete shards of the forward pass."""
    from reportgen.errors import StoreError
    from reportgen.store.shard import Shard

    found = 0
    for path in (out / "report" / "cache").glob("*/[0-9]*.npz"):
        try:
            shard = Shard(path)
            shard.verify()
        except StoreError:
            continue
        found += len(shard["samples/id"]) if "logits" in shard else 0
    return found


def remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def kill(process: int) -> None:
    os.kill(process, signal.SIGKILL)


__all__ = [
    "Job",
    "Outcome",
    "attempt",
    "faults_of",
    "forked",
    "images_in_shards",
    "kill",
    "outcome_of",
    "remove",
    "results",
    "run",
]
