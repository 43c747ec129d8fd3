"""Findings: each kind appears for a planted case, and not without one; they are ranked by the images they affect."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reportgen.audit.audit import Audit
from reportgen.audit.findings import calibration as calibration_module
from reportgen.audit.findings import registry
from reportgen.audit.findings.finding import Bars, Finding, Lines, Maps, Pairs, Size, rows_of
from reportgen.audit.findings.registry import all_kinds, ranked_findings
from reportgen.audit.findings.suspect_label import suspect_labels
from reportgen.audit.model_audit import LABEL
from reportgen.data.samples import RejectedInput
from reportgen.metrics.formatting import counted
from reportgen.metrics.intervals import Rate
from reportgen.results.findings_file import findings_json
from tests.site.clusters import LABELS, N, thumbnails, two_clusters
from tests.support.factories import make_audit, make_image_arrays, make_logits, make_model_audit, make_reference

MANUAL = Path(__file__).parents[2] / "site" / "docs" / "findings.md"


def of_kind(kind: str, audit: Audit) -> list[Finding]:
    (found,) = [one for one in all_kinds() if one.name == kind]
    return list(found.find(audit))


def test_findings_are_empty_where_nothing_is_conspicuous() -> None:
    assert two_clusters().findings == []


# -------------------------------------------------------------------------------------------------------- confusion
def called_other(wrong: int, right: int, confidence: float = 0.7) -> Audit:
    """Images of class a, of which `wrong` are predicted as b and the others as a."""
    predicted = [1] * wrong + [0] * right
    logits = make_logits(predicted, confidence, 3)
    return make_audit(make_model_audit([0] * (wrong + right), logits=logits, class_names=["a", "b", "c"]))


def test_class_that_is_always_taken_for_another_is_found() -> None:
    (finding,) = of_kind("confusion", called_other(wrong=12, right=0))
    assert finding.headline == "Every a is called b, with 70 % confidence on average"
    assert finding.images == list(range(12))
    assert (finding.size.count, finding.size.n) == (12, 12)
    assert finding.size.interval == Rate(12, 12).interval
    maps, probabilities = finding.evidence
    assert isinstance(maps, Maps)
    assert maps.columns == (0, LABEL)
    assert isinstance(probabilities, Bars)
    assert [(bar.name, round(bar.value, 4), bar.role) for bar in probabilities.bars] == [
        ("b", 0.7, "wrong"),
        ("a (label)", 0.15, "right"),
        ("c", 0.15, ""),
    ]


def test_class_that_is_often_taken_for_another_says_how_often() -> None:
    (finding,) = of_kind("confusion", called_other(wrong=9, right=3))
    assert finding.headline == "a: 9 of 12 images are called b, with 70 % confidence on average"
    assert finding.images == list(range(9))


@pytest.mark.parametrize(("wrong", "right"), [(2, 0), (3, 9), (0, 12)])
def test_confusions_of_few_images_are_no_finding(wrong: int, right: int) -> None:
    """Two images are too few; 3 of 12 are not clearly more than a fifth."""
    assert of_kind("confusion", called_other(wrong, right)) == []


def test_confusions_below_the_share_of_the_criterion_are_seldom_found() -> None:
    """200 classes that are taken for another one in 20 % of the images, 40 images each: at most 5 %, plus spread."""
    counts = [int((np.random.default_rng(seed).random(40) < 0.2).sum()) for seed in range(200)]
    is_found = {wrong: bool(of_kind("confusion", called_other(wrong, 40 - wrong))) for wrong in set(counts)}
    assert sum(is_found[wrong] for wrong in counts) / 200 <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 200)


@pytest.mark.parametrize(
    ("on_object", "text"),
    [
        (12, "right in 12 of 12 images: the network finds the object, and names it b."),
        (0, "right in 0 of 12 images: most of the evidence for b is not where the object is."),
        (6, "right in 6 of 12 images (25–75 %): too few to show whether most evidence is on the object."),
    ],
)
def test_confusion_says_whether_the_evidence_is_on_the_object(on_object: int, text: str) -> None:
    box, maps = np.array([[2.0, 2, 6, 6]]), np.zeros((12, 3, 8, 8))
    maps[:on_object, :, 2:6, 2:6] = 1
    maps[on_object:, :, 0, 0] = 1
    model = make_model_audit([0] * 12, logits=make_logits([1] * 12, 0.7, 3), maps=maps, boxes=[box] * 12)
    (finding,) = of_kind("confusion", make_audit(model))
    assert finding.inference == f"The box of the map of b is {text}"


def test_confusion_without_boxes_compares_the_two_maps() -> None:
    """The label's map is the reverse of the predicted class's: Pearson's correlation is −1."""
    maps = np.random.default_rng(0).random((12, 4, 7, 7))
    maps[:, LABEL] = 1 - maps[:, 0]
    model = make_model_audit([0] * 12, logits=make_logits([1] * 12, 0.7, 3), maps=maps)
    (finding,) = of_kind("confusion", make_audit(model))
    assert "correlate with r = -1.00 on average" in finding.inference


def test_predictions_without_a_confidence_are_no_confusion() -> None:
    logits = make_logits([1] * 12, 0.7, 3)
    logits[:4] = np.nan
    model = make_model_audit([0] * 12, logits=logits, class_names=["a", "b", "c"])
    (finding,) = of_kind("confusion", make_audit(model))
    assert finding.images == list(range(4, 12))
    assert finding.size.n == 8
    json.dumps(findings_json(make_audit(model)), allow_nan=False)


# ----------------------------------------------------------------------------------------------------- localization
def test_maps_that_only_beat_the_whole_image_are_a_finding() -> None:
    """All objects are centred: the whole image never fits, a centred box always does, and the maps fit in half."""
    (finding,) = of_kind("control", centred_objects(fitting=20))
    assert finding.headline == (
        "The maps localize worse than the centred box, best size, which does not depend on the image"
    )
    assert finding.images == list(range(20, 40))
    assert finding.size.count == 20
    assert finding.p is not None
    assert finding.p < 0.05


def test_maps_that_may_be_worse_by_chance_are_not_called_worse() -> None:
    (finding,) = of_kind("control", centred_objects(fitting=38))
    assert finding.headline == "The maps do not localize clearly better than the centred box, best size"
    assert "p = 0.5" in finding.inference


def test_maps_that_beat_every_control_are_no_finding() -> None:
    """Objects are in four corners, so no fixed box fits more than ten of forty."""
    corners = [(0, 0), (0, 4), (4, 0), (4, 4)]
    maps, boxes = np.zeros((40, 3, 8, 8)), []
    for i in range(40):
        y, x = corners[i % 4]
        maps[i, :, y : y + 4, x : x + 4] = 1
        boxes.append(np.array([[x, y, x + 4, y + 4]], float))
    assert of_kind("control", make_audit(make_model_audit([0, 1] * 20, maps=maps, boxes=boxes))) == []


def centred_objects(fitting: int) -> Audit:
    """Forty centred objects, which the maps of the first `fitting` find."""
    box, maps = np.array([[2.0, 2, 6, 6]]), np.zeros((40, 3, 8, 8))
    maps[:fitting, :, 2:6, 2:6] = 1
    maps[fitting:, :, 0, 0] = 1
    return make_audit(make_model_audit([0, 1] * 20, maps=maps, boxes=[box] * 40))


def boxed(
    boxes: Sequence[Sequence[Sequence[float]]],
    is_right: Sequence[bool],
    labels: Sequence[int],
    groups: Sequence[str] = (),
) -> Audit:
    """Images with these ground-truth boxes; the map of an image fits the first box, or is one pixel elsewhere."""
    maps = np.zeros((len(labels), 3, 8, 8))
    for i, right in enumerate(is_right):
        x0, y0, x1, y1 = map(int, boxes[i][0])
        if right:
            maps[i, :, y0:y1, x0:x1] = 1
        else:
            maps[i, :, 0, 0] = 1
    arrays = [np.array(of_image, float) for of_image in boxes]
    names = ["cup", "moped"]
    return make_audit(make_model_audit(list(labels), groups=groups, maps=maps, boxes=arrays, class_names=names))


SMALL, LARGE = [2.0, 2, 4, 4], [1.0, 1, 7, 7]
"""4 of 64 pixels, and 36 of 64."""


def test_class_that_is_never_localized_is_found() -> None:
    """All eight mopeds are missed, and one of eight cups."""
    right = [True] * 7 + [False] * 9
    (finding,) = of_kind("class_not_localized", boxed([[LARGE]] * 16, right, [0] * 8 + [1] * 8))
    assert finding.headline == "moped is never localized: the IoU is at most 0.00"
    assert finding.images == list(range(8, 16))
    assert finding.p == pytest.approx(0.5**8)
    assert dict(finding.figures)["median share of the image that the object covers"] == 36 / 64
    assert "the grid alone does not explain it" in finding.inference


def test_class_with_objects_smaller_than_a_cell_says_so() -> None:
    """An object of one of 64 pixels is a cell of an 8 × 8 map; of half a pixel's area, less."""
    tiny = [3.0, 3, 3.5, 4]
    (finding,) = of_kind("class_not_localized", boxed([[tiny]] * 8, [False] * 8, [0] * 8))
    assert "covers a median of 0.8 % of the image, less than a single cell of the map (1.6 %)." in finding.inference


@pytest.mark.parametrize("n_wrong", [0, 4, 6])
def test_class_that_is_sometimes_localized_is_no_finding(n_wrong: int) -> None:
    """Of six of eight, p is 0.14."""
    right = [False] * n_wrong + [True] * (8 - n_wrong)
    assert of_kind("class_not_localized", boxed([[LARGE]] * 8, right, [0] * 8)) == []


def test_small_objects_that_are_localized_worse_are_found() -> None:
    right = [False] * 9 + [True] + [True] * 10
    (finding,) = of_kind("object_size", boxed([[SMALL]] * 10 + [[LARGE]] * 10, right, [0, 1] * 10))
    assert finding.headline == "Smaller objects are localized worse: 9 of 10 boxes are wrong, otherwise 0 of 10"
    assert finding.images == list(range(9))
    one_side = math.comb(10, 9) / math.comb(20, 9)  # all nine wrong boxes among the ten small objects
    assert finding.p == pytest.approx(2 * one_side)


def test_large_objects_that_are_localized_worse_are_found() -> None:
    right = [True] * 10 + [False] * 9 + [True]
    (finding,) = of_kind("object_size", boxed([[SMALL]] * 10 + [[LARGE]] * 10, right, [0, 1] * 10))
    assert finding.headline.startswith("Larger objects are localized worse: 9 of 10")
    assert finding.images == list(range(10, 19))


def test_object_size_says_where_one_class_may_be_the_cause() -> None:
    right = [False] * 9 + [True] + [True] * 10
    by_class = boxed([[SMALL]] * 10 + [[LARGE]] * 10, right, [1] * 10 + [0] * 10)
    (finding,) = of_kind("object_size", by_class)
    assert finding.inference.endswith(
        "9 of these 9 images are of one class, moped, so the class may be the cause instead."
    )


def test_object_size_says_how_many_independent_images_groups_count_as() -> None:
    """20 + 20 groups of two images that are both right or both wrong count as 19 + 19 independent images, and, by the
    quantile of Student's t for 20 groups, as 17 + 17."""
    groups = [f"group {i // 2}" for i in range(80)]
    right = [False] * 36 + [True] * 4 + [False] * 4 + [True] * 36
    (finding,) = of_kind("object_size", boxed([[SMALL]] * 40 + [[LARGE]] * 40, right, [0, 1] * 40, groups))
    assert "(Fisher's exact test, with groups of images counted as 17 and 17 independent images)." in finding.inference
    extreme = sum(math.comb(17, k) * math.comb(17, 17 - k) for k in (0, 1, 2, 15, 16, 17))
    assert finding.p == pytest.approx(extreme / math.comb(34, 17))


def test_object_size_names_no_class_if_several_are_as_frequent() -> None:
    by_class = boxed([[SMALL]] * 10 + [[LARGE]] * 10, [False] * 8 + [True] * 12, [0, 1] * 10)
    (finding,) = of_kind("object_size", by_class)
    assert finding.inference.endswith("No class has more than 4 of these 8 images.")


def test_images_with_several_objects_that_are_localized_worse_are_found() -> None:
    boxes = [[SMALL, [5.0, 5, 7, 7]]] * 8 + [[SMALL]] * 8
    (finding,) = of_kind("several_objects", boxed(boxes, [False] * 8 + [True] * 8, [0, 1] * 8))
    assert finding.headline == (
        "Images with several objects are localized worse: 8 of 8 boxes are wrong, otherwise 0 of 8"
    )
    assert finding.images == list(range(8))


def test_groups_of_equal_error_seldom_differ_clearly() -> None:
    """200 data sets of 40 objects that are found with probability ½, whatever their size and number: at most 5 %, plus
    spread; Fisher's test is conservative."""
    boxes = [[SMALL]] * 10 + [[SMALL, LARGE]] * 10 + [[LARGE]] * 10 + [[LARGE, SMALL]] * 10
    model = boxed(boxes, [True] * 40, [0, 1] * 20).main
    assert model.localization is not None
    found = {"object_size": 0, "several_objects": 0}
    for seed in range(200):
        correct = np.random.default_rng(seed).random(40) < 0.5
        drawn = make_audit(replace(model, localization=replace(model.localization, gt_known_correct=correct)))
        for kind in found:
            found[kind] += bool(of_kind(kind, drawn))
    for count in found.values():
        assert count / 200 <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 200)


def test_maps_with_one_maximum_and_maps_without_evidence_are_found() -> None:
    maps = np.zeros((N, 6, 7, 7))
    maps[3:, :, 2, 5] = 1  # the same cell in all images but three, whose maps have no evidence
    planted = two_clusters(maps=maps)
    (peak,), (silent,) = of_kind("one_place", planted), of_kind("no_evidence", planted)
    assert peak.headline == "100 % of the maps have their maximum in the same cell (row 3, column 6 of 7 × 7)"
    assert peak.images == list(range(3, N))
    assert silent.headline == "3 top-1 maps have no positive or no finite value"
    assert silent.images == [0, 1, 2]


def test_maximum_in_one_place_is_compared_with_the_boxes() -> None:
    maps = np.zeros((N, 6, 8, 8))
    maps[:, :, 2, 5] = 1
    on, off = np.array([[4.0, 1, 7, 4]]), np.array([[0.0, 5, 3, 8]])
    (explained,) = of_kind("one_place", two_clusters(maps=maps, boxes=[on] * N))
    (open_,) = of_kind("one_place", two_clusters(maps=maps, boxes=[on] * 30 + [off] * 30))
    assert explained.inference == (
        "In 60 of the 60 images with boxes, this cell is on an object, so objects in the same place may explain it."
    )
    assert open_.inference.startswith("In 30 of the 60 images with boxes, this cell is on an object, so objects in")
    assert open_.inference.endswith("do not clearly explain it.")


# ------------------------------------------------------------------------------------------------- labels and images
def test_suspect_label_is_found() -> None:
    labels, predicted = LABELS.copy(), LABELS.copy()
    labels[4], labels[35], labels[50] = 8, 3, 3  # they lie among images of the other class
    predicted[35], predicted[50] = 3, 7  # but for the first, the network predicts the label, or a third class
    planted = two_clusters(labels, predicted, np.full(N, 0.99))
    assert suspect_labels(planted).tolist() == [4]
    (finding,) = of_kind("suspect_label", planted)
    assert finding.headline == "1 image has a suspect label"
    assert finding.images == [4]
    own = planted.label_errors.own[4]
    assert finding.inference.endswith(f"The other images give the label a probability of at most {own:.2g}.")


def test_every_planted_label_that_the_criterion_describes_is_suspect() -> None:
    labels = LABELS.copy()
    wrong = [2, 8, 14, 32, 38, 44]
    labels[wrong] = [8, 8, 8, 3, 3, 3]
    assert sorted(suspect_labels(two_clusters(labels, LABELS, np.full(N, 0.99))).tolist()) == wrong


def test_near_duplicates_are_counted_with_those_across_labels() -> None:
    """Images 0, 1 and 5 are one group, 2 and 40 another: three images repeat another one."""
    tiny = thumbnails()
    tiny[1], tiny[5], tiny[40] = tiny[0], tiny[0], tiny[2]
    (finding,) = two_clusters(tiny=tiny).findings
    assert finding.headline == "4 pairs of images are nearly identical by pixels, 1 of them with different labels"
    assert finding.images == [0, 1, 2, 5, 40]
    assert (finding.size.count, finding.size.n, finding.at_least) == (3, N, 3)
    (pairs,) = finding.evidence
    assert isinstance(pairs, Pairs)
    assert pairs.pairs[0][:2] == (2, 40)  # the pair with different labels first


def test_leaks_are_counted_by_image() -> None:
    """Image 3 has two near-duplicates in the reference and image 7 has one: two images, not three pairs."""
    tiny, others = thumbnails(), thumbnails(seed=1)
    others[9], others[11], others[5] = tiny[3], tiny[3], tiny[7]
    features = np.random.default_rng(1).normal(size=(N, 4)) + 500
    reference = make_reference(LABELS.tolist(), tiny=others, features=features, name="training photos")
    (finding,) = two_clusters(tiny=tiny, reference=reference).findings
    assert finding.kind == "leak"
    assert finding.headline == "2 images are near-duplicates of an image of training photos"
    assert finding.images == [3, 7]


# -------------------------------------------------------------------------------------------------------- confidence
@pytest.mark.parametrize(("score", "right", "direction"), [(0.9, 30, "overconfident"), (0.3, 60, "underconfident")])
def test_miscalibration_is_found_with_its_direction(score: float, right: int, direction: str) -> None:
    predicted = np.where(np.arange(N) % 2 < right / 30, LABELS, 0)
    assert (predicted == LABELS).sum() == right
    (finding,) = of_kind("calibration", two_clusters(predicted=predicted, scores=score))
    assert finding.headline == (
        f"The network is {direction}: {100 * score:.0f} % confidence on average, "
        f"{100 * right / N:.0f} % of the predictions are right"
    )
    assert dict(finding.figures)["expected calibration error"] == pytest.approx(abs(score - right / N))
    assert finding.images == list(range(N))


def test_miscalibration_of_few_images_is_no_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    assert of_kind("calibration", two_clusters(scores=0.3))
    monkeypatch.setattr(calibration_module, "MIN_IMAGES", N + 1)
    assert of_kind("calibration", two_clusters(scores=0.3)) == []


# ------------------------------------------------------------------------------------------------- units and files
def test_dead_units_are_counted_by_layer() -> None:
    maxima = np.random.default_rng(0).random((N, 4))
    maxima[:, 2] = 1
    (finding,) = two_clusters(unit_maxima={"conv1": maxima}).findings
    assert finding.headline == "1 unit is dead: 1 in conv1"
    assert finding.size == Size(1, 4, "recorded units")
    assert finding.at_least == 0


def test_files_and_annotations_that_are_left_out_are_listed() -> None:
    planted = two_clusters(
        unreadable=(("x.png", "truncated"),), refused=(RejectedInput("table.csv:7", "no such file"),)
    )
    (unreadable,), (refused,) = of_kind("unreadable", planted), of_kind("refused", planted)
    assert unreadable.headline == "1 file is unreadable"
    assert unreadable.size == Size(1, 61, "files")
    assert unreadable.evidence == [Lines([("x.png", "truncated")], 1)]
    assert refused.headline == "1 row or file of the data set could not be used as given"
    assert refused.evidence == [Lines([("table.csv:7", "no such file")], 1)]


# ------------------------------------------------------------------------------------------------------------ ranking
def test_findings_are_ranked_by_the_images_that_they_surely_affect() -> None:
    """12 of 12 images are surely at least 9.1, 13 near-duplicates are exactly 13, and dead units affect no image."""
    labels = np.array([0] * 12 + [1] * 40)
    predicted = [1] * 52
    tiny = np.random.default_rng(0).integers(0, 256, (52, 32, 32, 3)).astype(np.uint8)
    tiny[20:33] = tiny[19]
    maxima = np.random.default_rng(0).random((52, 4))
    maxima[:, 2] = 1
    model = make_model_audit(
        labels.tolist(),
        logits=make_logits(predicted, 0.8, 3),
        arrays=make_image_arrays(tiny),
        unit_maxima={"conv1": maxima},
    )
    kinds = [finding.kind for finding in make_audit(model).findings]
    assert [kind for kind in kinds if kind in ("near_duplicate", "confusion", "dead_unit")] == [
        "near_duplicate",
        "confusion",
        "dead_unit",
    ]


def test_rank_is_the_lower_end_of_the_interval_then_the_p_value(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted findings with known sizes, in the order that the rule asks for."""
    surest = Size.sampled(Rate(12, 12), "images")
    larger = Size.sampled(Rate(12, 60), "images")

    def planted(audit: Audit) -> Sequence[Finding]:
        return [
            Finding("third", "c", larger, [], "", "", at_least=larger.at_least, p=0.2),
            Finding("second", "b", larger, [], "", "", at_least=larger.at_least, p=0.01),
            Finding("first", "a", surest, [], "", "", at_least=surest.at_least),
        ]

    kind = registry.FindingKind("planted", "Planted", "data", "always", planted, is_multilabel=False)
    monkeypatch.setattr(registry, "all_kinds", lambda: [kind])
    assert [finding.slug for finding in ranked_findings(make_audit())] == ["first", "second", "third"]


def test_slugs_of_equal_names_are_distinct(monkeypatch: pytest.MonkeyPatch) -> None:
    def planted(audit: Audit) -> Sequence[Finding]:
        return [Finding("Crane (bird)", "a", Size(1, 2, "images"), [], "", "") for _ in range(3)]

    kind = registry.FindingKind("planted", "Planted", "data", "always", planted, is_multilabel=False)
    monkeypatch.setattr(registry, "all_kinds", lambda: [kind])
    assert [finding.slug for finding in ranked_findings(make_audit())] == [
        "crane-bird",
        "crane-bird-2",
        "crane-bird-3",
    ]


def test_every_kind_has_a_title_and_a_criterion() -> None:
    assert len(all_kinds()) >= 11
    for kind in all_kinds():
        assert kind.title
        assert kind.criterion.endswith(".")


# ----------------------------------------------------------------------------------------------- file and manual
def documented_keys(heading: str) -> set[str]:
    """The keys of the first table after a text of the manual's page."""
    table = MANUAL.read_text("utf-8").split(heading, 1)[1].split("| --- | --- |\n", 1)[1].split("\n\n", 1)[0]
    rows = re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
    return {key for row in rows for key in re.findall(r"`(\w+)`", row)}


def test_findings_json_has_the_documented_structure() -> None:
    audit = called_other(wrong=9, right=3)
    written = findings_json(audit)
    assert json.loads(json.dumps(written, allow_nan=False)) == written
    assert set(written) == documented_keys("## findings.json")
    assert written["schema"] == 1
    assert {kind["kind"] for kind in written["kinds"]} == {kind.name for kind in all_kinds()}
    assert [finding["rank"] for finding in written["findings"]] == list(range(1, 1 + len(audit.findings)))
    for finding in written["findings"]:
        assert set(finding) == documented_keys("A finding:")
        assert finding["page"] == f"findings/{finding['slug']}.html"
    (confused,) = [finding for finding in written["findings"] if finding["kind"] == "confusion"]
    assert confused["slug"] == "a-as-b"
    assert confused["images"] == [f"{i}.png" for i in range(9)]
    assert confused["size"] == {
        "count": 9,
        "n": 12,
        "of": "images of a",
        "share": 0.75,
        "ci95": [round(bound, 6) for bound in Rate(9, 12).interval],
    }
    assert confused["at_least"] == pytest.approx(12 * Rate(9, 12).interval[0], abs=1e-6)


def test_kind_in_the_manual_works_as_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every image of the factories is 8 × 8 pixels."""
    (code,) = re.findall(r"```python\n(.*?)```", MANUAL.read_text("utf-8"), re.DOTALL)
    monkeypatch.setattr(registry, "_kinds", dict(registry._kinds))
    names = {"finding_kind": registry.finding_kind, "rows_of": rows_of, "counted": counted, "Finding": Finding}
    namespace: dict[str, Any] = {**names, "Size": Size, "Maps": Maps, "Audit": Audit, "Iterator": Iterator}
    exec(code, namespace)
    (finding,) = namespace["small_image"](make_audit())
    assert finding.headline == "2 images are smaller than 64 pixels"
    assert "small_image" in registry._kinds
