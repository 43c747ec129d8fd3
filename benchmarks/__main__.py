"""`python -m benchmarks NAME… [--quick]`: runs benchmarks; the last line of each is its result as one JSON object.

Exit code 0, or 1 where the results of the contestants differ (`"gate": false`), or 2 where one cannot be run.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path

FOLDER = Path(__file__).parent
HARNESS = ("__init__", "__main__", "made_up_features", "photographs", "processes", "timing")


def names() -> list[str]:
    """The benchmarks: every file of this folder that is not the harness."""
    return sorted(path.stem.replace("_", "-") for path in FOLDER.glob("*.py") if path.stem not in HARNESS)


def question(name: str) -> str:
    """The first line of a benchmark's docstring, read without importing what the benchmark needs."""
    text = ast.get_docstring(ast.parse((FOLDER / f"{name.replace('-', '_')}.py").read_text("utf-8"))) or ""
    return text.partition("\n")[0]


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser("python -m benchmarks", description="Speed compared with other libraries.")
    parser.add_argument("names", nargs="*", metavar="name", help="the benchmarks; without a name they are listed")
    parser.add_argument("--quick", action="store_true", help="small input, under a minute")
    given = parser.parse_args(argv)
    if not given.names:
        print("\n".join(f"{name}: {question(name)}" for name in names()))
        return 0
    if unknown := next((name for name in given.names if name not in names()), None):
        print(f"no benchmark `{unknown}`: use one of {', '.join(f'`{n}`' for n in names())}", file=sys.stderr)
        return 2
    return max(run(name, given.quick) for name in given.names)


def run(name: str, quick: bool) -> int:
    """Run one benchmark, print its result, and return the exit code."""
    try:
        result = importlib.import_module(f"benchmarks.{name.replace('-', '_')}").run(quick)
    except ModuleNotFoundError as error:
        print(f"`{name}` needs `{error.name}`: pip install 'reportgen[bench]'", file=sys.stderr)
        return 2
    print(*result.lines, sep="\n")
    ratio = {peer: round(value, 3) for peer, value in result.ratio.items()}
    print(json.dumps({"name": name, "ratio": ratio, "gate": result.gate}), flush=True)
    return 0 if result.gate else 1


if __name__ == "__main__":
    sys.exit(main())
