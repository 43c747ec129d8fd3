"""The result files of a comparison: `comparison.json` and `comparison.csv`."""

from __future__ import annotations

from typing import Any

import numpy as np

from reportgen.embedding.space import N_SHOWN, count_shared
from reportgen.gallery.comparison.pairing import PairedReports, Side
from reportgen.results.csv_files import csv_text


def comparison_figures(paired: PairedReports) -> dict[str, Any]:
    """The content of `comparison.json`; errors are fractions of 1."""
    near = [side.feature_space.neighbours.index[:, :N_SHOWN] for side in (paired.a, paired.b)]
    return {
        "schema": 1,
        "a": _side(paired.a),
        "b": _side(paired.b),
        "images": paired.n,
        "only_a": paired.only_a,
        "only_b": paired.only_b,
        "relabelled": len(paired.relabelled),
        "same_answer": int((paired.a.predicted == paired.b.predicted).sum()),
        "errors": {
            name: {
                "images": change.a.n,
                "a": change.a.value,
                "b": change.b.value,
                "difference": change.difference,
                "ci95": [round(bound, 6) for bound in change.ci95],
                "fixed": len(change.fixed),
                "broken": len(change.broken),
                "mcnemar_p": change.p,
            }
            for name, change in paired.changes.items()
        },
        "neighbours_shared": float(count_shared(*near).mean()),
        "units": {
            layer: {
                "median_correlation": _median(matches.same_index),
                "dead_a": int(matches.dead_a.sum()),
                "dead_b": int(matches.dead_b.sum()),
            }
            for layer, matches in paired.units.items()
        },
    }


def _side(side: Side) -> dict[str, str]:
    return {"model": side.name, "data": side.report.name}


def _median(values: np.ndarray) -> float | None:
    return float(np.nanmedian(values)) if np.isfinite(values).any() else None


def comparison_csv(paired: PairedReports) -> str:
    """The content of `comparison.csv`: for each image both predictions, both outcomes, and what changed."""
    sides = (paired.a, paired.b)
    changes = {error: _changes(paired, error) for error in ("top1", "box1")}

    def row(i: int) -> list[str]:
        results = [(s.predicted[i], f"{s.predictions['score'][i, 0]:.6f}", s.predictions["kind"][i]) for s in sides]
        name, label = sides[0].predictions["name"][i], sides[0].labels[i]
        return [*map(str, (name, label, *results[0], *results[1])), changes["top1"][i], changes["box1"][i]]

    columns = [f"{side}_{column}" for side in "ab" for column in ("class", "score", "kind")]
    return csv_text(["name", "label", *columns, "class_change", "box_change"], map(row, range(paired.n)))


def _changes(paired: PairedReports, error: str) -> list[str]:
    """`fixed`, `broken` or "" for each image."""
    changes = [""] * paired.n
    if (change := paired.changes.get(error)) is not None:
        for text, rows in (("fixed", change.fixed), ("broken", change.broken)):
            for i in rows.tolist():
                changes[i] = text
    return changes
