"""`audit.md`: figures and findings as plain Markdown, for people and programs that cannot open pages."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from reportgen.audit.audit import Audit
from reportgen.audit.findings.finding import Finding
from reportgen.audit.model_audit import ModelAudit
from reportgen.metrics.formatting import NONE, counted, difference_text, interval, percent, rate_with_count
from reportgen.metrics.intervals import Interval, Rate
from reportgen.metrics.localization.controls import CONTROL_LABELS
from reportgen.metrics.multilabel import MultilabelFigures
from reportgen.results.markup import markdown_table, plain

MAX_IMAGES = 10
"""Images listed of a finding."""
MAX_CLASSES = 20
"""Classes in the table, those with the most errors."""


def audit_markdown(audit: Audit) -> str:
    """Return the document, in the order of the pages: figures of every network, findings, classes."""
    parts = [f"# {plain(audit.title)}\n", f"{_data(audit)}\n"]
    for model in audit.models:
        figures = _multilabel_figures(model.multilabel) if model.multilabel else _figures(model)
        parts += [f"## Figures of {plain(model.info.name)}\n", figures]
    parts.append(f"## {counted(len(audit.findings), 'finding', 'findings')}\n")
    parts.append(
        "Those that affect the most images come first, counted at the lower end of the 95 % interval.\n"
        if audit.findings
        else "No figure meets the criterion of a finding.\n"
    )
    parts += [_finding(audit, finding, rank) for rank, finding in enumerate(audit.findings, 1)]
    if classes := list(_classes(audit.main)):
        parts += ["## Classes with the most errors\n", markdown_table(["class", "images", "top-1 error"], classes)]
    parts.append("Pages with pictures: `site/index.html`. All numbers: `metrics.json`, `findings.json`.\n")
    return "\n".join(parts)


def _data(audit: Audit) -> str:
    labelled, boxed = int(audit.main.annotated.sum()), sum(len(sample.boxes) > 0 for sample in audit.samples)
    label = "annotated labels" if audit.is_multilabel else "a label"
    text = f"{counted(len(audit.samples), 'image', 'images')}, {labelled:,} with {label}, {boxed:,} with boxes."
    if audit.unreadable:
        text += f" {counted(len(audit.unreadable), 'file', 'files')} could not be read, see `left_out.csv`."
    return text


def _figures(model: ModelAudit) -> str:
    classification = model.classification
    rows = [_rate_row("top-1 error", classification.top1_error)]
    if model.has_top5:
        rows.append(_rate_row("top-5 error", classification.top5_error))
    names = {"top1": "localization error, top-1", "gt_known": "localization error, GT-known"}
    for error, comparison in model.control_comparisons.items():
        control = f"{CONTROL_LABELS[comparison.name]}: {percent(comparison.change.a)}"
        rows.append([*_rate_row(names[error], comparison.change.b)[:3], control, difference_text(comparison.change)])
    if calibration := model.calibration:
        limit = f"{calibration.chance_ece[1]:.3f}"
        verdict = "clear" if calibration.is_clear else "within chance"
        rows.append(["ECE", f"{calibration.ece:.3f}", NONE, f"calibrated networks: up to {limit}", verdict])
    if (study := model.confidence) and study.rejection.auroc is not None:
        bounds = _decimals(study.rejection.auroc_interval)
        rows.append(["AUROC of the confidence", f"{study.rejection.auroc:.2f}", bounds, "chance: 0.50", ""])
    return markdown_table(["figure", "value", "95 % interval", "compared with", "difference"], rows)


def _multilabel_figures(figures: MultilabelFigures) -> str:
    rows = [["images with all labels right", rate_with_count(figures.exact), interval(figures.exact.interval)]]
    for name, value in figures.values.items():
        shown = NONE if value is None else f"{value:.3f}"
        rows.append([name.replace("_", " "), shown, _decimals(figures.intervals.get(name))])
    return markdown_table(["figure", "value", "95 % interval"], rows)


def _rate_row(name: str, rate: Rate | None) -> list[str]:
    return [name, rate_with_count(rate), interval(rate.interval) if rate else NONE, NONE, ""]


def _decimals(bounds: Interval | None) -> str:
    return NONE if bounds is None else f"{bounds[0]:.2f}–{bounds[1]:.2f}"


def _finding(audit: Audit, finding: Finding, rank: int) -> str:
    size = finding.size
    share = f"{size.count:,} of {size.n:,} {size.of}"
    if size.interval:
        share += f" (95 % interval {interval(size.interval)})"
    lines = [
        f"### {rank}. {plain(finding.headline)}\n",
        f"- Size: {plain(share)}",
        f"- What follows: {plain(finding.inference)}",
        f"- Next: {plain(finding.next_step)}",
    ]
    if finding.images:
        names = ", ".join(plain(audit.samples[i].name) for i in finding.images[:MAX_IMAGES])
        more = len(finding.images) - MAX_IMAGES
        lines.append(f"- Images: {names}" + (f", and {more:,} more" if more > 0 else ""))
    return "\n".join([*lines, f"- Page: `site/findings/{finding.slug}.html`\n"])


def _classes(model: ModelAudit) -> Iterator[list[str]]:
    """Class, images and top-1 error of the classes with errors, the most errors first."""
    labels, wrong = model.labels, ~model.classification.top1_correct
    classes, counts = np.unique(labels[(labels >= 0) & wrong], return_counts=True)
    for label in classes[np.argsort(-counts, kind="stable")][:MAX_CLASSES].tolist():
        members = labels == label
        groups = model.groups[members] if model.has_groups else None
        rate = Rate.of(wrong[members], groups)
        assert rate is not None, "the class has images"
        yield [model.classes[label], f"{rate.n:,}", f"{percent(rate)} ({interval(rate.interval)})"]
