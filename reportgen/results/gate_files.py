"""The outcome of a gate as text: for terminals, for pull requests (Markdown), and for CI systems (JUnit XML)."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree

from reportgen.data.files import one_line
from reportgen.results.gate import Outcome
from reportgen.results.markup import markdown_table


def gate_text(outcomes: Sequence[Outcome]) -> str:
    """Return a line for each rule, for a terminal."""
    return "\n".join(f"{one.state:<8} {one_line(one.rule.text)}: {one_line(_found(one))}" for one in outcomes)


def gate_markdown(outcomes: Sequence[Outcome]) -> str:
    """Return a table with a line for each rule."""
    rows = [[one.state, one.rule.text, *_figures(one), one.about] for one in outcomes]
    return markdown_table(["", "rule", "value", "baseline", ""], rows)


def gate_junit(outcomes: Sequence[Outcome]) -> str:
    """Return JUnit XML with a test case for each rule. A rule of level `warn` never fails; its text is kept."""
    failures = sum(one.fails for one in outcomes)
    suite = ElementTree.Element("testsuite", name="reportgen gate", tests=str(len(outcomes)), failures=str(failures))
    for one in outcomes:
        case = ElementTree.SubElement(suite, "testcase", classname="reportgen.gate", name=one_line(one.rule.text))
        text = one_line(_found(one))
        if one.fails:
            ElementTree.SubElement(case, "failure", message=text)
        else:
            ElementTree.SubElement(case, "system-out").text = f"{one.state}: {text}"
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, "unicode", xml_declaration=True) + "\n"


def _found(one: Outcome) -> str:
    value, baseline = _figures(one)
    return "; ".join(part for part in (f"is {value}", baseline and f"was {baseline}", one.about) if part)


def _figures(one: Outcome) -> list[str]:
    return [f"{one.value:.4f}", "" if one.baseline is None else f"{one.baseline:.4f}"]
