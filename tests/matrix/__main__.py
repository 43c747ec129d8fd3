"""`python -m tests.matrix [FAMILY ...]`: try many networks and print the table of what became of them.

Exit code 1 if a family does not reach its goal. `--verbose` prints every network with its layer, or the message of its
refusal; `--write` writes the table of all families to the manual.
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
    parser.add_argument("--write", action="store_true", help=f"write the table to {PAGE.name}")
    options = parser.parse_args()
    families = options.families or list(FAMILIES)
    if unknown := set(families) - FAMILIES.keys():
        parser.error(f"unknown family {', '.join(sorted(unknown))}")
    if options.write and set(families) != FAMILIES.keys():
        parser.error("--write needs all families")
    goals = {group: goal for family in families for group, goal in FAMILIES[family].goals.items()}
    found: dict[str, list[Verdict]] = {group: [] for group in goals}
    for case, verdict, seconds in verdicts(families):
        found[case.group].append(verdict)
        if options.verbose or verdict.outcome in ("internal error", "wrong"):
            print(_line(case.name, verdict, seconds), flush=True)
    table = f"{as_table(goals, found)}\n\nWith {', '.join(f'{p} {version(p)}' for p in PACKAGES)}.\n"
    print(table)
    if options.write:
        before, rest = PAGE.read_text("utf-8").split(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}\n{table}\n{END}{rest.split(END)[1]}", "utf-8")
    missed = [group for group, goal in goals.items() if not goal.is_reached(found[group])]
    for group in missed:
        print(f"below its goal: {group}", file=sys.stderr)
    return bool(missed)


def as_table(goals: Mapping[str, Goal], found: Mapping[str, Sequence[Verdict]]) -> str:
    """The counts as a Markdown table, a row for each group."""
    lines = [f"| family | networks | {' | '.join(OUTCOMES)} | goal |", f"| --- | {'---: | ' * 5}--- |"]
    for group, goal in goals.items():
        counts = [sum(verdict.outcome == outcome for verdict in found[group]) for outcome in OUTCOMES]
        lines.append(f"| {group} | {len(found[group])} | {' | '.join(map(str, counts))} | {goal} |")
    return "\n".join(lines)


def _line(name: str, verdict: Verdict, seconds: float) -> str:
    hint = f" → {verdict.hint}" if verdict.hint else ""
    return f"{name:40s} {verdict.outcome:14s} {seconds:5.1f} s  {verdict.detail}{hint}"


if __name__ == "__main__":
    sys.exit(main())
