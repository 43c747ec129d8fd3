"""Data, tables and weights by URL: the report is that of local files, and nothing that is unchanged is read again."""

from __future__ import annotations

import csv
import io
import json
import os
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import fsspec
import pytest
import safetensors.torch

from reportgen.config import AuditConfig
from reportgen.data import remote
from reportgen.data.class_names import ClassNames
from reportgen.data.readers.dataset import read_dataset
from reportgen.data.remote import RemoteFile, RemoteFiles
from reportgen.data.remote_inputs import local_data
from reportgen.errors import DataError
from reportgen.pipeline.run import run_audit
from tests.support.remote_servers import http_server
from tests.support.square_images import COLOURS, squares
from tests.support.tiny_networks import TINY_NETWORK, other_network

SECRET = "wJalrXUtnFEMI-K7MDENG-bPxRfiCYEXAMPLEKEY"
RESULTS = ("metrics.json", "predictions.csv", "localization.csv", "left_out.csv")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of class folders, a table, class names, and weights."""
    table = squares(tmp_path / "photos", each=3)
    for colour in COLOURS:
        (table.parent / colour).mkdir()
        for i in range(3):
            (table.parent / f"{colour}-{i}.png").rename(table.parent / colour / f"no {i}.png")
    rows = list(csv.DictReader(table.read_text().splitlines()))
    names = {f"{colour}-{i}.png": f"{colour}/no {i}.png" for colour in COLOURS for i in range(3)}
    lines = [",".join([names[row.pop("path")], *row.values()]) for row in rows]
    table.write_text("\n".join(["path,label,x0,y0,x1,y1", *lines]) + "\n")
    safetensors.torch.save_file(other_network().state_dict(), table.parent / "best.safetensors")
    return table.parent


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "WAITS", (0, 0))


def config(out: Path, data: str | Path, **settings: object) -> AuditConfig:
    plain = AuditConfig(data=Path(data), model=TINY_NETWORK, select="none", out=out)
    return replace(plain, **settings)  # type: ignore[arg-type]


def results(out: Path) -> dict[str, str]:
    return {name: (out / name).read_text() for name in RESULTS if (out / name).exists()}


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are read whole, in the order of reading."""
    found: list[str] = []
    read = RemoteFiles.read

    def counted(self: RemoteFiles, file: RemoteFile) -> bytes:
        found.append(file.path.rpartition("/")[2])
        return read(self, file)

    monkeypatch.setattr(RemoteFiles, "read", counted)
    return found


def test_report_of_a_folder_in_memory_is_that_of_the_local_folder(photos: Path, tmp_path: Path, reads) -> None:
    files = fsspec.filesystem("memory")
    files.store.clear()
    files.put(str(photos), "/photos", recursive=True)
    local, distant = tmp_path / "local", tmp_path / "distant"
    run_audit(config(local, photos, classes=photos / "classes.txt"))
    settings = config(distant, "memory://photos", classes=photos / "classes.txt")
    run_audit(settings)
    assert results(distant) == results(local)
    assert sorted(reads) == sorted(f"no {i}.png" for i in range(3) for _ in COLOURS)  # each once, for all stages
    reads.clear()
    assert run_audit(settings).is_fresh
    assert run_audit(replace(settings, resize="crop", crop_pct=0.9)).computed == 9
    assert reads == []


def test_folder_over_http_is_read_once_and_only_changes_are_read_again(photos: Path, tmp_path: Path) -> None:
    with http_server(photos.parent) as server:
        settings = config(tmp_path / "out", f"{server.url}/photos", classes=photos / "classes.txt", select="1")
        first = run_audit(settings)
        assert first.computed == 9
        images = {f"photos/{colour}/no {i}.png" for colour in COLOURS for i in range(3)}
        assert {name: server.gets[name] for name in images} == dict.fromkeys(images, 1)
        assert server.gets["photos/best.safetensors"] == 0  # neither an image nor read by a reader
        server.gets.clear()
        assert run_audit(settings).is_fresh
        assert images.isdisjoint(server.gets)
        changed, deleted = photos / "red/no 0.png", photos / "red/no 1.png"
        changed.write_bytes((photos / "blue/no 0.png").read_bytes() + b"\0")
        os.utime(changed, (2e9, 2e9))
        deleted.unlink()
        again = run_audit(settings)
        assert (again.computed, again.reused) == (1, 7)
        assert {name for name in images if server.gets[name]} == {"photos/red/no 0.png"}


def test_failed_images_are_left_out_and_passing_failures_are_repeated(photos: Path, tmp_path: Path) -> None:
    with http_server(photos.parent) as server:
        server.failing = {"photos/red/no 0.png": 100, "photos/blue/no 1.png": 2}
        settings = config(tmp_path / "out", f"{server.url}/photos", classes=photos / "classes.txt")
        assert run_audit(settings).computed == 8
        rows = list(csv.DictReader((settings.out / "left_out.csv").read_text().splitlines()))
        unreadable = [row for row in rows if row["what"] == "unreadable"]
        assert [row["name"] for row in unreadable] == ["red/no 0.png"]
        assert "`no 0.png` cannot be read: 503" in unreadable[0]["reason"]
        server.failing = {}
        assert run_audit(settings).computed == 1


def test_table_pattern_and_weights_over_http(photos: Path, tmp_path: Path) -> None:
    for number in range(2):
        with tarfile.open(photos / f"shard-{number}.tar", "w") as file:
            for colour in COLOURS:
                file.add(photos / colour / f"no {number}.png", f"{colour}/{number}.png")
    missing = "red/gone.png,red,,,,\n"
    (photos / "table.csv").write_text((photos / "table.csv").read_text() + missing)
    with http_server(photos.parent) as server:
        url, names = f"{server.url}/photos", photos / "classes.txt"
        table = config(tmp_path / "table", f"{url}/table.csv", classes=Path(f"{url}/classes.txt"))
        local = config(tmp_path / "local", photos / "table.csv", classes=names)
        run_audit(table)
        run_audit(local)
        assert results(table.out) == results(local.out)
        assert "gone.png" in (table.out / "left_out.csv").read_text()
        pattern = Path(f"{url}/shard-{{0..1}}.tar")
        shards = read_dataset(local_data(pattern, tmp_path / "cache"), ClassNames(tuple(COLOURS)))
        assert sorted(sample.read() for sample in shards.samples) == sorted(
            (photos / colour / f"no {number}.png").read_bytes() for colour in COLOURS for number in range(2)
        )
        weights = f"{url}/best.safetensors?signature={SECRET}"
        with_weights = config(tmp_path / "weights", photos / "table.csv", classes=names, weights=weights)
        run_audit(with_weights)
        trained = config(
            tmp_path / "trained", photos / "table.csv", classes=names, weights=str(photos / "best.safetensors")
        )
        run_audit(trained)
        assert results(with_weights.out)["predictions.csv"] == results(trained.out)["predictions.csv"]
        assert results(with_weights.out)["predictions.csv"] != results(local.out)["predictions.csv"]
        assert files_with(with_weights.out, SECRET) == []
        stated = json.loads((with_weights.out / "report.json").read_text())["config"]["weights"]
        assert stated == f"{url}/best.safetensors"


def files_with(out: Path, secret: str) -> list[str]:
    return [str(path) for path in out.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]


@pytest.fixture
def bucket(photos: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An S3 bucket that has the photos, and the credentials in the environment."""
    pytest.importorskip("s3fs")
    server_of = pytest.importorskip("moto.server")
    server = server_of.ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for key, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "AKIAEXAMPLEKEYID",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(key, value)
    files = fsspec.filesystem("s3", skip_instance_cache=True)
    files.mkdir("bucket")
    (photos / "table.csv").rename(photos.parent / "table.csv")
    files.put(str(photos.parent / "table.csv"), "bucket/table.csv")
    files.put(str(photos), "bucket/photos", recursive=True)
    fsspec.filesystem("s3").clear_instance_cache()
    yield "s3://bucket/photos"
    server.stop()


def test_data_table_and_weights_on_s3(bucket: str, photos: Path, tmp_path: Path, reads) -> None:
    settings = config(
        tmp_path / "out",
        bucket,
        classes=Path(f"{bucket}/classes.txt"),
        annotations=Path("s3://bucket/table.csv"),
        weights=f"{bucket}/best.safetensors",
    )
    local = config(
        tmp_path / "local",
        photos,
        classes=photos / "classes.txt",
        annotations=photos.parent / "table.csv",
        weights=str(photos / "best.safetensors"),
    )
    run_audit(settings)
    run_audit(local)
    assert results(settings.out) == results(local.out)
    assert len(reads) == 9
    assert run_audit(settings).is_fresh
    assert len(reads) == 9
    assert files_with(settings.out, SECRET) + files_with(settings.out, "AKIAEXAMPLEKEYID") == []
    provenance = json.loads((settings.out / "report.json").read_text())["config"]
    assert provenance["data"] == bucket
    assert provenance["weights"] == f"{bucket}/best.safetensors"
    fsspec.filesystem("s3").rm("bucket/photos/red/no 2.png")
    assert run_audit(settings).reused == 8
    with pytest.raises(DataError, match="`s3://bucket/nothing` cannot be read: it does not exist, or has no files"):
        run_audit(replace(settings, data=Path("s3://bucket/nothing")))
    with pytest.raises(DataError, match=r"`s3://bucket/photos/gone\.csv` cannot be read: it does not exist"):
        run_audit(replace(settings, annotations=Path("s3://bucket/photos/gone.csv")))


def test_messages_name_the_url_and_not_the_local_copy(tmp_path: Path) -> None:
    files = fsspec.filesystem("memory")
    files.store.clear()
    files.pipe("/photos/notes.txt", b"no image")
    files.pipe("/best.pth", b"no weights")
    with pytest.raises(DataError) as caught:
        run_audit(config(tmp_path / "out", "memory://photos"))
    assert "memory://photos" in str(caught.value)
    assert "cache" not in str(caught.value)


def test_packed_files_with_images_are_copied_whole(photos: Path, tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    images = [(photos / colour / "no 0.png").read_bytes() for colour in COLOURS]
    struct = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    table = pa.table({"image": pa.array([{"bytes": b, "path": None} for b in images], struct), "label": list(COLOURS)})
    file = io.BytesIO()
    pq.write_table(table, file)
    files = fsspec.filesystem("memory")
    files.store.clear()
    files.pipe("/packed/train-0.parquet", file.getvalue())
    for data in ("memory://packed/train-0.parquet", "memory://packed", "memory://packed/train-*.parquet"):
        samples = read_dataset(local_data(Path(data), tmp_path / "cache"), ClassNames(tuple(COLOURS))).samples
        assert [sample.read() for sample in samples] == images
        assert [sample.label for sample in samples] == [0, 1, 2]
