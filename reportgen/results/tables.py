"""The error tables, as the CAM paper has them: plain cells, and the same as LaTeX and Markdown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from reportgen.audit.audit import Audit
from reportgen.metrics.bootstrap import Interval
from reportgen.metrics.gap_gmp import Paired, Poolings, comparison
from reportgen.metrics.intervals import Rate
from reportgen.metrics.localization.evaluation import Errors, Measured

CONTROL_WORDS = {
    "whole_image": "whole image",
    "centre": "centred box, best size",
    "mean_map": "mean map",
    "random_weights": "random weights",
}
METHOD_WORDS = {"cam": "CAM", "grad-cam": "Grad-CAM"}
BACKPROP_WORDS = {"paper": "CAM box recipe", "graphcut": "GraphCut"}
RECIPE_WORDS = {
    "paper": "paper: 20 % of the maximum, largest region",
    "caffe": "caffe: the paper's released code",
    "v2": "v2: wsolevaluation, every contour, best threshold",
}
PUBLISHED = (
    # network, localization top-1 and top-5, classification top-1 and top-5: errors in per cent
    ("GoogLeNet-GAP", 56.40, 43.00, 35.0, 13.2),
    ("VGGnet-GAP", 57.20, 45.14, 33.4, 12.2),
    ("GoogLeNet", 60.09, 49.34, 31.9, 11.3),
    ("AlexNet*-GAP", 63.75, 49.53, 44.9, 20.9),
    ("AlexNet-GAP", 67.19, 52.16, 51.1, 26.3),
    ("NIN", 65.47, 54.19, 41.9, 19.6),
    ("Backprop on GoogLeNet", 61.31, 50.55, None, None),
    ("Backprop on VGGnet", 61.12, 51.46, None, None),
    ("Backprop on AlexNet", 65.17, 52.64, None, None),
    ("GoogLeNet-GMP", 57.78, 45.26, 35.6, 13.9),
    ("VGGnet", None, None, 31.2, 11.4),
    ("AlexNet", None, None, 42.6, 19.5),
)
"""Zhou et al. 2016, Tables 1 and 2: ILSVRC validation. For orientation; never mixed with what was measured here."""
NONE = "–"


@dataclass(frozen=True)
class Row:
    """cells: the first is the row's name; kind: measured here, a control of the row above, or published elsewhere.

    marks: of the cells after the first, the mark of the images that are wrong by it (`gallery.marks`), or ""; none
    where the site has no pages of these images: those are of the first network.
    """

    cells: Sequence[str]
    kind: Literal["measured", "control", "published"] = "measured"
    marks: Sequence[str] = ()


@dataclass(frozen=True)
class Table:
    """name: of its files; head: one text a column."""

    name: str
    title: str
    caption: str
    head: Sequence[str]
    rows: Sequence[Row]


def per_cent(value: float | None) -> str:
    return NONE if value is None else f"{100 * value:.1f}"


def with_interval(value: float, interval: Interval) -> str:
    """`43.3 (26.7–60.0)`."""
    return f"{per_cent(value)} ({per_cent(interval[0])}–{per_cent(interval[1])})"


def _rate(rate: Rate | None) -> str:
    return NONE if rate is None else with_interval(rate.value, rate.interval)


def _published(columns: tuple[int, int]) -> list[Row]:
    rows = [(p[0], p[columns[0]], p[columns[1]]) for p in PUBLISHED]
    digits = 2 if columns == (1, 2) else 1
    return [
        Row([name, f"{a:.{digits}f}", f"{b:.{digits}f}", *([NONE] if digits == 2 else [])], "published")
        for name, a, b in rows
        if a is not None and b is not None
    ]


def classification_table(audit: Audit) -> Table:
    """Table 1: classification error of every network of the audit, with Wilson's intervals."""
    rows = [Row([m.card.name, _rate(m.classification.top1), _rate(m.classification.top5)]) for m in audit.models]
    rows[0] = replace(rows[0], marks=_marks(("top1", audit.classification.top1), ("top5", audit.classification.top5)))
    n = audit.classification.top1.n if audit.classification.top1 else 0
    caption = (
        f"Error in per cent on the {n:,} labelled images, with 95 % intervals (Wilson). Grey: published figures "
        "(Zhou et al. 2016, Table 1) on ILSVRC validation, another data set, for orientation only."
    )
    return Table(
        "table-1-classification",
        "Table 1. Classification error",
        caption,
        ["Network", "Top-1, %", "Top-5, %"],
        [*rows, *_published((3, 4))],
    )


def localization_table(audit: Audit) -> Table:
    """Table 2: localization error of every network, its controls beneath, with bootstrap intervals."""

    def cells(found: Measured) -> list[str]:
        return _errors(found.recipes["paper"], found.ci95)

    n = len(audit.study.images) if audit.study else 0
    rows = _with_controls(audit, cells, backprop=True)
    if audit.study is not None:
        found = audit.study.own.recipes["paper"]
        marks = _marks(("place1", found.top1), ("place5", found.top5), ("known", found.gt_known))
        rows[0] = replace(rows[0], marks=marks)
    caption = (
        f"Error in per cent on the {n:,} images with boxes; recipe “paper”, threshold 20 %, IoU ≥ 0.5; 95 % intervals "
        "(bootstrap). Indented: boxes that do not look at the image, with the network's own classes; a network that "
        "does not beat them has not localized. Backprop: boxes of the gradient of the label's logit by the "
        "pixels, on as many images as the row says. Grey: published figures (Zhou et al. 2016, Table 2) on ILSVRC "
        "validation, another data set, for orientation only."
    )
    return Table(
        "table-2-localization",
        "Table 2. Localization error",
        caption,
        ["Network", "Top-1, %", "Top-5, %", "Class given, %"],
        [*rows, *_published((1, 2))],
    )


def _marks(*figures: tuple[str, Rate | None]) -> list[str]:
    """The marks of figures that have images behind them."""
    return [mark if rate and rate.count else "" for mark, rate in figures]


ERRORS = ("top1_error", "top5_error", "gt_known_error")


def _errors(errors: Errors, ci95: Mapping[str, Interval]) -> list[str]:
    rates = zip(ERRORS, (errors.top1, errors.top5, errors.gt_known), strict=True)
    return [with_interval(rate.value, ci95[name]) if ci95 else per_cent(rate.value) for name, rate in rates]


def _with_controls(
    audit: Audit, cells: Callable[[Measured], Sequence[str]], lead: str = "", backprop: bool = False
) -> list[Row]:
    """A row for each network's own maps, one for each of its controls, and for each of its backprop boxes."""
    rows = []
    for model in audit.models:
        if model.study is not None:
            rows.append(
                Row(
                    [
                        f"{model.card.name}, {lead or METHOD_WORDS.get(model.card.method, model.card.method)}",
                        *cells(model.study.own),
                    ]
                )
            )
            rows += [Row([CONTROL_WORDS[k], *cells(found)], "control") for k, found in model.study.controls.items()]
            for recipe, found in model.backprop.items() if backprop else ():
                name = f"{model.card.name}, backprop, {BACKPROP_WORDS[recipe]} ({len(found.rows):,} images)"
                rows.append(Row([name, *cells(found)]))
    return rows


def recipes_table(audit: Audit) -> Table:
    """The three box recipes side by side: how far the headline moves."""
    rows: list[Row] = []
    for recipe, words in RECIPE_WORDS.items():

        def cells(found: Measured, recipe: str = recipe) -> list[str]:
            return _errors(found.recipes[recipe], {})

        rows += _with_controls(audit, cells, words)
    return Table(
        "recipes",
        "Three recipes",
        "The same maps, three ways to make a box of them. “caffe” guesses two boxes for each of the first two classes "
        "and one for the third, and counts inclusive pixels; “v2” takes any contour's box at the threshold that is "
        "best on these very images, so it is the most lenient. Indented: the controls under the same recipe.",
        ["Network and recipe", "Top-1, %", "Top-5, %", "Class given, %"],
        rows,
    )


def measures_table(audit: Audit) -> Table:
    """What is measured beside the headline, for every network and each of its controls."""

    def cells(found: Measured) -> list[str]:
        ci95 = found.ci95
        figures = {
            "max_box_acc": found.v1.value,
            "max_box_acc_v2": found.v2.value,
            "pointing_game": float(found.pointing.mean()),
            "energy": float(found.energy.mean()),
            "completeness": float(found.complete.mean()),
        }
        first, v2, *others = (with_interval(v, ci95[k]) if ci95 else per_cent(v) for k, v in figures.items())
        return [first, v2, " / ".join(per_cent(v) for v in found.v2.best), *others, per_cent(found.pxap)]

    return Table(
        "measures",
        "Other measures",
        "All of the label's own map; higher is better. MaxBoxAcc (largest contour, IoU 0.5) and MaxBoxAccV2 (any "
        "contour, mean of IoU 0.3, 0.5 and 0.7, which stand beside it) take the thresholds that are best on these very "
        "images: oracles. Pointing: the map's maximum lies in a true box. Energy: share of its positive values in the "
        "true boxes. Completeness: share of the true box that its box covers. PxAP: by pixels, where silhouettes are "
        "given. Indented: the controls; a box points at its middle, and its energy is spread evenly inside. The whole "
        "image covers everything: completeness says something beside energy only.",
        [
            "Network",
            "MaxBoxAcc, %",
            "MaxBoxAccV2, %",
            "at IoU 0.3 / 0.5 / 0.7",
            "Pointing, %",
            "Energy, %",
            "Completeness, %",
            "PxAP, %",
        ],
        _with_controls(audit, cells),
    )


def poolings_table(found: Poolings) -> Table:
    """GAP beside GMP: the three figures under both, the difference with its interval, and the controls of both."""
    gap, gmp = found.gap.study, found.gmp.study
    assert gap is not None
    assert gmp is not None
    figures: list[tuple[str, Paired, Callable[[Measured], float]]] = [
        ("Object covered: share of the true box", found.complete, lambda m: float(m.complete.mean())),
        ("Map outside: share of its positive values", found.background, lambda m: 1 - float(m.energy.mean())),
        ("Box wrong, class given", found.error, lambda m: m.gt_known.value),
    ]
    rows = []
    for name, paired, of in figures:
        apart = [signed(paired.difference), between(paired.ci95)]
        rows.append(Row([name, per_cent(paired.gap), per_cent(paired.gmp), *apart]))
        for control in (k for k in gap.controls if k in gmp.controls):
            both = [per_cent(of(study.controls[control])) for study in (gap, gmp)]
            rows.append(Row([CONTROL_WORDS[control], *both, NONE, NONE], "control"))
    return Table(
        "gap-and-gmp",
        "GAP and GMP",
        f"Means over {len(found.images):,} images with a label and boxes, in per cent, from the label's maps. The "
        "interval of the difference, in points, is a paired bootstrap over images, each counted as independent. "
        "Indented: the controls, which do not look at the image, or have learned nothing.",
        ["Figure", f"{found.gap.card.name}, %", f"{found.gmp.card.name}, %", "GAP − GMP, points", "95 % interval"],
        rows,
    )


def signed(share: float, digits: int = 1) -> str:
    """A difference of shares in points: `+1.2`, `−0.3`."""
    return f"{100 * share:+.{digits}f}".replace("-", "−")


def between(bounds: Interval) -> str:
    """`−1.5 to +3.1`, in points."""
    return f"{signed(bounds[0])} to {signed(bounds[1])}"


def all_tables(audit: Audit) -> list[Table]:
    """Those that this audit can fill."""
    tables = [classification_table(audit)] if audit.classification.top1 else []
    if audit.study:
        tables += [localization_table(audit), recipes_table(audit), measures_table(audit)]
    if (found := comparison(audit)) is not None:
        tables.append(poolings_table(found))
    return tables
