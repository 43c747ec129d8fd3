"""`python -m tests.faults.fuzz --cases N`: change valid files at random, and read them.

Each reader must return or raise one of our errors, which are one line, within seconds. Anything else is a defect; its
file is kept. The changes: bits, bytes, numbers and pieces are flipped, removed, repeated, exchanged and inserted.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file

from reportgen.config_file import read_config
from reportgen.data.class_names import ClassNames, read_class_file
from reportgen.data.readers.dataset import read_dataset
from reportgen.errors import ReportgenError
from reportgen.models.checkpoints import read_checkpoint
from reportgen.results.gate import read_rules
from reportgen.results.reviews import read_review
from reportgen.store.results_cache import ResultsCache
from reportgen.store.shard import Shard, encode
from reportgen.store.table import Store

MAX_SECONDS = 10.0
"""Time that one case may take, on a machine that does other things too."""
PIECES = [
    b"", b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b"\n", b"\r", b'"', b"'", b",", b";", b"[", b"]" * 9, b"[" * 3000, b"{",
    b"nan", b"-1", b"1e999", b"99999999999999999999", b"null", b"true", b"<!ENTITY a 'b'>", b"&a;", b"]]>", b"../../x",
    b"PK\x03\x04", b"\x80\x02", b"|O", b"(9999999999,)", b"\xed\xa0\x80", b"\xe2\x80\xae", b"a" * 70000,
]  # fmt: skip
CLASSES = ClassNames(("cat", "dog"))
ARRAYS = {
    "samples/id": np.array([b"a" * 64, b"b" * 64], "S64"),
    "samples/label": np.array([0, 1], np.int32),
    "logits": np.arange(4, dtype=np.float32).reshape(2, 2),
}


@dataclass(frozen=True)
class Target:
    """A reader. valid: the bytes of a file that it reads; name: that of the file; read: reads it from a folder."""

    name: str
    valid: bytes
    read: Callable[[Path], object]


def targets(folder: Path) -> Mapping[str, Target]:
    """The readers by name. folder: where files for making the valid ones may be written."""
    data = folder / "data"
    data.mkdir()
    for name in ("a.png", "b.png"):
        Image.new("RGB", (40, 20)).save(data / name)
    table = b"path,label,x0,y0,x1,y1\na.png,cat,1,2,30,15\nb.png,dog,0,0,5,5\n"
    coco = {
        "images": [{"id": 1, "file_name": "a.png", "width": 40, "height": 20}],
        "categories": [{"id": 7, "name": "dog"}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 7, "bbox": [1, 2, 9, 9], "segmentation": [[1, 2, 9, 2, 9, 9]]},
            {"id": 2, "image_id": 1, "category_id": 7, "bbox": [1, 2, 9, 9],
             "segmentation": {"counts": [3, 9, 788], "size": [20, 40]}},
        ],
    }  # fmt: skip
    voc = (
        b"<annotation><filename>a.png</filename><source><database>The VOC2007 Database</database></source>"
        b"<size><width>40</width><height>20</height></size><object><name>dog</name><bndbox><xmin>1</xmin>"
        b"<ymin>2</ymin><xmax>10</xmax><ymax>20</ymax></bndbox></object></annotation>"
    )
    toml = (
        b'data = "photos"\nmodel = "demo"\nselect = "auto"\nbatch_size = 8\nlayers = ["a"]\n[[models]]\nmodel = "x"\n'
    )
    review = {"format": 1, "report": "r", "reviewer": "ann", "items": [{"id": "a", "tags": ["b"], "note": "c"}]}
    rules = b'[[rules]]\nfigure = "top1_error"\nmax = 0.3\n'
    save_file({"weight": torch.zeros(2, 3)}, folder / "w.safetensors")
    torch.save({"weight": torch.zeros(2, 3), "bias": torch.ones(2)}, folder / "w.pth")
    fingerprint = Store(folder / "empty", {}).fingerprint
    shard = encode(ARRAYS, {"fingerprint": fingerprint, "name": "000000.npz", "settings": {}})

    def read_shard(path: Path) -> None:
        Shard(path).verify()

    def open_store(path: Path) -> object:
        cache = path.parent / "cache"
        (cache / fingerprint[:16]).mkdir(parents=True, exist_ok=True)
        (cache / fingerprint[:16] / "000000.npz").write_bytes(path.read_bytes())
        return len(Store(cache, {}))

    def read_cached(path: Path) -> object:
        cache = path.parent / "results"
        ResultsCache(cache).get("kind", ["inputs"], lambda: {"logits": np.zeros(2)})
        (file,) = cache.glob("kind-*.npz")
        file.write_bytes(path.read_bytes())
        return ResultsCache(cache).get("kind", ["inputs"], lambda: {"logits": np.zeros(2)})

    def annotated(path: Path) -> object:
        return read_dataset(data, CLASSES, path)

    def annotated_by_folder(path: Path) -> object:
        notes = path.parent / "notes"
        notes.mkdir(exist_ok=True)
        (notes / "a.xml").write_bytes(path.read_bytes())
        return read_dataset(data, CLASSES, notes)

    made = [
        ("shard", Target("000000.npz", shard, read_shard)),
        ("store", Target("000000.npz", shard, open_store)),
        ("cached result", Target("x.npz", shard, read_cached)),
        ("table", Target("data/t.csv", table, lambda path: read_dataset(path, CLASSES))),
        ("annotations as CSV", Target("t.csv", table, annotated)),
        ("annotations as JSON lines", Target("t.jsonl", b'{"path": "a.png", "label": "cat"}\n', annotated)),
        ("COCO", Target("c.json", json.dumps(coco).encode(), annotated)),
        ("VOC", Target("a.xml", voc, annotated_by_folder)),
        ("settings", Target("audit.toml", toml, read_config)),
        ("review", Target("r.json", json.dumps(review).encode(), lambda path: read_review(path, "r"))),
        ("rules", Target("rules.toml", rules, read_rules)),
        ("classes", Target("classes.txt", b"cat\ndog\n", read_class_file)),
        ("safetensors", Target("w.safetensors", (folder / "w.safetensors").read_bytes(), read_checkpoint)),
        ("checkpoint", Target("w.pth", (folder / "w.pth").read_bytes(), read_checkpoint)),
    ]
    return dict(made)


def changed(data: bytes, chance: random.Random) -> bytes:
    """Return the bytes with one to four changes."""
    found = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(found) + 1)
        end = min(len(found), at + chance.choice((1, 1, 2, 8, 64, 10**6)))
        kind = chance.randrange(6)
        if kind == 0 and at < len(found):
            found[at] ^= 1 << chance.randrange(8)
        elif kind == 1:
            del found[at:end]
        elif kind == 2:
            found[at:at] = chance.choice(PIECES)
        elif kind == 3:
            found[at:end] = chance.choice(PIECES)
        elif kind == 4:
            found[at:at] = found[at:end] * chance.randint(1, 3)
        else:
            other = chance.randrange(len(found) + 1)
            found[at:end] = found[other : other + end - at]
    return bytes(found)


def fuzz(given: Mapping[str, Target], cases: int, folder: Path, seed: int) -> tuple[Counter[str], list[str]]:
    """Read `cases` changed files, of each reader in turn; returns how they ended, and a line for each defect."""
    chance, ends, defects = random.Random(seed), Counter[str](), []
    for n in range(cases):
        name = list(given)[n % len(given)]
        target = given[name]
        path = folder / target.name
        path.write_bytes(changed(target.valid, chance))
        start = time.monotonic()
        try:
            target.read(path)
            end = "read"
        except ReportgenError as error:
            end = "refused"
            if "\n" in str(error):
                defects.append(f"{name}, case {n}: several lines: {error}")
        except Exception as error:
            end = "defect"
            defects.append(f"{name}, case {n}: {type(error).__name__}: {error}")
        if time.monotonic() - start > MAX_SECONDS:
            defects.append(f"{name}, case {n}: took {time.monotonic() - start:.0f} s")
        ends[f"{name}: {end}"] += 1
    return ends, defects


def main() -> int:
    parser = argparse.ArgumentParser("python -m tests.faults.fuzz")
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", action="append", metavar="READER")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        chosen = {k: v for k, v in targets(folder).items() if not given.only or k in given.only}
        for target in chosen.values():
            (folder / target.name).write_bytes(target.valid)
            target.read(folder / target.name)  # the unchanged file is read
        ends, defects = fuzz(chosen, given.cases, folder, given.seed)
    print(*defects[:50], sep="\n", end="\n" if defects else "")
    print(*(f"{name}: {n:,}" for name, n in sorted(ends.items())), sep="\n")
    print(f"{ends.total():,} cases, {len(defects):,} defects")
    return int(bool(defects))


if __name__ == "__main__":
    sys.exit(main())
