"""Whenever a run is killed, the next one ends with the same bytes and repeats at most one shard."""

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="forks")
def test_extraction_killed_at_any_point_resumes_to_the_same_bytes(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.support.kill_points", str(tmp_path), "50"]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["faults"] == []
    assert (found["shards"], found["tries"]) == (3, 62)
    assert found["killed"] >= 50  # at each write point of each shard, and at nearly every moment: threads differ
