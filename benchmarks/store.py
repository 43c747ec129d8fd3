"""Reading the store: 1,000 random rows compared with `np.load`, all rows compared with a memory map of an .npy.

Pooled features of 20,000 images, 2,048 float32 each, in shards of 256. All files are open and in the page cache.

- `reportgen`: `table["features/gap"][rows]`, and its blocks of 1,024 rows, summed.
- `np.load`: `npz["features"][rows]`, which reads the whole member.
- `npy-mmap`: blocks of 1,024 rows of `np.load(…, mmap_mode="r")`, summed.

Gate: the same numbers.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from benchmarks.timing import OURS, Result, measure, table
from reportgen.store.table import Store

BLOCK = 1_024


def run(quick: bool) -> Result:
    """9 rounds; `quick`: 5 of 4,096 images."""
    images, rounds = (4_096, 5) if quick else (20_000, 9)
    random = np.random.default_rng(0)
    features = random.normal(size=(images, 2_048)).astype(np.float32)
    ids = np.array([f"{i:064x}".encode() for i in range(images)], "S64")
    rows = random.permutation(images)[:1_000]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        store = Store(folder / "cache", {"weights": "none"})
        for start in range(0, images, 256):
            part = slice(start, start + 256)
            labels = np.full(len(ids[part]), -1, np.int32)
            store.commit({"samples/id": ids[part], "samples/label": labels, "features/gap": features[part]})
        rows_of_store = store.select([(identity.decode(), -1) for identity in ids.tolist()])
        np.savez(folder / "plain.npz", features=features)
        np.save(folder / "plain.npy", features)
        npz, npy = np.load(folder / "plain.npz"), np.load(folder / "plain.npy", mmap_mode="r")
        found = {}
        random_rows = measure(
            {
                OURS: lambda: found.update(ours=rows_of_store["features/gap"][rows]),
                "np.load": lambda: found.update(theirs=npz["features"][rows]),
            },
            rounds,
        )
        sums = {}
        sequential = measure(
            {
                OURS: lambda: sums.update(ours=sum(b.sum() for b in rows_of_store["features/gap"].blocks(BLOCK))),
                "npy-mmap": lambda: sums.update(
                    theirs=sum(npy[start : start + BLOCK].sum() for start in range(0, images, BLOCK))
                ),
            },
            rounds,
        )
    gate = bool((found["ours"] == found["theirs"]).all() and abs(sums["ours"] - sums["theirs"]) < 1e-3 * images)
    lines = [f"{images:,} x 2,048 float32", "1,000 random rows", *table(random_rows), "all rows", *table(sequential)]
    return Result({"np.load": random_rows.ratio("np.load"), "npy-mmap": sequential.ratio("npy-mmap")}, gate, lines)
