"""`python -m tests.faults.corpora`: decode every file of two public collections of test images, many of them damaged.

The images are those of Pillow's source distribution and of the Debian package of Go's sources, fetched with pip
and apt into a temporary folder, or into `--folder`, and are never part of the repository. Every file must end as
decoded, or as refused with a reason; a decoder that crashes, hangs or needs too much memory is counted.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tarfile
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import PIL

from reportgen.data.decoding import check_decoding, decoding_error
from reportgen.data.isolated import CallError, Isolated
from reportgen.errors import ImageError

GO = "golang-1.19-src"
MAX_MEMORY = 4.5e9
"""Bytes of the largest process at most: what a decoder may use, and the program."""


def pillow(folder: Path) -> list[Path]:
    """Fetch the images of Pillow's tests."""
    version = f"pillow=={PIL.__version__}"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:", version]
    if not list(folder.glob("*.tar.gz")):
        subprocess.run([*command, "--dest", str(folder)], check=True)
    with tarfile.open(next(folder.glob("*.tar.gz"))) as archive:
        archive.extractall(folder, filter="data")
    return [path for path in folder.glob("*/Tests/images/**/*") if path.is_file()]


def go(folder: Path) -> list[Path]:
    """Fetch the images of Go's tests."""
    if not list(folder.glob("*.deb")):
        subprocess.run(["apt-get", "--quiet", "download", GO], cwd=folder, check=True)
    subprocess.run(["dpkg-deb", "--extract", str(next(folder.glob("*.deb"))), str(folder)], check=True)
    return [path for path in folder.glob("usr/share/go-*/src/image/**/testdata/**/*") if path.is_file()]


def endings(files: Iterable[Path]) -> tuple[Counter[str], list[str]]:
    """How many files end in which way, and a line for each that crashed, hung, or raised another error."""
    with Isolated(os.cpu_count() or 1) as processes, ThreadPoolExecutor(os.cpu_count()) as pool:

        def ending(path: Path) -> tuple[str, str]:
            answer = processes.call(check_decoding, path.read_bytes(), path.name)
            if answer.error is None:
                return "decoded", ""
            if isinstance(answer.error, ImageError):
                assert answer.error.args[0].startswith(f"`{path.name}` cannot be decoded: ")
                return "refused", ""
            kind = "ended by its limits" if isinstance(answer.error, CallError) else "uncaught"
            return kind, decoding_error(path.name, answer)

        found = list(pool.map(ending, files))
    return Counter(kind for kind, _ in found), [line for _, line in found if line]


CORPORA: dict[str, Callable[[Path], list[Path]]] = {"pillow": pillow, "go": go}


def main() -> int:
    parser = argparse.ArgumentParser("python -m tests.faults.corpora")
    parser.add_argument("names", nargs="*", metavar="CORPUS", help=f"of {', '.join(CORPORA)}; without a name all")
    parser.add_argument("--folder", type=Path, help="where the files are kept")
    given = parser.parse_args()
    results = {}
    with tempfile.TemporaryDirectory() as scratch:
        for name in given.names or CORPORA:
            folder = (given.folder or Path(scratch)) / name
            folder.mkdir(parents=True, exist_ok=True)
            counts, lines = endings(sorted(CORPORA[name](folder)))
            print(*lines, sep="\n", end="\n" if lines else "")
            print(f"{name}: {counts.total()} files, " + ", ".join(f"{n} {kind}" for kind, n in sorted(counts.items())))
            results[name] = dict(counts)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    print(f"largest process: {peak / 1e6:,.0f} MB")
    print(json.dumps(results))
    return int(peak > MAX_MEMORY or any("uncaught" in counts or not counts for counts in results.values()))


if __name__ == "__main__":
    sys.exit(main())
