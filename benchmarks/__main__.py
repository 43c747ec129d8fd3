"""`python -m benchmarks NAME [--quick]`: runs one benchmark; the last line printed is its result as one JSON object.

Exit code 0, or 1 where the results differ (`"gate": false`), or 2 where the benchmark cannot be run.
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
HARNESS = ("__init__", "__main__", "codes", "photographs", "timing")


def names() -> list[str]:
    """The benchmarks: every file of this folder that is not the harness."""
    return sorted(path.stem.replace("_", "-") for path in FOLDER.glob("*.py") if path.stem not in HARNESS)


def question(name: str) -> str:
    """The first line of a benchmark's docstring, read without importing what the benchmark needs."""
    text = ast.get_docstring(ast.parse((FOLDER / f"{name.replace('-', '_')}.py").read_text("utf-8"))) or ""
    return text.partition("\n")[0]


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser("python -m benchmarks", description="Ours beside the peers.")
    parser.add_argument("name", nargs="?", help="the benchmark; without it they are listed")
    parser.add_argument("--quick", action="store_true", help="small input, under a minute")
    given = parser.parse_args(argv)
    if given.name is None:
        print("\n".join(f"{name}: {question(name)}" for name in names()))
        return 0
    if given.name not in names():
        print(f"no benchmark `{given.name}`: use one of {', '.join(f'`{n}`' for n in names())}", file=sys.stderr)
        return 2
    try:
        result = importlib.import_module(f"benchmarks.{given.name.replace('-', '_')}").run(given.quick)
    except ModuleNotFoundError as error:
        print(f"`{given.name}` needs `{error.name}`: pip install 'reportgen[bench]'", file=sys.stderr)
        return 2
    print(*result.lines, sep="\n")
    ratio = {peer: round(value, 3) for peer, value in result.ratio.items()}
    print(json.dumps({"name": given.name, "ratio": ratio, "gate": result.gate}), flush=True)
    return 0 if result.gate else 1


if __name__ == "__main__":
    sys.exit(main())
