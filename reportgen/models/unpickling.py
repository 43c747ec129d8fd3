"""Reading of files by `torch.save` without running code.

A checkpoint often has other objects than weights: arguments, paths, NumPy numbers. PyTorch's `weights_only`
reader refuses all but a few classes, but it takes classes that it is given for a name. So each name in the file that is
not PyTorch's is given an empty class of this module. The names are never looked up: nothing is imported, and nothing
that the file names is called.
"""

from __future__ import annotations

import pickle
import pickletools
import warnings
import zipfile
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING  # Python 2's names, which pickles of torch.save have
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from reportgen.data.files import one_line
from reportgen.errors import ModelError
from reportgen.models.file_formats import SAVE

LEGACY_PICKLES = 4
"""A file that is no zip archive begins with this many pickles: a magic number, a version, system information, objects.
Names of storages and their bytes follow."""
HIGHEST_PROTOCOL = 3
"""The newest pickle protocol that PyTorch's `weights_only` reader takes; `torch.save` writes 2 by default."""
CLASS_NAME = "reportgen placeholder of"
"""Attribute of a placeholder with the name in the file."""
WITH_TUPLE_STATE = ("numpy.", "functools.", "random.")
"""Beginnings of the names of classes whose objects are saved with a tuple in the place of their attributes."""


class Opaque:
    """Placeholder of an object of `WITH_TUPLE_STATE`."""

    def __init__(self, *arguments: object) -> None:
        """Ignore what the file gives."""

    def __setstate__(self, state: object) -> None:
        """Ignore what the file gives."""


def load_pickled(path: Path) -> object:
    """Return the content of a file by `torch.save`, tensors on the CPU, with placeholders for objects of other classes.

    A placeholder is a dictionary: it has the items of the object, if that was a dictionary, and its attributes.
    Errors: ModelError for objects that have no placeholder; those of PyTorch's and Python's readers, of nearly every
        type, for a damaged file.
    """
    names = _names(path)
    placeholders: list[Callable[..., Any] | tuple[Callable[..., Any], str]]
    placeholders = [(_placeholder(name), name) for name in names]
    try:
        with torch.serialization.safe_globals(placeholders), warnings.catch_warnings(), path.open("rb") as file:
            warnings.simplefilter("ignore")  # about formats that are no longer written
            return torch.load(file, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, TypeError):
        raise _unreadable(path, names) from None


def pickled_class(content: object) -> str | None:
    """Return the name of the class whose placeholder this is; None if it is not a placeholder."""
    return vars(content).get(CLASS_NAME) if isinstance(content, Counter) else None


def _opcodes(path: Path) -> Iterator[tuple[str, Any]]:
    """The instructions of the pickles in a file by `torch.save`, with their arguments."""
    if not zipfile.is_zipfile(path):
        with path.open("rb") as file:
            for _ in range(LEGACY_PICKLES):
                yield from ((opcode.name, argument) for opcode, argument, _ in pickletools.genops(file))
        return
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            if entry.filename.split("/")[-1] != "data.pkl":
                continue
            if not entry.CRC:  # torch.serialization.set_crc32_options(False)
                del entry.CRC  # what is not there is not checked
            yield from ((opcode.name, argument) for opcode, argument, _ in pickletools.genops(archive.read(entry)))


def _names(path: Path) -> list[str]:
    """The full names of all functions and classes in a file by `torch.save`."""
    names = set()
    for opcode, argument in _opcodes(path):
        if opcode == "GLOBAL":
            module, name = argument.split(" ", 1)
            module, name = NAME_MAPPING.get((module, name), (IMPORT_MAPPING.get(module, module), name))
            names.add(f"{module}.{name}")
    return sorted(names)


def _placeholder(name: str) -> type[Any]:
    """A class for the objects of one name.

    PyTorch's reader sets items only of objects that are exactly a `dict`, an `OrderedDict` or a `Counter`, and sets
    attributes, with slots or without, of the last of these only. So the new objects are counters.
    """
    if name.startswith(WITH_TUPLE_STATE):
        return type("Opaque", (Opaque,), {})

    def create(cls: type[Any], *arguments: object) -> Counter[object]:
        made: Counter[object] = Counter()
        vars(made)[CLASS_NAME] = name
        return made

    return type("Placeholder", (), {"__new__": create})


def _unreadable(path: Path, names: list[str]) -> ModelError:
    """The error for a pickle that PyTorch's reader refuses."""
    protocol = max((argument for opcode, argument in _opcodes(path) if opcode == "PROTO"), default=0)
    if protocol > HIGHEST_PROTOCOL:
        return ModelError(f"cannot read weights `{path}`: it was saved with pickle protocol {protocol}", SAVE)
    foreign = [name for name in names if not name.startswith(("torch.", "collections."))]
    shown = f" ({', '.join(f'`{one_line(name)}`' for name in foreign[:3])})" if foreign else ""
    return ModelError(f"cannot read weights `{path}`: it has objects that cannot be read without code{shown}", SAVE)
