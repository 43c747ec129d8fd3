"""The forward pass over parts of the data set, while other processes compute other parts of it.

Nothing coordinates them but the files: shards are named by what is in them, and what must be decided once for all, such
as a trial of a precision, is decided by the first process that stores its result.
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
from reportgen.pipeline.failed_files import forget_failed_files
from reportgen.pipeline.image_loader import Decoders
from reportgen.pipeline.inputs import load_inputs, passes_of_parts, resolve_settings
from reportgen.pipeline.part import Part
from reportgen.pipeline.part_pass import Extraction, PartPass, check_any_is_readable
from reportgen.pipeline.progress import Progress, StageClock

LOCAL_RANK = "LOCAL_RANK"
"""Variable of torchrun with the number of a process on its machine, which is that of its GPU."""


class PartJob:
    """The networks and the data, loaded once for any number of parts.

    passes: what a part has a share of, see `passes_of_parts`; networks: how many of them, the first, are of the audited
    data set.
    """

    def __init__(self, config: AuditConfig, read: ReadDataset, progress: Progress) -> None:
        """Errors: ReportgenError."""
        use_all_cores()
        self._progress = progress
        with out_of_memory_as_error():
            inputs = load_inputs(_with_own_gpu(config), read, StageClock(), progress)
            networks = zip(inputs.classifiers, inputs.settings, strict=True)
            settings = [
                resolve_settings(inputs.data.audited, classifier, wanted, inputs.device)[0]
                for classifier, wanted in networks
            ]
            self.networks = len(settings)
            self.passes = passes_of_parts(inputs, settings)
        self._decoders: Decoders | None = None  # kept between parts: forking them costs time
        self._begun: PartPass | None = None

    def compute(self, part: Part, following: Part | None = None) -> list[Extraction]:
        """Put the readable images of a part into the stores; return what became of them in each pass.

        While a pass is computed, the first images of the next one are decoded; after the last, those of `following`,
        the part of the next call if that is known. Errors: ReportgenError.
        """
        with out_of_memory_as_error():
            try:
                return self._compute(part, following)
            except BaseException:
                self.close()  # some decoders may have been ended
                raise

    def _compute(self, part: Part, following: Part | None) -> list[Extraction]:
        self._decoders = decoders = self._decoders or Decoders(max(2, torch.get_num_threads()))
        current, self._begun = self._begun, None
        if current is None or current.part != part:
            current = self.passes[0].begin(part, decoders)
        done = []
        for one in self.passes[1:]:
            begun = one.begin(part, decoders)
            done.append(current.finish(self._progress))
            current = begun
        if following:
            self._begun = self.passes[0].begin(following, decoders)
        done.append(current.finish(self._progress))
        return done

    def close(self) -> None:
        """End the decoders."""
        decoders, self._decoders, self._begun = self._decoders, None, None
        if decoders:
            decoders.close()


def run_part(config: AuditConfig, read: ReadDataset, part: Part, progress: Progress) -> list[Extraction]:
    """Run a part of the data set through each network, and parts of the other data sets through the first.

    The caller holds the lock on the part. Errors: ReportgenError.
    """
    if config.retry_failed:
        forget_failed_files(config.out / "cache")
    job = PartJob(config, read, progress)
    done = job.compute(part)
    job.close()
    for extraction in done:
        if extraction.unreadable:
            check_any_is_readable(extraction)
    return done[: job.networks]


def check_heads_are_given(config: AuditConfig, hint: str) -> None:
    """Raise ConfigError for a head that is fitted: its forward pass cannot be distributed. hint: the way out."""
    for settings in config.networks():
        if settings.head in POOLINGS:
            raise ConfigError(
                f"`head = {settings.head}` is fitted on all images, so it cannot be computed in parts", hint
            )


def _with_own_gpu(config: AuditConfig) -> AuditConfig:
    """The settings with the GPU of this process, if torchrun has started several on one machine."""
    rank = os.environ.get(LOCAL_RANK, "")
    if config.device == "auto" and rank.isdecimal() and torch.cuda.is_available():
        return replace(config, device=f"cuda:{int(rank) % torch.cuda.device_count()}")
    return config
