"""The error tables as Markdown and LaTeX."""

from __future__ import annotations

from collections.abc import Sequence

from reportgen.results.tables import Table

LATEX_ESCAPES = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "–": "--", "“": "``", "”": "''", "≥": r"$\geq$",
}  # fmt: skip


def as_markdown(table: Table) -> str:
    """Return a table as Markdown."""
    lines = [f"**{plain(table.title)}**", "", _line(table.head), _line(["---", *["---:"] * (len(table.head) - 1)])]
    for row in table.rows:
        prefix = {"measured": "", "control": "… ", "published": "published: "}[row.kind]
        lines.append(_line([prefix + row.cells[0], *row.cells[1:]]))
    return "\n".join([*lines, "", plain(table.caption), ""])


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return plain rows as a Markdown table."""
    return "\n".join([_line(head), _line(["---"] * len(head)), *map(_line, rows)]) + "\n"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(plain, cells))} |"


def plain(text: str) -> str:
    """Escape the characters that Markdown interprets."""
    return "".join(f"\\{c}" if c in "\\`*_{}[]<>|#" else c for c in text)


def as_latex(table: Table) -> str:
    """Return a table as LaTeX, for `booktabs`; published rows are grey (`xcolor`)."""
    lines = [rf"\begin{{tabular}}{{l{'r' * (len(table.head) - 1)}}}", r"\toprule", _latex(table.head), r"\midrule"]
    for previous, row in zip([None, *table.rows], table.rows, strict=False):
        if previous is not None and previous.kind != "published" == row.kind:
            lines.append(r"\midrule")
        first = r"\quad " if row.kind == "control" else ""
        grey = r"\color{gray}" if row.kind == "published" else ""
        lines.append(_latex(row.cells, first, grey))
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", f"% {' '.join(table.caption.split())}", ""])


def _latex(cells: Sequence[str], first: str = "", each: str = "") -> str:
    safe = ["".join(LATEX_ESCAPES.get(c, c) for c in cell) for cell in cells]
    return first + " & ".join(each + (" " if each else "") + cell for cell in safe) + r" \\"
