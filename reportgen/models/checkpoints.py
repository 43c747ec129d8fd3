"""Checkpoints: files and folders that hold the weights of a network, alone or among other things."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import safetensors
import torch
from torch import Tensor

from reportgen.data.files import cause, indexed_files, one_line
from reportgen.errors import ModelError
from reportgen.models.file_formats import DOWNLOAD, SAVE, file_format
from reportgen.models.unpickling import load_pickled, pickled_class

ENDINGS = (
    ".pth", ".pt", ".ckpt", ".tar", ".bin", ".safetensors", ".npz", ".json", ".pkl", ".onnx", ".h5", ".pt2", ".zip",
)  # fmt: skip
"""Endings of a setting `weights` that is meant as a path."""
INDEX = ".index.json"
IN_FOLDER = (f"*.safetensors{INDEX}", f"*.bin{INDEX}", "*.safetensors", "*.bin", "*.pth", "*.pt", "*.ckpt")
"""Files that a folder has its weights in, the preferred first."""
EMA = ("state_dict_ema", "model_ema", "ema_state_dict", "ema_model", "params_ema", "ema")
"""Entries with averaged weights (exponential moving average). They are preferred: training scripts evaluate these."""
PLAIN = ("state_dict", "model_state_dict", "model_state", "model", "net", "params", "weights")
DISTILLATION = ("teacher", "student")
"""Entries that are used if no other fits."""


@dataclass(frozen=True)
class StateDict:
    """Tensors by key. entry: the entries of the checkpoint that lead to it; empty for the checkpoint itself."""

    tensors: Mapping[str, Tensor]
    entry: tuple[str, ...] = ()


@dataclass(frozen=True)
class Checkpoint:
    """The state dicts of a checkpoint, the preferred one first, and the metadata of a safetensors file."""

    path: Path
    states: tuple[StateDict, ...]
    metadata: Mapping[str, str]


def weights_path(value: str) -> Path | None:
    """Return the path that a setting `weights` is; None for a name such as `DEFAULT`, `random` or `IMAGENET1K_V1`.

    Errors: ModelError if it looks like a path and does not exist.
    """
    if value in ("DEFAULT", "random"):
        return None
    path = Path(value)
    if os.path.exists(path):  # unlike `Path.exists`, it has no errors
        return path
    if "/" in value or os.sep in value or path.suffix.lower() in ENDINGS:
        raise ModelError(f"cannot read weights `{value}`: no such file", "give the path of a file or folder")
    return None


def is_ema(names: Iterable[str]) -> bool:
    """Return whether one of the entries, or of the parts of a prefix, is for averaged weights."""
    return any(name in EMA for name in names)


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a file of weights, an index of several, or a folder that has one of them. Code in a file is never run.

    Errors: ModelError.
    """
    try:
        path = _file_of(path)
        content, metadata = (_read_shards(path), {}) if path.name.endswith(INDEX) else _read(path)
    except ModelError:
        raise
    except OSError as error:
        raise ModelError(f"cannot read weights `{path}`: {cause(error)}") from None
    except Exception:  # the readers raise nearly every type of exception on a damaged file
        raise ModelError(f"cannot read weights `{path}`: the file is damaged or incomplete", DOWNLOAD) from None
    states = tuple(sorted(_state_dicts(content), key=lambda state: not is_ema(state.entry)))
    if not states:
        raise _without_state_dict(path, content)
    return Checkpoint(path, states, metadata)


def _file_of(path: Path) -> Path:
    """The file itself, or the one in a folder that has its weights."""
    if not path.is_dir():
        return path
    for pattern in IN_FOLDER:
        files = sorted(path.glob(pattern))
        if len(files) > 1:
            names = ", ".join(f"`{one_line(file.name)}`" for file in files[:3])
            raise ModelError(f"`{path}` has {len(files)} files of weights: {names}", "give one of them")
        if files:
            return files[0]
    if (path / ".metadata").exists():
        raise ModelError(
            f"`{path}` is a distributed checkpoint, which cannot be read without running its code",
            f"if you trust it: python -m torch.distributed.checkpoint.format_utils dcp_to_torch {path} weights.pth",
        )
    raise ModelError(f"the folder `{path}` has no file of weights", f"it must have one {', '.join(IN_FOLDER)}")


def _read(path: Path) -> tuple[object, Mapping[str, str]]:
    """The content of one file, and its metadata."""
    match file_format(path):
        case "safetensors":
            with safetensors.safe_open(path, "pt") as file:
                return {key: file.get_tensor(key) for key in file.keys()}, file.metadata() or {}  # noqa: SIM118
        case "npz":
            with np.load(path, allow_pickle=False) as arrays:
                return {key: torch.from_numpy(array) for key, array in arrays.items()}, {}
        case "torch":
            return load_pickled(path), {}


def _read_shards(index: Path) -> dict[object, object]:
    """The tensors of all files that an index names."""
    names = indexed_files(index)
    missing = [name for name in names if not (index.parent / name).exists()]
    if missing:
        raise ModelError(
            f"`{index}` names {len(names)} files of weights, of which `{one_line(missing[0])}` is missing", DOWNLOAD
        )
    tensors: dict[object, object] = {}
    for name in names:
        content, _ = _read(index.parent / name)
        tensors |= content if isinstance(content, Mapping) else {}
    return tensors


def _state_dicts(content: object, entry: tuple[str, ...] = ()) -> Iterator[StateDict]:
    """The state dicts in a checkpoint, the preferred first: the mappings that have a tensor under a name.

    The states of an optimizer have numbers for names, so they are none.
    """
    if not isinstance(content, Mapping):
        return
    named = {key: value for key, value in content.items() if isinstance(key, str)}
    tensors = {key: value for key, value in named.items() if isinstance(value, Tensor)}
    itself = [StateDict(tensors, entry)] if tensors else []
    first = [name for name in (*EMA, *PLAIN) if name in named]
    last = [name for name in DISTILLATION if name in named]
    for name in first:
        yield from _state_dicts(named[name], (*entry, name))
    yield from itself
    for name in (*(name for name in named if name not in (*first, *last)), *last):
        yield from _state_dicts(named[name], (*entry, name))


def _without_state_dict(path: Path, content: object) -> ModelError:
    """The error for a readable file without weights, or with weights in a pickled module."""
    entries = dict(content) if isinstance(content, Mapping) else {}
    for entry, value in (("", content), *((f"[{key!r}]", value) for key, value in entries.items())):
        if name := pickled_class(value):
            return ModelError(
                f"cannot read weights `{path}`: it has a pickled object (`{one_line(name)}`), which needs its code",
                "where that is installed, and if you trust the file: "
                f"torch.save(torch.load(FILE, weights_only=False){one_line(entry)}.state_dict(), 'weights.pth')",
            )
    keys = f" with keys {', '.join(f'`{one_line(str(key))}`' for key in list(entries)[:3])}" if entries else ""
    return ModelError(f"`{path}` is not a state dict but a {type(content).__name__}{keys}", SAVE)
