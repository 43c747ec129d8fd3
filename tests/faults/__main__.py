"""`python -m tests.faults --minutes N`: attack whole jobs and compare what they end with; `--quick`: a small sample.

Prints a line for each kind of attack with the number of tries and of those that were survived, every fault, and at the
end one JSON object. Exit code 1 if anything was not survived. Linux only.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.faults import crash_states, full_disks, processes, state_machine
from tests.faults.damage import survive_damage
from tests.faults.job import Job, faults_of, results

Tries = Iterator[tuple[str, list[str]]]
"""What was tried, and what was wrong afterwards."""
TMPFS = ("size=256k", "size=1m", "size=2m", "size=4m", "nr_inodes=20", "nr_inodes=150")
SEQUENCES_AT_ONCE = 5


class Campaign:
    """The job with its expected results, and the attacks on it."""

    def __init__(self, folder: Path, seed: int, is_quick: bool) -> None:
        self.folder, self.seed, self.is_quick = folder, seed, is_quick
        self.chance = random.Random(seed)
        self.job = Job(folder)
        self.whole = folder / "whole"
        self.whole.mkdir()
        start = time.perf_counter()
        self.images = self.job.do(self.whole)
        self.seconds = time.perf_counter() - start
        self.expected = results(self.whole)
        assert faults_of(self.whole, self.expected) == []

    def crash_states(self, n: int | None) -> Tries:
        chosen = None
        if n is not None:
            kinds = crash_states.events(self.job, self.folder)
            chosen = set(crash_states.sample(kinds, n, self.seed))
        states = crash_states.record(self.job, self.folder, chosen)
        print(f"  crash_states: {len(states)} different states", flush=True)
        for state in self.chance.sample(states, len(states)):
            yield state.kind, crash_states.survive(self.job, state, self.folder, self.expected, self.images)

    def full_disks(self, n: int | None) -> Tries:
        for options in TMPFS if n is None else self.chance.sample(TMPFS, 2):
            faults = full_disks.fill_tmpfs(self.job, options, self.folder, self.expected)
            if faults is not None:
                yield f"tmpfs of {options}", faults
        changes = len(crash_states.events(self.job, self.folder))
        for number in range(0, changes, 3) if n is None else self.chance.sample(range(changes), n):
            yield f"full from change {number} on", full_disks.fill_after(self.job, number, self.folder, self.expected)

    def killed_runs(self, n: int | None) -> Tries:
        for _ in itertools.repeat(None) if n is None else range(n):
            seconds = self.chance.uniform(0, 1.5 * self.seconds)
            yield f"killed after {seconds:.3f} s", processes.kill_run(self.job, seconds, self.folder, self.expected)

    def killed_helpers(self, n: int) -> Tries:
        for _ in range(n):
            killed, faults = processes.kill_helper(self.job, self.chance, self.seconds, self.folder, self.expected)
            yield f"{killed} helpers killed", faults

    def two_runs(self, n: int) -> Tries:
        for _ in range(n):
            pause = self.chance.uniform(0, self.seconds)
            yield (
                f"second after {pause:.3f} s",
                processes.run_twice_at_once(self.job, pause, self.folder, self.expected),
            )

    def bad_decoders(self, n: int) -> Tries:
        bad: list[tuple[Callable[[], object], str]] = [
            (os.abort, "its decoder crashed (SIGABRT)"),
            (lambda: time.sleep(60), "it takes longer than 1 s"),
            (lambda: os._exit(0), "its decoder ended the process"),
            (lambda: bytearray(1 << 40), "it needs too much memory"),
        ]
        for function, reason in bad[:n]:
            yield reason, processes.bad_decoder(self.job, function, reason, self.folder)

    def damaged_files(self, n: int | None) -> Tries:
        for _ in itertools.repeat(None) if n is None else range(n):
            yield survive_damage(self.job, self.whole, self.chance, self.folder, self.expected)

    def sequences(self, n: int | None) -> Tries:
        state_machine.without_pages()
        for k in itertools.count() if n is None else range(-(-n // SEQUENCES_AT_ONCE)):
            size = SEQUENCES_AT_ONCE if n is None else min(SEQUENCES_AT_ONCE, n - k * SEQUENCES_AT_ONCE)
            try:
                sequences, runs, kills = state_machine.run_sequences(self.folder, size, self.seed + k)
                yield f"{sequences} sequences with {runs} runs, {kills} killed", []
            except Exception as error:
                notes = getattr(error, "__notes__", [])
                yield f"{size} sequences", [f"{error}", *notes]


def main() -> int:
    parser = argparse.ArgumentParser("python -m tests.faults", description=__doc__)
    length = parser.add_mutually_exclusive_group(required=True)
    length.add_argument("--minutes", type=float, help="time for all attacks; those without an end share it")
    length.add_argument("--quick", action="store_true", help="a sample of each attack, half a minute of CPU")
    parser.add_argument("--only", action="append", metavar="ATTACK", help="one attack; repeat for more")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--verbose", action="store_true", help="print every try, and tracebacks")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        return attack(Campaign(Path(folder), given.seed, given.quick), given)


def attack(campaign: Campaign, given: argparse.Namespace) -> int:
    """Make all attacks, print what was survived, and return the exit code."""
    quick = {
        "bad_decoders": 2, "killed_helpers": 1, "two_runs": 1, "killed_runs": 2, "full_disks": 2, "damaged_files": 3,
        "crash_states": 6, "sequences": 5,
    }  # fmt: skip
    long = {"bad_decoders": 4, "killed_helpers": 10, "two_runs": 10}
    shares = dict.fromkeys(quick, 0.0) if given.quick else share_of_time(60 * given.minutes)
    found: dict[str, dict[str, int]] = {}
    for name, n in quick.items():
        if given.only and name not in given.only:
            continue
        until = time.monotonic() + shares[name]
        tries = survived = 0
        for what, faults in getattr(campaign, name)(n if given.quick else long.get(name)):
            tries, survived = tries + 1, survived + (not faults)
            if faults or given.verbose:
                print(f"  {name}: {what}: {'; '.join(faults) or 'survived'}", flush=True)
            if not given.quick and time.monotonic() > until:
                break
        print(f"{name}: {survived} of {tries} survived", flush=True)
        found[name] = {"tries": tries, "survived": survived}
    print(json.dumps(found))
    return int(any(one["tries"] != one["survived"] for one in found.values()))


def share_of_time(seconds: float) -> dict[str, float]:
    """Seconds for each attack; crash states, of which there are about a thousand, get half of the time."""
    weights = {"crash_states": 8, "sequences": 3, "damaged_files": 2, "full_disks": 2, "killed_runs": 2}
    weights |= {"bad_decoders": 1, "killed_helpers": 1, "two_runs": 1}
    return {name: seconds * weight / sum(weights.values()) for name, weight in weights.items()}


if __name__ == "__main__":
    sys.exit(main())
