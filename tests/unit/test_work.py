"""The order of the expensive work, its budget and the rebuilds, with a simulated clock. Nothing is timed here."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from reportgen.config import AuditConfig, override
from reportgen.errors import ConfigError
from reportgen.pipeline.analysis import GrowingAudit
from reportgen.pipeline.progress import Ticker, silent
from reportgen.pipeline.selection import worst_first
from reportgen.pipeline.work import MAX_GROUP_SECONDS, RebuildSchedule, Work, WorkQueue, budget_of
from tests.support.factories import make_audit, make_model_audit


class Clock:
    """Stands still unless somebody moves it."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


class Method:
    """A method that takes so many seconds for an image, of which it logs the name and the row."""

    def __init__(
        self, clock: Clock, log: list[tuple[str, int]], name: str = "a", each: float = 1.0, done: Iterable[int] = ()
    ) -> None:
        self.clock, self.log, self.name, self.each = clock, log, name, each
        self.done = list(done)

    @property
    def seconds(self) -> float:
        return self.each * len(self.done)

    @property
    def seconds_per_image(self) -> float | None:
        return self.each if self.done else None

    def has(self, row: int) -> bool:
        return row in self.done

    def results(self, rows: Sequence[int]) -> list[int]:
        return [row for row in rows if row in self.done]

    def compute(self, rows: Sequence[int], tick: Ticker) -> None:
        for row in rows:
            if row not in self.done:
                self.clock.now += self.each
                self.done.append(row)
                self.log.append((self.name, row))


def show(results: Sequence[Any]) -> Mapping[str, Any]:
    return {"found": results}


def work(rows: Sequence[int], *methods: Method, images: int = 0, is_limited: bool = True) -> Work:
    return Work(["A"], list(rows), images or len(rows), lambda: methods, show, is_limited)


def opened(*works: Work, budget: float = math.inf, clock: Clock | None = None) -> WorkQueue:
    queue = WorkQueue(works, budget, clock or Clock())
    for one in works:
        one.open()
    return queue


def test_images_are_computed_in_order_and_only_once() -> None:
    log: list[tuple[str, int]] = []
    one = work([7, 3, 5, 1], Method(Clock(), log, done=[3]))
    opened(one).run(silent)
    assert [row for _, row in log] == [7, 5, 1]
    assert one.fields() == {"found": [[7, 3, 5, 1]]}


def test_groups_double_and_every_method_takes_the_group_before_the_next() -> None:
    log: list[tuple[str, int]] = []
    clock = Clock()
    one = work(range(7), Method(clock, log, "a", 0.1), Method(clock, log, "b", 0.1))
    opened(one, clock=clock).run(silent)
    assert "".join(name for name, _ in log) == "ab" + "aabb" + "aaaabbbb"


def test_group_takes_at_most_its_seconds_and_the_budget_allows() -> None:
    log: list[tuple[str, int]] = []
    slow = work(range(100), Method(Clock(), log, each=MAX_GROUP_SECONDS / 2.5, done=[0]))
    slow.open()
    slow.group_size = 16
    assert slow.group(math.inf) == 2
    assert slow.group(MAX_GROUP_SECONDS / 2.5) == 1
    assert slow.group(MAX_GROUP_SECONDS / 2.5 - 0.1) == 0
    assert slow.group(-10 * MAX_GROUP_SECONDS) == 0
    very_slow = work(range(9), Method(Clock(), log, each=10 * MAX_GROUP_SECONDS, done=[0]))
    very_slow.open()
    assert very_slow.group(math.inf) == 1


def test_budget_ends_the_limited_works_and_no_others() -> None:
    log: list[tuple[str, int]] = []
    clock = Clock()
    limited = work(range(50), Method(clock, log, "limited", 2.0))
    check = work(range(5), Method(clock, log, "check", 3.0), is_limited=False)
    queue = opened(limited, check, budget=20.5, clock=clock)
    queue.run(silent)
    names = [name for name, _ in log]
    assert (names.count("limited"), names.count("check")) == (10, 5)
    assert queue.is_finished
    assert queue.seconds_left == pytest.approx(0.5)


def test_first_image_is_computed_although_its_time_is_unknown_but_not_without_a_budget() -> None:
    for budget, computed in ((0.0, 0), (0.1, 1)):
        log: list[tuple[str, int]] = []
        clock = Clock()
        opened(work(range(3), Method(clock, log, each=5.0)), budget=budget, clock=clock).run(silent)
        assert len(log) == computed


def test_what_earlier_runs_spent_counts() -> None:
    """A run with the same budget computes nothing more; a longer one goes on where the first ended."""
    log: list[tuple[str, int]] = []
    clock = Clock()
    method = Method(clock, log)
    opened(work(range(50), method), budget=10, clock=clock).run(silent)
    assert len(log) == 10
    opened(work(range(50), method), budget=10, clock=clock).run(silent)
    assert len(log) == 10
    opened(work(range(50), method), budget=25, clock=clock).run(silent)
    assert [row for _, row in log] == list(range(25))


def test_nothing_is_computed_where_earlier_runs_spent_more_than_the_budget() -> None:
    log: list[tuple[str, int]] = []
    queue = opened(work(range(9), Method(Clock(), log, done=[0, 1, 2])), budget=1.5)
    queue.run(silent)
    assert queue.is_finished
    assert log == []


def test_works_get_equal_time() -> None:
    log: list[tuple[str, int]] = []
    clock = Clock()
    works = [work(range(300), Method(clock, log, name, each)) for name, each in (("a", 1.0), ("b", 0.25))]
    opened(*works, budget=120, clock=clock).run(silent)
    seconds = {name: sum(each for one, _ in log if one == name) for name, each in (("a", 1.0), ("b", 0.25))}
    assert seconds["a"] + seconds["b"] <= 120
    assert abs(seconds["a"] - seconds["b"]) <= 20


def test_run_pauses_for_a_rebuild_and_goes_on() -> None:
    log: list[tuple[str, int]] = []
    queue = opened(work(range(7), Method(Clock(), log)))
    queue.run(silent, lambda seconds_to_go: True)
    assert [row for _, row in log] == [0]
    assert not queue.is_finished
    queue.run(silent)
    assert [row for _, row in log] == list(range(7))


def test_time_to_go_is_that_of_the_waiting_images_within_the_budget() -> None:
    log: list[tuple[str, int]] = []
    limited = work(range(50), Method(Clock(), log, each=2.0, done=[0]))
    check = work(range(5), Method(Clock(), log, each=3.0, done=[0]), is_limited=False)
    assert opened(limited, check).seconds_to_go == 49 * 2 + 4 * 3
    assert opened(limited, check, budget=22).seconds_to_go == 20 + 4 * 3  # 2 seconds are spent
    assert opened(work(range(3), Method(Clock(), log))).seconds_to_go == math.inf
    assert opened(work([0], Method(Clock(), log, done=[0]))).seconds_to_go == 0


def test_coverage_counts_images_with_all_results() -> None:
    log: list[tuple[str, int]] = []
    methods = Method(Clock(), log, "a", done=[0, 1, 2]), Method(Clock(), log, "b", done=[0, 2])
    one = work(range(4), *methods, images=9)
    before = one.coverage(is_running=True)
    assert (before.images, before.wanted, before.done, before.waiting) == (9, 4, 0, {0, 1, 2, 3})
    one.open()
    during = one.coverage(is_running=True)
    assert (during.images, during.wanted, during.done, during.waiting) == (9, 4, 2, {1, 3})
    assert one.coverage(is_running=False).waiting == frozenset()
    assert (during.over_budget, one.coverage(is_running=False).over_budget) == (0, 2)


def test_rebuilding_takes_at_most_a_fifth_of_the_time_and_ever_less() -> None:
    clock = Clock()
    schedule = RebuildSchedule(clock)
    assert not schedule.is_due(1000)
    intervals = []
    for build in (1.0, 1.0, 30.0, 30.0):
        clock.now += build
        schedule.note_built(build)
        start = clock.now
        while not schedule.is_due(1000):
            clock.now += 1
        intervals.append(clock.now - start)
        assert build <= 0.25 * intervals[-1]
        assert schedule.is_due(4 * build + 1)
        assert not schedule.is_due(4 * build)  # the last build comes soon
    assert intervals == [10, 20, 120, 240]


def test_budget_is_the_pass_or_two_minutes_unless_it_is_given() -> None:
    assert budget_of(AuditConfig(), 30) == 120
    assert budget_of(AuditConfig(), 300) == 300
    assert budget_of(AuditConfig(select="all"), 300) == math.inf
    assert budget_of(AuditConfig(select="3"), 300) == math.inf
    for text, seconds in (("90s", 90), ("30m", 1800), ("1h30m", 5400), ("2h", 7200), ("0s", 0)):
        assert budget_of(AuditConfig(budget=text), 300) == seconds
        assert budget_of(override(AuditConfig(select="all"), {"budget": text}), 300) == seconds


@pytest.mark.parametrize("text", ["", "30", "m", "30 m", "-5m", "1m1h", "soon"])
def test_budget_that_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="`budget` is"):
        AuditConfig(budget=text)


def test_worst_first_begins_with_the_most_confident_wrong_class() -> None:
    outcomes = ["right", "class", "part", "class", "right", "other", "unlabelled", "right"]
    labels = np.array([0, 0, 0, 1, 1, 1, -1, 0])
    confidence = np.array([0.9, 0.3, 0.5, 0.8, 0.7, 0.6, 0.1, 0.2])
    assert worst_first(range(8), labels, outcomes, confidence) == [3, 1, 5, 2, 6, 7, 4, 0]
    assert worst_first([0, 2, 7], labels, outcomes, confidence) == [2, 7, 0]


@pytest.mark.parametrize(
    ("seconds_per_pass", "units", "is_quick"),
    [(0.09, 0, True), (0.11, 0, False), (0.11, 750, True), (0.11, 700, False)],
)
def test_work_that_takes_less_time_than_a_build_comes_before_the_first_report(
    seconds_per_pass: float, units: int, is_quick: bool
) -> None:
    """20 passes, against two seconds or 3 milliseconds a unit."""
    audit = make_audit(make_model_audit(units={"conv": [None] * units}))
    work = Work(["fields"], [0, 1], 2, lambda: [], show, passes=10)
    assert GrowingAudit(audit, [[work]], WorkQueue([work], math.inf), seconds_per_pass).is_quick == is_quick
