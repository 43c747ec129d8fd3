"""`python -m tests.matrix [FAMILY ...]`: try many networks and print the table of what became of them.

Exit code 1 if a family does not reach its goal. `--verbose` prints every network with its layer, or the message of its
refusal; `--write` writes the rows of these families to the table of the manual.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from tests.matrix.case import OUTCOMES, Goal, Verdict
from tests.matrix.families import FAMILIES, verdicts

PAGE = Path(__file__).resolve().parents[2] / "site" / "docs" / "supported.md"
BEGIN, END = "<!-- matrix: python -m tests.matrix --write -->\n", "<!-- /matrix -->\n"
PACKAGES = ("torch", "torchvision", "timm", "transformers")


def main() -> int:
    """Exit code 1 if a goal is not reached."""
    parser = argparse.ArgumentParser(prog="python -m tests.matrix")
    parser.add_argument("families", nargs="*", metavar="FAMILY", help=f"of {', '.join(FAMILIES)}; default: all")
    parser.add_argument("--verbose", action="store_true", help="print every network")
    parser.add_argument("--write", action="store_true", help=f"write the rows to the table in {PAGE.name}")
    options = parser.parse_args()
    families = options.families or list(FAMILIES)
    if unknown := set(families) - FAMILIES.keys():
        parser.error(f"unknown family {', '.join(sorted(unknown))}")
    goals = {group: goal for family in families for group, goal in FAMILIES[family].goals.items()}
    found: dict[str, list[Verdict]] = {group: [] for group in goals}
    for case, verdict, seconds in verdicts(families):
        found[case.group].append(verdict)
        if options.verbose or verdict.outcome in ("internal error", "wrong"):
            print(_line(case.name, verdict, seconds), flush=True)
    rows = {group: row(group, goal, found[group]) for group, goal in goals.items()}
    print(as_table(rows))
    if options.write:
        _write(rows)
    missed = [group for group, goal in goals.items() if not goal.is_reached(found[group])]
    for group in missed:
        print(f"below its goal: {group}", file=sys.stderr)
    return bool(missed)


def row(group: str, goal: Goal, found: Sequence[Verdict]) -> str:
    """A group's counts as a row of the table."""
    counts = [sum(verdict.outcome == outcome for verdict in found) for outcome in OUTCOMES]
    return f"| {group} | {len(found)} | {' | '.join(map(str, counts))} | {goal} |"


def as_table(rows: Mapping[str, str]) -> str:
    """A Markdown table of the rows, and the versions of the packages."""
    head = [f"| family | networks | {' | '.join(OUTCOMES)} | goal |", f"| --- | {'---: | ' * 5}--- |"]
    versions = ", ".join(f"{package} {version(package)}" for package in PACKAGES)
    return "\n".join([*head, *rows.values(), "", f"With {versions}.", ""])


def _write(rows: Mapping[str, str]) -> None:
    """Replace the rows of some groups in the manual's table; the others stay."""
    before, rest = PAGE.read_text("utf-8").split(BEGIN)
    table, after = rest.split(END)
    written = {line.split(" | ")[0].removeprefix("| "): line for line in table.splitlines() if line.startswith("| ")}
    groups = [group for family in FAMILIES.values() for group in family.goals]
    merged = {group: line for group in groups if (line := rows.get(group) or written.get(group))}
    PAGE.write_text(f"{before}{BEGIN}\n{as_table(merged)}\n{END}{after}", "utf-8")


def _line(name: str, verdict: Verdict, seconds: float) -> str:
    hint = f" → {verdict.hint}" if verdict.hint else ""
    return f"{name:40s} {verdict.outcome:14s} {seconds:5.1f} s  {verdict.detail}{hint}"


if __name__ == "__main__":
    sys.exit(main())
