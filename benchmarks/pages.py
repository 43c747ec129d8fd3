"""A run again with nothing changed, and with one image changed, compared with the first full run.

10,000 synthetic photographs of 500 × 375 through a network of three layers:
what is measured is everything but the network. A rerun reads every file and shard, finds that the report is up to
date, and ends.

- `reportgen`: the whole run again with nothing changed.
- `full-run`: the whole run into an empty folder.
- Printed as well: the run after the pixels of one image changed, how long it takes beyond the run with nothing changed,
  which looks at the files, and what it wrote.

Gate: nothing changed writes no file of the site; one image changed writes, of the images' pages, its own and those that
lead to it, before or after.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.photographs import make_photographs
from benchmarks.timing import OURS, Result
from reportgen.config import AuditConfig
from reportgen.pipeline.run import run_audit
from reportgen.pipeline.summary import RunSummary


def run(quick: bool) -> Result:
    """One full run, three runs again, one with an image changed; `quick`: 200 images."""
    images = 200 if quick else 10_000
    with tempfile.TemporaryDirectory() as scratch:
        make_photographs(Path(scratch) / "photographs", images)
        config = AuditConfig(
            data=Path(scratch) / "photographs",
            model="python:benchmarks.rerun:network",
            out=Path(scratch) / "report",
            select="none",
        )
        site = config.out / "site"
        full, first = timed(config)
        before = times(site)
        again = [timed(config) for _ in range(3)]
        is_fresh = all(summary.is_fresh for _, summary in again) and times(site) == before
        links = leading_to(site, f"-{images // 2:06d}.html")
        invert(next((Path(scratch) / "photographs").rglob(f"{images // 2:06d}.jpg")))
        one, changed = timed(config)
        links |= leading_to(site, f"-{images // 2:06d}.html")
        after = times(site)
        written = {name for name in after if before.get(name) != after[name]}
    pages = {name for name in written if name.startswith("images/0")}
    rerun = sorted(seconds for seconds, _ in again)[1]
    gate = is_fresh and not first.is_fresh and changed.computed == 1 and pages <= links
    lines = [
        f"{images:,} images, {len(before):,} files: full run {full:.1f} s, {OURS} again {rerun:.2f} s",
        f"of which the extraction: {again[1][1].seconds['extract']:.2f} s",
        f"one image changed: {one:.1f} s, {one - rerun:.1f} s beyond the look at the files",
        f"{len(pages):,} of {images:,} pages of images written, {len(written):,} files",
        f"{len(pages - links):,} of these pages do not show it",
    ]
    return Result({"full-run": full / rerun, "full-run, one image changed": full / one}, gate, lines)


def timed(config: AuditConfig) -> tuple[float, RunSummary]:
    start = time.perf_counter()
    summary = run_audit(config)
    return time.perf_counter() - start, summary


def times(site: Path) -> dict[str, int]:
    """When each file was written."""
    return {p.relative_to(site).as_posix(): p.stat().st_mtime_ns for p in site.rglob("*") if p.is_file()}


def leading_to(site: Path, end: str) -> set[str]:
    """The images' pages that lead to the image whose page's name ends so, and that page."""
    pages = sorted(site.glob("images/0*.html"))
    return {f"images/{p.name}" for p in pages if p.name.endswith(end) or f'{end}"' in p.read_text("utf-8")}


def invert(path: Path) -> None:
    pixels = 255 - np.asarray(Image.open(path))
    Image.fromarray(pixels).save(path, quality=90)
