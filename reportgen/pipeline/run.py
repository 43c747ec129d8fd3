"""A run: the quick check whether there is anything to do, and the job if there is.

Importing this module does not import torch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from reportgen.config import AuditConfig
from reportgen.data.class_names import ClassNames
from reportgen.data.demo import DEMO_NOTE, SOLAR_NOTE, make_demo_photos, make_solar_table
from reportgen.data.demo_photos import SELECTED
from reportgen.data.mask_files import without_masks_as_images
from reportgen.data.mirror import urls_in_messages
from reportgen.data.readers.dataset import read_dataset
from reportgen.data.samples import Dataset
from reportgen.errors import ConfigError, OutputError
from reportgen.json_text import load_json
from reportgen.pipeline.datasets import ReadDataset
from reportgen.pipeline.freshness import Note, is_cache_unchanged, is_report_unchanged, read_note
from reportgen.pipeline.part import Part, check_data_is_shared
from reportgen.pipeline.progress import Progress, StageClock, silent
from reportgen.pipeline.quick_check import are_unchanged
from reportgen.pipeline.remote_settings import with_local_paths
from reportgen.pipeline.summary import Ready, RunSummary, ignore
from reportgen.store.files import exclusive_run, shared_run
from reportgen.store.usage import begin_use, end_use, note_use
from reportgen.store.version import check_version, set_aside_other_version

if TYPE_CHECKING:
    from reportgen.audit.audit import Audit
    from reportgen.pipeline.part_pass import Extraction


def run_audit(config: AuditConfig, progress: Progress = silent, ready: Ready = ignore) -> RunSummary:
    """Run the whole job and write the report. Errors: ReportgenError, each with its one line.

    ready: called with the first report, if the results of expensive methods are still to be added to it.
    """
    if config.data is None:
        raise ConfigError("no data set is named", "give --data DIR_OR_TABLE, or `data` in audit.toml")
    if config.engine == "ray":
        check_data_is_shared(config)
    return _run(config, reader_of, progress, ready)


def extract_part(config: AuditConfig, part: Part, progress: Progress = silent) -> list[Extraction]:
    """Run one part of the data set through the networks; `run_audit` finds the results. Errors: ReportgenError.

    Returns what became of the part's images, for each network.
    """
    if config.data is None:
        raise ConfigError("no data set is named", "give --data DIR_OR_TABLE, or `data` in audit.toml")
    if config.engine != "local":
        raise ConfigError(
            f"`engine = {config.engine}` hands out parts itself", "use `reportgen run`, or --engine local"
        )
    from reportgen.pipeline.part_job import check_heads_are_given, run_part

    check_heads_are_given(config, "use `reportgen run`")
    check_data_is_shared(config)
    refuse_foreign_site(config.out)
    with shared_run(config.out, str(part)):
        check_version(config.out / "cache")
        return run_part(config, reader_of(config), part, progress)


def reader_of(config: AuditConfig) -> ReadDataset:
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
    refuse_foreign_site(config.out)
    with exclusive_run(config.out), urls_in_messages():
        old = set_aside_other_version(config.out / "cache")
        begin_use(config.out / "cache")
        config = with_local_paths(config, progress)
        read = reader(config)
        note = read_note(config.out)
        if note and note.sources and not config.retry_failed:
            with clock("check the inputs"):
                is_fresh = is_report_unchanged(config.out, note) and is_cache_unchanged(config.out, note)
                is_fresh = is_fresh and are_unchanged(config, note.sources, read, progress)
            if is_fresh:
                return _finished(config, note, read, clock, progress)
        from reportgen.pipeline.job import run_job  # imports torch, which takes longer than the check

        return run_job(config, read, old, clock, progress, ready)


def _finished(config: AuditConfig, note: Note, read: ReadDataset, clock: StageClock, progress: Progress) -> RunSummary:
    """The summary of a run that had nothing to do."""

    def build_audit() -> Audit:
        from reportgen.pipeline.job import audit_of_finished_report

        with exclusive_run(config.out):
            return audit_of_finished_report(config, read, clock, progress)

    note_use(config.out / "cache", note.stores)
    end_use(config.out / "cache")
    return RunSummary(
        index=config.out / "site" / "index.html",
        metrics=load_json((config.out / "metrics.json").read_text("utf-8")),
        computed=0,
        reused=note.reused,
        set_aside=[],
        seconds=clock.seconds,
        is_fresh=True,
        build_audit=build_audit,
    )


def refuse_foreign_site(out: Path) -> None:
    """Errors: OutputError if `out` has a `site` that no run made: building removes pages that it did not write."""
    ours = (".lock", "cache", "report.json")
    if not any((out / name).exists() for name in ours) and (out / "site").is_dir() and any((out / "site").iterdir()):
        raise OutputError(f"`{out / 'site'}` exists and is not a report", "name another folder with --out")
