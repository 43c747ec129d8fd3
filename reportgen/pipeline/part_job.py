"""The forward pass over one part of the data set, while other processes compute other parts of it.

Nothing coordinates them but the files: each part has a lock, shards are named by what is in them, and what must be
decided once for all, such as a trial of a precision, is decided by the first process that stores its result.
"""

from __future__ import annotations

import os
from dataclasses import replace

import torch

from reportgen.config import AuditConfig
from reportgen.errors import ConfigError
from reportgen.models.heads import POOLINGS
from reportgen.models.inference import out_of_memory_as_error, use_all_cores
from reportgen.pipeline.datasets import ReadDataset
from reportgen.pipeline.extraction import Extraction, run_model
from reportgen.pipeline.failed_files import forget_failed_files
from reportgen.pipeline.inputs import extract_reference, load_inputs, resolve_settings
from reportgen.pipeline.part import Part
from reportgen.pipeline.progress import Progress, StageClock
from reportgen.setting_values import as_url

LOCAL_RANK = "LOCAL_RANK"
"""Variable of torchrun with the number of a process on its machine, which is that of its GPU."""


def run_part(config: AuditConfig, read: ReadDataset, part: Part, progress: Progress) -> list[Extraction]:
    """Run a part of the data set through each network, and parts of the other data sets through the first.

    The caller holds the lock on the part. Errors: ReportgenError.
    """
    use_all_cores()
    if config.retry_failed:
        forget_failed_files(config.out / "cache")
    with out_of_memory_as_error():
        inputs = load_inputs(_with_own_gpu(config), read, StageClock(), progress)
        data, device, runs = inputs.data, inputs.device, []
        for classifier, wanted in zip(inputs.classifiers, inputs.settings, strict=True):
            settings, *_ = resolve_settings(data.audited, classifier, wanted, device)
            runs.append(run_model(data.audited, classifier, settings, device, progress, part))
        for other in (data.reference, data.ood):
            if other:
                extract_reference(other, runs[0], inputs.settings[0].store_feature_maps, device, progress, part)
    return [run.extraction for run in runs]


def check_parts_are_possible(config: AuditConfig) -> None:
    """Raise ConfigError for settings whose forward pass cannot be distributed."""
    for settings in config.networks():
        if settings.head in POOLINGS:
            raise ConfigError(
                f"`head = {settings.head}` is fitted on all images, so it cannot be computed in parts",
                "use `reportgen run`",
            )
    for name in ("data", "reference", "ood", "annotations", "classes"):
        if as_url(getattr(config, name) or ""):
            raise ConfigError(f"`{name}` is a URL", "name a folder that all parts share, such as a mounted bucket")


def _with_own_gpu(config: AuditConfig) -> AuditConfig:
    """The settings with the GPU of this process, if torchrun has started several on one machine."""
    rank = os.environ.get(LOCAL_RANK, "")
    if config.device == "auto" and rank.isdecimal() and torch.cuda.is_available():
        return replace(config, device=f"cuda:{int(rank) % torch.cuda.device_count()}")
    return config
