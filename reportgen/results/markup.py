"""The error tables as Markdown and LaTeX."""

from __future__ import annotations

from collections.abc import Sequence

from reportgen.results.tables import Table


def as_markdown(table: Table) -> str:
    lines = [f"**{_plain(table.title)}**", "", _line(table.head), _line(["---", *["---:"] * (len(table.head) - 1)])]
    for row in table.rows:
        lead = {"measured": "", "control": "… ", "published": "published: "}[row.kind]
        lines.append(_line([lead + row.cells[0], *row.cells[1:]]))
    return "\n".join([*lines, "", _plain(table.caption), ""])


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(_plain, cells))} |"


def _plain(text: str) -> str:
    """Text in which Markdown finds nothing to mark up."""
    return "".join(f"\\{c}" if c in "\\`*_{}[]<>|#" else c for c in text)


LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "–": "--", "“": "``", "”": "''", "≥": r"$\geq$",
}  # fmt: skip


def as_latex(table: Table) -> str:
    """For `booktabs`; published rows are grey (`xcolor`)."""
    lines = [rf"\begin{{tabular}}{{l{'r' * (len(table.head) - 1)}}}", r"\toprule", _latex(table.head), r"\midrule"]
    for before, row in zip([None, *table.rows], table.rows, strict=False):
        if before is not None and before.kind != "published" == row.kind:
            lines.append(r"\midrule")
        first = r"\quad " if row.kind == "control" else ""
        grey = r"\color{gray}" if row.kind == "published" else ""
        lines.append(_latex(row.cells, first, grey))
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", f"% {' '.join(table.caption.split())}", ""])


def _latex(cells: Sequence[str], first: str = "", each: str = "") -> str:
    safe = ["".join(LATEX.get(c, c) for c in cell) for cell in cells]
    return first + " & ".join(each + (" " if each else "") + cell for cell in safe) + r" \\"
