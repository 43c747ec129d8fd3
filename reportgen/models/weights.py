"""Weights of a network: reading them from a file without running code, loading them, and their digest."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

from reportgen.errors import ModelError
from reportgen.models.graph import first_line


def weights_digest(graph: nn.Module) -> str:
    """Return the SHA-256 of a network: its description, and name, dtype, shape and bytes of parameters and buffers.

    The description of a traced graph contains its code, so the digest also depends on the forward pass.
    """
    digest = hashlib.sha256(re.sub(r" at 0x[0-9a-f]+", "", str(graph)).encode())
    for name, tensor in sorted(graph.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def read_weights(path: Path) -> dict[str, Tensor]:
    """Return the state dict of a .safetensors or .pth file. Pickled code is never run. Errors: ModelError."""
    state: Any
    try:
        if path.suffix == ".safetensors":
            state = safetensors.torch.load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # the readers raise nearly every type of exception on a damaged file
        raise ModelError(
            f"cannot read weights `{path}` ({first_line(error)})",
            "save a plain state dict: torch.save(model.state_dict(), …) or safetensors",
        ) from None
    state = state.get("state_dict", state) if isinstance(state, dict) else state
    if not isinstance(state, dict) or not all(isinstance(k, str) and isinstance(v, Tensor) for k, v in state.items()):
        raise ModelError(f"`{path}` is not a state dict", "save a plain state dict: torch.save(model.state_dict(), …)")
    return {key.removeprefix("module."): value for key, value in state.items()}


def load_weights(module: nn.Module, state: dict[str, Tensor], path: Path) -> None:
    """Load a state dict into a network. Errors: ModelError if it does not match."""
    expected = module.state_dict()
    # GoogLeNet and Inception are published with auxiliary classifiers, which evaluation does not use.
    state = {k: v for k, v in state.items() if k in expected or not k.startswith(("aux", "AuxLogits"))}
    try:
        module.load_state_dict(state)
    except RuntimeError as error:
        lines = [line.strip() for line in str(error).splitlines()[1:3]]
        raise ModelError(f"`{path}` does not match the network ({' '.join(lines)[:300]})") from None


def read_metadata(path: Path) -> dict[str, str]:
    """Return the metadata of a .safetensors file; empty for other files."""
    if path.suffix != ".safetensors":
        return {}
    with safetensors.safe_open(path, "pt") as file:
        return file.metadata() or {}
