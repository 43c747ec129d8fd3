"""`reportgen gate`: a build that fails when a network got worse."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from reportgen.cli.console import console


class Bound(click.ParamType[tuple[str, float]]):
    """`FIGURE=VALUE`."""

    name = "figure=value"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, float]:
        figure, _, number = str(value).partition("=")
        try:
            return figure.strip(), float(number)
        except ValueError:
            self.fail(f"`{value}` is not FIGURE=VALUE, as `top1_error=0.4`", param, ctx)


def _bound(name: str, about: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    return click.option(
        f"--{name}", f"{name.replace('-', '_')}_", type=Bound(), multiple=True, metavar="FIGURE=VALUE", help=about
    )


@click.command()
@click.argument("report", default="report", type=click.Path(path_type=Path))
@click.option("--baseline", type=click.Path(path_type=Path), help="Another report, to compare with.")
@click.option("--rules", "rules_file", type=click.Path(path_type=Path), help="TOML file with a [[rules]] table each.")
@_bound("max", "The figure may be at most this; repeat for more.")
@_bound("min", "The figure must be at least this.")
@_bound("max-increase", "It may exceed the baseline's by at most this.")
@_bound("max-decrease", "It may be below the baseline's by at most this.")
@click.option("--junit", type=click.Path(path_type=Path), help="Write the outcome as JUnit XML to this file.")
@click.option("--markdown", type=click.Path(path_type=Path), help="Write it as a Markdown table to this file.")
def gate(
    report: Path,
    baseline: Path | None,
    rules_file: Path | None,
    max_: Sequence[tuple[str, float]],
    min_: Sequence[tuple[str, float]],
    max_increase_: Sequence[tuple[str, float]],
    max_decrease_: Sequence[tuple[str, float]],
    junit: Path | None,
    markdown: Path | None,
) -> None:
    """Check a report by rules, for a build that fails when a network got worse.

    Prints a table of the rules. Exits with 1 if one of them is broken.
    """
    from reportgen.results.gate import Rule, check_rules, read_rules
    from reportgen.results.gate_files import gate_junit, gate_markdown, gate_text
    from reportgen.store.files import write_atomic

    rules = read_rules(rules_file) if rules_file else []
    rules += [Rule(figure, max=value) for figure, value in max_]
    rules += [Rule(figure, min=value) for figure, value in min_]
    rules += [Rule(figure, max_increase=value) for figure, value in max_increase_]
    rules += [Rule(figure, max_decrease=value) for figure, value in max_decrease_]
    outcomes = check_rules(report, baseline, rules)
    click.echo(gate_text(outcomes))
    for path, text in ((junit, gate_junit(outcomes)), (markdown, gate_markdown(outcomes))):
        if path:
            write_atomic(path, text.encode())
    broken = sum(one.fails for one in outcomes)
    console.print(f"{broken} of {len(outcomes)} rules are broken", markup=False)
    sys.exit(1 if broken else 0)
