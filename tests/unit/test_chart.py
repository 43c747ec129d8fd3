"""Charts: ticks, geometry and the table of numbers, by hand; and the macro's markup."""

from __future__ import annotations

import math
import re
from itertools import pairwise

import pytest

from reportgen.gallery.components.chart import (
    Annotation,
    Axis,
    Chart,
    ReferenceLine,
    Series,
    count_axis,
    percent_axis,
    round_ticks,
    value_axis,
)
from reportgen.gallery.core.writer import environment


def rendered(chart: Chart) -> str:
    template = environment().from_string('{% import "chart.html" as charts %}{{ charts.chart(chart) }}')
    return template.render(chart=chart)


def texts(chart: Chart) -> list[list[str]]:
    return [[text for text, _ in row] for row in chart.rows]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (0, 0.73, [0, 0.2, 0.4, 0.6, 0.8]),
        (-3, 12, [-5, 0, 5, 10, 15]),
        (0, 2.1, [0, 0.5, 1, 1.5, 2, 2.5]),
        (2, 2, [2, 2.5]),
        (0, 0, [0, 0.2]),
    ],
)
def test_round_ticks_are_in_equal_steps_and_contain_both_ends(low: float, high: float, expected: list[float]) -> None:
    ticks = round_ticks(low, high)
    assert ticks[0] <= low
    assert ticks[-1] >= high
    steps = [b - a for a, b in pairwise(ticks)]
    assert steps == pytest.approx([steps[0]] * len(steps))
    if low != high:
        assert ticks == pytest.approx(expected)


@pytest.mark.parametrize(
    ("highest", "expected"), [(0, [0, 1]), (1, [0, 1]), (7, [0, 2, 4, 6, 8]), (12, [0, 5, 10, 15])]
)
def test_count_axis_has_whole_ticks(highest: int, expected: list[float]) -> None:
    assert count_axis("Images", highest).ticks == expected


def test_axis_places_and_texts() -> None:
    assert [percent_axis("").place(v) for v in (0, 0.25, 1)] == [0, 0.25, 1]
    log = Axis("k", 1, 100, (1, 10, 100), log=True)
    assert [log.place(v) for v in (1, 10, 100)] == pytest.approx([0, 0.5, 1])
    assert Axis("k", 3, 3, (3,)).place(3) == 0.5
    assert (percent_axis("").tick_text(0.25), percent_axis("").text(1 / 3)) == ("25 %", "33.3 %")
    assert [value_axis("", -1, 1).tick_text(value) for value in (-1, -0.5)] == ["−1", "−0.5"]
    assert (value_axis("", 0, 1).tick_text(0.2), count_axis("", 2000).text(1500)) == ("0.2", "1,500")


def test_line_lies_inside_the_plot_and_skips_missing_values() -> None:
    series = Series("a", "line", [0, 0.5, 1], [0, math.nan, 1])
    chart = Chart("Title", percent_axis("x"), percent_axis("y"), [series])
    assert chart.line(series) == f"{chart.left}.0,{chart.bottom}.0 {chart.right}.0,{chart.top}.0"
    assert [row[0] for row in texts(chart)] == ["0.0 %", "100.0 %"]


def test_stacked_bars_have_heights_in_proportion() -> None:
    right = Series("right", "bar", [0, 1, 2], [1, 3], style="right")
    wrong = Series("wrong", "bar", [0, 1, 2], [3, 0], base=[1, 3], style="wrong")
    chart = Chart("Title", value_axis("x", 0, 2), count_axis("Images", 4), [right, wrong])
    low, high = chart.bars(right)
    (upper,) = chart.bars(wrong)  # a bar without height is not drawn
    assert high.height == pytest.approx(3 * low.height, abs=0.3)
    assert upper.y + upper.height == pytest.approx(low.y, abs=0.2)
    assert upper.height == pytest.approx(high.height, abs=0.3)
    assert low.label == "0 to 1: 1"
    assert texts(chart) == [["0 to 1", "1", "3"], ["1 to 2", "3", "0"]]


def test_table_has_intervals_further_columns_and_dashes() -> None:
    first = Series("a", "line", [1, 2], [0.5, 1], [(0.25, 0.75), (0.9, 1)])
    second = Series("b", "line", [2], [0])
    chart = Chart("T", value_axis("k", 1, 2), percent_axis("y"), [first, second], columns=[("n", ["4", "8"])])
    assert chart.head == ["k", "a", "b", "n"]
    assert texts(chart) == [
        ["1", "50.0 % (25.0 % to 75.0 %)", "–", "4"],
        ["2", "100.0 % (90.0 % to 100.0 %)", "0.0 %", "8"],
    ]


def test_table_of_many_values_lists_evenly_spaced_ones() -> None:
    x = [k / 100 for k in range(1, 101)]
    chart = Chart("T", percent_axis("x"), percent_axis("y"), [Series("a", "line", x, x)])
    assert [row[0] for row in texts(chart)] == [f"{4 * k}.0 %" for k in range(1, 26)]


def test_labels_of_close_reference_lines_are_apart() -> None:
    lines = [ReferenceLine(0.5, "low"), ReferenceLine(0.52, "high"), ReferenceLine(0.9, "at the end", "x")]
    chart = Chart("T", percent_axis("x"), percent_axis("y"), [], references=lines)
    labels = {label.text: label for _, label in chart.reference_lines()}
    assert labels["low"].y - labels["high"].y > 15
    assert labels["at the end"].anchor == "end"


def test_macro_draws_every_part_with_attributes_only() -> None:
    bars = Series("accuracy", "bar", [0, 0.5, 1], [0.25, 0.75], [(0.1, 0.4), (0.5, 0.9)])
    points = Series("chance", "point", [0.5], [0.5], style="wrong")
    html = rendered(
        Chart(
            "Reliability <diagram>",
            percent_axis("Confidence"),
            percent_axis("Accuracy"),
            [bars, points],
            "A caption.",
            [ReferenceLine(0.3, "control")],
            [Annotation(0.5, 0.5, "best"), Annotation(0.6, 0.5, "best")],
            "perfect calibration",
        )
    )
    assert "Reliability &lt;diagram&gt;" in html
    assert len(re.findall('class="bar"', html)) == 3  # two, and one in the legend
    assert len(re.findall('class="whisker"', html)) == 3
    assert html.count('class="marker"') == 3  # two points share one entry of the legend
    for text in ("A caption.", "control", "perfect calibration", "chance", "25.0 % (10.0 % to 40.0 %)"):
        assert text in html
    assert "style=" not in html
    assert html.count("<tr>") == 4


def test_macro_of_a_single_series_has_no_legend() -> None:
    html = rendered(Chart("T", percent_axis("x"), percent_axis("y"), [Series("a", "line", [0, 1], [0, 1])]))
    assert "chart-legend" not in html


def test_bars_link_to_their_images_in_the_plot_and_in_the_table() -> None:
    urls = ["images/index.html#label=1", "", "images/index.html#label=3"]
    series = Series("a", "bar", [0, 1, 2, 3], [1, 2, 3], counts=[10, 1234, 7], urls=urls)
    chart = Chart("T", value_axis("x", 0, 3), count_axis("Images", 3), [series])
    assert [(bar.url, bar.label) for bar in chart.bars(series)] == [
        (urls[0], "0 to 1: 1, 10 images"),
        ("", "1 to 2: 2, 1,234 images"),
        (urls[2], "2 to 3: 3, 7 images"),
    ]
    assert [row[1][1] for row in chart.rows] == urls
    html = environment().from_string('{% import "chart.html" as c %}{{ c.chart(chart, "../") }}').render(chart=chart)
    assert len(re.findall(r'<a\s+href="../images/index.html#label=', html)) == 4
    assert html.count('role="img"') == 0  # whose parts would have no role


def test_counts_under_the_axis_are_short_and_between_axis_and_ticks() -> None:
    series = Series("a", "bar", [0, 1, 2], [1, 2], counts=[999, 12_345])
    chart = Chart("T", value_axis("x", 0, 2), count_axis("Images", 2), [series])
    _, *labels = chart.count_labels()
    assert [label.text for label in labels] == ["999", "12k"]
    assert [label.x for label in labels] == [chart.x_of(0.5), chart.x_of(1.5)]
    ticks = list(chart.x_ticks())
    assert chart.bottom + 12 <= labels[0].y <= ticks[0].y - 16
    plain = Chart("T", value_axis("x", 0, 2), count_axis("Images", 2), [Series("a", "bar", [0, 1, 2], [1, 2])])
    assert not plain.has_counts
