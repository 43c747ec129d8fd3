"""Slices of an audit: attributes by their definitions, planted slices as findings, and slices of the settings."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from reportgen.audit.attributes import ImageAttribute, image_attributes
from reportgen.audit.audit import Audit
from reportgen.audit.columns import image_columns
from reportgen.audit.findings.slice import slice_
from reportgen.audit.slices import check_named_slices
from reportgen.data.image_properties import PROPERTIES
from reportgen.data.samples import no_boxes
from reportgen.embedding.regions import MapRegions
from reportgen.errors import ConfigError
from reportgen.results.metrics import metrics
from reportgen.setting_values import parse_condition, parse_slices
from tests.support.factories import SIDE, make_audit, make_logits, make_model_audit

N = 400
NAMED = ({"name": "dark b", "where": ("label = b", "brightness < 0.05")}, {"name": "none", "where": ("objects = 1",)})


def make(seed: int = 0, dark_error: float = 0.9, **changes: Any) -> Audit:
    """Images of four classes; half of those of b are dark and mostly wrong, the others wrong in one case of six. The
    map has no regions, because t-SNE takes seconds."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 4, N)
    properties = random.uniform(0.1, 1, (N, len(PROPERTIES))).astype(np.float32)
    dark = (labels == 1) & (random.random(N) < 0.5)
    properties[dark, 0] *= 0.04
    wrong = random.random(N) < np.where(dark, dark_error, 1 / 6)
    predicted = np.where(wrong, random.integers(1, 4, N) + labels, labels) % 4
    model = make_model_audit(
        labels, logits=make_logits(predicted.tolist(), 0.8, 4), arrays={"image/properties": properties}
    )
    audit = make_audit(model, named_slices=NAMED, **changes)
    none = np.full(N, -1)
    vars(audit).update(map_regions=MapRegions(none, none[:0], np.zeros((0, 3), bool), N), region_summaries=[])
    return audit


def by_name(audit: Audit) -> dict[str, ImageAttribute]:
    return {attribute.name: attribute for attribute in image_attributes(audit)}


def test_planted_slice_is_a_finding_with_its_images_and_figures() -> None:
    audit = make()
    (found,) = [one for one in slice_(audit) if "brightness" in one.headline]
    assert found.headline.startswith("The class is wrong more often with label = b, brightness 0.00")
    chosen = audit.slices.found[0]
    low = float(chosen.conditions[1].split(" to ")[1])
    brightness = np.asarray(audit.main.table["image/properties"])[:, 0]
    dark = (audit.labels == 1) & (brightness <= low + 1e-3)
    assert chosen.images.tolist() == np.flatnonzero(dark).tolist()
    assert found.images == np.flatnonzero(dark & ~audit.main.classification.top1_correct).tolist()
    assert found.p is not None
    assert found.p <= 0.05


def test_audits_without_a_slice_have_no_finding() -> None:
    assert [one for seed in range(5) for one in slice_(make(seed, dark_error=1 / 6))] == []


def test_named_slices_have_the_errors_of_all_their_images() -> None:
    audit = make()
    dark = (audit.labels == 1) & (np.asarray(audit.main.table["image/properties"])[:, 0] < 0.05)
    wrong = ~audit.main.classification.top1_correct
    assert metrics(audit)["models"][0]["slices"] == {
        "dark b": {"images": dark.sum(), "top1_error": wrong[dark].mean(), "gt_known_error": None},
        "none": {"images": 0, "top1_error": None, "gt_known_error": None},
    }
    dark_b, none = audit.slices.named
    compared = dark_b.compared["class"]
    assert compared is not None
    assert compared.outside.value == wrong[~dark].mean()
    assert none.compared["class"] is None


def test_values_with_too_few_images_are_named() -> None:
    audit = make()
    cameras = ["rare"] * 7 + ["usual"] * (N - 7)
    samples = [replace(s, columns={"camera": c}) for s, c in zip(audit.samples, cameras, strict=True)]
    changed = replace(audit, samples=samples)
    vars(changed).update(map_regions=audit.map_regions, region_summaries=[])
    (camera,) = [one for one in changed.slices.too_small if one.attribute == "camera"]
    assert (camera.names, camera.images) == (["rare"], 7)


def test_attributes_of_objects_match_their_definitions() -> None:
    """Boxes in an image of 8 × 8: the largest one counts."""
    boxes = [
        np.array([[0.0, 0, 2, 2]]),  # 1/16 of the image, in its left upper corner
        np.array([[3.0, 3, 5, 5], [1.0, 5, 7, 7.5]]),  # the second is larger: 15/64, bottom, not at the border
        np.tile([2.0, 2, 6, 6], (4, 1)),
        no_boxes(),
    ]
    audit = make_audit(make_model_audit([0, 1, 0, 1], boxes=boxes))
    none = np.full(4, -1)
    vars(audit).update(map_regions=MapRegions(none, none[:0], np.zeros((0, 3), bool), 4), region_summaries=[])
    found = by_name(audit)

    def values(name: str) -> list[str | None]:
        groups = found[name].groups
        return [groups.names[k] if k >= 0 else None for k in groups.group_of.tolist()]

    assert found["object size"].numbers == pytest.approx([1 / 16, 15 / 64, 1 / 4, np.nan], nan_ok=True)
    assert values("objects") == ["1", "2", "3 or more", None]
    assert values("object position") == ["top left", "bottom", "middle", None]
    assert values("object at the border") == ["yes", "no", "no", None]
    assert found["shorter side"].numbers == pytest.approx([SIDE] * 4)


def test_settings_that_the_data_do_not_have_are_refused_in_one_line() -> None:
    samples = [replace(s, columns={"camera": "north", "hour": "3"}) for s in make_audit().samples]
    columns = image_columns(samples)

    def error(condition: str) -> str:
        with pytest.raises(ConfigError) as caught:
            check_named_slices([{"name": "x", "where": [condition]}], columns, ["cat", "dog"])
        return str(caught.value)

    assert "no image has an attribute `brightnes`" in error("brightnes < 1")
    assert "`hour` is a number, `late` is not" in error("hour > late")
    assert "`camera` is no number, so `<` has no meaning" in error("camera < north")
    assert "there is no class `cow`" in error("label = cow")
    check_named_slices([{"name": "x", "where": ["hour >= 3", "camera != north", "label = dog"]}], columns, ["dog"])


def test_conditions_are_read_with_every_operator() -> None:
    assert parse_condition("a b<=0.5") == ("a b", "<=", "0.5")
    assert parse_condition("camera != x = y") == ("camera", "!=", "x = y")
    assert parse_condition("size > 3") == ("size", ">", "3")
    for wrong in ("camera", "= 3", "camera =", ""):
        with pytest.raises(ValueError, match="is no condition"):
            parse_condition(wrong)


@pytest.mark.parametrize(
    "value", [{"name": "a"}, [{"name": "a", "where": []}], [{"name": "a.b", "where": ["x = 1"]}], 3]
)
def test_tables_of_slices_that_are_wrong_are_refused(value: object) -> None:
    with pytest.raises(ValueError, match="slices"):
        parse_slices(value)
