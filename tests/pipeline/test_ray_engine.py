"""The forward pass on the workers of a Ray cluster of two CPUs: killed workers, killed drivers, parts that fail."""

from __future__ import annotations

import builtins
import contextlib
import csv
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from reportgen.config import AuditConfig
from reportgen.errors import ConfigError, ReportgenError
from reportgen.pipeline import ray_cluster
from reportgen.pipeline.ray_worker import PartWorker, WorkerJob, run_file
from reportgen.pipeline.run import run_audit
from tests.support.reportgen_process import start
from tests.support.square_images import squares
from tests.support.tiny_networks import TINY_NETWORK
from tests.support.worker_faults import MAP_FUNCTION

SECRET = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(16)}
"""Environment variables: the secret of the cluster, which Ray reads when it is imported."""
os.environ.update(SECRET)
ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'reportgen[ray]'")
PRINT = builtins.print
"""Python's own, which Ray replaces when it prints that a worker was killed."""
BATCH = 129
"""More than half of a shard's images, so that a batch is a unit, and a part."""
CLUSTER = """
import ray, sys
ray.init("local", num_cpus=2, include_dashboard=False, object_store_memory=100_000_000, _temp_dir=sys.argv[1],
         log_to_driver=False, logging_level="CRITICAL")
print(ray.get_runtime_context().gcs_address, flush=True)
sys.stdin.read()
"""
"""A cluster that ends with the process that holds the other end of its stdin."""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with ray_cluster._temporary_folder() as folder:
        environment = os.environ | {"RAY_USAGE_STATS_ENABLED": "0"}
        command = [sys.executable, "-c", CLUSTER, str(folder)]
        with subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as cluster:
            assert cluster.stdout is not None
            yield cluster.stdout.readline().strip()
            cluster.communicate()


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As many as a worker has, because the rounding of networks depends on it."""
    threads = torch.get_num_threads()
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def config_for(folder: Path, images: int, out: str, **settings: object) -> AuditConfig:
    """An audit of the first images of `folder / data`, without boxes."""
    rows = [("path", "label"), *((path.name, path.name.split("-")[0]) for path in sorted(folder.glob("data/*.png")))]
    table = folder / "data" / f"table-{out}.csv"
    with open(table, "w", newline="") as file:
        csv.writer(file).writerows(rows[: images + 1])
    given = {
        "data": table, "classes": folder / "data" / "classes.txt", "model": TINY_NETWORK, "map_function": MAP_FUNCTION,
        "device": "cpu", "precision": "fp32", "runtime": "torch", "batch_size": BATCH, "select": "none",
        "page_limit": 1, "name": "squares", "out": folder / out,
    }  # fmt: skip
    return AuditConfig(**(given | settings))  # type: ignore[arg-type]


def shards(out: Path) -> dict[str, bytes]:
    """The shards of the forward pass, by the numbers of their units."""
    return {path.name: path.read_bytes() for path in out.glob("cache/*/[0-9]*-*.npz")}


def report(out: Path) -> dict[str, bytes]:
    site = {path.relative_to(out).as_posix(): path.read_bytes() for path in out.glob("site/**/*") if path.is_file()}
    return site | {name: (out / name).read_bytes() for name in ("predictions.csv", "metrics.json")}


def wait_until(is_so: Callable[[], object]) -> None:
    until = time.monotonic() + 300
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.01)


def working_workers() -> list[int]:
    """The numbers of the processes of this test's cluster that compute a part."""
    found = []
    for status in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            parent = status.with_name("stat").read_text().rpartition(")")[2].split()[1]
            if status.read_bytes().startswith(b"ray::PartWorker.compute"):
                is_ours = str(os.getpid()).encode() in Path("/proc", parent, "cmdline").read_bytes()
                found += [int(status.parent.name)] if is_ours else []
        except OSError:  # it has ended
            continue
    return found


def test_report_has_the_same_bytes_after_a_killed_driver_and_a_killed_worker(tmp_path: Path, address: str) -> None:
    squares(tmp_path / "data", each=87, side=24)
    local = config_for(tmp_path, 2 * BATCH + 1, "local")
    run_audit(local)
    config = replace(local, engine="ray", ray_address=address, cpus_per_worker=1, out=tmp_path / "ray")
    names = ("data", "classes", "model", "map_function", "device", "precision", "runtime", "batch_size", "select",
             "page_limit", "name", "engine", "ray_address", "cpus_per_worker", "out")  # fmt: skip
    flags = [text for name in names for text in (f"--{name.replace('_', '-')}", str(getattr(config, name)))]
    driver = start("run", *flags, "--quiet", cwd=Path(__file__).parents[2])
    wait_until(lambda: driver.poll() is not None or shards(config.out))
    driver.kill()
    stdout, stderr = driver.communicate()
    assert (driver.returncode, stdout, stderr) == (-signal.SIGKILL, "", "")
    before = {path: path.stat().st_ino for path in config.out.glob("cache/*/[0-9]*-*.npz")}

    killed = []

    def kill_a_worker() -> bool:
        with contextlib.suppress(ProcessLookupError):  # it has ended since it was found
            for worker in working_workers()[:1]:
                os.kill(worker, signal.SIGKILL)
                killed.append(worker)
        return bool(killed)

    threading.Thread(target=wait_until, args=(kill_a_worker,), daemon=True).start()
    summary = run_audit(config)
    assert killed
    assert {path: path.stat().st_ino for path in before} == before
    reused = sum(len(np.load(path)["samples/id"]) for path in before)
    assert (summary.computed, summary.reused) == (2 * BATCH + 1 - reused, reused)
    assert shards(config.out) == shards(local.out)
    assert len(shards(config.out)) == 3
    found, expected = report(config.out), report(local.out)
    assert [name for name in found | expected if found.get(name) != expected.get(name)] == []
    assert len(found) > 100
    assert not run_file(config.out).exists()


def test_parts_that_fail_are_named_after_all_others_are_computed(tmp_path: Path, address: str, capfd) -> None:
    squares(tmp_path / "data", each=87, side=24)
    for name, colour in (("green-60", "white"), ("red-86", "black")):
        Image.new("RGB", (24, 24), colour).save(tmp_path / "data" / f"{name}.png")
    config = config_for(tmp_path, 3 * 87, "ray", engine="ray", ray_address=address, cpus_per_worker=1)
    with pytest.raises(ReportgenError) as raised:
        run_audit(config)
    assert "failed in 3 workers: " in str(raised.value)
    assert "part 2 of 3, images `" in str(raised.value) or "part 3 of 3, images `" in str(raised.value)
    assert str(raised.value).endswith(("; so did part 2", "; so did part 3"))
    assert [name[:6] for name in shards(config.out)] == ["000000"]
    printed = capfd.readouterr()
    assert (printed.out, printed.err) == ("", "")
    assert builtins.print is PRINT


@pytest.mark.parametrize("given", ["127.0.0.1:1", "auto"])
def test_cluster_that_is_not_there_is_one_line(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    with (
        pytest.raises(ConfigError, match="this machine finds no Ray cluster at `"),
        ray_cluster.connected(AuditConfig(ray_address=given), 1),
    ):
        pass


def test_missing_ray_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError, match="needs Ray"), ray_cluster.connected(AuditConfig(), 1):
        pass


def test_worker_refuses_a_folder_and_versions_that_are_not_the_drivers(tmp_path: Path) -> None:
    squares(tmp_path / "data", each=2, side=24)
    job = WorkerJob(config_for(tmp_path, 6, "ray"), os.getcwd(), "some run", [{"torch": "1.0"}])
    with pytest.raises(ConfigError, match="does not see this run's folder"):
        PartWorker().load(job)
    run_file(job.config.out).parent.mkdir(parents=True)
    run_file(job.config.out).write_text("some run")
    with pytest.raises(ConfigError, match=r"a Ray worker on .* computes with `"):
        PartWorker().load(job)


@pytest.mark.parametrize("given", ["", "ray://host:10001", "http://host:8265", "host", "host:name"])
def test_bad_address_is_refused(given: str) -> None:
    with pytest.raises(ConfigError, match="`ray_address` is "):
        AuditConfig(ray_address=given)
