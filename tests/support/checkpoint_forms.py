"""The forms in which people have weights: those that are read, and others that are refused. `FORMS` lists all."""

from __future__ import annotations

import datetime
import functools
from collections import OrderedDict, defaultdict
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import nn

from tests.support.checkpoint_builders import (
    HTML,
    NAMESPACE,
    ONNX,
    POINTER,
    RANDOM_STATES,
    Arguments,
    Build,
    ConfigTree,
    Mode,
    Slots,
    averaged_model,
    beside,
    cast_to,
    distributed_checkpoint,
    exported_program,
    gzipped,
    in_folder,
    keras_model,
    lightning_checkpoint,
    network,
    npz_file,
    of_a_gpu,
    other_weights,
    pickle_of_arrays,
    pickle_of_sklearn,
    pickled_module,
    pickled_module_as_entry,
    prefixed,
    quantized_weights,
    safetensors_file,
    saved,
    saved_model,
    sharded,
    tar_archive,
    torchscript_archive,
    training_state,
    truncated,
    two_files,
    with_prefix,
    without_checksums,
    without_keys,
    wrapped,
    written,
    zip_archive,
)


class Form(NamedTuple):
    """A form of weights. expected: whether it is read or refused."""

    name: str
    build: Build
    expected: Literal["taken", "refused"]


WRAPPERS = (
    ("state_dict",), ("model",), ("model_state_dict",), ("net",), ("model_ema",), ("state_dict_ema",), ("ema",),
    ("ema_state_dict",), ("teacher",), ("student",), ("params",), ("classifier",), ("model", "state_dict"),
    ("ema", "module"), ("ema", "shadow"),
)  # fmt: skip
PREFIXES = (
    "model.", "module.", "net.", "backbone.", "_orig_mod.", "encoder.", "module._orig_mod.", "_orig_mod.module.",
    "model.module.", "model.net.",
)  # fmt: skip

TAKEN: dict[str, Build] = {
    # endings
    "state dict .pth": saved("last.pth"),
    "state dict .pt": saved("last.pt"),
    "state dict .ckpt": saved("last.ckpt"),
    "state dict .tar": saved("last.tar"),
    "state dict .bin": saved("pytorch_model.bin"),
    "state dict .PTH": saved("LAST.PTH"),
    "state dict without an ending": saved("checkpoint"),
    "checkpoint .pth.tar with optimizer and scheduler": saved(
        "model_best.pth.tar", lambda s: {**training_state(), "state_dict": s}
    ),
    "safetensors": safetensors_file,
    "safetensors named .bin": lambda folder, module: safetensors_file(folder, module, "model.bin"),
    "torch file named .safetensors": saved("last.safetensors"),
    "npz": npz_file,
    "index of safetensors": sharded("safetensors"),
    "index of .bin": sharded("bin"),
    "folder with an index of safetensors": in_folder(sharded("safetensors")),
    "folder with an index of .bin": in_folder(sharded("bin")),
    "folder with one file": in_folder(saved("best.pth")),
    "without checksums": without_checksums,
    "legacy format": saved("last.pth", _use_new_zipfile_serialization=False),
    "pickle protocol 3": saved("last.pth", pickle_protocol=3),
    # wrappers
    **{f"entry {'.'.join(entries)}": wrapped(*entries) for entries in WRAPPERS},
    "averaged weights beside plain ones": saved("last.pth", lambda s: {"model": other_weights(), "model_ema": s}),
    "averaged weights in an entry ema": saved(
        "last.pth", lambda s: {"state_dict": other_weights(), "ema": {"shadow": s}}
    ),
    "averaged weights without buffers": saved(
        "last.pth", lambda s: {"model": s, "ema": without_keys("mean", "var")(other_weights())}
    ),
    "number instead of averaged weights": saved("last.pth", lambda s: {"model": s, "ema": None, "model_ema": 0.99}),
    "student and teacher beside the model": saved(
        "last.pth", lambda s: {"student": other_weights(), "teacher": other_weights(), "model": s}
    ),
    "teacher beside student": saved("last.pth", lambda s: {"student": other_weights(), "teacher": s}),
    # other objects
    "argparse.Namespace beside the weights": beside(NAMESPACE),
    "argparse.Namespace in the legacy format": beside(NAMESPACE, _use_new_zipfile_serialization=False),
    "NumPy numbers and arrays beside the weights": beside(
        {"best": np.float64(0.9), "step": np.int32(3), "dtype": np.dtype("f4"), "confusion": np.eye(3)}
    ),
    "paths beside the weights": beside([Path("/data"), Path("runs") / "1"]),
    "ordered and default dictionaries beside the weights": beside(
        OrderedDict(history=defaultdict(list, {"loss": [1.0, 0.5]}))
    ),
    "dictionary of an unknown class beside the weights": beside(ConfigTree(model=ConfigTree(depth=50), path=Path("x"))),
    "objects of unknown classes beside the weights": beside(
        [Mode.MAX, Arguments(), Slots(), functools.partial(print, 1)]
    ),
    "dates and ranges beside the weights": beside([datetime.datetime(2024, 5, 1), range(3), {1, 2}, 1j]),
    "states of random generators beside the weights": beside({**RANDOM_STATES, "torch": torch.get_rng_state()}),
    "weights in a dictionary of an unknown class": saved("last.pth", lambda s: ConfigTree(state_dict=dict(s))),
    "parameters instead of tensors": saved(
        "last.pth", lambda s: {k: nn.Parameter(v) if v.is_floating_point() else v for k, v in s.items()}
    ),
    # prefixes
    **{f"prefix {prefix}": prefixed(prefix) for prefix in PREFIXES},
    "Lightning with a criterion and a metric": saved("last.ckpt", lightning_checkpoint),
    "Lightning with averaged weights": saved(
        "last.ckpt",
        lambda s: {"state_dict": {**with_prefix("model.", other_weights()), **with_prefix("ema.module.", s)}},
    ),
    "Lightning with a callback for averaged weights": saved(
        "last.ckpt",
        lambda s: {"state_dict": other_weights(), "callbacks": {"EMACallback": {"ema_state_dict": s}}},
    ),
    "encoder and projection head": prefixed("module.encoder.", {"module.projector.weight": torch.ones(2, 2)}),
    # other keys
    "AveragedModel": averaged_model,
    "without num_batches_tracked": saved("last.pth", without_keys("num_batches_tracked")),
    "total_ops and total_params of thop": saved(
        "last.pth",
        lambda s: {
            **s,
            "total_ops": torch.zeros(1),
            "conv.total_ops": torch.zeros(1),
            "conv.total_params": torch.zeros(1),
        },
    ),
    # devices and precisions
    "tensors of a GPU": of_a_gpu,
    "float16": saved("last.pth", cast_to(torch.float16)),
    "bfloat16": saved("last.pth", cast_to(torch.bfloat16)),
    "float64": saved("last.pth", cast_to(torch.float64)),
}
"""Forms that are read. Those named float16 and bfloat16 have rounded weights."""

REFUSED: dict[str, Build] = {
    "TorchScript": torchscript_archive,
    "exported program": exported_program,
    "ONNX": written("model.onnx", ONNX),
    "ONNX named .pth": written("model.pth", ONNX),
    "pickled module": pickled_module,
    "pickled module as an entry": pickled_module_as_entry,
    "HDF5": written("model.h5", b"\x89HDF\r\n\x1a\n" + bytes(64)),
    "Keras": keras_model,
    "TensorFlow Lite": written("model.tflite", b"\x1c\0\0\0TFL3" + bytes(64)),
    "TensorFlow SavedModel": saved_model,
    "pickle of scikit-learn": pickle_of_sklearn,
    "pickle of arrays": pickle_of_arrays,
    "Git LFS pointer": written("model.safetensors", POINTER),
    "HTML page": written("model.pth", HTML),
    "empty file": written("model.pth", b""),
    "text": written("model.pth", b"0.1 0.2 0.3\n"),
    "truncated torch file": truncated(saved("last.pth")),
    "truncated legacy file": truncated(saved("last.pth", _use_new_zipfile_serialization=False), 0.95),
    "truncated safetensors": truncated(safetensors_file, 0.9),
    "gzip": gzipped,
    "zip": zip_archive,
    "tar": tar_archive,
    "pickle protocol 5": beside(NAMESPACE, pickle_protocol=5),
    "folder without weights": lambda folder, module: folder,
    "folder with two files": two_files,
    "distributed checkpoint": distributed_checkpoint,
    "index without one of its files": sharded("safetensors", missing=True),
    "no file": lambda folder, module: folder / "missing.pth",
    "list": saved("last.pth", lambda state: list(state.values())),
    "optimizer": saved("last.pth", lambda state: {"optimizer": {"state": {0: {"step": torch.zeros(1)}}}, "epoch": 1}),
    "other network": saved("last.pth", lambda state: with_prefix("layer1.", state)),
    "one layer less": saved("last.pth", without_keys("fc.weight", "fc.bias")),
    "other number of classes": saved("last.pth", lambda state: network(classes=7).state_dict()),
    "quantized weights": saved("last.pth", quantized_weights),
}
"""Forms that are refused with one line."""

FORMS: list[Form] = [
    *(Form(name, build, "taken") for name, build in TAKEN.items()),
    *(Form(name, build, "refused") for name, build in REFUSED.items()),
]
