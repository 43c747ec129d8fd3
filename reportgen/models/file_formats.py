"""Formats of files that people keep weights in: those that are read, and what to do with the others."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import Literal

from reportgen.errors import ModelError

Format = Literal["torch", "safetensors", "npz"]

HEAD = 512
"""Bytes at the beginning of a file that identify its format."""
DOWNLOAD = "download or copy the file again"
UNPACK = "unpack it, and give the file of weights that is inside"
CONVERT = "reportgen reads PyTorch networks: convert the weights to PyTorch first"
SAVE = "save the weights alone: torch.save(model.state_dict(), 'weights.pth')"
ONNX = ("it is an ONNX model", "give the PyTorch weights that it was exported from")
TORCH_PICKLE = re.compile(rb"\x80.\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19\.", re.DOTALL)
"""The magic number of `torch.save` before PyTorch 1.6, as a pickle."""
SAFETENSORS = re.compile(rb".{4}\0{4}\{", re.DOTALL)
"""The length of the header, which is less than 4 GB, and the header's first byte: JSON."""

HEADS: tuple[tuple[re.Pattern[bytes], str, str], ...] = (
    (re.compile(rb"\Z"), "it is empty", DOWNLOAD),
    (re.compile(rb"version https://git-lfs"), "it is a Git LFS pointer", "`git lfs pull` downloads the file itself"),
    (
        re.compile(rb"(\xef\xbb\xbf)?\s*<"),
        "it is a web page (HTML)",
        "the download gave a page, such as a login or an error: download the file itself",
    ),
    (re.compile(rb"\x89HDF\r\n"), "it is an HDF5 file, as Keras and TensorFlow write", CONVERT),
    (re.compile(rb".{4}TFL3", re.DOTALL), "it is a TensorFlow Lite model", CONVERT),
    (re.compile(rb"\x08[\x01-\x1f]\x12.[ -~]", re.DOTALL), *ONNX),
    (re.compile(rb"\x1f\x8b|BZh|\xfd7zXZ|7z\xbc\xaf|Rar!|.{257}ustar", re.DOTALL), "it is an archive", UNPACK),
)
"""Beginning of a file, what the file is, and the way out."""

ENTRIES: tuple[tuple[re.Pattern[str], str, str], ...] = (
    (
        re.compile(r"(.*/)?constants\.pkl"),
        "it is a TorchScript archive, which holds code",
        "if you trust it: torch.save(torch.jit.load(FILE).state_dict(), 'weights.pth')",
    ),
    (
        re.compile(r"(.*/)?(serialized_exported_program|models/.*)\.json"),
        "it is an exported program of torch.export",
        "if you trust it: torch.save(dict(torch.export.load(FILE).state_dict), 'weights.pth')",
    ),
    (re.compile(r"model\.weights\.h5"), "it is a Keras model", CONVERT),
)
"""Name of an entry of a zip archive, what the archive is, and the way out."""


def file_format(path: Path) -> Format:
    """Return how a file of weights is to be read. Errors: ModelError if it cannot be; OSError."""
    with path.open("rb") as file:
        head = file.read(HEAD)
    for pattern, what, hint in HEADS:
        if pattern.match(head):
            raise _unreadable(path, what, hint)
    if path.suffix.lower() == ".onnx":
        raise _unreadable(path, *ONNX)
    if SAFETENSORS.match(head):
        return "safetensors"
    if TORCH_PICKLE.match(head):
        return "torch"
    if head.startswith(b"PK"):
        return _format_of_zip(path)
    if head.startswith(b"\x80"):
        owner = "of scikit-learn" if b"sklearn" in head else "that torch.save did not write"
        raise _unreadable(path, f"it is a Python pickle {owner}", SAVE)
    raise _unreadable(path, "it is neither a PyTorch nor a safetensors file", SAVE)


def _format_of_zip(path: Path) -> Format:
    if not zipfile.is_zipfile(path):
        raise _unreadable(path, "its end is missing", DOWNLOAD)
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    for pattern, what, hint in ENTRIES:
        if any(pattern.fullmatch(name) for name in names):
            raise _unreadable(path, what, hint)
    if any(name.split("/")[-1] == "data.pkl" for name in names):
        return "torch"
    if names and all(name.endswith(".npy") for name in names):
        return "npz"
    raise _unreadable(path, "it is a zip archive", UNPACK)


def _unreadable(path: Path, cause: str, hint: str) -> ModelError:
    return ModelError(f"cannot read weights `{path}`: {cause}", hint)
