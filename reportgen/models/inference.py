"""Running a classifier: device, evaluation mode, precision, and the top classes of its logits."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from reportgen.errors import ConfigError, ModelError
from reportgen.models.classifier import Classifier

N_TOP_CLASSES = 5
"""Number of top classes of an image whose activation maps are stored, in addition to the label's."""
N_TOP_LABELS = 32
"""The same for a multi-label network: among the most probable labels are, with few exceptions, all that are right."""
LOW_PRECISION_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}
"""Low precisions in which a trunk can run. Heads, pooled features and maps are float32 in every case."""


def use_all_cores() -> None:
    """Let PyTorch use every core that this process may run on, unless `OMP_NUM_THREADS` sets the number of threads."""
    if os.environ.get("OMP_NUM_THREADS"):
        return  # PyTorch has read it
    torch.set_num_threads(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


def pick_device(name: str) -> torch.device:
    """Return the device with this name; `auto` means CUDA, else Apple's MPS, else the CPU.

    Errors: ConfigError for a device that cannot be used on this machine.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0].partition(". ")[0]
        raise ConfigError(f"device `{name}` cannot be used ({reason})", "use --device auto") from None
    return device


def native_precision(device: torch.device) -> str | None:
    """Return `bf16` or `fp16` if the device multiplies such matrices in hardware (tensor cores, AMX), else None."""
    if device.type == "cuda" and torch.cuda.get_device_capability(device) >= (7, 0):
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
    if device.type == "cpu" and torch.cpu.get_capabilities().get("amx_bf16", False):
        return "bf16"
    return None


@contextmanager
def out_of_memory_as_error() -> Iterator[None]:
    """Turn PyTorch's out-of-memory error into a ModelError."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise ModelError(
            "the device's memory is too small for this network", "use a smaller --batch-size, or --device cpu"
        ) from None


@contextmanager
def eval_mode(classifier: Classifier) -> Iterator[None]:
    """Put trunk and head into evaluation mode; restore their mode at the end, also after an exception."""
    modules = (classifier.trunk, classifier.head)
    modes = [module.training for module in modules]
    try:
        for module in modules:
            module.eval()
        yield
    finally:
        for module, training in zip(modules, modes, strict=True):
            module.train(training)


def top_classes(logits: Tensor, k: int) -> Tensor:
    """Return the `k` classes with the highest logits `(N, k)` int64; ties go to the lower index, NaN ranks last."""
    ranked = logits.masked_fill(logits.isnan(), -torch.inf)
    return torch.sort(ranked, dim=1, descending=True, stable=True).indices[:, :k]
