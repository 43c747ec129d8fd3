"""Findings of the overview: each appears for a planted case, and none without one."""

from __future__ import annotations

import numpy as np
import pytest

from reportgen.data.samples import RejectedInput
from reportgen.gallery import findings as findings_module
from reportgen.gallery.findings import findings, suspect_labels
from tests.site.clusters import LABELS, N, thumbnails, two_clusters
from tests.support.factories import make_audit, make_model_audit, make_reference


def test_findings_are_empty_where_nothing_is_conspicuous() -> None:
    assert findings(two_clusters()) == []


def test_suspect_label_is_found_and_linked() -> None:
    labels, scores = LABELS.copy(), np.full(N, 0.99)
    labels[4], labels[35] = 8, 3  # both lie among images of the other class and are classified as that class
    scores[35] = 0.4  # but this one without confidence
    planted = two_clusters(labels, LABELS, scores)
    assert suspect_labels(planted).tolist() == [4]
    (finding,) = findings(planted)
    assert finding.text.startswith("1 image has a suspect label")
    assert finding.url == "images/index.html#flag=label"


def test_every_planted_label_that_the_sentence_describes_is_suspect() -> None:
    """Twelve wrong labels that no neighbour has. Half of the images are predicted as a class that no neighbour has
    either: the sentence does not ask that prediction and neighbours agree."""
    labels, predicted = LABELS.copy(), LABELS.copy()
    wrong = [2, 5, 8, 11, 14, 17, 32, 35, 38, 41, 44, 47]
    labels[wrong], predicted[wrong[::2]] = [0, 1, 2, 4, 5, 6] * 2, 7
    assert sorted(suspect_labels(two_clusters(labels, predicted, np.full(N, 0.99))).tolist()) == wrong


def test_near_duplicates_are_counted_with_those_across_labels() -> None:
    tiny = thumbnails()
    tiny[1], tiny[40] = tiny[0], tiny[2]
    (finding,) = findings(two_clusters(tiny=tiny))
    assert finding.text.startswith("2 pairs of images are nearly identical by pixels, 1 of them with different labels.")
    assert finding.url == "neighbours/index.html"


def test_duplicates_of_the_reference_are_counted_by_image() -> None:
    """Image 3 has two near-duplicates in the reference and image 7 has one: two images, not three pairs."""
    tiny, others = thumbnails(), thumbnails(seed=1)
    others[9], others[11], others[5] = tiny[3], tiny[3], tiny[7]
    features = np.random.default_rng(1).normal(size=(N, 4)) + 500
    reference = make_reference(LABELS.tolist(), tiny=others, features=features, name="training photos")
    (finding,) = findings(two_clusters(tiny=tiny, reference=reference))
    assert finding.text.startswith("2 images are near-duplicates (by pixels) of an image of training photos.")


@pytest.mark.parametrize(("score", "right", "direction"), [(0.9, 30, "overconfident"), (0.3, 60, "underconfident")])
def test_miscalibration_is_found_with_its_direction(score: float, right: int, direction: str) -> None:
    predicted = np.where(np.arange(N) % 2 < right / 30, LABELS, 0)
    assert (predicted == LABELS).sum() == right
    (finding,) = findings(two_clusters(predicted=predicted, scores=score))
    assert f"The network is {direction}: its mean confidence is {100 * score:.0f} %" in finding.text
    assert f"its accuracy {100 * right / N:.0f} %" in finding.text
    assert f"calibration error {abs(score - right / N):.2f} on 60 images" in finding.text


def test_miscalibration_of_few_images_is_no_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    assert findings(two_clusters(scores=0.3))
    monkeypatch.setattr(findings_module, "MIN_IMAGES", N + 1)
    assert findings(two_clusters(scores=0.3)) == []


def test_maps_units_and_files_have_findings_in_this_order() -> None:
    maxima = np.random.default_rng(0).random((N, 4))
    maxima[:, 2] = 1
    maps = np.zeros((N, 6, 7, 7))
    maps[3:, :, 2, 5] = 1  # the same cell in all images but three, whose maps have no evidence
    planted = two_clusters(
        maps=maps,
        unit_maxima={"conv1": maxima},
        unreadable=(("x.png", "no"),),
        refused=(RejectedInput("table.csv:7", "no such file"),),
    )
    texts = [finding.text for finding in findings(planted)]
    urls = [finding.url for finding in findings(planted)]
    assert urls[:2] == ["images/index.html#flag=peak", "images/index.html#flag=silent"]
    assert urls[2:] == ["units/index.html", "provenance.html", "provenance.html"]
    assert texts[0].startswith(
        "100 % of the 57 top-1 maps have their maximum in the same cell (row 3, column 6 of 7 × 7)"
    )
    assert texts[1].startswith("3 top-1 maps have no positive or no finite value.")
    assert texts[2].startswith("1 unit is dead")
    assert texts[2].endswith(": 1 in conv1.")
    assert texts[3].startswith("1 of 61 files are unreadable")
    assert texts[4].startswith("1 row or file of the data set could not be used")


def test_maps_that_only_beat_the_whole_image_are_a_finding() -> None:
    """All objects are centred: the whole image never fits, a centred box always does, and the maps fit in half."""
    box, maps = np.array([[2.0, 2, 6, 6]]), np.zeros((8, 3, 8, 8))
    maps[:4, :, 2:6, 2:6] = 1
    maps[4:, :, 0, 0] = 1
    model = make_model_audit([0, 1] * 4, maps=maps, boxes=[box] * 8)
    assert model.localization is not None
    assert model.localization.gt_known_error.value == 0.5
    assert model.localization.whole_image_error.value == 1
    (finding,) = [found for found in findings(make_audit(model)) if found.url == "localization/index.html"]
    assert finding.text.startswith("The maps of net do not clearly beat the strongest control")
    assert "error is 50.0 %, and 0.0 % for the centred box" in finding.text
