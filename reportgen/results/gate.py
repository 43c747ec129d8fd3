"""Rules that a report must fulfil, for a build that fails when a network got worse (`reportgen gate`)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from reportgen.config_file import read_toml
from reportgen.errors import ConfigError, StoreError, did_you_mean
from reportgen.json_text import load_json
from reportgen.metrics.paired import ErrorChange, compare_errors, match_images
from reportgen.results.report import Report, open_report

LIMITS = ("max", "min", "max_increase", "max_decrease")
"""What a rule can bound: the figure, or its change since the baseline."""
LEVELS = ("error", "warn")


@dataclass(frozen=True)
class Rule:
    """A bound on one figure. Exactly one of `LIMITS` is given.

    figure: one of `IMAGE_FIGURES`, or the path of a number in the first network's part of `metrics.json`, such as
        `localization.max_box_acc_v2`. label: the images with this label only, for `IMAGE_FIGURES`;
        slice: those of this slice of the settings only.
    significant: with a change: it breaks the rule only if its interval excludes zero too.
    """

    figure: str
    max: float | None = None
    min: float | None = None
    max_increase: float | None = None
    max_decrease: float | None = None
    label: str = ""
    slice: str = ""
    level: str = "error"
    significant: bool = False

    def __post_init__(self) -> None:
        given = [name for name in LIMITS if getattr(self, name) is not None]
        if len(given) != 1:
            raise ConfigError(f"a rule for `{self.figure}` has {len(given)} limits", f"give one of {', '.join(LIMITS)}")
        if not math.isfinite(self.limit):
            raise ConfigError(f"`{self.kind}` of `{self.figure}` is {self.limit}", "use a number")
        if self.level not in LEVELS:
            raise ConfigError(f"`level` of `{self.figure}` is `{self.level}`", "use `error` or `warn`")
        if self.significant and not self.is_change:
            raise ConfigError(
                f"`significant` has no effect on `{self.kind}` of `{self.figure}`",
                "use it with max_increase or max_decrease",
            )
        if (self.label or self.slice or self.significant) and self.figure not in IMAGE_FIGURES:
            raise ConfigError(
                f"`{self.figure}` is not a figure of single images, so it has no labels, slices or intervals",
                f"use one of {', '.join(IMAGE_FIGURES)}",
            )

    @property
    def kind(self) -> str:
        """The name of the limit that is given."""
        return next(name for name in LIMITS if getattr(self, name) is not None)

    @property
    def limit(self) -> float:
        return float(getattr(self, self.kind))

    @property
    def is_change(self) -> bool:
        """Whether the rule bounds the change since the baseline."""
        return self.kind in ("max_increase", "max_decrease")

    @property
    def text(self) -> str:
        """`top1_error of tabby, max_increase 0.02, significant`."""
        label = f" of {self.label}" if self.label else ""
        label += f" in {self.slice}" if self.slice else ""
        return f"{self.figure}{label}, {self.kind} {self.limit:g}{', significant' if self.significant else ''}"


@dataclass(frozen=True)
class Outcome:
    """A rule and what became of it. value, baseline: the figures; about: the change, with its interval."""

    rule: Rule
    is_broken: bool
    value: float
    baseline: float | None = None
    about: str = ""

    @property
    def fails(self) -> bool:
        """Whether the gate fails because of it."""
        return self.is_broken and self.rule.level == "error"

    @property
    def state(self) -> str:
        """`ok`, `warning` or `failed`."""
        return "failed" if self.fails else "warning" if self.is_broken else "ok"


def _top(model_predictions: np.ndarray, k: int) -> np.ndarray:
    hits: np.ndarray = (model_predictions["top"][:, :k] == model_predictions["label"][:, None]).any(1)
    return hits


def _box_fits(report: Report) -> tuple[np.ndarray, np.ndarray]:
    """Whether the box of the label's map is correct `(N,)`, and whether there is one to judge `(N,)`."""
    rows = report.localization[report.localization["rank"] == 0] if report.has_localization else ()
    fits = {str(row["name"]): bool(row["fits"]) for row in rows}
    names = report.predictions["name"].astype(str).tolist()
    return np.array([fits.get(name, False) for name in names], bool), np.array([name in fits for name in names], bool)


def _classification(k: int, report: Report) -> tuple[np.ndarray, np.ndarray]:
    return _top(report.predictions, k), report.predictions["label"] >= 0


def _localization(k: int | None, report: Report) -> tuple[np.ndarray, np.ndarray]:
    fits, judged = _box_fits(report)
    return (fits if k is None else fits & _top(report.predictions, k)), judged


IMAGE_FIGURES = {
    "top1_error": lambda report: _classification(1, report),
    "top5_error": lambda report: _classification(5, report),
    "gt_known_error": lambda report: _localization(None, report),
    "top1_localization_error": lambda report: _localization(1, report),
    "top5_localization_error": lambda report: _localization(5, report),
}
"""Errors of single images: name → (whether each image is right, whether it is judged), both `(N,)` bool."""


def read_rules(path: Path) -> list[Rule]:
    """Read `[[rules]]` of a TOML file. Errors: ConfigError."""
    table = read_toml(path, "give a TOML file with a table [[rules]] for each rule")
    rules = table.pop("rules", None)
    if table or not isinstance(rules, list) or not all(isinstance(rule, dict) for rule in rules):
        raise ConfigError(f"`{path}` is not a list of rules", "begin each rule with a line `[[rules]]`")
    return [_rule(values, f"rule {number} of `{path}`") for number, values in enumerate(rules, 1)]


def _rule(values: Mapping[str, Any], where: str) -> Rule:
    known = {field.name: field.default for field in fields(Rule)}
    for key, value in values.items():
        if key not in known:
            raise ConfigError(f"unknown key `{key}` in {where}", did_you_mean(key, known) or None)
        wanted: tuple[type, ...] = (int, float) if key in LIMITS else (type(known[key]) if key != "figure" else str,)
        if not isinstance(value, wanted) or (isinstance(value, bool) and bool not in wanted):
            raise ConfigError(f"`{key}` in {where} is {value!r}", f"it must be of type {wanted[-1].__name__}")
    if "figure" not in values:
        raise ConfigError(f"{where} has no `figure`", f"use one of {', '.join(IMAGE_FIGURES)}, or a path")
    return Rule(**values)


def check_rules(report: Path, baseline: Path | None, rules: Sequence[Rule]) -> list[Outcome]:
    """Judge a report by rules, some of them compared with a baseline. Errors: ConfigError, StoreError."""
    if not rules:
        raise ConfigError("there are no rules", "give --rules FILE, or --max FIGURE=VALUE")
    if baseline is None and (needs := next((rule for rule in rules if rule.is_change), None)):
        raise ConfigError(f"`{needs.kind}` of `{needs.figure}` needs a baseline", "give --baseline REPORT")
    now, before = open_report(report), open_report(baseline) if baseline else None
    return [_judge(rule, now, before) for rule in rules]


def _judge(rule: Rule, now: Report, before: Report | None) -> Outcome:
    if rule.is_change:
        assert before is not None
        return _judge_change(rule, now, before)
    value = _figure(rule, now)
    return Outcome(rule, value > rule.limit if rule.kind == "max" else value < rule.limit, value)


def _judge_change(rule: Rule, now: Report, before: Report) -> Outcome:
    sign = 1 if rule.kind == "max_increase" else -1
    if rule.figure not in IMAGE_FIGURES:
        value, old = _figure(rule, now), _figure(rule, before)
        return Outcome(rule, sign * (value - old) > rule.limit, value, old, f"change {value - old:+.4f}")
    change = _change(rule, now, before)
    low, high = change.ci95
    is_beyond = sign * change.difference > rule.limit
    about = f"change {change.difference:+.4f}, 95 % interval {low:+.4f} to {high:+.4f}, p = {change.p:.2g}"
    is_broken = is_beyond and (change.is_clear or not rule.significant)
    return Outcome(rule, is_broken, change.b.value, change.a.value, f"{about}, {change.b.n} images")


def _change(rule: Rule, now: Report, before: Report) -> ErrorChange:
    """The change of an error since the baseline, over the images that both reports judge."""
    rows_before, rows_now = match_images(*([identity for identity, _ in one.models[0].keys] for one in (before, now)))
    (right_before, judged_before), (right_now, judged_now) = (IMAGE_FIGURES[rule.figure](r) for r in (before, now))
    judged = judged_before[rows_before] & judged_now[rows_now] & _is_meant(rule, now)[rows_now]
    change = compare_errors(right_before[rows_before], right_now[rows_now], judged, now.groups[rows_now])
    if change is None:
        raise ConfigError(f"no image has `{rule.text}` in both reports", "compare reports of the same images")
    return change


def _figure(rule: Rule, report: Report) -> float:
    """The value of a figure. Errors: ConfigError if the report does not have it."""
    if rule.figure in IMAGE_FIGURES:
        right, judged = IMAGE_FIGURES[rule.figure](report)
        judged = judged & _is_meant(rule, report)
        if not judged.any():
            raise ConfigError(f"`{report.folder}` has no image with `{rule.figure}`", "see its localization and labels")
        return float(1 - right[judged].mean())
    path = report.folder / "metrics.json"
    try:
        value: Any = load_json(path.read_text("utf-8"))["models"][0]
    except (OSError, ValueError, KeyError, IndexError, TypeError):
        raise StoreError(f"`{path}` is missing or damaged", "run the report again") from None
    for step in rule.figure.split("."):
        value = value.get(step) if isinstance(value, dict) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        hint = f"use one of {', '.join(IMAGE_FIGURES)}, or the path of a number such as localization.max_box_acc"
        raise ConfigError(f"`{path}` has no number `{rule.figure}`", did_you_mean(rule.figure, IMAGE_FIGURES) or hint)
    return float(value)


def _is_meant(rule: Rule, report: Report) -> np.ndarray:
    """Which images the rule is about `(N,)`. Errors: ConfigError for a class or slice that the report does not have."""
    labels = report.predictions["label"]
    meant = np.ones(len(labels), bool)
    for what, name, known in (("class", rule.label, report.classes), ("slice", rule.slice, report.slices)):
        if name and name not in known:
            raise ConfigError(f"`{report.folder}` has no {what} `{name}`", did_you_mean(name, known) or None)
    if rule.label:
        meant &= labels == list(report.classes).index(rule.label)
    if rule.slice:
        meant &= report.slices[rule.slice]
    return meant
