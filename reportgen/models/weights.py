"""Weights: read from a file without running anything, put into a network, told apart by a digest."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

from reportgen.errors import ModelError
from reportgen.models.graph import reason


def weights_digest(graph: nn.Module) -> str:
    """SHA-256 over the network's description and the name, dtype, shape and bytes of every parameter and buffer.

    A traced graph describes itself by its modules and its code, so a change of the forward pass alone shows, too.
    """
    digest = hashlib.sha256(re.sub(r" at 0x[0-9a-f]+", "", str(graph)).encode())
    for name, tensor in sorted(graph.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def read_weights(path: Path) -> dict[str, Tensor]:
    """A state dict from a .safetensors or .pth file; pickled code never runs."""
    state: Any
    try:
        if path.suffix == ".safetensors":
            state = safetensors.torch.load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file can make the readers raise nearly every type that there is
        raise ModelError(
            f"cannot read weights `{path}` ({reason(error)})",
            "save a plain state dict: torch.save(model.state_dict(), …) or safetensors",
        ) from None
    state = state.get("state_dict", state) if isinstance(state, dict) else state
    if not isinstance(state, dict) or not all(isinstance(k, str) and isinstance(v, Tensor) for k, v in state.items()):
        raise ModelError(f"`{path}` holds no state dict", "save torch.save(model.state_dict(), …)")
    return {key.removeprefix("module."): value for key, value in state.items()}


def load_weights(module: nn.Module, state: dict[str, Tensor], path: Path) -> None:
    """Puts the state into the network. Errors: ModelError where it does not fit."""
    own = module.state_dict()
    # GoogLeNet and Inception are published with auxiliary classifiers, which evaluation does not use.
    state = {k: v for k, v in state.items() if k in own or not k.startswith(("aux", "AuxLogits"))}
    try:
        module.load_state_dict(state)
    except RuntimeError as error:
        lines = [line.strip() for line in str(error).splitlines()[1:3]]
        raise ModelError(f"`{path}` does not fit the network ({' '.join(lines)[:300]})") from None


def metadata_of(path: Path) -> dict[str, str]:
    """What a .safetensors file says beside its tensors."""
    if path.suffix != ".safetensors":
        return {}
    with safetensors.safe_open(path, "pt") as file:
        return file.metadata() or {}
