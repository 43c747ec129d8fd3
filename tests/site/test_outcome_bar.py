"""Outcome bars count every image once and link to exactly the images that they count."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

from reportgen.gallery.components.outcome_bar import BAR_ORDER, outcome_bar
from reportgen.gallery.core.labels import OUTCOME_LABELS

OUTCOMES = ["right", "class", "more", "class", "right", "right", "unlabelled", "part"]


def test_bar_counts_outcomes_in_their_order_and_leaves_out_those_without_images() -> None:
    bar = outcome_bar(OUTCOMES)
    assert [(part.outcome, part.count) for part in bar.parts] == [
        ("class", 2), ("more", 1), ("part", 1), ("right", 3), ("unlabelled", 1),
    ]  # fmt: skip
    assert bar.total == len(OUTCOMES)
    assert bar.share("right") == 3 / 8
    assert bar.share("other") == 0


def test_order_has_every_outcome_once() -> None:
    assert sorted(BAR_ORDER) == sorted(OUTCOME_LABELS)


def test_part_links_to_the_images_of_its_outcome_and_of_the_filters() -> None:
    for part in outcome_bar(OUTCOMES, label=7, q="a&b").parts:
        assert parse_qs(urlsplit(part.url).fragment) == {"label": ["7"], "q": ["a&b"], "outcome": [part.outcome]}


def test_bar_without_images_has_no_part() -> None:
    assert outcome_bar([]).parts == []
    assert outcome_bar([]).share("right") == 0
