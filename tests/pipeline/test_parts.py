"""Parts of the forward pass: which files they have, who computes them, and that together they equal one run."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from reportgen.cli import cli
from reportgen.config import AuditConfig
from reportgen.data.samples import Sample
from reportgen.errors import ConfigError, OutputError
from reportgen.pipeline import image_loader, part_pass
from reportgen.pipeline.part import WHOLE, Part, parse_part, part_of_environment
from reportgen.pipeline.part_job import PartJob
from reportgen.pipeline.progress import silent
from reportgen.pipeline.run import extract_part, reader_of
from reportgen.store.files import exclusive_run, shared_run
from reportgen.store.results_cache import ResultsCache
from reportgen.store.version import VERSION_FILE
from tests.support.square_images import squares
from tests.support.tiny_networks import TINY_NETWORK

ROOT = Path(__file__).parents[2]
SLURM = ROOT / "examples" / "slurm-array.sbatch"
KUBERAY = ROOT / "examples" / "kuberay-rayjob.yaml"
KUBERNETES = ROOT / "examples" / "kubernetes-indexed-job.yaml"
MANUAL = (ROOT / "site" / "docs" / "several-machines.md").read_text("utf-8")


@given(st.integers(0, 3000), st.integers(1, 300), st.integers(1, 40))
def test_every_unit_is_in_one_part_and_parts_differ_by_one_unit(files: int, unit: int, count: int) -> None:
    parts = [Part(number, count).units(files, unit) for number in range(1, count + 1)]
    assert [k for part in parts for k in part] == list(range((files + unit - 1) // unit))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize("text", ["0/4", "5/4", "3", "3/", "-1/4", "a/b", "1/0"])
def test_part_that_does_not_exist_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_part(text)


def slurm(task: int, first: int = 1, last: int = 16, step: int = 1, count: int = 16) -> dict[str, str]:
    numbers = {"ID": task, "MIN": first, "MAX": last, "STEP": step, "COUNT": count}
    return {f"SLURM_ARRAY_TASK_{name}": str(number) for name, number in numbers.items()}


@pytest.mark.parametrize(
    ("environment", "parts", "expected"),
    [
        (slurm(3), None, Part(3, 16)),
        (slurm(0, 0, 7, count=8), None, Part(1, 8)),
        (slurm(10, 2, 14, step=4, count=4), None, Part(3, 4)),
        ({"JOB_COMPLETION_INDEX": "0"}, 5, Part(1, 5)),
        ({"RANK": "7", "WORLD_SIZE": "8"}, None, Part(8, 8)),
    ],
)
def test_part_is_that_of_the_process_in_its_job(environment: dict[str, str], parts: int | None, expected: Part) -> None:
    assert part_of_environment(environment, parts) == expected


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({}, "no part is named"),
        (slurm(7, 3, 7, count=2), "have gaps"),
        ({"JOB_COMPLETION_INDEX": "0"}, "number of parts is not known"),
        ({"RANK": "x", "WORLD_SIZE": "8"}, "`RANK` is `x`, not a number"),
        ({"SLURM_ARRAY_TASK_ID": "3"}, "`SLURM_ARRAY_TASK_MIN` is ``"),
    ],
)
def test_unclear_part_is_refused(environment: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        part_of_environment(environment)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="forks")
def test_parts_of_killed_workers_equal_one_run(tmp_path: Path) -> None:
    """Two workers on each of four parts at once, without locks; 35 of 43 starts are killed at random moments."""
    command = [sys.executable, "-m", "tests.support.killed_parts", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["killed"] > 10
    assert (found["shards"], found["equal"], found["computed_again"]) == (6, True, 0)


def config_for(folder: Path, **settings: object) -> AuditConfig:
    table = squares(folder / "data", each=2, side=32)
    given_ = {"data": table, "classes": table.parent / "classes.txt", "model": TINY_NETWORK, "out": folder / "out"}
    return AuditConfig(**(given_ | settings))  # type: ignore[arg-type]


def test_parts_are_computed_by_the_command(tmp_path: Path) -> None:
    settings = config_for(tmp_path)
    command = ["extract", "--data", settings.data, "--classes", settings.classes, "--model", TINY_NETWORK]
    command += ["--batch-size", 300, "--out", settings.out, "--quiet"]
    lines = []
    for more in (["--part", "1/1"], ["--parts", "1"]):
        done = CliRunner().invoke(cli, [*map(str, command), *more], env={"JOB_COMPLETION_INDEX": "0"})
        assert done.exception is None, done.exception
        lines.append(done.stdout)
    assert lines == [
        "part 1 of 1: 6 images computed, 0 reused, 0 unreadable\n",
        "part 1 of 1: 0 images computed, 6 reused, 0 unreadable\n",
    ]


def test_part_decodes_failed_files_again_on_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what the pass over the data set decodes is counted: a trial before it decodes some files ahead."""
    settings = config_for(tmp_path)
    (tmp_path / "data" / "red-1.png").write_bytes(b"no image")
    decoded: list[str] = []
    plain = part_pass.load_images

    def noted(*given, failed, **how):  # type: ignore[no-untyped-def]
        def reason(identity: str, name: str) -> str | None:
            if (earlier := failed(identity, name)) is None:
                decoded.append(name)
            return earlier

        return plain(*given, failed=reason, **how)

    monkeypatch.setattr(part_pass, "load_images", noted)
    tried = []
    for retry in (False, False, True):
        (done,) = extract_part(replace(settings, retry_failed=retry), WHOLE)
        assert [name for name, _ in done.unreadable] == ["red-1.png"]
        tried.append("red-1.png" in decoded)
        decoded.clear()
    assert tried == [True, False, True]


def test_first_images_of_the_following_part_are_decoded_ahead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An image of it that the store gets meanwhile is not computed twice, and another part may follow after all."""
    monkeypatch.setattr("reportgen.pipeline.forward.IMAGES_PER_SHARD", 2)
    config = config_for(tmp_path, data=tmp_path / "data" / "names.csv", batch_size=2, precision="fp32", runtime="torch")
    names = [f"{colour}-{i}.png" for colour in ("blue", "green", "red") for i in (0, 1)]
    config.data.write_text("\n".join(["path", *names]))
    shutil.copy(config.data.with_name(names[1]), config.data.with_name(names[2]))
    job = PartJob(config, reader_of(config), silent)
    decoded: list[str] = []
    all_decoded = threading.Condition()
    plain = image_loader._loaded

    def noted(sample: Sample, *rest: Any) -> image_loader.LoadedImage:
        with all_decoded:
            decoded.append(sample.name)
            all_decoded.notify()
        return plain(sample, *rest)

    monkeypatch.setattr(image_loader, "_loaded", noted)
    first, second, third = (Part(number, 3) for number in (1, 2, 3))
    computed = []
    for part, following, expected in (
        (first, second, names[:4]),
        (second, third, names),
        (first, second, names),
        (third, None, [*names, *names[4:]]),
    ):
        computed += [done.computed for done in job.compute(part, following)]
        with all_decoded:
            assert all_decoded.wait_for(lambda: len(decoded) >= len(expected), timeout=60)  # noqa: B023
        assert sorted(decoded) == sorted(expected)
    job.close()
    assert computed == [2, 1, 0, 2]


def test_part_is_refused_while_a_run_or_the_same_part_is_computed(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("reportgen.store.files.MAX_LOCK_WAIT", 0.0)
    with shared_run(tmp_path, "1-of-2"):
        with shared_run(tmp_path, "2-of-2"):
            pass
        with pytest.raises(OutputError, match="another process computes part 1 of 2"), shared_run(tmp_path, "1-of-2"):
            pass
        with pytest.raises(OutputError, match="another run is writing"), exclusive_run(tmp_path):
            pass
    with exclusive_run(tmp_path), pytest.raises(OutputError, match="a run is writing"), shared_run(tmp_path, "1-of-2"):
        pass


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"head": "gap"}, "`head = gap` is fitted on all images"),
        ({"data": Path("s3://bucket/images")}, "`data` is a URL"),
        ({"data": None}, "no data set is named"),
        ({"engine": "ray"}, "hands out parts itself"),
    ],
)
def test_what_cannot_be_distributed_is_refused(tmp_path: Path, settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        extract_part(config_for(tmp_path, **settings), WHOLE)


def test_parts_do_not_move_a_cache_of_another_version(tmp_path: Path) -> None:
    (tmp_path / "out" / "cache").mkdir(parents=True)
    (tmp_path / "out" / "cache" / VERSION_FILE).write_text("1\n")
    with pytest.raises(OutputError, match="another version"):
        extract_part(config_for(tmp_path), WHOLE)
    assert (tmp_path / "out" / "cache" / VERSION_FILE).read_text() == "1\n"


def test_first_stored_result_counts_for_all(tmp_path: Path) -> None:
    """Two processes make the same trial at the same time, with different results, as times are."""
    import numpy as np

    ours, theirs = ResultsCache(tmp_path), ResultsCache(tmp_path)

    def slow() -> dict[str, np.ndarray]:
        theirs.get("trial", ["key"], lambda: {"speedup": np.array(1.5)})
        return {"speedup": np.array(0.9)}

    assert ours.get("trial", ["key"], slow)["speedup"] == 1.5


def test_slurm_file_is_clean_and_has_as_many_tasks_as_parts() -> None:
    shellcheck = Path(sys.executable).with_name("shellcheck")
    done = subprocess.run([shellcheck, SLURM], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    text = SLURM.read_text("utf-8")
    assert text.startswith("#!/bin/bash\n")
    assert "#SBATCH --array=1-16\n" in text
    assert "\nparts=16\n" in text
    assert f"```bash\n{text}```" in MANUAL


def test_kubernetes_file_has_what_an_indexed_job_requires() -> None:
    text = KUBERNETES.read_text("utf-8")
    job = yaml.safe_load(text)
    assert (job["apiVersion"], job["kind"]) == ("batch/v1", "Job")
    assert job["metadata"]["name"]
    spec, pod = job["spec"], job["spec"]["template"]["spec"]
    assert (spec["completionMode"], pod["restartPolicy"]) == ("Indexed", "Never")  # needed by backoffLimitPerIndex
    (container,) = pod["containers"]
    assert container["name"]
    assert container["image"]
    assert container["command"][:2] == ["reportgen", "extract"]
    assert container["command"][container["command"].index("--parts") + 1] == str(spec["completions"])
    volumes = {volume["name"] for volume in pod["volumes"]}
    assert {mount["name"] for mount in container["volumeMounts"]} == volumes
    assert f"```yaml\n{text}```" in MANUAL


def test_kuberay_file_runs_reportgen_on_a_cluster_whose_machines_share_a_volume() -> None:
    text = KUBERAY.read_text("utf-8")
    job = yaml.safe_load(text)
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    assert job["metadata"]["name"]
    cluster = job["spec"]["rayClusterSpec"]
    (workers,) = cluster["workerGroupSpecs"]
    assert workers["minReplicas"] <= workers["replicas"] <= workers["maxReplicas"]
    for group in (cluster["headGroupSpec"], workers):
        pod = group["template"]["spec"]
        (container,) = pod["containers"]
        volumes = {volume["name"] for volume in pod["volumes"]}
        assert {mount["name"] for mount in container["volumeMounts"]} == volumes
        limits = container["resources"]["limits"]
    command = shlex.split(job["spec"]["entrypoint"])
    assert command[:2] == ["reportgen", "run"]
    with cli.commands["run"].make_context("run", command[2:]) as context:
        flags = context.params
    assert (flags["engine"], flags["cpus_per_worker"]) == ("ray", int(limits["cpu"]))
    assert flags["gpus_per_worker"] == limits["nvidia.com/gpu"]
    assert f"```yaml\n{text}```" in MANUAL
