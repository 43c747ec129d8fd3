"""Builders of weights in the forms that people have: each writes one form into an empty folder and returns its path."""

from __future__ import annotations

import argparse
import enum
import functools
import gzip
import json
import pickle
import random
import tarfile
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

Build = Callable[[Path, nn.Module], Path]


class ConfigTree(dict):
    """As EasyDict, yacs' CfgNode and others: a dictionary with attributes."""

    def __init__(self, **entries: object) -> None:
        super().__init__(entries)
        self.__dict__ = self


class Mode(enum.Enum):
    """A class that the reader of the file does not know."""

    MAX = "max"


@dataclass
class Arguments:
    """Another one."""

    rate: float = 0.1


class Slots:
    """A class without a dictionary of attributes."""

    __slots__ = ("rate",)

    def __init__(self) -> None:
        self.rate = 0.1


def network(seed: int = 0, classes: int = 3) -> nn.Module:
    """A network with batch normalization, `(N, 3, S, S)` → `(N, classes)`; weights and statistics are random."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        layers = {
            "conv": nn.Conv2d(3, 4, 3, 2, bias=False),
            "bn": nn.BatchNorm2d(4),
            "relu": nn.ReLU(),
            "pool": nn.AdaptiveAvgPool2d(1),
            "flatten": nn.Flatten(),
            "fc": nn.Linear(4, classes),
        }
        made = nn.Sequential(OrderedDict(layers))
        made(torch.randn(8, 3, 32, 32))  # statistics
        return made.eval()


def training_state() -> dict[str, Any]:
    """What training codes save with the weights."""
    module = network(5)
    optimizer = torch.optim.AdamW(module.parameters())
    module(torch.randn(2, 3, 32, 32)).sum().backward()
    optimizer.step()
    return {
        "epoch": 7,
        "arch": "resnet18",
        "best_acc1": torch.tensor(71.2),
        "optimizer": optimizer.state_dict(),
        "scheduler": torch.optim.lr_scheduler.StepLR(optimizer, 3).state_dict(),
    }


def saved(name: str, content: Callable[[Mapping[str, Tensor]], object] = lambda state: state, **options: Any) -> Build:
    """A file by `torch.save` with what `content` makes of the state dict."""

    def build(folder: Path, module: nn.Module) -> Path:
        torch.save(content(module.state_dict()), folder / name, **options)
        return folder / name

    return build


def written(name: str, content: bytes) -> Build:
    """A file with these bytes."""

    def build(folder: Path, module: nn.Module) -> Path:
        (folder / name).write_bytes(content)
        return folder / name

    return build


def truncated(build: Build, kept: float = 0.7) -> Build:
    """The beginning of another form, as of an interrupted download."""

    def build_truncated(folder: Path, module: nn.Module) -> Path:
        path = build(folder, module)
        path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
        return path

    return build_truncated


def in_folder(build: Build) -> Build:
    """The folder of another form."""
    return lambda folder, module: build(folder, module).parent


def wrapped(*entries: str) -> Build:
    """The state dict as the entry of an entry … of a checkpoint."""
    return saved("last.pth", lambda state: functools.reduce(lambda inner, e: {e: inner}, reversed(entries), state))


def beside(content: object, **options: Any) -> Build:
    """A checkpoint with this object among the arguments."""
    return saved("last.pth", lambda state: {"state_dict": state, "args": content, "epoch": 3}, **options)


def prefixed(prefix: str, more: Mapping[str, Tensor] | None = None) -> Build:
    """A state dict with this before each key, and other tensors."""
    return saved("last.ckpt", lambda state: {"state_dict": {**with_prefix(prefix, state), **(more or {})}})


def with_prefix(prefix: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {prefix + key: value for key, value in state.items()}


def other_weights() -> Mapping[str, Tensor]:
    """Weights of the same network that must not be taken."""
    return network(9).state_dict()


def lightning_checkpoint(state: Mapping[str, Tensor]) -> dict[str, Any]:
    criterion = {"criterion.weight": torch.ones(3), "train_acc.confmat": torch.zeros(3, 3)}
    return {
        "epoch": 9,
        "global_step": 900,
        "pytorch-lightning_version": "2.4.0",
        "state_dict": OrderedDict(with_prefix("model.", state) | criterion),
        "loops": {"fit_loop": {"state_dict": {}, "epoch_progress": {"total": {"ready": 10}}}},
        "callbacks": {"ModelCheckpoint{'mode': 'max'}": {"best_model_score": torch.tensor(0.9), "dirpath": Path("/x")}},
        "optimizer_states": [{"state": {}, "param_groups": [{"lr": np.float64(0.1)}]}],
        "lr_schedulers": [],
        "hparams_name": "kwargs",
        "hyper_parameters": {"config": ConfigTree(lr=0.1, mode=Mode.MAX), "path": Path("data")},
    }


def averaged_model(folder: Path, module: nn.Module) -> Path:
    torch.save(AveragedModel(module).state_dict(), folder / "swa.pt")
    return folder / "swa.pt"


def of_a_gpu(folder: Path, module: nn.Module) -> Path:
    """A file as it is saved from a GPU: the tensors' device, a string in the pickle, is CUDA's."""
    path = saved("last.pth")(folder, module)
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(folder / "gpu.pth", "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name).replace(b"X\x03\0\0\0cpu", b"X\x06\0\0\0cuda:0"))
    return folder / "gpu.pth"


def without_checksums(folder: Path, module: nn.Module) -> Path:
    """A file by `torch.save` with an option that makes it faster."""
    torch.serialization.set_crc32_options(False)
    try:
        return saved("last.pth")(folder, module)
    finally:
        torch.serialization.set_crc32_options(True)


def safetensors_file(folder: Path, module: nn.Module, name: str = "model.safetensors") -> Path:
    safetensors.torch.save_file(module.state_dict(), folder / name, {"format": "pt"})
    return folder / name


def npz_file(folder: Path, module: nn.Module) -> Path:
    np.savez(folder / "weights.npz", **{key: value.numpy() for key, value in module.state_dict().items()})
    return folder / "weights.npz"


def sharded(ending: str, missing: bool = False) -> Build:
    """An index and two files, as of Hugging Face. missing: one of them is not there."""

    def build(folder: Path, module: nn.Module) -> Path:
        items = list(module.state_dict().items())
        stem = "model" if ending == "safetensors" else "pytorch_model"
        names = [f"{stem}-0000{n}-of-00002.{ending}" for n in (1, 2)]
        for name, part in zip(names, (dict(items[::2]), dict(items[1::2])), strict=True):
            if ending == "safetensors":
                safetensors.torch.save_file(part, folder / name)
            else:
                torch.save(part, folder / name)
        weight_map = {key: names[n % 2] for n, (key, _) in enumerate(items)}
        index = folder / f"{stem}.{ending}.index.json"
        index.write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": weight_map}))
        if missing:
            (folder / names[1]).unlink()
        return index

    return build


def torchscript_archive(folder: Path, module: nn.Module) -> Path:
    torch.jit.trace(module, torch.zeros(1, 3, 32, 32)).save(str(folder / "scripted.pt"))
    return folder / "scripted.pt"


def exported_program(folder: Path, module: nn.Module) -> Path:
    """The names of the entries are those of torch.export.save."""
    with zipfile.ZipFile(folder / "exported.pt2", "w") as archive:
        archive.writestr("exported/archive_format", "pt2")
        archive.writestr("exported/models/model.json", "{}")
    return folder / "exported.pt2"


def pickled_module(folder: Path, module: nn.Module) -> Path:
    torch.save(module, folder / "whole.pth")
    return folder / "whole.pth"


def pickled_module_as_entry(folder: Path, module: nn.Module) -> Path:
    torch.save({"epoch": 1, "ema": None, "model": module.half()}, folder / "yolo.pt")
    module.float()
    return folder / "yolo.pt"


def pickle_of_arrays(folder: Path, module: nn.Module) -> Path:
    (folder / "weights.pkl").write_bytes(pickle.dumps({k: v.numpy() for k, v in module.state_dict().items()}))
    return folder / "weights.pkl"


def pickle_of_sklearn(folder: Path, module: nn.Module) -> Path:
    from sklearn.linear_model import LogisticRegression

    fitted = LogisticRegression().fit(np.array([[0.0], [1.0]]), [0, 1])
    (folder / "classifier.pkl").write_bytes(pickle.dumps(fitted))
    return folder / "classifier.pkl"


def gzipped(folder: Path, module: nn.Module) -> Path:
    path = saved("last.pth")(folder, module)
    path.with_name("last.pth.gz").write_bytes(gzip.compress(path.read_bytes()))
    return path.with_name("last.pth.gz")


def zip_archive(folder: Path, module: nn.Module) -> Path:
    path = saved("last.pth")(folder, module)
    with zipfile.ZipFile(folder / "download.zip", "w") as archive:
        archive.write(path, "runs/last.pth")
    return folder / "download.zip"


def tar_archive(folder: Path, module: nn.Module) -> Path:
    path = saved("last.pth")(folder, module)
    with tarfile.open(folder / "download.tar", "w") as archive:
        archive.add(path, "last.pth")
    return folder / "download.tar"


def keras_model(folder: Path, module: nn.Module) -> Path:
    with zipfile.ZipFile(folder / "model.keras", "w") as archive:
        archive.writestr("config.json", "{}")
        archive.writestr("model.weights.h5", b"\x89HDF\r\n\x1a\n")
    return folder / "model.keras"


def saved_model(folder: Path, module: nn.Module) -> Path:
    (folder / "saved_model.pb").write_bytes(b"\x08\x01")
    (folder / "variables").mkdir()
    return folder


def two_files(folder: Path, module: nn.Module) -> Path:
    saved("epoch_1.pth")(folder, module)
    return saved("epoch_2.pth")(folder, module).parent


def distributed_checkpoint(folder: Path, module: nn.Module) -> Path:
    """The names of the files are those of torch.distributed.checkpoint."""
    (folder / ".metadata").write_bytes(b"\x80\x04.")
    (folder / "__0_0.distcp").touch()
    return folder


def quantized_weights(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {**state, "fc.weight": torch.quantize_per_tensor(state["fc.weight"], 0.1, 0, torch.qint8)}


def without_keys(*endings: str) -> Callable[[Mapping[str, Tensor]], dict[str, Tensor]]:
    return lambda state: {key: value for key, value in state.items() if not key.endswith(endings)}


def cast_to(dtype: torch.dtype) -> Callable[[Mapping[str, Tensor]], dict[str, Tensor]]:
    return lambda state: {k: v.to(dtype) if v.is_floating_point() else v for k, v in state.items()}


NAMESPACE = argparse.Namespace(lr=0.1, data=Path("/data"), seed=np.int64(3), optimizer=torch.optim.SGD, mode=Mode.MAX)
RANDOM_STATES = {"numpy": np.random.RandomState(0).get_state(), "python": random.Random(0).getstate()}
HTML = b"<!DOCTYPE html>\n<html><head><title>Google Drive - Virus scan warning</title></head></html>"
POINTER = (
    b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1\nsize 12345\n"
)
ONNX = b"\x08\x08\x12\x07pytorch\x1a\x052.1.0:\x0b\n\x05input"
