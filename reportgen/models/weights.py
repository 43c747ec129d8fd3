"""Weights of a network: which tensors of a checkpoint they are, loading them, and their digest."""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from reportgen.data.files import one_line
from reportgen.errors import ModelError
from reportgen.models.checkpoints import EMA, PLAIN, Checkpoint, StateDict, is_ema

PREFIXES = ("module", "model", "net", "network", "backbone", "encoder", "_orig_mod", *EMA)
"""Names that wrappers, compilers and training scripts put before all keys of a network, also several of them."""
UNUSED_IN_EVALUATION = r"(.+\.)?num_batches_tracked"
"""Keys that a checkpoint need not have: files from before PyTorch 0.4.1 do not."""
NOT_OF_A_NETWORK = re.compile(
    r"n_averaged"  # torch.optim.swa_utils.AveragedModel
    r"|(.+\.)?(total_ops|total_params)"  # thop
    rf"|{UNUSED_IN_EVALUATION}"
    r"|(aux1|aux2|AuxLogits)\..+"  # auxiliary classifiers of GoogLeNet and Inception, which evaluation does not use
)
"""Keys that may be left over: a network does not need them."""
DENSENET_LAYER = re.compile(r"(.*denselayer\d+\.(?:norm|conv))([12]\..+)")
"""Keys of torchvision's DenseNet that have another point in its published files: `norm.1.weight`."""
SHOWN = 3
"""Keys that a message names."""


@dataclass(frozen=True)
class MatchedWeights:
    """Tensors under the network's keys, and how they were found.

    prefix: what was removed from the keys, with its final point; added: what was put before them instead; left_out:
        keys of the checkpoint that are not the network's; missing: keys of the network that the checkpoint does not
        have.
    """

    tensors: Mapping[str, Tensor]
    entry: tuple[str, ...]
    prefix: str
    added: str
    left_out: Sequence[str]
    missing: Sequence[str]

    @property
    def unexpected(self) -> list[str]:
        """Keys that are left over and may be a part of another network: those that share the prefix."""
        keys = [key for key in self.left_out if key.startswith(self.prefix)]
        return [key for key in keys if not NOT_OF_A_NETWORK.fullmatch(key.removeprefix(self.prefix))]


def weights_digest(graph: nn.Module) -> str:
    """Return the SHA-256 of a network: its description, and name, dtype, shape and bytes of parameters and buffers.

    The description of a traced graph contains its code, so the digest also depends on the forward pass.
    """
    digest = hashlib.sha256(re.sub(r" at 0x[0-9a-f]+", "", str(graph)).encode())
    for name, tensor in sorted(graph.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def match_weights(checkpoint: Checkpoint, module: nn.Module) -> MatchedWeights:
    """Return the first state dict of a checkpoint that has a network's keys. Shapes are not compared.

    Errors: ModelError if none has them.
    """
    expected = module.state_dict()
    matches = [_match(state, expected) for state in checkpoint.states]
    for match in matches:
        if not match.missing and not match.unexpected:
            return match
    closest = max(matches, key=lambda match: len(match.tensors))
    causes = [
        f"{len(keys)} {'key is' if len(keys) == 1 else 'keys are'} {what} ({_listed(keys)})"
        for keys, what in ((closest.missing, "missing"), (closest.unexpected, "unexpected"))
        if keys
    ]
    raise ModelError(
        f"`{checkpoint.path}` does not match the network: {', '.join(causes)}",
        "name the network that these weights were saved from",
    )


def load_weights(module: nn.Module, checkpoint: Checkpoint) -> str:
    """Load the weights of a checkpoint into a network.

    Return the file's name, and what of the checkpoint was chosen, removed or left out. Errors: ModelError.
    """
    match = match_weights(checkpoint, module)
    expected = module.state_dict()
    differing = [key for key, tensor in match.tensors.items() if tensor.shape != expected[key].shape]
    if differing:
        key = differing[0]
        others = f" (and {len(differing) - 1} more)" if len(differing) > 1 else ""
        raise ModelError(
            f"`{checkpoint.path}` does not match the network: `{key}` is {_size(match.tensors[key])}, the network's is "
            f"{_size(expected[key])}{others}",
            "build the network that was saved, with as many classes; that of `torchvision:` has those of the file",
        )
    try:
        module.load_state_dict(dict(match.tensors), strict=False)
    except RuntimeError:  # there is no conversion, such as from quantized tensors
        kinds = sorted({str(tensor.dtype).removeprefix("torch.") for tensor in match.tensors.values()})
        raise ModelError(
            f"`{checkpoint.path}` cannot be loaded into the network: its tensors are of type {', '.join(kinds)}",
            "save them in float32",
        ) from None
    return _described(checkpoint, match)


def classes_of(checkpoint: Checkpoint, module: nn.Module) -> int:
    """Return the number of classes of a checkpoint: the rows of the network's last weight matrix or convolution.

    module: the network with any number of classes; it may be on the device `meta`. Errors: ModelError if the keys do
        not match.
    """
    last = [key for key, value in module.state_dict().items() if value.ndim in (2, 4)][-1]
    return match_weights(checkpoint, module).tensors[last].shape[0]


def _match(state: StateDict, expected: Mapping[str, Tensor]) -> MatchedWeights:
    """Match with the prefixes that lead to the most keys of the network; averaged weights and few changes first.

    The network may be a part of the module, which then has a prefix of its own before all keys.
    """

    def found(prefix: str, added: str) -> dict[str, str]:
        keys = {key: prefix + key.removeprefix(added) for key in expected if key.startswith(added)}
        renamed = {key: DENSENET_LAYER.sub(r"\1.\2", stored) for key, stored in keys.items()}
        return {key: stored for names in (keys, renamed) for key, stored in names.items() if stored in state.tensors}

    prefix, added = max(
        itertools.product(_prefixes(state.tensors), {"", _common_prefix(expected)}),
        key=lambda pair: (len(found(*pair)), is_ema(pair[0].split(".")), -len("".join(pair))),
    )
    keys = found(prefix, added)
    used = set(keys.values())
    return MatchedWeights(
        tensors={key: state.tensors[stored] for key, stored in keys.items()},
        entry=state.entry,
        prefix=prefix,
        added=added,
        left_out=[key for key in state.tensors if key not in used],
        missing=[key for key in expected if key not in keys and not re.fullmatch(UNUSED_IN_EVALUATION, key)],
    )


def _common_prefix(keys: Iterable[str]) -> str:
    """The names of modules that all keys begin with, with a final point; empty if there are none."""
    levels = zip(*(key.split(".")[:-1] for key in keys), strict=False)
    return "".join(f"{names[0]}." for names in itertools.takewhile(lambda names: len(set(names)) == 1, levels))


def _prefixes(keys: Mapping[str, Tensor]) -> set[str]:
    """Every beginning of a key that consists of `PREFIXES`, and the empty one."""
    found = {""}
    for key in keys:
        parts = key.split(".")
        for n, part in enumerate(parts[:-1], 1):
            if part not in PREFIXES:
                break
            found.add(".".join(parts[:n]) + ".")
    return found


def _described(checkpoint: Checkpoint, match: MatchedWeights) -> str:
    """`best.ckpt: EMA weights, prefix “model.” removed, left out: criterion.weight`. Pages show it."""
    notes = []
    if is_ema([*match.entry, *match.prefix.split(".")]):
        notes.append("EMA weights")
    elif any(is_ema(state.entry) for state in checkpoint.states):
        notes.append("not the EMA weights, which do not match")
    elif any(name not in PLAIN for name in match.entry):
        notes.append(f"entry “{'.'.join(match.entry)}”")
    if match.prefix:
        notes.append(f"prefix “{match.prefix}” removed")
    if match.added:
        notes.append(f"prefix “{match.added}” added")
    if match.left_out:
        notes.append(f"left out: {_listed(match.left_out, '')}")
    return one_line(checkpoint.path.name + (f": {', '.join(notes)}" if notes else ""))


def _listed(keys: Sequence[str], quote: str = "`") -> str:
    """The first keys, and how many more there are."""
    shown = ", ".join(f"{quote}{one_line(key)}{quote}" for key in keys[:SHOWN])
    return shown + (f" and {len(keys) - SHOWN} more" if len(keys) > SHOWN else "")


def _size(tensor: Tensor) -> str:
    return " × ".join(map(str, tensor.shape)) or "a number"
