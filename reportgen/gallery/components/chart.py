"""One kind of chart for every page: lines, bars or points over two axes, with the numbers as a table beneath.

Charts are plain data. `templates/chart.html` turns them into SVG; the geometry is computed here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from reportgen.metrics.formatting import minus_signs

WIDTH = 560
LEFT, RIGHT, TOP, BOTTOM = 66, 14, 26, 28
"""Width of a chart and the margins around its plot, in SVG units, with room for the larger text of narrow screens."""
COUNT_ROW = 24
"""Height of the row of counts between the x axis and its ticks."""
LABEL_HEIGHT = 22
"""Reference lines closer than this have their labels on opposite sides."""
MAX_ROWS = 25
"""Rows of the table under a chart; of more values, evenly spaced ones are listed."""
STEPS, INTEGER_STEPS = (1, 2, 2.5, 5, 10), (1, 2, 5, 10)
"""Distances between ticks, up to a power of ten."""

Anchor = Literal["start", "middle", "end"]


@dataclass(frozen=True)
class Axis:
    """An axis. low, high: values at its ends; ticks: values that are labelled.

    percent: values are fractions of 1 and are written in per cent; log: logarithmic, for values > 0.
    """

    title: str
    low: float
    high: float
    ticks: Sequence[float]
    percent: bool = False
    log: bool = False

    def place(self, value: float) -> float:
        """Place of a value between the ends, 0 to 1; 0.5 if the ends are equal."""
        low, high, value = (math.log(v) if self.log else v for v in (self.low, self.high, value))
        return (value - low) / (high - low) if high > low else 0.5

    def tick_text(self, value: float) -> str:
        """`25 %`, `1,000`, `0.5`."""
        if self.percent:
            return f"{100 * value:.0f} %"
        return minus_signs(f"{value:,.0f}" if value == round(value) else f"{value:g}")

    def text(self, value: float) -> str:
        """`33.3 %`, `1,000`, `0.5123`; as in the table of numbers."""
        if self.percent:
            return f"{100 * value:.1f} %"
        return f"{value:,.0f}" if value == round(value) else f"{value:.4g}"


def percent_axis(title: str) -> Axis:
    """An axis from 0 to 100 % for fractions of 1."""
    return Axis(title, 0, 1, (0, 0.25, 0.5, 0.75, 1), percent=True)


def value_axis(title: str, low: float, high: float) -> Axis:
    """An axis with round ticks that contains both values."""
    ticks = round_ticks(low, high)
    return Axis(title, ticks[0], ticks[-1], ticks)


def count_axis(title: str, highest: int) -> Axis:
    """An axis for whole numbers from 0."""
    ticks = round_ticks(0, max(1, highest), integers=True)
    return Axis(title, 0, ticks[-1], ticks)


def round_ticks(low: float, high: float, intervals: int = 5, integers: bool = False) -> list[float]:
    """Round numbers in equal steps, from at most `low` to at least `high`, at most about `intervals` steps."""
    span = high - low if high > low else abs(high) or 1.0
    power = 10.0 ** math.floor(math.log10(span / intervals))
    steps = (step * power for step in (INTEGER_STEPS if integers else STEPS))
    step = next(step for step in steps if step * intervals >= span * (1 - 1e-9))
    if integers:
        step = max(1.0, step)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(k * step, 12) for k in range(first, max(last, first + 1) + 1)]


@dataclass(frozen=True)
class Series:
    """Values that belong together; NaN for a value that does not exist.

    x:         `n` values; for bars their `n + 1` edges.
    y:         `n` values; for bars the heights.
    intervals: low and high end of each value, or empty; lines show them as a band, bars and points as whiskers.
    base:      where each bar begins, for stacked bars; empty for 0.
    counts:    number of images behind each value, or empty; shown under the axis.
    urls:      the list of the images behind each value, "" for none; or empty.
    style:     `right` or `wrong` for the colours of outcomes; "" for the chart's own colours in their order.
    """

    name: str
    kind: Literal["line", "bar", "point"]
    x: Sequence[float]
    y: Sequence[float]
    intervals: Sequence[tuple[float, float]] = ()
    base: Sequence[float] = ()
    counts: Sequence[int] = ()
    urls: Sequence[str] = ()
    style: Literal["", "right", "wrong"] = ""

    def existing(self) -> list[int]:
        """Indices of the values that exist."""
        return [n for n, y in enumerate(self.y) if not math.isnan(y)]

    def middle(self, n: int) -> float:
        """The n-th value on the x axis; the middle of a bar."""
        return (self.x[n] + self.x[n + 1]) / 2 if self.kind == "bar" else self.x[n]

    def url(self, n: int) -> str:
        """The list of the images behind the n-th value, or ""."""
        return self.urls[n] if self.urls else ""


@dataclass(frozen=True)
class ReferenceLine:
    """A labelled line across the plot, such as the error of a control. axis: the one that `value` is on."""

    value: float
    label: str
    axis: Literal["x", "y"] = "y"


@dataclass(frozen=True)
class Annotation:
    """A marked point of the plot; its text is in the legend."""

    x: float
    y: float
    text: str
    marker: Literal["diamond", "square"] = "diamond"


@dataclass(frozen=True)
class Bar:
    """A drawn bar, in SVG units. label: its values, for the pointer; url: the list of its images, or ""."""

    x: float
    y: float
    width: float
    height: float
    label: str
    url: str = ""

    @property
    def path(self) -> str:
        """The bar as a path."""
        return rectangle(self.x, self.y, self.width, self.height)


@dataclass(frozen=True)
class Label:
    """A text in the plot, in SVG units. anchor: as in SVG."""

    x: float
    y: float
    text: str
    anchor: Anchor = "middle"


@dataclass(frozen=True)
class Chart:
    """A chart.

    caption:  what is drawn and what to look for.
    diagonal: name of the line from the lower left to the upper right corner, or "" for none.
    columns:  (title, texts) of further columns of the table, one text for each value of the first series.
    height:   in SVG units; the width is 560.
    """

    title: str
    x: Axis
    y: Axis
    series: Sequence[Series]
    caption: str = ""
    references: Sequence[ReferenceLine] = ()
    annotations: Sequence[Annotation] = ()
    diagonal: str = ""
    columns: Sequence[tuple[str, Sequence[str]]] = ()
    height: int = 300

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in SVG units."""
        return WIDTH, self.height

    @property
    def left(self) -> int:
        return LEFT

    @property
    def right(self) -> int:
        return WIDTH - RIGHT

    @property
    def top(self) -> int:
        return TOP if any(line.axis == "x" for line in self.references) else TOP // 2

    @property
    def bottom(self) -> int:
        return self.height - BOTTOM - (COUNT_ROW if self.has_counts else 0)

    @property
    def has_counts(self) -> bool:
        """Whether there is a row of counts under the axis: of the first series."""
        return bool(self.series and self.series[0].counts)

    @property
    def has_links(self) -> bool:
        """Whether a value links to its images."""
        return any(url for series in self.series for url in series.urls)

    def x_of(self, value: float) -> float:
        """Horizontal place of a value of the x axis."""
        return round(self.left + self.x.place(value) * (self.right - self.left), 1)

    def y_of(self, value: float) -> float:
        """Vertical place of a value of the y axis."""
        return round(self.bottom - self.y.place(value) * (self.bottom - self.top), 1)

    def x_ticks(self) -> Iterator[Label]:
        """The texts under the x axis."""
        for value in self.x.ticks:
            x = self.x_of(value)
            y = self.height - BOTTOM + 20
            yield Label(x, y, self.x.tick_text(value), "end" if x >= self.right else "middle")

    def count_labels(self) -> Iterator[Label]:
        """The number of images behind each value of the first series, under the axis."""
        series, y = self.series[0], self.bottom + COUNT_ROW - 4
        yield Label(self.left - 8, y, "images", "end")
        for n, count in enumerate(series.counts):
            yield Label(self.x_of(series.middle(n)), y, _short(count))

    def y_ticks(self) -> Iterator[Label]:
        """The texts at the y axis; y: of the grid line."""
        for value in self.y.ticks:
            yield Label(self.left - 8, self.y_of(value), self.y.tick_text(value), "end")

    def line(self, series: Series) -> str:
        """The points of a polyline."""
        return " ".join(f"{x},{y}" for x, y in self.points(series))

    def points(self, series: Series) -> list[tuple[float, float]]:
        """The places of the values."""
        return [(self.x_of(series.middle(n)), self.y_of(series.y[n])) for n in series.existing()]

    def band(self, series: Series) -> str:
        """The outline of a line's intervals, as a path."""
        low, high = (
            [f"{self.x_of(series.x[n])} {self.y_of(series.intervals[n][end])}" for n in series.existing()]
            for end in (0, 1)
        )
        return f"M{'L'.join([*high, *reversed(low)])}z"

    def whiskers(self, series: Series) -> list[str]:
        """The intervals of bars or points, as paths."""
        return [
            f"M{self.x_of(series.middle(n))} {self.y_of(series.intervals[n][0])}V{self.y_of(series.intervals[n][1])}"
            for n in (series.existing() if series.intervals else ())
        ]

    def bars(self, series: Series) -> Iterator[Bar]:
        """The bars of a series that have a height, with a gap between them."""
        for n in series.existing():
            base = series.base[n] if series.base else 0.0
            left, right = self.x_of(series.x[n]) + 0.5, self.x_of(series.x[n + 1]) - 0.5
            top, bottom = self.y_of(base + series.y[n]), self.y_of(base)
            if bottom > top:
                label = f"{self._x_text(series, n)}: {self.y.text(series.y[n])}"
                if series.counts:
                    label += f", {series.counts[n]:,} images"
                yield Bar(left, top, round(max(right - left, 0.5), 1), round(bottom - top, 1), label, series.url(n))

    def hit_area(self, bar: Bar) -> str:
        """The column of a bar as a path: bars are low, so they can be hit above, too."""
        return rectangle(bar.x, self.top, bar.width, self.bottom - self.top)

    def reference_lines(self) -> Iterator[tuple[str, Label]]:
        """Path and label of every reference line; of horizontal lines that are close, the lower has its label below."""
        labelled_above: list[float] = []
        for line in sorted(self.references, key=lambda line: -line.value):
            if line.axis == "x":
                x, place = self.x_of(line.value), self.x.place(line.value)
                anchor: Anchor = "start" if place < 0.2 else "end" if place > 0.8 else "middle"
                yield f"M{x} {self.top - 4}V{self.bottom}", Label(x, self.top - 9, line.label, anchor)
                continue
            y = self.y_of(line.value)
            is_below = any(abs(y - other) < LABEL_HEIGHT for other in labelled_above)
            if not is_below:
                labelled_above.append(y)
            label = Label(self.right - 4, y + 15 if is_below else y - 6, line.label, "end")
            yield f"M{self.left} {y}H{self.right}", label

    @property
    def legend_annotations(self) -> list[Annotation]:
        """One annotation for each marker and text."""
        return list({(one.marker, one.text): one for one in self.annotations}.values())

    @property
    def head(self) -> list[str]:
        """Headings of the table of numbers."""
        return [self.x.title, *(series.name for series in self.series), *(title for title, _ in self.columns)]

    @property
    def rows(self) -> list[list[tuple[str, str]]]:
        """The numbers as (text, URL); of a chart with many values, evenly spaced ones. URL: list of images, or ""."""
        rows: dict[float, list[tuple[str, str]]] = {}
        for column, series in enumerate(self.series, 1):
            for n in series.existing():
                empty = [(self._x_text(series, n), ""), *[("–", "")] * (len(self.head) - 1)]
                text = self.y.text(series.y[n])
                if series.intervals:
                    low, high = series.intervals[n]
                    text += f" ({self.y.text(low)} to {self.y.text(high)})"
                rows.setdefault(series.middle(n), empty)[column] = text, series.url(n)
        for column, (_, texts) in enumerate(self.columns, 1 + len(self.series)):
            for n in self.series[0].existing():
                rows[self.series[0].middle(n)][column] = texts[n], ""
        step = max(1, -(-len(rows) // MAX_ROWS))
        return [rows[x] for x in sorted(rows)][step - 1 :: step]

    def _x_text(self, series: Series, n: int) -> str:
        """The n-th value on the x axis as text; for a bar its range."""
        if series.kind == "bar":
            return f"{self.x.text(series.x[n])} to {self.x.text(series.x[n + 1])}"
        return self.x.text(series.x[n])


def rectangle(x: float, y: float, width: float, height: float) -> str:
    """A rectangle as a path: one text, where an element would have four attributes for the template to write."""
    return f"M{x} {y}h{width}v{height}h{-width}z"


def _short(count: int) -> str:
    """A count in at most four characters: `999`, `12k`, `3M`."""
    for size, letter in ((1_000_000, "M"), (1_000, "k")):
        if count >= size:
            return f"{count // size}{letter}"
    return str(count)
