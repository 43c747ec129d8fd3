"""The job: its stages in order, and what of them a rerun can skip."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from reportgen.audit.audit import Audit
from reportgen.audit.live_network import LiveNetwork
from reportgen.config import AuditConfig
from reportgen.data.class_names import ClassNames
from reportgen.data.demo import DEMO_NOTE, SOLAR_NOTE, make_demo_photos, make_solar_table
from reportgen.data.demo_photos import SELECTED
from reportgen.data.mask_files import without_masks_as_images
from reportgen.data.mirror import urls_in_messages
from reportgen.data.readers.dataset import read_dataset
from reportgen.data.samples import Dataset
from reportgen.errors import ConfigError
from reportgen.gallery.build import build_site
from reportgen.models.inference import out_of_memory_as_error, use_all_cores
from reportgen.pipeline.analysis import GrowingAudit, build_audit
from reportgen.pipeline.extraction import ModelRun
from reportgen.pipeline.freshness import input_digest, note_finished, stores_if_fresh
from reportgen.pipeline.inputs import ReadDataset, gather_inputs
from reportgen.pipeline.live import live_network
from reportgen.pipeline.outputs import (
    filled_pages,
    provenance,
    refuse_foreign_site,
    result_files,
    stage_data,
    stage_results,
)
from reportgen.pipeline.progress import Progress, StageClock, silent
from reportgen.pipeline.remote_settings import with_local_paths
from reportgen.pipeline.summary import RunSummary
from reportgen.pipeline.work import RebuildSchedule
from reportgen.results.metrics import metrics
from reportgen.store.files import exclusive_run
from reportgen.store.staging import Staging
from reportgen.store.usage import begin_use, end_use, note_use
from reportgen.store.version import set_aside_other_version

log = logging.getLogger(__name__)

Ready = Callable[[RunSummary], None]
"""Called when the first report is written."""


def ignore(summary: RunSummary) -> None:
    """Do nothing."""


def run_audit(config: AuditConfig, progress: Progress = silent, ready: Ready = ignore) -> RunSummary:
    """Run the whole job and write the report. Errors: ReportgenError, each with its one line.

    ready: called with the first report, if the results of expensive methods are still to be added to it.
    """
    if config.data is None:
        raise ConfigError("no data set is named", "give --data DIR_OR_TABLE, or `data` in audit.toml")
    return _run(config, _reader, progress, ready)


def _reader(config: AuditConfig) -> ReadDataset:
    """Return what reads the data set of the settings."""

    def read(names: ClassNames) -> Dataset:
        dataset = read_dataset(Path(config.data or ""), names, config.annotations)
        return without_masks_as_images(dataset, config.masks) if config.masks else dataset

    return read


def demo_config(which: str, limit: int | None) -> AuditConfig:
    """Return the settings that flags override: six photographs get the expensive methods, or one of each class; the
    report has a live page.

    limit: number of images, if there is a limit. Then some of the six may not be there.
    """
    return AuditConfig(select=",".join(SELECTED) if which == "photos" and limit is None else "1", live=True)


def run_demo(which: str, config: AuditConfig, progress: Progress = silent, ready: Ready = ignore) -> RunSummary:
    """Run the job on an embedded data set: `photos` or `solar`."""
    make: Callable[[Path], Path]
    make, note, name = {
        "photos": (make_demo_photos, DEMO_NOTE, "demo photographs"),
        "solar": (make_solar_table, SOLAR_NOTE, "solar cells"),
    }[which]

    def read(names: ClassNames) -> Dataset:
        return replace(read_dataset(make(config.out / "demo"), names), name=name, note=note)

    return _run(config, lambda _: read, progress, ready)


def _run(
    config: AuditConfig, reader: Callable[[AuditConfig], ReadDataset], progress: Progress, ready: Ready
) -> RunSummary:
    clock = StageClock()
    use_all_cores()
    refuse_foreign_site(config.out)
    with exclusive_run(config.out), out_of_memory_as_error(), urls_in_messages():
        cache = config.out / "cache"
        old = set_aside_other_version(cache)
        begin_use(cache)
        has_results = any(cache.glob("*/[0-9]*.npz"))
        config = with_local_paths(config, progress)
        inputs = gather_inputs(config, reader(config), clock, progress)
        runs = [model.run for model in inputs.models]
        digest = input_digest(config, inputs)
        stores = stores_if_fresh(config.out, digest)

        def build(live: LiveNetwork | None = None) -> GrowingAudit:
            return build_audit(inputs, config, pass_seconds(runs), clock, progress, live)

        summary = RunSummary(
            index=config.out / "site" / "index.html",
            metrics={},
            computed=sum(run.extraction.computed for run in runs),
            reused=sum(run.extraction.reused for run in runs),
            set_aside=[*old, *(line for run in runs for line in run.store.set_aside)],
            seconds=clock.seconds,
            is_fresh=stores is not None,
            build_audit=lambda: completed(build(), progress),
        )
        log.debug("input digest %s, up to date: %s", digest[:16], summary.is_fresh)
        if stores is not None:
            note_use(cache, stores)
            end_use(cache)
            summary.metrics = json.loads((config.out / "metrics.json").read_text("utf-8"))
            return summary
        live, note = live_network(config, inputs, clock, progress)
        summary.notes += [note] if note else []
        files = _write_growing_report(build(live), summary, config, clock, progress, ready, has_results)
        end_use(cache)
        note_finished(config.out, digest, files)
        return summary


def pass_seconds(runs: Sequence[ModelRun]) -> float:
    """Seconds that the forward passes took, in the runs that computed what the stores have."""
    return sum(run.store.seconds for run in runs)


def completed(growing: GrowingAudit, progress: Progress) -> Audit:
    """The audit after all the expensive work that the settings ask for."""
    growing.open()
    growing.queue.run(progress)
    return growing.audit(is_running=False)


def _write_growing_report(
    growing: GrowingAudit,
    summary: RunSummary,
    config: AuditConfig,
    clock: StageClock,
    progress: Progress,
    ready: Ready,
    has_results: bool,
) -> list[str]:
    """Write the report at once, and again while the expensive work goes on; return the names of the result files.

    has_results: the cache may have results of the expensive methods, which the first report is to show.
    """
    schedule, queue = RebuildSchedule(), growing.queue
    is_open = has_results or growing.is_quick
    if is_open:
        with clock("expensive methods"):
            growing.open()
            if growing.is_quick:
                queue.run(progress)
    while not (is_open and queue.is_finished):
        before = clock.seconds.get("build the site", 0.0)
        _write_report(growing.audit(is_running=True), summary, config, clock, progress)
        schedule.note_built(clock.seconds["build the site"] - before)
        ready(summary)
        ready = ignore  # only the first report is told
        with clock("expensive methods"):
            growing.open()
            is_open = True
            queue.run(progress, schedule.is_due)
    audit = growing.audit(is_running=False)
    summary.build_audit = lambda: audit
    return _write_report(audit, summary, config, clock, progress)


def _write_report(
    audit: Audit, summary: RunSummary, config: AuditConfig, clock: StageClock, progress: Progress
) -> list[str]:
    """Write the site and the result files, and return the names of those outside of the site."""
    site = config.out / "site"
    summary.metrics = metrics(audit)
    filled = filled_pages(config.out)
    with Staging(config.out) as staging:
        with clock("build the site"):
            files = result_files(audit, summary.metrics)
            begin = partial(progress, "Building the site", unit="pages")
            data = stage_data(files, site, staging)
            pages = build_site(audit, site, begin, config.image_format, data, staging)
        results = stage_results(audit, provenance(audit, summary, config, pages), config.out, files, staging)
        staging.publish()
    summary.cleared += [name for name, data in filled.items() if (site / name).read_bytes() != data]
    return results
