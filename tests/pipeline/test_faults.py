"""A sample of the attacks on whole jobs: `python -m tests.faults --minutes N` makes all of them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="forks")
def test_whole_jobs_survive_a_sample_of_faults() -> None:
    command = [sys.executable, "-m", "tests.faults", "--quick"]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert all(one["tries"] == one["survived"] > 0 for one in found.values())
    assert found["crash_states"]["tries"] >= 6
    assert set(found) == {
        "bad_decoders", "killed_helpers", "two_runs", "killed_runs", "full_disks", "damaged_files", "crash_states",
        "sequences",
    }  # fmt: skip
