"""Maps that do not localize better than the strongest control."""

from __future__ import annotations

from collections.abc import Iterator

from reportgen.audit.audit import Audit
from reportgen.audit.findings.finding import Bar, Bars, Finding, Size, rows_of
from reportgen.audit.findings.registry import finding_kind
from reportgen.audit.model_audit import ModelAudit
from reportgen.metrics.formatting import between, difference_text, p_equals, percent, signed
from reportgen.metrics.localization.controls import CONTROL_LABELS

BLIND_CONTROLS, BLIND = ("whole_image", "centre", "mean_map"), ", which does not depend on the image"


@finding_kind(
    "Control not beaten",
    topic="location",
    criterion=(
        "The GT-known localization error of a network is not clearly below that of the strongest control, image by "
        "image: the 95 % interval of the paired difference contains 0, or McNemar's exact test has p ≥ 0.05, or the "
        "control is better. The images are those whose GT-known box is wrong."
    ),
)
def control(audit: Audit) -> Iterator[Finding]:
    """One finding for each network whose maps do not clearly beat the strongest control."""
    for model in audit.models:
        if control_sentence(model):
            yield _finding(audit, model)


def control_sentence(model: ModelAudit) -> str:
    """What the comparison with the strongest control shows where the maps do not clearly beat it; else ""."""
    comparison = model.control_comparisons.get("gt_known")
    if comparison is None:
        return ""
    change = comparison.change
    if change.is_clear and change.difference < 0:
        return ""
    return (
        f"The maps of {model.info.name} do not clearly beat the strongest control: the GT-known localization error is "
        f"{percent(change.b)}, and {percent(change.a)} for the {CONTROL_LABELS[comparison.name]} "
        f"({difference_text(change)})."
    )


def _finding(audit: Audit, model: ModelAudit) -> Finding:
    study, localization = model.localization_study, model.localization
    comparison = model.control_comparisons["gt_known"]
    assert study is not None
    assert localization is not None
    change, name = comparison.change, CONTROL_LABELS[comparison.name]
    maps = "The maps" if len(audit.models) == 1 else f"The maps of {model.info.name}"
    rates = {CONTROL_LABELS[key]: one.recipes["paper"].gt_known for key, one in study.controls.items()}
    bars = [Bar(key, rate.value, rate.interval) for key, rate in rates.items()]
    bars.append(Bar(model.info.name, change.b.value, change.b.interval, role="own"))
    size = Size.sampled(change.b, "images with a label and boxes")
    if change.is_clear:
        headline = f"{maps} localize worse than the {name}{BLIND if comparison.name in BLIND_CONTROLS else ''}"
        inference = (
            f"The difference is {signed(change.difference)} points (95 % interval {between(change.ci95)}, "
            f"{p_equals('p', change.p)}): these maps carry less about the place of the object than the control."
        )
    else:
        headline = f"{maps} do not localize clearly better than the {name}"
        inference = (
            f"The difference is {signed(change.difference)} points (95 % interval {between(change.ci95)}, "
            f"{p_equals('p', change.p)}): these images do not show that the maps localize better than the control."
        )
    return Finding(
        slug=f"control not beaten {model.info.name if len(audit.models) > 1 else ''}",
        headline=headline,
        size=size,
        evidence=[Bars("GT-known localization error", sorted(bars, key=lambda bar: bar.value))],
        inference=inference,
        next_step=(
            "Do not report these maps as localization before they beat the control: add images whose objects are not "
            "in the centre, or look at the images with a wrong box."
        ),
        images=rows_of(localization.judged & ~localization.gt_known_correct),
        figures=[
            (f"GT-known error of {model.info.name}", change.b.value),
            (f"GT-known error of the {name}", change.a.value),
            ("images on which the network alone is right", float(len(change.fixed))),
            ("images on which the control alone is right", float(len(change.broken))),
        ],
        see=("Localization", "localization/index.html"),
        at_least=size.at_least,
        p=change.p,
        model=model.info.name,
    )
