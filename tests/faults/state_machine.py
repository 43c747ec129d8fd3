"""Any sequence of changes to a data set and its report, compared with a run without cache.

A Hypothesis state machine: images and rows are added, edited, removed and spoilt, files of the report are damaged, runs
are killed. After every run, found = read + unreadable, and at the end all results are those of a run into an empty
folder. No pages are built: their writing is the subject of the crash states. Batches have one image, because the last
bits of an image's numbers depend on the others in its batch.
"""

from __future__ import annotations

import csv
import json
import random
import shutil
import signal
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
from PIL import Image

from reportgen.audit.audit import Audit
from reportgen.config import AuditConfig
from reportgen.gallery.core.checksums import write_checksums
from reportgen.pipeline import job
from reportgen.pipeline.run import run_audit
from reportgen.store.staging import Staging
from tests.faults.damage import KINDS, damage
from tests.faults.events import watch
from tests.faults.job import Outcome, attempt, remove, results
from tests.support.square_images import COLOURS
from tests.support.tiny_networks import TINY_NETWORK

MAX_STEPS = 8
numbers = st.integers(0, 10**6)


class Machine(RuleBasedStateMachine):
    """The data set and its report in a folder of their own."""

    folder: Path
    """Where the machine works; set before it runs."""
    runs, kills = 0, 0

    @initialize(seed=numbers)
    def begin(self, seed: int) -> None:
        remove(self.folder)
        (self.folder / "data").mkdir(parents=True)
        (self.folder / "classes.txt").write_text("\n".join(COLOURS) + "\n")
        self.rows: dict[str, str] = {}
        for n in range(3):
            self.add(seed + n, n)

    @rule(seed=numbers, label=st.integers(0, 2))
    def add(self, seed: int, label: int) -> None:
        name = f"{len(list((self.folder / 'data').iterdir())):03d}.png"
        self._draw(name, seed)
        self.rows[name] = list(COLOURS)[label]

    @rule(which=numbers, seed=numbers)
    def edit_pixels(self, which: int, seed: int) -> None:
        self._draw(self._name(which), seed)

    @rule(which=numbers, label=st.integers(0, 2))
    def edit_label(self, which: int, label: int) -> None:
        self.rows[self._name(which)] = list(COLOURS)[label]

    @precondition(lambda self: len(self.rows) > 2)
    @rule(which=numbers, with_row=st.booleans())
    def delete(self, which: int, with_row: bool) -> None:
        name = self._name(which)
        (self.folder / "data" / name).unlink(missing_ok=True)
        if with_row:
            del self.rows[name]

    @rule(which=numbers, how=st.sampled_from(KINDS[:4]), seed=numbers)
    def spoil_image(self, which: int, how: str, seed: int) -> None:
        path = self.folder / "data" / self._name(which)
        if path.is_file():
            damage(path, how, [], random.Random(seed))

    @rule(which=numbers, how=st.sampled_from(KINDS), seed=numbers)
    def spoil_report(self, which: int, how: str, seed: int) -> None:
        files = [path for path in sorted((self.folder / "out").rglob("*")) if path.is_file()]
        if files:
            damage(files[which % len(files)], how, files, random.Random(seed))

    @rule(at=st.integers(0, 60))
    def kill(self, at: int) -> None:
        out = self.folder / "out"

        def work() -> int:
            def before(number: int, event: object) -> None:
                if number == at:
                    signal.raise_signal(signal.SIGKILL)

            watch(out, before)
            return self._run(out)

        type(self).kills += attempt(work, self.folder / "outcome.json").end == "killed"

    @rule()
    def run(self) -> None:
        self._attempt(self.folder / "out")

    def teardown(self) -> None:
        if not hasattr(self, "rows"):
            return
        ends = []
        for name in ("out", "fresh"):
            remove(self.folder / "fresh")
            ends.append(self._attempt(self.folder / name).end)
        assert ends[0] == ends[1], ends
        if ends[0] == "done":
            found, expected = results(self.folder / "out"), results(self.folder / "fresh")
            different = [name for name in expected if found.get(name) != expected[name]]
            assert different == [], different

    def _attempt(self, out: Path) -> Outcome:
        type(self).runs += 1
        outcome = attempt(lambda: self._run(out), self.folder / "outcome.json")
        if outcome.is_done:
            counts = json.loads((out / "report.json").read_text())["counts"]
            assert counts["found"] == counts["read"] + counts["unreadable"], counts
            assert counts["found"] + counts["refused"] == len(self.rows), counts
            assert outcome.computed <= counts["read"]
        else:
            assert outcome.end.startswith("DataError: none of the"), outcome.end
        return outcome

    def _run(self, out: Path) -> int:
        with (self.folder / "data" / "table.csv").open("w", newline="") as file:
            csv.writer(file).writerows([("path", "label"), *self.rows.items()])
        settings = {"classes": self.folder / "classes.txt", "select": "none", "device": "cpu", "precision": "fp32"}
        more = {"runtime": "torch", "batch_size": 1, "data": self.folder / "data" / "table.csv"}
        return run_audit(AuditConfig(model=TINY_NETWORK, out=out, **settings, **more)).computed

    def _name(self, which: int) -> str:
        return sorted(self.rows)[which % len(self.rows)]

    def _draw(self, name: str, seed: int) -> None:
        pixels = np.random.default_rng(seed).integers(0, 255, (32, 32, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(self.folder / "data" / name)


def without_pages() -> None:
    """Let runs of this process write results, but no pages."""

    def no_pages(audit: Audit, site: Path, *others: object) -> int:
        staging = others[-1]
        assert isinstance(staging, Staging)
        staging.afterwards(lambda: write_checksums(site))
        return 0

    job.build_site = no_pages


def run_sequences(folder: Path, n: int, seed: int) -> tuple[int, int, int]:
    """Run `n` sequences; returns their number, that of the runs, and that of the runs that were killed."""
    import hypothesis

    Machine.folder, Machine.runs, Machine.kills = folder / "machine", 0, 0
    profile = settings(
        max_examples=n,
        stateful_step_count=MAX_STEPS,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[hypothesis.Phase.generate],
        print_blob=False,
    )
    run_state_machine_as_test(hypothesis.seed(seed)(Machine), settings=profile)
    shutil.rmtree(folder / "machine", ignore_errors=True)
    return n, Machine.runs, Machine.kills
