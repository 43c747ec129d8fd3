"""The forward pass on a Ray cluster.

The driver, which is the process of the run, hands out parts to workers that have loaded the networks. A part's results
are files in the cache, from which the driver goes on: no image and no array passes through Ray, and a driver that was
killed is started again.
"""

from __future__ import annotations

import logging
import os
import secrets
import time
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any

import torch

from reportgen.config import AuditConfig
from reportgen.errors import ConfigError, ReportgenError, first_line
from reportgen.pipeline.extraction import Pass
from reportgen.pipeline.forward import unit_size
from reportgen.pipeline.part import Part, parts_of_one_unit
from reportgen.pipeline.part_job import check_heads_are_given
from reportgen.pipeline.part_pass import PartOutcome, check_failure_rate
from reportgen.pipeline.progress import Progress, Ticker
from reportgen.pipeline.ray_cluster import connected
from reportgen.pipeline.ray_worker import PartWorker, WorkerJob, run_file
from reportgen.store.files import write_atomic

log = logging.getLogger(__name__)

MAX_TRIES = 3
"""Workers that compute a part, or load the networks one after the other, before it has failed."""
MAX_FAILED_PARTS = 8
"""Parts that have failed after which the run ends; before that, it first computes all others."""
SECONDS_BETWEEN_LOOKS = 2.0
"""Time after which the driver looks again whether machines have come."""
MAX_WAIT = 600.0
"""Seconds to wait for a machine that is large enough for a worker, as those of a cluster that grows."""


def compute_on_ray(config: AuditConfig, passes: Sequence[Pass], progress: Progress) -> list[PartOutcome]:
    """Let the workers of a Ray cluster fill the stores; return what they did, in each pass.

    config: of the run, whose folder all machines share. Errors: ReportgenError, also for parts that failed.
    """
    check_heads_are_given(config, "leave out `engine = ray`")
    unit = unit_size(config.batch_size)
    parts = parts_of_one_unit(max(len(one.dataset.samples) for one in passes), unit)
    job = WorkerJob(config, os.getcwd(), secrets.token_hex(8), [one.store_settings for one in passes])
    threads = config.cpus_per_worker or torch.get_num_threads()
    file = run_file(config.out)
    write_atomic(file, job.run.encode())
    try:
        with (
            connected(config, threads),
            progress("Running the network on Ray", sum(len(one.dataset.samples) for one in passes), "images") as tick,
        ):
            driver = _Driver(job, passes, parts, threads, tick)
            driver.run()
    finally:
        file.unlink(missing_ok=True)
    return driver.outcomes


class _Driver:
    """Parts that wait, workers, and the calls that they are working on."""

    def __init__(
        self, job: WorkerJob, passes: Sequence[Pass], parts: Iterable[Part], threads: int, tick: Ticker
    ) -> None:
        import ray

        self._ray: Any = ray  # parts of it have no annotations
        self._job, self._passes, self._tick = job, passes, tick
        self._needs = {"CPU": threads, "GPU": job.config.gpus_per_worker}
        actor: Any = ray.remote(PartWorker)
        self._new_worker = actor.options(num_cpus=threads, num_gpus=job.config.gpus_per_worker).remote
        self._waiting = deque(parts)
        self._calls: dict[Any, tuple[Any, Part | None]] = {}  # of a call: its worker, and its part; None while loading
        self._tries: dict[Part, int] = {}
        self._failed: dict[Part, str] = {}
        self._failed_starts = 0
        self._idle: list[Any] = []
        self._announced: dict[Any, Part] = {}  # of a worker: the part that it probably gets next
        self._began, self._has_loaded = time.monotonic(), False
        self.outcomes = [PartOutcome() for _ in passes]

    def run(self) -> None:
        """Compute all parts. Errors: ReportgenError."""
        while self._waiting or any(part for _, part in self._calls.values()):
            self._employ()
            done, _ = self._ray.wait(list(self._calls), timeout=SECONDS_BETWEEN_LOOKS)
            for call in done:
                self._take(call)
            if len(self._failed) >= MAX_FAILED_PARTS:
                break
        if self._failed:
            raise self._failure()

    def _employ(self) -> None:
        """Give idle workers a part each, and start workers: as many as there is room for, and one that waits for room.

        So workers that end are replaced, and a cluster that can grow does so. A worker decodes the first images of its
        next part ahead. That part still waits: it is lost with no worker, and an idle one may take it.
        """
        while self._waiting and self._idle:
            worker = self._idle.pop()
            part = self._announced.pop(worker, None)
            if part is None or part not in self._waiting:  # another worker was idle before
                part = self._unannounced() or self._waiting[0]
            self._waiting.remove(part)
            following = self._unannounced()
            if following:
                self._announced[worker] = following
            self._calls[worker.compute.remote(part, following)] = (worker, part)
        loading = sum(part is None for _, part in self._calls.values())
        room = self._room()
        for _ in range(min(len(self._waiting) - loading, room + 1 - len(self._calls))):
            worker = self._new_worker()
            self._calls[worker.load.remote(self._job)] = (worker, None)
        if not room and not self._has_loaded and time.monotonic() - self._began > MAX_WAIT:
            wanted = " and ".join(f"{number} {kind}" for kind, number in self._needs.items() if number)
            raise ConfigError(
                f"no machine of the Ray cluster has {wanted} for a worker", "use a smaller --cpus-per-worker"
            )

    def _unannounced(self) -> Part | None:
        """The first part that waits and is announced to no worker."""
        announced = set(self._announced.values())
        return next((part for part in self._waiting if part not in announced), None)

    def _room(self) -> int:
        """The number of workers for which the cluster's machines have room if they do nothing else."""
        machines = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        return sum(
            min(int(machine.get(kind, 0) // number) for kind, number in self._needs.items() if number)
            for machine in machines
        )

    def _take(self, call: Any) -> None:
        """Take note of a call that has ended. Errors: ReportgenError of a worker that cannot load the networks."""
        worker, part = self._calls.pop(call)
        try:
            found = self._ray.get(call)
        except self._ray.exceptions.RayError as error:
            cause = getattr(error, "cause", None)  # what was raised in the worker; None if that has ended
            log.debug("Ray, part %s: %s", part, cause or error)
            if part is None:
                self._note_failed_start(cause)
            else:
                self._note_failed_part(part, first_line(cause) if cause else "its worker was killed")
            if part is not None and cause:
                self._idle.append(worker)
            else:
                self._announced.pop(worker, None)
            return
        self._idle.append(worker)
        if part is None:
            self._has_loaded, self._failed_starts = True, 0
        else:
            self._note_computed(part, found)

    def _note_failed_start(self, cause: Exception | None) -> None:
        self._failed_starts += 1
        if isinstance(cause, ReportgenError):
            raise cause
        if cause or self._failed_starts >= MAX_TRIES:
            reason = first_line(cause) if cause else "they are killed; check that memory suffices"
            raise ReportgenError(f"Ray workers cannot load the network: {reason}")

    def _note_failed_part(self, part: Part, cause: str) -> None:
        self._tries[part] = self._tries.get(part, 0) + 1
        if self._tries[part] < MAX_TRIES:
            self._waiting.append(part)
        else:
            self._failed[part] = cause

    def _note_computed(self, part: Part, found: Sequence[PartOutcome]) -> None:
        for one, total, new in zip(self._passes, self.outcomes, found, strict=True):
            total.add(new)
            files = len(one.dataset.samples)
            check_failure_rate(total.unreadable, files, self._job.config.max_failure_rate)
            unit = unit_size(one.settings.batch_size)
            units = part.units(files, unit)
            self._tick(min(units.stop * unit, files) - min(units.start * unit, files))

    def _failure(self) -> ReportgenError:
        """The error that names the parts that failed."""
        part, cause = next(iter(self._failed.items()))
        dataset = self._passes[0].dataset
        unit = unit_size(self._job.config.batch_size)
        units = part.units(len(dataset.samples), unit)
        names = [sample.name for sample in dataset.samples[units.start * unit : units.stop * unit]]
        images = f", images `{names[0]}` to `{names[-1]}`" if names else ""
        others = [str(one.number) for one in self._failed][1:]
        also = f"; so did part{'s' * (len(others) > 1)} {', '.join(others)}" if others else ""
        return ReportgenError(
            f"part {part.number} of {part.count}{images}, failed in {MAX_TRIES} workers: {cause}{also}",
            "the results of the other parts are kept: correct the cause and run the same command again",
        )
