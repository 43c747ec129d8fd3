"""Low precision where the hardware supports it, and only where a trial matches float32."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from reportgen.audit.model_info import PrecisionAgreement
from reportgen.config import AuditConfig
from reportgen.data.samples import Dataset
from reportgen.models.classifier import Classifier
from reportgen.models.inference import eval_mode, native_precision
from reportgen.pipeline.extraction import forward_pass, store_settings
from reportgen.pipeline.forward import ForwardPass
from reportgen.pipeline.trial_images import trial_batches
from reportgen.store.results_cache import ResultsCache
from reportgen.store.table import fingerprint

MIN_SAME_TOP1 = 0.995
MIN_COSINE = 0.999
TRIAL_IMAGES = 256
"""Images that are run in both precisions before one is chosen."""


def is_sufficient(agreement: PrecisionAgreement) -> bool:
    """Whether the low precision may be used. NaN is not sufficient."""
    return agreement.top1 >= MIN_SAME_TOP1 and agreement.cosine >= MIN_COSINE


def measure_agreement(low: ForwardPass, full: ForwardPass, batches: Iterable[Tensor]) -> PrecisionAgreement:
    """Run both passes over the same batches `(N, C, H, W)` uint8, on their device."""
    same, images, cosines = 0, 0, []
    for pixels in batches:
        labels = [None] * len(pixels)
        a, b = low(pixels, labels), full(pixels, labels)
        same += int((a["logits"].argmax(1) == b["logits"].argmax(1)).sum())
        images += len(pixels)
        cosines.append(torch.cosine_similarity(a["features/gap"].double(), b["features/gap"].double()).min())
    if not images:
        return PrecisionAgreement(low.precision, 0, 0.0, 0.0)
    return PrecisionAgreement(low.precision, images, same / images, float(torch.stack(cosines).min()))


def resolve_precision(
    dataset: Dataset, classifier: Classifier, settings: AuditConfig, device: torch.device
) -> tuple[AuditConfig, PrecisionAgreement | None]:
    """The settings with `precision = "auto"` resolved, and the agreement that decided it, if there was a trial.

    The trial's result is cached, so a rerun does not repeat it.
    """
    low, full = native_precision(device), replace(settings, precision="fp32")
    if settings.precision != "auto":
        return settings, None
    if low is None:
        return full, None
    reduced = replace(settings, precision=low)
    key = fingerprint(store_settings(forward_pass(classifier, reduced), settings, device))

    def trial() -> dict[str, np.ndarray]:
        found = try_precision(dataset, classifier, full, reduced, device)
        return {"images": np.array(found.images), "top1": np.array(found.top1), "cosine": np.array(found.cosine)}

    stored = ResultsCache(settings.out / "cache").get("precision", [key], trial)
    agreement = PrecisionAgreement(low, int(stored["images"]), float(stored["top1"]), float(stored["cosine"]))
    return (reduced if is_sufficient(agreement) else full), agreement


def try_precision(
    dataset: Dataset, classifier: Classifier, full: AuditConfig, reduced: AuditConfig, device: torch.device
) -> PrecisionAgreement:
    """Compare both precisions on the first images of the data set."""
    with eval_mode(classifier):
        batches = trial_batches(dataset, classifier, full, TRIAL_IMAGES, device)
        return measure_agreement(forward_pass(classifier, reduced), forward_pass(classifier, full), batches)
