"""The stages of a run one by one: the inputs of an audit, and the job of computing on single images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from reportgen.config import AuditConfig
from reportgen.data.readers.dataset import read_dataset
from reportgen.data.samples import Sample
from reportgen.models.classifier import Classifier
from reportgen.models.heads import FittedHead
from reportgen.pipeline.extraction import ModelRun
from reportgen.pipeline.inputs import AuditInputs, gather_inputs
from reportgen.pipeline.part_pass import Extraction
from reportgen.pipeline.per_image import PerImageJob
from reportgen.pipeline.progress import StageClock, silent
from reportgen.store.table import Store, Table


def inputs_of(config: AuditConfig) -> AuditInputs:
    """Load the networks and run the data set of these settings through them."""
    return gather_inputs(
        config, lambda names: read_dataset(Path(config.data or ""), names, config.annotations), StageClock(), silent
    )


def job_of(inputs: AuditInputs) -> PerImageJob:
    """The job of the first network."""
    one = inputs.models[0]
    return PerImageJob(one.run, inputs.samples, one.table, inputs.device)


def make_run(
    classifier: Classifier,
    samples: Sequence[Sample],
    table: Table,
    settings: AuditConfig | None = None,
    heads: Sequence[FittedHead] = (),
    folds: Mapping[str, int] | None = None,
) -> ModelRun:
    """A network that has seen these samples; the table is what its forward pass stored. See `ModelRun`."""
    extraction = Extraction(list(samples), list(table.keys), [], 0, len(samples))
    store = Store(table.cache, table.settings)
    return ModelRun(classifier, settings or AuditConfig(), store, extraction, heads, folds or {})


def make_job(
    classifier: Classifier, samples: Sequence[Sample], table: Table, settings: AuditConfig | None = None
) -> PerImageJob:
    """The job of a network that has seen these samples, on the CPU."""
    return PerImageJob(make_run(classifier, samples, table, settings), samples, table, torch.device("cpu"))
