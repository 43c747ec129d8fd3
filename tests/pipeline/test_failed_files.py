"""Files that cannot be read: too many end a run; those that cannot be decoded are tried again only on request."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from reportgen.config import AuditConfig
from reportgen.data.readers.dataset import read_dataset
from reportgen.errors import ConfigError, DataError
from reportgen.models.classifier import Preprocessing
from reportgen.models.sources import load_classifier
from reportgen.pipeline import failed_files, image_loader
from reportgen.pipeline.extraction import run_model
from reportgen.pipeline.failed_files import RECORD, FailedFiles, forget_failed_files
from reportgen.pipeline.part_pass import Extraction
from reportgen.pipeline.progress import silent
from reportgen.pipeline.quick_check import settings_of_report
from tests.support.square_images import squares
from tests.support.tiny_networks import TINY_NETWORK

BROKEN = b"\x89PNG\r\n\x1a\n and no more"


def extracted(folder: Path, gone: str = "", **settings: object) -> Extraction:
    """The extraction stage over `folder/data`, of 32 × 32 images. gone: a file that vanishes after it was listed."""
    data = folder / "data"
    config = AuditConfig(data=data / "table.csv", out=folder / "out", model=TINY_NETWORK, batch_size=2, **settings)
    config = replace(config, precision="fp32", runtime="torch", store_feature_maps="no")
    classifier = replace(load_classifier(config), preprocessing=Preprocessing(size=32))
    dataset = read_dataset(data / "table.csv", classifier.class_names)
    (data / gone).rename(data / f"{gone}.gone") if gone else None
    return run_model(dataset, classifier, config, torch.device("cpu"), silent).extraction


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Nine images, of which two are broken."""
    squares(tmp_path / "data", each=3, side=32)
    for name in ("blue-1.png", "red-1.png"):
        (tmp_path / "data" / name).write_bytes(BROKEN + name.encode())
    return tmp_path


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are decoded."""
    names: list[str] = []
    plain = image_loader._loaded

    def noted(sample, *rest):  # type: ignore[no-untyped-def]
        names.append(sample.name)
        return plain(sample, *rest)

    monkeypatch.setattr(image_loader, "_loaded", noted)
    return names


def test_failed_files_are_decoded_again_only_on_request(data: Path, decoded: list[str]) -> None:
    first = extracted(data)
    assert sorted(decoded) == ["blue-0.png", "blue-1.png", "blue-2.png", *(f"green-{i}.png" for i in range(3)),
                               "red-0.png", "red-1.png", "red-2.png"]  # fmt: skip
    assert set(first.undecodable) == {"blue-1.png", "red-1.png"}
    decoded.clear()
    again = extracted(data)
    assert decoded == []
    assert (again.unreadable, again.undecodable, again.reused) == (first.unreadable, first.undecodable, 7)
    forget_failed_files(data / "out" / "cache")
    third = extracted(data)
    assert sorted(decoded) == ["blue-1.png", "red-1.png"]
    assert third.unreadable == first.unreadable


def test_mended_and_missing_files_are_tried_in_every_run(data: Path, decoded: list[str]) -> None:
    """A failure belongs to the bytes of a file, and a file that cannot be opened has none."""
    first = extracted(data, gone="red-2.png")
    assert len(first.unreadable) == 3
    assert "red-2.png" not in first.undecodable
    decoded.clear()
    (data / "data" / "red-2.png.gone").rename(data / "data" / "red-2.png")
    Image.new("RGB", (32, 32), "blue").save(data / "data" / "blue-1.png")
    assert extracted(data).computed == 2
    assert sorted(decoded) == ["blue-1.png", "red-2.png"]


def test_record_is_of_bytes_ending_code_and_libraries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = FailedFiles(tmp_path, "exact")
    record.add("ab" * 32, "a.png", "`a.png` cannot be decoded: truncated")
    record.save()
    again = FailedFiles(tmp_path, "exact")
    assert again.reason("ab" * 32, "x/other.PNG") == "`x/other.PNG` cannot be decoded: truncated"
    assert again.reason("ab" * 32, "a.tga") is None
    assert again.reason("cd" * 32, "a.png") is None
    assert FailedFiles(tmp_path, "fast").reason("ab" * 32, "a.png") is None
    monkeypatch.setattr(failed_files, "versions", lambda: [("pillow", "99")])
    assert FailedFiles(tmp_path, "exact").reason("ab" * 32, "a.png") is None
    monkeypatch.undo()
    (tmp_path / RECORD).write_text("[")
    assert FailedFiles(tmp_path, "exact").reason("ab" * 32, "a.png") is None


def test_too_many_unreadable_files_end_the_run_early(data: Path) -> None:
    assert len(extracted(data, gone="red-2.png", max_failure_rate=3 / 9).unreadable) == 3
    (data / "data" / "red-2.png.gone").rename(data / "data" / "red-2.png")
    with pytest.raises(DataError) as raised:
        extracted(data, max_failure_rate=0.1)
    assert str(raised.value) == (
        "1 of 9 files cannot be read, which is more than `max_failure_rate = 0.1` allows; the first: `blue-1.png` "
        "cannot be decoded: not an image in a format that can be read"
    )
    assert raised.value.hint == "mend the files, or raise --max-failure-rate"


def test_run_that_ended_early_has_recorded_the_failure(data: Path, decoded: list[str]) -> None:
    with pytest.raises(DataError):
        extracted(data, max_failure_rate=0.0)
    assert "blue-1.png" in decoded
    decoded.clear()
    extracted(data)
    assert "blue-1.png" not in decoded


@pytest.mark.parametrize("value", [-0.1, 1.5, "x"])
def test_failure_rate_is_a_number_from_0_to_1(value: object) -> None:
    with pytest.raises(ConfigError, match="max_failure_rate"):
        AuditConfig(max_failure_rate=value)  # type: ignore[arg-type]


def test_a_report_does_not_follow_from_whether_files_were_tried_again() -> None:
    assert settings_of_report(AuditConfig(retry_failed=True)) == settings_of_report(AuditConfig())
    assert settings_of_report(AuditConfig(max_failure_rate=0.5)) != settings_of_report(AuditConfig())
