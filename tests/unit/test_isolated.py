"""A decoder that crashes, hangs, eats memory or prints ends or speaks for its own file only."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reportgen.data import isolated
from reportgen.data.decoding import decode, decoding_error
from reportgen.data.isolated import CallError, Isolated, close_all
from reportgen.data.samples import Sample
from reportgen.models.classifier import Preprocessing
from reportgen.pipeline import image_loader
from reportgen.pipeline.image_loader import LoadedImage, load_images
from tests.support.square_images import squares

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux only")


def own_process(number: int) -> tuple[int, int]:
    return number, os.getpid()


def refuse(text: str) -> None:
    raise ValueError(text)


def crash() -> None:
    ctypes.CDLL(None).puts(b"out of joint")
    ctypes.CDLL(None).abort()


def crash_once(mark: Path) -> str:
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGSEGV)
    return "done"


def hang() -> None:
    time.sleep(600)


def hang_in_c() -> None:
    ctypes.PyDLL(None).sleep(600)  # holds the interpreter's lock


def eat_memory() -> int:
    return np.ones(2 * isolated.MAX_BYTES, np.uint8).nbytes


def leave() -> None:
    os._exit(3)


def talk(times: int) -> str:
    for n in range(times):
        os.write(2, b"tempfile.tif: WEBP compression support is not configured.\n")
        warnings.warn(f"odd chunk {n}", stacklevel=1)
    return "decoded"


def test_calls_are_made_in_few_other_processes_and_errors_come_back() -> None:
    with Isolated(2) as processes:
        found = [processes.call(own_process, n).value for n in range(20)]
        assert [number for number, _ in found] == list(range(20))
        assert len({process for _, process in found}) == 1
        assert found[0][1] != os.getpid()
        answer = processes.call(refuse, "too blue")
        assert (type(answer.error), str(answer.error), answer.said) == (ValueError, "too blue", "")


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (crash, "its decoder crashed (SIGABRT)"),
        (leave, "its decoder ended the process (exit status 3)"),
        (hang, "it takes longer than 0.3 s"),
        (hang_in_c, "it takes longer than 0.3 s"),
    ],
)
def test_call_that_ends_or_blocks_its_process_is_an_error(function: Callable, reason: str, monkeypatch) -> None:
    monkeypatch.setattr(isolated, "MAX_SECONDS", 0.3 if "0.3" in reason else 60)
    with Isolated(1) as processes:
        answer = processes.call(function)
        assert isinstance(answer.error, CallError)
        assert decoding_error("a.png", answer).startswith(f"`a.png` cannot be decoded: {reason}")
        monkeypatch.setattr(isolated, "MAX_SECONDS", 60)
        assert processes.call(own_process, 5).value[0] == 5


def test_call_whose_process_was_killed_is_made_again(tmp_path: Path) -> None:
    with Isolated(1) as processes:
        assert processes.call(crash_once, tmp_path / "mark").value == "done"


def test_memory_of_a_call_is_bounded(monkeypatch) -> None:
    monkeypatch.setattr(isolated, "MAX_BYTES", 200 << 20)
    with Isolated(1) as processes:
        answer = processes.call(eat_memory)
    assert decoding_error("a.png", answer) == "`a.png` cannot be decoded: it needs too much memory"


def test_output_of_libraries_and_warnings_belong_to_their_call(capfd: pytest.CaptureFixture[str]) -> None:
    with Isolated(1) as processes:
        assert processes.call(talk, 2).said == (
            "tempfile.tif: WEBP compression support is not configured; odd chunk 0; odd chunk 1"
        )
        assert processes.call(own_process, 1).said == ""
        assert len(processes.call(talk, 50_000).said) == isolated.MAX_SAID
        assert processes.call(talk, 0).said == ""
    assert capfd.readouterr() == ("", "")


def test_closing_ends_a_call_that_hangs() -> None:
    errors = []

    def wait() -> None:
        try:
            processes.call(hang)
        except CallError as error:
            errors.append(error)

    with Isolated(1) as processes:
        thread = threading.Thread(target=wait)
        thread.start()
        while not processes._all:
            time.sleep(0.01)
        close_all()
        thread.join(30)
        assert not thread.is_alive()
    assert [str(error) for error in errors] == ["the run was interrupted"]


@pytest.fixture
def samples(tmp_path: Path) -> list[Sample]:
    squares(tmp_path, each=4, side=32)
    return [Sample(path, path.name) for path in sorted(tmp_path.glob("*.png"))]


def loaded(samples: list[Sample]) -> list[LoadedImage]:
    return list(load_images(samples, lambda *_: False, Preprocessing(size=32), "warp", "exact", 3, 4))


def test_images_that_kill_or_block_their_decoder_are_named_and_the_others_decoded(samples, monkeypatch) -> None:
    def dangerous(data: bytes, name: str) -> Image.Image:
        if name == "blue-1.png":
            crash()
        if name == "red-0.png":
            hang()
        if name == "red-1.png":
            os.write(2, b"unknown field\n")
        if name == "red-2.png":
            os.write(2, b"bad strip\n")
            refuse("broken")
        return decode(data, name)

    monkeypatch.setattr(image_loader, "decode_scaled", lambda data, name, _: (dangerous(data, name), (32, 32)))
    monkeypatch.setattr(image_loader, "_fatal", {})
    monkeypatch.setattr(isolated, "MAX_SECONDS", 2)
    found = {sample.name: image for sample, image in zip(samples, loaded(samples), strict=True)}
    errors = {name: image.error for name, image in found.items() if image.error}
    assert errors == {
        "blue-1.png": (
            "`blue-1.png` cannot be decoded: its decoder crashed (SIGABRT) (the decoder printed: out of joint)"
        ),
        "red-0.png": "`red-0.png` cannot be decoded: it takes longer than 2 s",
        "red-2.png": "`red-2.png` cannot be decoded: broken (the decoder printed: bad strip)",
    }
    assert {name: image.said for name, image in found.items() if image.said} == {"red-1.png": "unknown field"}
    start = time.monotonic()
    assert [image.error for image in loaded(samples) if image.error] == list(errors.values())
    assert time.monotonic() - start < 2, "an image that blocked its decoder was tried again"


def test_isolated_decoding_gives_the_pixels_of_decoding_here(samples) -> None:
    for sample, image in zip(samples, loaded(samples), strict=True):
        here = image_loader.load_image(sample, lambda *_: False, Preprocessing(size=32), "warp")
        assert (image.id, image.decoded.size, image.decoded.window) == (here.id, here.decoded.size, here.decoded.window)
        assert image.decoded.picture == here.decoded.picture
        np.testing.assert_array_equal(image.decoded.pixels, here.decoded.pixels)
        np.testing.assert_array_equal(image.decoded.tiny, here.decoded.tiny)
