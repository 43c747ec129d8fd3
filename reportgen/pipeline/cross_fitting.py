"""Heads fitted on the data set itself, in folds: no image is judged by a head that was fitted on it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain

import numpy as np
import torch

from reportgen.config import AuditConfig
from reportgen.data.groups import connected_groups
from reportgen.data.samples import Dataset, Sample, no_boxes
from reportgen.models.classifier import Classifier, Pooling
from reportgen.models.heads import cross_fit_heads, fit_head, replace_head
from reportgen.pipeline.extraction import ModelRun, forward_pass, run_model, store_settings
from reportgen.pipeline.part_pass import Extraction, PartPass
from reportgen.pipeline.progress import Progress
from reportgen.store.table import Store

SPLIT_SEED = 0
"""Seed of the assignment of images to folds."""


def run_with_fitted_heads(
    dataset: Dataset,
    training: Dataset | None,
    classifier: Classifier,
    settings: AuditConfig,
    device: torch.device,
    progress: Progress,
) -> ModelRun:
    """Fit heads on the trunk's pooled feature maps, and run each image through a head that was not fitted on it.

    A first pass gives the pooled feature maps. Heads are fitted on them, on `training` or else in folds. Images with
    the same bytes or of the same group are never split between a head's training and the images that it judges. A
    second pass gives logits and activation maps.
    """
    pooling: Pooling = "gap" if settings.head == "gap" else "gmp"
    classes = dataset.classes
    features, first = _pooled(dataset, classifier, settings, device, progress)
    samples, ids, labels = first.samples, first.ids, _labels(first.samples)
    if training is None:
        groups = connected_groups(ids, [sample.group for sample in samples])
        heads, fold = cross_fit_heads(features, labels, groups, len(classes), settings.folds, SPLIT_SEED, device)
    else:  # its feature maps are not stored: the training set may be far larger than the audited one
        lean = replace(settings, store_feature_maps="no")
        features, others = _pooled(training, replace(classifier, score_maps=None), lean, device, progress)
        labels, n = _labels(others.samples), len(others.samples)
        both = [*others.samples, *samples]
        groups = connected_groups([*others.ids, *ids], [sample.group for sample in both])
        use = (labels >= 0) & ~np.isin(groups[:n], groups[n:])
        heads = [fit_head(features[use], labels[use], groups[:n][use], len(classes), SPLIT_SEED, device)]
        fold = np.zeros(len(samples), np.int64)
    fitted = [replace_head(classifier, pooling, head, classes) for head in heads]
    key = store_settings(forward_pass(fitted[0], settings), settings, device)
    digest = hashlib.sha256(" ".join([f.weights_digest for f in fitted]).encode()).hexdigest()
    store = Store(settings.out / "cache", key | {"weights": digest})
    parts = [first]
    for f, one in enumerate(fitted):
        members = [sample for sample, g in zip(samples, fold, strict=True) if g == f]
        if members:
            part = replace(dataset, samples=members)
            parts.append(PartPass(store, part, forward_pass(one, settings), settings, device).finish(progress))
    keys = {s.name: key for part in parts[1:] for s, key in zip(part.samples, part.keys, strict=True)}
    extraction = Extraction(
        [s for s in samples if s.name in keys],
        [keys[s.name] for s in samples if s.name in keys],
        [failed for part in parts for failed in part.unreadable],
        sum(part.computed for part in parts),
        sum(part.reused for part in parts),
        dict(chain(*(part.undecodable.items() for part in parts))),
        dict(chain(*(part.said.items() for part in parts))),
    )
    fold_of = {sample.name: int(f) for sample, f in zip(samples, fold, strict=True)}
    return ModelRun(replace(fitted[0], weights_digest=digest), settings, store, extraction, heads, fold_of)


def _pooled(
    dataset: Dataset, classifier: Classifier, settings: AuditConfig, device: torch.device, progress: Progress
) -> tuple[np.ndarray, Extraction]:
    """The pooled feature maps `(N, C)` of the images that can be read.

    Where the network's own classes are not the data set's, the labels are left out: they mean nothing to its head.
    """
    plain = dataset
    if tuple(classifier.class_names.names) != tuple(dataset.classes):
        plain = replace(dataset, samples=[replace(s, label=None, boxes=no_boxes()) for s in dataset.samples])
    run = run_model(plain, classifier, settings, device, progress)
    by_name = {sample.name: sample for sample in dataset.samples}
    samples = [by_name[sample.name] for sample in run.extraction.samples]
    features = np.asarray(run.store.select(run.extraction.keys)[f"features/{settings.head}"])
    return features, replace(run.extraction, samples=samples)


def _labels(samples: Sequence[Sample]) -> np.ndarray:
    return np.array([-1 if s.label is None else s.label for s in samples], np.int64)
