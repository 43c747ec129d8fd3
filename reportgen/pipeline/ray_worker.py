"""A Ray worker: it loads the networks once and computes parts, whose results are files in the cache."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from reportgen.config import AuditConfig
from reportgen.errors import ConfigError
from reportgen.pipeline.part import Part
from reportgen.pipeline.part_job import PartJob
from reportgen.pipeline.part_pass import PartOutcome
from reportgen.pipeline.progress import silent
from reportgen.pipeline.run import reader_of


@dataclass(frozen=True)
class WorkerJob:
    """What a worker gets to begin with.

    folder: the driver's working folder; run: text of `run_file`, which shows that a worker sees the driver's files;
    stores: settings of the stores that the driver will read, in the order of `PartJob.passes`.
    """

    config: AuditConfig
    folder: str
    run: str
    stores: Sequence[Mapping[str, Any]]


class PartWorker:
    """An actor. It keeps no results: if it is killed, another one computes its part again."""

    def load(self, job: WorkerJob) -> None:
        """Load the networks and read the data. Errors: ReportgenError."""
        if Path(job.folder).is_dir():
            os.chdir(job.folder)  # for relative paths in the settings
        where = f"a Ray worker on {os.uname().nodename}"
        if not _has_text(run_file(job.config.out), job.run):
            raise ConfigError(
                f"{where} does not see this run's folder `{job.config.out}`", "name a folder that all machines share"
            )
        config = replace(job.config, max_failure_rate=None, retry_failed=False)  # both are the driver's
        self._job = PartJob(config, reader_of(config), silent)
        for own, wanted in zip((one.store_settings for one in self._job.passes), job.stores, strict=True):
            for key in sorted(own.keys() | wanted.keys()):
                if own.get(key) != wanted.get(key):
                    raise ConfigError(
                        f"{where} computes with `{key}` = {own.get(key)}, this process with {wanted.get(key)}",
                        "use machines with the same versions, weights and kind of device, also for this process",
                    )

    def compute(self, part: Part, following: Part | None) -> list[PartOutcome]:
        """Compute a part; return what became of it in each pass. Errors: ReportgenError.

        following: the part of the next call, as far as the driver knows: its first images are decoded meanwhile.
        """
        return [done.outcome for done in self._job.compute(part, following)]


def run_file(out: Path) -> Path:
    """Return the file in the folder of a report whose text is that of the run which Ray's workers compute for."""
    return out / "cache" / "ray-run"


def _has_text(path: Path, text: str) -> bool:
    try:
        return path.read_text("ascii") == text
    except OSError:
        return False
