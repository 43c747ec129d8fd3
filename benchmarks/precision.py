"""The forward pass at `precision = auto`, compared with the plain network in float32.

ResNet-18 and ResNet-50 with random weights.

- `reportgen`: the whole pass at the precision that `auto` chooses after its trial.
- `eager-fp32`: `module(images)`, memory laid out as PyTorch does by itself.

Only processors with AMX (and GPUs) have a low precision worth taking; elsewhere `auto` stays with float32, and
the ratio shows the effect of layout and folding only.

Gate: top classes agree on at least 99.5 % of the images, pooled features have a cosine of at least 0.999.
"""

from __future__ import annotations

import torch
from torch import Tensor

from benchmarks.timing import OURS, Result, measure, table
from reportgen.config import AuditConfig
from reportgen.models.inference import native_precision
from reportgen.models.sources import load_classifier
from reportgen.pipeline.forward import ForwardPass
from reportgen.pipeline.precision import is_sufficient, measure_agreement


def run(quick: bool) -> Result:
    """5 rounds of 32 images; `quick`: 3 of 8 through ResNet-18."""
    batch, rounds, names = (8, 3, ["resnet18"]) if quick else (32, 5, ["resnet18", "resnet50"])
    native = native_precision(torch.device("cpu"))
    results = [compare(name, native, batch, rounds) for name in names]
    lines = [f"{batch} images; this processor's low precision: {native or 'none, so `auto` is float32'}"]
    ratio = {"eager-fp32": min(one.ratio["eager-fp32"] for one in results)}
    return Result(ratio, all(one.gate for one in results), lines + [line for one in results for line in one.lines])


def compare(name: str, native: str | None, batch: int, rounds: int) -> Result:
    config = AuditConfig(model=f"torchvision:{name}", weights="random")
    classifier, plain = load_classifier(config), load_classifier(config)
    random = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (batch, 3, 224, 224), dtype=torch.uint8, generator=random)
    agreement = measure_agreement(
        ForwardPass(classifier, precision=native or "fp32"), ForwardPass(classifier), [pixels]
    )
    forward = ForwardPass(classifier, precision=native if native and is_sufficient(agreement) else "fp32")

    def eager() -> Tensor:
        with torch.inference_mode():
            return plain.head(plain.trunk(plain.preprocessing.normalize(pixels)))

    timings = measure({OURS: lambda: forward(pixels, [1] * batch), "eager-fp32": eager}, rounds)
    trial = f"{100 * agreement.top1:.1f} % same top class, cosine at least {agreement.cosine:.5f}"
    lines = [f"{name}: {forward.precision}; {agreement.precision} in the trial: {trial}", *table(timings)]
    return Result({"eager-fp32": timings.ratio("eager-fp32")}, is_sufficient(agreement), lines)
