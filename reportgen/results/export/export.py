"""The formats that a report can be exported to (`reportgen export`)."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from reportgen.errors import OutputError
from reportgen.results.export.coco import coco_files
from reportgen.results.export.csv_table import csv_table
from reportgen.results.export.parquet_table import parquet_table
from reportgen.results.export.projector import projector_files
from reportgen.results.report import Report, open_report
from reportgen.store.files import write_atomic, write_error

FILES: Mapping[str, Callable[[Report], bytes]] = {"csv": csv_table, "parquet": parquet_table}
"""Formats of one file: its bytes."""
FOLDERS: Mapping[str, Callable[[Report], Mapping[str, bytes]]] = {"coco": coco_files, "tensorboard": projector_files}
"""Formats of several files: their bytes by name."""


def export_report(folder: Path, to: str, out: Path | None = None) -> Path:
    """Write the report of a folder in another format, and return the file or folder that was written.

    to: a key of `FILES` or `FOLDERS`; out: None: next to the report. Everything is made before the first file is
    written. Errors: StoreError if there is no report; OutputError if it cannot be exported, or if `out` exists and is
    not, for a format of several files, an empty folder.
    """
    report = open_report(folder)
    whole = folder.resolve()
    target = out or whole.parent / f"{whole.name}{f'.{to}' if to in FILES else f'-{to}'}"
    _refuse_existing(target, to in FOLDERS)
    if to in FILES:
        write_atomic(target, FILES[to](report))
    else:
        for name, data in FOLDERS[to](report).items():
            write_atomic(target / name, data)
    return target


def _refuse_existing(target: Path, is_folder: bool) -> None:
    try:
        is_free = not os.path.lexists(target) or (is_folder and target.is_dir() and not any(target.iterdir()))
    except OSError as error:
        raise write_error(target, error) from None
    if not is_free:
        raise OutputError(f"`{target}` exists", "delete it, or name another file or folder with --out")
