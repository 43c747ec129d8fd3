"""The look through heads that are fitted on the data set itself: no image is judged by a head that saw it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from reportgen.config import AuditConfig
from reportgen.data.samples import Dataset, Sample, no_boxes
from reportgen.models.classifier import Classifier, Pooling
from reportgen.models.heads import fit_head, grouped, out_of_fold, with_head
from reportgen.pipeline.extraction import Look, LookedAt, Progress, fill_store, look, pass_for, store_settings
from reportgen.store.table import Store

SPLIT_SEED = 0
"""Folds are dealt with this seed."""


def look_with_fitted_head(
    dataset: Dataset,
    training: Dataset | None,
    classifier: Classifier,
    network: AuditConfig,
    device: torch.device,
    progress: Progress,
) -> Look:
    """The data set through a trunk and heads fitted on its last maps, each image through one that never saw it.

    The first look gives the pooled maps. Heads are fitted on them, on `training` or else in folds; what has the bytes
    of an image, or its group, is never in the training of the head that judges it. A second look gives logits and maps.
    """
    pooling: Pooling = "gap" if network.head == "gap" else "gmp"
    classes = dataset.classes
    features, first = _pooled(dataset, classifier, network, device, progress)
    samples, ids, labels = first.samples, first.ids, _labels(first.samples)
    if training is None:
        groups = grouped(ids, [sample.group for sample in samples])
        heads, fold = out_of_fold(features, labels, groups, len(classes), network.folds, SPLIT_SEED, device)
    else:
        lean = replace(network, store_maps="no")  # `auto` was decided for the data set, and this one may be far larger
        features, others = _pooled(training, classifier, lean, device, progress)
        labels = _labels(others.samples)
        use = (labels >= 0) & ~np.isin(others.ids, ids)
        groups = grouped(others.ids, [sample.group for sample in others.samples])[use]
        heads = [fit_head(features[use], labels[use], groups, len(classes), SPLIT_SEED, device)]
        fold = np.zeros(len(samples), np.int64)
    fitted = [with_head(classifier, pooling, head, classes) for head in heads]
    settings = store_settings(pass_for(fitted[0], network), network, device)
    digest = hashlib.sha256(" ".join([f.weights_digest for f in fitted]).encode()).hexdigest()
    store = Store(network.out / "cache", settings | {"weights": digest})
    parts = [first]
    for f, one in enumerate(fitted):
        inside = [sample for sample, g in zip(samples, fold, strict=True) if g == f]
        if inside:
            part = replace(dataset, samples=inside)
            parts.append(fill_store(store, part, pass_for(one, network), network, device, progress))
    keys = {s.name: key for part in parts[1:] for s, key in zip(part.samples, part.keys, strict=True)}
    looked = LookedAt(
        [s for s in samples if s.name in keys],
        [keys[s.name] for s in samples if s.name in keys],
        [refused for part in parts for refused in part.unreadable],
        sum(part.computed for part in parts),
        sum(part.reused for part in parts),
    )
    folds = {sample.name: int(f) for sample, f in zip(samples, fold, strict=True)}
    return Look(replace(fitted[0], weights_digest=digest), network, store, looked, heads, folds)


def _pooled(
    dataset: Dataset, classifier: Classifier, network: AuditConfig, device: torch.device, progress: Progress
) -> tuple[np.ndarray, LookedAt]:
    """The pooled maps `(N, C)` of the images that can be read.

    Where the network's own classes are not the data set's, its head is no reason to look twice: labels stay away.
    """
    plain = dataset
    if tuple(classifier.class_names) != tuple(dataset.classes):
        plain = replace(dataset, samples=[replace(s, label=None, boxes=no_boxes()) for s in dataset.samples])
    seen = look(plain, classifier, network, device, progress)
    seen.store.select(seen.looked.keys)
    by_name = {sample.name: sample for sample in dataset.samples}
    samples = [by_name[sample.name] for sample in seen.looked.samples]
    return np.asarray(seen.store[f"features/{network.head}"]), replace(seen.looked, samples=samples)


def _labels(samples: Sequence[Sample]) -> np.ndarray:
    return np.array([-1 if s.label is None else s.label for s in samples], np.int64)
