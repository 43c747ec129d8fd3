"""reportgen: run a CNN image classifier over a data set and write a static model audit."""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reportgen.results.report import Report

__version__ = "0.1.0"


def open(report: str | PathLike[str] = "report") -> Report:
    """Return a finished report, to read its metrics and arrays in a notebook. Does not import torch.

    Errors: StoreError if the folder has no report or a damaged one.
    """
    from reportgen.results.report import open_report

    return open_report(report)
