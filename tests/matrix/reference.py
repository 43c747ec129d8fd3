"""The untouched module: its logits, Grad-CAM and the pixels that its layers read, by hooks and gradients alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

Range = tuple[int, int]


class Reference:
    """A module in evaluation mode and float32, for some images. None of reportgen's code is used."""

    def __init__(self, module: nn.Module, images: Tensor) -> None:
        """images: `(N, C, H, W)`, normalized."""
        self.module = module.float().eval()
        self.images = images

    @cached_property
    def logits(self) -> Tensor:
        """`(N, K)` float32."""
        with torch.no_grad():
            return _first_tensor(self.module(self.images.clone())).float()

    def grad_cam(self, layer: str, classes: Tensor, grid: Range) -> Tensor | None:
        """Return `Σ_k α_k f_k` `(N, h, w)` at a module's output f, with `α_k = Σ_xy ∂logit_c / ∂f_k`.

        classes: `(N,)`; grid: h and w, for a module whose output is tokens `(N, n, C)`: the last h · w of them are the
        positions. None unless the layer is a module whose output is a tensor of three or four dimensions.
        """
        logits, outputs = self._with_outputs([layer], self.images.clone())
        if layer not in outputs:
            return None
        maps = outputs[layer]
        (gradient,) = torch.autograd.grad(logits.gather(1, classes[:, None]).sum(), maps, materialize_grads=True)
        if maps.ndim == 3:
            count = grid[0] * grid[1]
            maps, gradient = (x[:, -count:].mT.unflatten(2, grid) for x in (maps, gradient) if x.shape[1] >= count)
        return (gradient.sum((2, 3), keepdim=True) * maps.detach()).sum(1).float()

    def pixels_seen(self, layers: Mapping[str, tuple[int, ...]]) -> Iterator[tuple[str, Range, Range, Range]]:
        """Yield the layer, (y, x), and the half-open ranges of rows and columns of the input with a gradient.

        Two positions of each layer are tried. layers: names of modules, and the shapes `(C, h, w)` that their outputs
        must have; nothing is yielded for another one.
        """
        image = self.images[:1].clone().requires_grad_()
        _, outputs = self._with_outputs(list(layers), image.clone())
        for layer, maps in outputs.items():
            channels, height, width = layers[layer]
            if tuple(maps.shape[1:]) != layers[layer]:
                continue
            weights = torch.randn(channels, generator=torch.Generator().manual_seed(1)).to(maps.dtype)
            for y, x in ((height - 1, width - 1), (height // 3, width // 2)):
                value = (maps[0, :, y, x] * weights).sum()  # not a plain sum, which a normalization makes constant
                (gradient,) = torch.autograd.grad(value, image, retain_graph=True, allow_unused=True)
                if gradient is not None and gradient.any():
                    is_read = gradient[0].ne(0).any(0)
                    yield layer, (y, x), _range(is_read.any(1)), _range(is_read.any(0))

    def _with_outputs(self, layers: Sequence[str], images: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The logits, and the last output of each module that has maps or tokens.

        Later operations, which may be in place, work on copies.
        """
        outputs: dict[str, Tensor] = {}

        def keep(layer: str, output: Any) -> Any:
            if not isinstance(output, Tensor) or output.ndim not in (3, 4):
                return None
            outputs[layer] = output if output.requires_grad else output.requires_grad_()
            with torch.enable_grad():  # also where the module runs under `no_grad`
                return output.clone()

        modules = dict(self.module.named_modules())
        handles = [
            modules[layer].register_forward_hook(lambda module, inputs, output, layer=layer: keep(layer, output))
            for layer in layers
            if layer in modules
        ]
        try:
            return _first_tensor(self.module(images)), outputs
        finally:
            for handle in handles:
                handle.remove()


def _range(is_read: Tensor) -> Range:
    where = is_read.nonzero()[:, 0].tolist()
    return where[0], where[-1] + 1


def _first_tensor(output: Any) -> Tensor:
    """The logits among what a network returns, which are called so or come first."""
    if hasattr(output, "_asdict"):
        output = output._asdict()
    if isinstance(output, Mapping):
        output = output["logits"] if "logits" in output else next(iter(output.values()))
    return output if isinstance(output, Tensor) else _first_tensor(output[0])
