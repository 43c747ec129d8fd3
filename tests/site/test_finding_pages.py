"""Pages of findings: ranked cards, both maps of a confusion side by side, exactly the images, and the first ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from reportgen.audit.audit import Audit
from reportgen.audit.findings.registry import all_kinds
from reportgen.gallery.components.finding_cards import first_findings
from reportgen.gallery.core.check import check_site
from reportgen.gallery.core.media import Media
from tests.site.clusters import LABELS, N, thumbnails, two_clusters
from tests.site.reports import page_at, write_report


@pytest.fixture(scope="module")
def conspicuous() -> Audit:
    """Class 8 is predicted as class 3 in 20 of 30 images, two images are identical, and one unit is dead."""
    predicted, tiny, maxima = LABELS.copy(), thumbnails(), np.random.default_rng(0).random((N, 4))
    predicted[30:50], tiny[1], maxima[:, 2] = 3, tiny[0], 1
    return two_clusters(predicted=predicted, tiny=tiny, unit_maxima={"conv1": maxima}, unreadable=(("x.png", "no"),))


def test_list_has_every_finding_and_the_criterion_of_every_kind(conspicuous: Audit, tmp_path: Path) -> None:
    page = page_at("findings/index.html", conspicuous, tmp_path)
    assert [card.headline for card in page.cards] == [finding.headline for finding in conspicuous.findings]
    assert [card.rank for card in page.cards] == list(range(1, 1 + len(page.cards)))
    assert {criterion.text for criterion in page.criteria} == {kind.criterion for kind in all_kinds()}
    assert sum(criterion.found for criterion in page.criteria) == len(page.cards)


def test_confusion_shows_both_maps_on_one_scale(conspicuous: Audit, tmp_path: Path) -> None:
    (card,) = [card for card in first_findings(conspicuous, Media(tmp_path), 9) if card.topic == "class"]
    predicted, label = card.evidence[0].groups[0]
    assert (predicted.title, label.title) == ("d", "i (label)")
    assert predicted.picture == label.picture
    assert predicted.overlay != label.overlay
    assert card.size == "20 of 30 images of i (95 % interval 49–81 %)"
    assert [link.url for link in card.links] == ["images/index.html#finding=i-as-d", "confusions/index.html"]


def test_first_findings_are_the_first_of_the_list(conspicuous: Audit, tmp_path: Path) -> None:
    for n in (0, 2, 99):
        found = first_findings(conspicuous, Media(tmp_path), n)
        assert [card.headline for card in found] == [finding.headline for finding in conspicuous.findings[:n]]


def test_site_has_a_page_for_each_finding(conspicuous: Audit, tmp_path: Path) -> None:
    site = write_report(conspicuous, tmp_path)
    pages = {path.stem for path in (site / "findings").glob("*.html")}
    assert pages == {"index", *(finding.slug for finding in conspicuous.findings)}
    assert check_site(tmp_path)[0] == []


def test_site_without_findings_has_an_empty_list_with_its_criteria(tmp_path: Path) -> None:
    site = write_report(two_clusters(), tmp_path)
    text = (site / "findings" / "index.html").read_text("utf-8")
    assert "No findings" in text
    assert "Class confused with another" in text
    assert [path.name for path in (site / "findings").glob("*.html")] == ["index.html"]
