"""Links of bars list exactly the images of the bar, as the browser's filter selects them."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np

from reportgen.audit.audit import Audit
from reportgen.gallery.components.image_links import chosen_images, images_of_confidence
from reportgen.gallery.core.urls import unit_page
from tests.site.reports import page_at
from tests.support.factories import make_audit, make_logits, make_model_audit

SCORES = [0.5612, 0.5614, 0.61, 0.9, 0.9, 0.73, 0.6]


def audit() -> Audit:
    """Image 4 is wrong and as confident as image 3; image 6 has no label."""
    labels, predicted = [0, 0, 0, 0, 1, 1, -1], [0, 0, 0, 0, 0, 1, 0]
    maxima = np.array([[0.0], [1], [2], [3], [4], [4], [np.nan]])
    return make_audit(make_model_audit(labels, logits=make_logits(predicted, SCORES, 2), unit_maxima={"conv": maxima}))


def listed(audit: Audit, url: str) -> list[int]:
    """The images that the page Images lists, by the definition of its filters in the manual."""
    keys = {key: value for key, (value,) in parse_qs(urlsplit(url).fragment).items()}
    found = []
    for i, outcome in enumerate(audit.main.outcomes):
        confidence = round(1000 * float(audit.main.classification.scores[i, 0])) / 10
        identity = audit.main.table["samples/id"][i].decode()
        if "ids" in keys and not any(identity.startswith(one) for one in keys["ids"].split(",")):
            continue
        if "outcome" in keys and outcome not in keys["outcome"].split(","):
            continue
        if float(keys.get("scoreFrom", 0)) <= confidence <= float(keys.get("scoreTo", 100)):
            found.append(i)
    return found


def test_range_of_confidence_lists_exactly_the_images() -> None:
    for rows in ([2], [0, 1, 2], [3], [4], [3, 4], [6], [0, 1, 2, 3, 4, 5, 6]):
        url = images_of_confidence(audit(), np.array(rows), at_most=10)
        assert "scoreFrom" in url
        assert listed(audit(), url) == rows


def test_images_that_no_range_separates_are_listed_one_by_one() -> None:
    """Images 0 and 1 have the same confidence in thousandths."""
    assert images_of_confidence(audit(), np.array([0]), at_most=0) == ""
    assert "ids=" in images_of_confidence(audit(), np.array([0]), at_most=10)


def test_bars_of_a_unit_list_their_images(tmp_path: Path) -> None:
    model = audit()
    chart = page_at(unit_page(model.main.info.layers[0], 0), model, tmp_path).histogram
    (series,) = chart.series
    counts = [len(parse_qs(urlsplit(url).fragment)["ids"][0].split(",")) if url else 0 for url in series.urls]
    assert counts == list(series.y)
    assert counts[-1] == 2
    assert chosen_images(model, np.arange(7), at_most=6) == chosen_images(model, np.arange(0), at_most=6) == ""
