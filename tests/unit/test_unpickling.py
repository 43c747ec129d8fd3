"""Code in files of weights never runs."""

from __future__ import annotations

import argparse
import builtins
import contextlib
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from reportgen.errors import ModelError
from reportgen.models.checkpoints import read_checkpoint
from reportgen.models.weights import load_weights
from tests.support.checkpoint_builders import network


def load(path: Path) -> nn.Module:
    """A network of other weights after the file was loaded into it."""
    module = network(1)
    load_weights(module, read_checkpoint(path))
    return module


def expect_weights(module: nn.Module, other: nn.Module) -> None:
    """The same weights, to the bit."""
    for key, value in other.state_dict().items():
        assert torch.equal(module.state_dict()[key], value)


class Call:
    """Pickled as a call, which runs when the pickle is read."""

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple:
        return self.call


class Items(dict):
    """A dictionary with a call as its state."""

    def __init__(self, state: object = None) -> None:
        super().__init__()
        self.state = state

    def __reduce__(self) -> tuple:
        return (Items, (), self.state)


def payloads(trap: Path) -> dict[str, object]:
    """Objects that make a file when a pickle with them is read."""
    shell, code = Call(os.system, f"touch {trap}"), Call(builtins.eval, f"open({str(trap)!r}, 'w')")
    call = Call(exec, f"import pathlib; pathlib.Path({str(trap)!r}).touch()")
    return {
        "system": shell,
        "eval": code,
        "exec": call,
        "bound": Call(Path.touch, trap),
        "nested pickle": Call(pickle.loads, pickle.dumps(code)),
        "nested torch file": Call(torch.load, Call(open, trap, "w")),
        "as an argument": argparse.Namespace(inner=[{"deep": code}, Call(print, shell)]),
        "as a state": Items(code),
    }


@pytest.mark.parametrize("legacy", [True, False])
@pytest.mark.parametrize("name", payloads(Path("trap")))
def test_code_in_a_checkpoint_never_runs(tmp_path: Path, name: str, legacy: bool) -> None:
    trap = tmp_path / "trap"
    original = network()
    for content in ({"state_dict": original.state_dict(), "args": payloads(trap)[name]}, payloads(trap)[name]):
        torch.save(content, tmp_path / "a.pth", _use_new_zipfile_serialization=not legacy)
        with contextlib.suppress(ModelError):
            expect_weights(load(tmp_path / "a.pth"), original)
        assert not trap.exists()


@pytest.mark.parametrize("name", payloads(Path("trap")))
def test_payloads_run_in_an_unsafe_reader(tmp_path: Path, name: str) -> None:
    """Otherwise the test above could not fail."""
    trap = tmp_path / "trap"
    torch.save({"args": payloads(trap)[name]}, tmp_path / "a.pth")
    with contextlib.suppress(Exception):  # the call returns something else than weights
        torch.load(tmp_path / "a.pth", weights_only=False)
    assert trap.exists()


class Code(str):
    """Stands for a tensor's storage, whose id is a call."""


class WithCalls(pickle.Pickler):
    """Writes calls into the ids of storages."""

    def persistent_id(self, value: object) -> object:
        return ("storage", Call(builtins.eval, str(value)), "0", "cpu", 1) if isinstance(value, Code) else None


def test_code_in_a_persistent_id_never_runs(tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    with zipfile.ZipFile(tmp_path / "a.pth", "w") as archive:
        with archive.open("a/data.pkl", "w") as file:
            WithCalls(file, 2).dump([Code(f"open({str(trap)!r}, 'w')")])
        archive.writestr("a/version", "3\n")
        archive.writestr("a/data/0", bytes(4))
    with pytest.raises(ModelError, match="cannot read weights"):
        load(tmp_path / "a.pth")
    assert not trap.exists()
    with pytest.raises(Exception):  # noqa: B017, PT011 - whatever: the call gives no type of storage
        torch.load(tmp_path / "a.pth", weights_only=False)
    assert trap.exists()


def test_names_in_a_file_are_not_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "trapped.py").write_text("import pathlib\npathlib.Path(__file__).with_name('trap').touch()\n")
    blob = pickle.dumps({"state_dict": {}, "args": Call(os.getcwd)}, 2).replace(b"cposix\ngetcwd", b"ctrapped\nClass")
    assert b"trapped" in blob
    with zipfile.ZipFile(tmp_path / "a.pth", "w") as archive:
        archive.writestr("a/data.pkl", blob)
        archive.writestr("a/version", "3\n")
    with pytest.raises(ModelError, match=r"pickled object \(`trapped.Class`\)"):
        load(tmp_path / "a.pth")
    assert not (tmp_path / "trap").exists()
    with pytest.raises(AttributeError):
        pickle.loads(blob)
    assert (tmp_path / "trap").exists()
