"""The job after its quick check: the networks are loaded, and what is missing is computed and written."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from reportgen.audit.audit import Audit
from reportgen.config import AuditConfig
from reportgen.gallery.build import build_site
from reportgen.json_text import load_json
from reportgen.models.inference import out_of_memory_as_error, use_all_cores
from reportgen.parallel import return_freed_memory
from reportgen.pipeline.analysis import GrowingAudit, build_audit
from reportgen.pipeline.datasets import ReadDataset
from reportgen.pipeline.extraction import ModelRun
from reportgen.pipeline.failed_files import forget_failed_files
from reportgen.pipeline.freshness import input_digest, is_report_unchanged, note_finished, read_note
from reportgen.pipeline.inputs import AuditInputs, gather_inputs
from reportgen.pipeline.live import live_network
from reportgen.pipeline.outputs import filled_pages, provenance, result_files, stage_data, stage_results
from reportgen.pipeline.progress import Progress, StageClock
from reportgen.pipeline.quick_check import SourceRecord, record_of
from reportgen.pipeline.summary import Ready, RunSummary, ignore
from reportgen.pipeline.work import RebuildSchedule
from reportgen.results.metrics import metrics
from reportgen.store.staging import Staging
from reportgen.store.usage import end_use, note_use

log = logging.getLogger(__name__)


def run_job(
    config: AuditConfig,
    read: ReadDataset,
    set_aside: Sequence[str],
    clock: StageClock,
    progress: Progress,
    ready: Ready,
) -> RunSummary:
    """Run the networks and write the report, unless that of the last run has turned out to be up to date.

    The caller holds the lock on the report. set_aside: notes on a cache of another version. Errors: ReportgenError.
    """
    use_all_cores()
    cache = config.out / "cache"
    has_results = any(cache.glob("*/[0-9]*.npz"))
    if config.retry_failed:
        forget_failed_files(cache)
    with out_of_memory_as_error():
        inputs = gather_inputs(config, read, clock, progress)
        return_freed_memory()
        runs = [model.run for model in inputs.models]
        digest, sources = input_digest(config, inputs), _sources(config, inputs)
        note = read_note(config.out)
        is_fresh = note is not None and note.inputs == digest and is_report_unchanged(config.out, note)

        def build() -> GrowingAudit:
            return build_audit(inputs, config, pass_seconds(runs), clock, progress)

        summary = RunSummary(
            index=config.out / "site" / "index.html",
            metrics={},
            computed=sum(run.extraction.computed for run in runs),
            reused=sum(run.extraction.reused for run in runs),
            set_aside=[*set_aside, *(line for run in runs for line in run.store.set_aside)],
            seconds=clock.seconds,
            is_fresh=is_fresh,
            build_audit=lambda: completed(build(), progress),
            said={name: text for run in runs for name, text in run.extraction.said.items()},
        )
        log.debug("input digest %s, up to date: %s", digest[:16], is_fresh)
        if note is not None and is_fresh:
            note_use(cache, note.stores)
            files = note.results
            summary.metrics = load_json((config.out / "metrics.json").read_text("utf-8"))
        else:
            growing = build()

            def add_live() -> None:
                live, missing = live_network(config, inputs, clock, progress)
                growing.add_live(live)
                summary.notes += [missing] if missing else []

            files = _write_growing_report(growing, add_live, summary, config, clock, progress, ready, has_results)
        end_use(cache)
        note_finished(config.out, digest, files, summary.computed + summary.reused, sources)
        return summary


def audit_of_finished_report(config: AuditConfig, read: ReadDataset, clock: StageClock, progress: Progress) -> Audit:
    """Compute the audit of a report that is up to date again, from the stores."""
    inputs = gather_inputs(replace(config, engine="local"), read, clock, progress)
    runs = [model.run for model in inputs.models]
    return completed(build_audit(inputs, config, pass_seconds(runs), clock, progress), progress)


def _sources(config: AuditConfig, inputs: AuditInputs) -> SourceRecord | None:
    """What a rerun compares to decide without the network that nothing has changed; None if it cannot."""
    unreadable = {name for name, _ in inputs.unreadable}
    extraction = inputs.models[0].run.extraction
    read = {
        sample.name: identity
        for sample, identity in zip(extraction.samples, extraction.ids, strict=True)
        if sample.name not in unreadable
    }
    known = [read | extraction.undecodable]
    for other in (inputs.reference, inputs.ood):
        if other is not None:
            of_other = {s.name: key[0] for s, key in zip(other.samples, other.table.keys, strict=True)}
            known.append(of_other | dict(other.undecodable))
    return record_of(config, inputs.sources, known)


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
    add_live: Callable[[], None],
    summary: RunSummary,
    config: AuditConfig,
    clock: StageClock,
    progress: Progress,
    ready: Ready,
    has_results: bool,
) -> list[str]:
    """Write the report at once, and again while the expensive work goes on; return the names of the result files.

    add_live: adds the network of the live page, whose export takes seconds; has_results: the cache may have results of
        the expensive methods, which the first report is to show.
    """
    schedule, queue = RebuildSchedule(), growing.queue
    is_open = has_results or growing.is_quick
    if is_open:
        add_live()
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
        if not is_open:
            add_live()
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
        results = stage_results(audit, provenance(audit, summary, config, pages), config, files, staging)
        staging.publish()
    summary.cleared += [name for name, data in filled.items() if (site / name).read_bytes() != data]
    return results
