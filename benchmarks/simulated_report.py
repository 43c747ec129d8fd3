"""A whole report of very many made-up images: time, memory, files and bytes, from analysis to the check of the site.

The stores are made up: features in clusters, logits that follow from them, activation maps of noise, a box in every
tenth image, and 200 photographs of 160 × 120 that the images share. All that reads them is the product's own: the
figures, neighbours, maps, findings, result files, pages, and `reportgen check`. No network runs, so methods that need
one are left out.

`python -m benchmarks.simulated_report IMAGES FOLDER [--page-limit N]` makes and measures one report. As a benchmark it
makes two, in processes of their own, and `a tenth` is the smaller one's peak memory ÷ the larger one's.

Gate: each site is complete and has no file above 20 MiB.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np

from benchmarks.photographs import make_photographs
from benchmarks.timing import Result
from reportgen.audit.audit import Audit
from reportgen.audit.model_audit import ModelAudit
from reportgen.audit.model_info import ModelInfo
from reportgen.data.samples import Dataset, Sample, no_boxes
from reportgen.gallery.build import build_site
from reportgen.gallery.core.check import check_site
from reportgen.pipeline.analysis import compute_figures
from reportgen.pipeline.outputs import result_files, stage_data
from reportgen.results.metrics import metrics
from reportgen.store.staging import Staging
from reportgen.store.table import Store

CLASSES, FEATURES, SIDE, TOP = 100, 64, 7, 5
SIZE, INPUT = (160, 120), 224
PER_SHARD, PHOTOGRAPHS, BOX_EVERY = 4096, 200, 10
MIB = 1024 * 1024
LARGEST_FILE = 20 * MIB


def run(quick: bool) -> Result:
    """2,000 and 20,000 images; `quick`: 200 and 2,000."""
    counts = (200, 2_000) if quick else (2_000, 20_000)
    results = []
    for n in counts:
        with tempfile.TemporaryDirectory() as scratch:
            command = [sys.executable, "-m", "benchmarks.simulated_report", str(n), scratch, "--page-limit", "100"]
            results.append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    few, many = results
    gate = all(not one["faults"] and one["largest_file"] <= LARGEST_FILE for one in results)
    return Result({"a tenth": few["peak_mib"] / many["peak_mib"]}, gate, [json.dumps(one) for one in results])


def make_store(folder: Path, n: int) -> tuple[Store, list[Sample]]:
    """Write the shards of n images, and return their store with the samples."""
    random = np.random.default_rng(0)
    make_photographs(folder / "photographs", PHOTOGRAPHS, SIZE)
    jpegs = [path.read_bytes() for path in sorted((folder / "photographs").rglob("*.jpg"))]
    centres = random.normal(size=(CLASSES, FEATURES)).astype(np.float32)
    store = Store(folder / "report" / "cache", {"weights": "0" * 64, "aliases": {"features/code": "features/gap"}})
    samples = []
    for start in range(0, n, PER_SHARD):
        rows = np.arange(start, min(start + PER_SHARD, n))
        labels = rows * CLASSES // n
        features = centres[labels] + random.normal(size=(len(rows), FEATURES)).astype(np.float32)
        logits = (features @ centres.T / 4).astype(np.float32)
        maps = random.random((len(rows), TOP + 1, SIDE, SIDE), np.float32) ** 4 * 10
        photographs = [jpegs[row % PHOTOGRAPHS] for row in rows]
        ids = [f"{row * 0x9E3779B97F4A7C15 % 2**64:016x}{row:048x}" for row in rows.tolist()]
        store.commit(
            {
                "samples/id": np.array(ids, "S64"),
                "samples/label": labels.astype(np.int32),
                "samples/size": np.tile(np.array(SIZE, np.int32), (len(rows), 1)),
                "samples/window": np.tile(np.array([0, 0, *SIZE], np.float32), (len(rows), 1)),
                "features/gap": features,
                "features/gmp": features + 1,
                "logits": logits,
                "cam/map": maps,
                "cam/class": np.column_stack((np.argsort(-logits, 1, kind="stable")[:, :TOP], labels)).astype(np.int32),
                "image/tiny": random.integers(0, 256, (len(rows), 32, 32, 3)).astype(np.uint8),
                "image/jpeg": np.frombuffer(b"".join(photographs), np.uint8),
                "image/offset": np.cumsum([0, *map(len, photographs)], dtype=np.int64),
            }
        )
        corners = random.integers(0, 60, (len(rows), 2))
        for row, label, (x, y) in zip(rows.tolist(), labels.tolist(), corners.tolist(), strict=True):
            name = f"class {label:03d}/made-up-{row:08d}.jpg"
            boxes = no_boxes() if row % BOX_EVERY else np.array([[x, y, x + 90, y + 55]], np.int32)
            samples.append(Sample(Path(name), name, label, boxes))
    return store, samples


def make_audit(store: Store, samples: list[Sample], page_limit: int) -> Audit:
    """The audit, by the product's analysis."""
    ids = (identity.decode() for shard in store.shards for identity in shard["samples/id"].tolist())
    labels = [sample.label or 0 for sample in samples]
    table = store.select(zip(ids, labels, strict=True))
    dataset = Dataset("made-up photographs", samples, [f"class {k:03d}" for k in range(CLASSES)])
    info = ModelInfo(
        name="no network",
        source="made up",
        head="own",
        method="cam",
        feature_layer="conv",
        feature_shape=(FEATURES, SIDE, SIDE),
        parameters=1,
        weights_digest="0" * 64,
        precision="fp32",
        device="cpu",
        input_size=(INPUT, INPUT),
        resize="warp",
        pooling="gap",
    )
    network = SimpleNamespace(bias=lambda samples: None, settings=SimpleNamespace(top_patches=16))
    inputs: Any = SimpleNamespace(dataset=dataset, samples=samples, labels=np.array(labels, np.int64))
    figures = compute_figures(inputs, cast(Any, SimpleNamespace(table=table, info=info, run=network)), [])
    model = ModelAudit(dataset=dataset, samples=samples, info=info, table=table, **vars(figures))
    return Audit(dataset, samples, [], [model], page_limit=page_limit)


def report(n: int, folder: Path, page_limit: int) -> dict[str, Any]:
    """Make a report in `folder/report`, and return what it took and has."""
    seconds: dict[str, float] = {}
    peaks: dict[str, int] = {}

    @contextmanager
    def stage(name: str) -> Iterator[None]:
        begin = time.perf_counter()
        yield
        seconds[name] = round(time.perf_counter() - begin, 1)
        peaks[name] = peak_mib()
        print(f"{name}: {seconds[name]} s, peak {peaks[name]:,} MiB", file=sys.stderr, flush=True)

    with stage("make the store up"):
        store, samples = make_store(folder, n)
    site = folder / "report" / "site"
    with stage("analyse"):
        audit = make_audit(store, samples, page_limit)
    with stage("neighbours"):
        audit.feature_space, audit.pixel_space  # noqa: B018
    with stage("embedding maps"):
        audit.embedding_maps  # noqa: B018
    with stage("findings"):
        audit.findings, audit.full_pages  # noqa: B018
    with Staging(folder / "report") as staging:
        with stage("result files"):
            data = stage_data(result_files(audit, metrics(audit)), site, staging)
        with stage("site"):
            build_site(audit, site, compressed=data, staging=staging)
            staging.publish()
    with stage("check"):
        faults, pages, _ = check_site(folder / "report")
    sizes = [path.stat().st_size for path in site.rglob("*") if path.is_file()]
    return {
        "images": n,
        "page_limit": page_limit,
        "seconds": seconds,
        "peak_mib": max(peaks.values()),
        "peaks": peaks,
        "pages": pages,
        "files": len(sizes),
        "site_mib": sum(sizes) // MIB,
        "largest_file": max(sizes),
        "faults": [str(fault) for fault in faults[:5]],
    }


def peak_mib() -> int:
    """The largest resident memory so far of this process, or of one that it started and that has ended."""
    return max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) // 1024


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("images", type=int)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--page-limit", type=int, default=20_000)
    given = parser.parse_args()
    print(json.dumps(report(given.images, given.folder, given.page_limit)))
