"""Low precision where the hardware is made for it, and only where it says the same as float32."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from reportgen.pipeline.forward import Pass

TOP1_AT_LEAST = 0.995
COSINE_AT_LEAST = 0.999
TRIAL = 256
"""Images that both precisions look at before one is chosen."""


def native_precision(device: torch.device) -> str | None:
    """`bf16` or `fp16` where the device multiplies such matrices in hardware (tensor cores, AMX), else None."""
    if device.type == "cuda" and torch.cuda.get_device_capability(device) >= (7, 0):
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
    if device.type == "cpu" and torch.cpu.get_capabilities().get("amx_bf16", False):
        return "bf16"
    return None


@dataclass(frozen=True)
class Agreement:
    """What a low precision said beside float32. top1: share of images with the same top class; cosine: the least over
    the images between the pooled features of both."""

    precision: str
    images: int
    top1: float
    cosine: float

    def in_words(self) -> str:
        """What was measured, for the reader."""
        return (
            f"on {self.images:,} images {self.precision} gave {100 * self.top1:.1f} % of float32's top classes, "
            f"and features of cosine {self.cosine:.5f} at least"
        )

    @property
    def enough(self) -> bool:
        """Whether the low precision may be kept (a value that is not a number may not)."""
        return self.top1 >= TOP1_AT_LEAST and self.cosine >= COSINE_AT_LEAST


def measure_agreement(low: Pass, full: Pass, batches: Iterable[Tensor]) -> Agreement:
    """Both passes over the same batches `(N, 3, S, S)` uint8, on their device."""
    same, images, cosines = 0, 0, []
    for pixels in batches:
        labels = [None] * len(pixels)
        a, b = low(pixels, labels), full(pixels, labels)
        same += int((a["logits"].argmax(1) == b["logits"].argmax(1)).sum())
        images += len(pixels)
        cosines.append(torch.cosine_similarity(a["features/gap"].double(), b["features/gap"].double()).min())
    if not images:
        return Agreement(low.precision, 0, 0.0, 0.0)
    return Agreement(low.precision, images, same / images, float(torch.stack(cosines).min()))
