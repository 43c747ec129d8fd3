"""`python -m tests.fidelity [IMAGES]`: print the table of comparisons; exit code 1 if one is beyond its limit.

`python -m tests.fidelity --write` also writes it to the manual.
"""

from __future__ import annotations

import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

from tests.fidelity import boxes, networks, statistics
from tests.fidelity.case import Case
from tests.fidelity.comparison import Comparison

PAGE = Path(__file__).resolve().parents[2] / "site" / "docs" / "verified.md"
BEGIN, END = "<!-- fidelity: python -m tests.fidelity --write -->\n", "<!-- /fidelity -->\n"
PACKAGES = (
    "torch", "torchvision", "efficientnet-lite-pytorch", "opencv-python-headless", "grad-cam", "captum", "scikit-learn",
    "scipy", "faiss-cpu",
)  # fmt: skip
IMAGES = 60


def comparisons(folder: Path, n: int) -> list[Comparison]:
    """All comparisons whose packages are installed, on n photographs."""
    case = Case.make(folder, n)
    return [c for module in (networks, boxes, statistics) for function in module.ALL for c in function(case)]


def as_table(found: list[Comparison]) -> str:
    """The comparisons as a Markdown table."""
    lines = ["| figures | compared with | numbers | largest difference | limit |", "| --- | --- | ---: | ---: | ---: |"]
    for c in found:
        lines.append(f"| {c.figures} | {c.reference} | {c.n:,} | {_number(c.largest)} | {_number(c.limit)} |")
    return "\n".join(lines)


def _number(value: float) -> str:
    return "0" if value == 0 else f"{value:.0e}"


def _versions() -> str:
    found = []
    for package in PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except ImportError:
            continue
    return ", ".join(found)


def main() -> int:
    write = "--write" in sys.argv
    numbers = [int(argument) for argument in sys.argv[1:] if argument.isdigit()]
    n = numbers[0] if numbers else IMAGES
    with tempfile.TemporaryDirectory() as folder:
        found = comparisons(Path(folder), n)
    table = f"{as_table(found)}\n\nWith {_versions()}.\n"
    print(table)
    if write:
        before, rest = PAGE.read_text("utf-8").split(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}\n{table}\n{END}{rest.split(END)[1]}", "utf-8")
    wrong = [c for c in found if not c.holds]
    for c in wrong:
        print(f"beyond the limit: {c.figures} ({c.largest:g} > {c.limit:g})", file=sys.stderr)
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
