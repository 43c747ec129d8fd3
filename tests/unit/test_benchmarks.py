"""The benchmark harness with a simulated clock, and the gates on a small input. Nothing is timed here."""

import json
import types
from collections.abc import Callable, Iterator

import pytest
import torch

from benchmarks import __main__ as command
from benchmarks.timing import OURS, Result, Timings, measure


class Clock:
    """Stands still unless a contestant moves it."""

    now = 0.0

    def __call__(self) -> float:
        return self.now

    def works(self, *seconds: float, log: list[str] | None = None, name: str = "") -> Callable[[], None]:
        left = list(seconds)

        def contestant() -> None:
            self.now += left.pop(0)
            if log is not None:
                log.append(name)

        return contestant


def test_measure_warms_up_once_and_rotates_the_order() -> None:
    clock, log = Clock(), []
    contestants = {name: clock.works(*[1.0] * 5, log=log, name=name) for name in "abc"}
    measure(contestants, 4, clock)
    assert "".join(log) == "abc" + "abc" + "bca" + "cab" + "abc"


def test_measure_ignores_the_warm_up_and_pairs_ratios_by_round() -> None:
    clock = Clock()
    # The machine is ten times slower in the second round, for both.
    contestants = {OURS: clock.works(99, 1, 10, 2), "peer": clock.works(99, 3, 40, 10)}
    timings = measure(contestants, 3, clock)
    assert timings.seconds == {OURS: [1, 10, 2], "peer": [3, 40, 10]}
    assert timings.median(OURS) == 2
    assert timings.median("peer") == 10
    assert timings.ratio("peer") == 4  # of 3, 4 and 5
    assert timings.ratio(OURS) == 1


def test_median_of_an_even_number_of_rounds_is_the_middle() -> None:
    assert Timings({OURS: [1, 2, 4, 9]}).median(OURS) == 3


def test_every_contestant_runs_with_the_same_threads() -> None:
    threads, seen = torch.get_num_threads(), []

    def greedy() -> None:
        seen.append(torch.get_num_threads())
        torch.set_num_threads(threads + 1)

    measure({OURS: greedy, "peer": greedy}, 2)
    assert seen == [threads] * 6
    assert torch.get_num_threads() == threads


def with_result(monkeypatch: pytest.MonkeyPatch, result: Result) -> None:
    monkeypatch.setattr(command, "names", lambda: ["made_up"])
    module = types.ModuleType("made_up")
    module.run = lambda quick: result
    monkeypatch.setattr(command.importlib, "import_module", lambda name: module)


@pytest.mark.parametrize(("gate", "code"), [(True, 0), (False, 1)])
def test_benchmark_prints_its_result_on_the_last_line(monkeypatch, capsys, gate, code) -> None:
    with_result(monkeypatch, Result({"peer": 12.34567}, gate, ["a line"]))
    assert command.main(["made_up", "--quick"]) == code
    first, last = capsys.readouterr().out.splitlines()
    assert first == "a line"
    assert json.loads(last) == {"name": "made_up", "ratio": {"peer": 12.346}, "gate": gate}


def test_unknown_benchmark_is_one_line_and_exit_code_2(capsys) -> None:
    assert command.main(["nope"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("no benchmark `nope`: use one of ")
    assert printed.err.count("\n") == 1
    assert "`cam`" in printed.err


def test_benchmarks_without_a_name_are_listed_with_their_questions(capsys) -> None:
    assert command.main([]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert [line.partition(": ")[0] for line in listed] == command.names()
    assert all(line.partition(": ")[2] for line in listed)
    assert "timing" not in command.names()


def test_missing_peer_is_one_line_that_names_the_extra(monkeypatch, capsys) -> None:
    def absent(name: str) -> None:
        raise ModuleNotFoundError("No module named 'peer'", name="peer")

    monkeypatch.setattr(command.importlib, "import_module", absent)
    assert command.main(["cam"]) == 2
    assert capsys.readouterr().err == "`cam` needs `peer`: pip install 'reportgen[bench]'\n"


@pytest.fixture
def cam() -> Iterator[types.ModuleType]:
    """On one thread: on a small input more of them only wait for each other."""
    reason = "the peers are not installed: pip install 'reportgen[bench]'"
    pytest.importorskip("pytorch_grad_cam", reason=reason)
    pytest.importorskip("torchcam", reason=reason)
    from benchmarks import cam

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield cam
    torch.set_num_threads(threads)


def test_peers_compute_the_same_maps_and_the_gate_detects_a_wrong_one(cam, monkeypatch) -> None:
    network, classifier = cam.resnet18()
    forward = cam.ForwardPass(classifier)
    pixels = cam.random_pixels(2, 64)
    differences = cam.differences_to_peers(network, forward, pixels)
    assert set(differences) == {"grad-cam", "torchcam"}
    assert all(value < cam.LIMIT for value in differences.values())

    def shifted(*given: object) -> dict[str, torch.Tensor]:
        kept = right(*given)
        kept["cam/map"][1, 4, 0, 1] += 2 * cam.LIMIT
        return kept

    right = cam.ours
    monkeypatch.setattr(cam, "ours", shifted)
    differences = cam.differences_to_peers(network, forward, pixels)
    assert all(value > cam.LIMIT for value in differences.values())


@pytest.mark.parametrize("difference", [1.0, float("nan")])
def test_gate_closes_if_one_peer_differs(cam, monkeypatch, difference) -> None:
    monkeypatch.setattr(cam, "measure", lambda contestants, rounds: Timings({name: [1.0] for name in contestants}))
    monkeypatch.setattr(cam, "differences_to_peers", lambda *_: {"grad-cam": 0.0, "torchcam": difference})
    result = cam.run(quick=True)
    assert result.gate is False
    assert set(result.ratio) == {"grad-cam", "torchcam"}


def test_every_contestant_computes_five_maps_per_image(cam, monkeypatch) -> None:
    given = {}

    def once(contestants, rounds) -> Timings:
        given.update({name: contestant() for name, contestant in contestants.items()})
        return Timings({name: [1.0] for name in contestants})

    pixels = cam.random_pixels(2, 64)
    monkeypatch.setattr(cam, "random_pixels", lambda images, side: pixels)
    monkeypatch.setattr(cam, "measure", once)
    assert cam.run(quick=True).gate is True
    assert [tuple(m.shape) for m in given["torchcam"]] == [(2, 2, 2)] * 5
    assert [m.shape for m in given["grad-cam"]] == [(2, 64, 64)] * 5
    # The two further ways of using the peers give the same maps as the ones in the result.
    shorter = given["grad-cam, frozen before its layer"]
    assert all(abs(a - b).max() < 1e-3 for a, b in zip(given["grad-cam"], shorter, strict=True))
    map_by_map = torch.cat(given["torchcam, one forward pass a map"]).reshape(2, 5, 2, 2).transpose(0, 1)
    torch.testing.assert_close(map_by_map, torch.stack(given["torchcam"]), rtol=1e-3, atol=1e-3)
