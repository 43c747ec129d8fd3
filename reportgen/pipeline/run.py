"""The job: the stages in order, what is reused, and what is told at the end."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from reportgen.audit.audit import Audit
from reportgen.audit.model_info import ModelCard
from reportgen.audit.reference import Reference
from reportgen.config import AuditConfig
from reportgen.data.demo import DEMO_NOTE, SOLAR_NOTE, make_demo_photos, make_solar_table
from reportgen.data.masks import seen
from reportgen.data.readers.dataset import read_dataset
from reportgen.data.samples import Dataset, Refused, Sample
from reportgen.embedding.space import Codes, codes_of
from reportgen.errors import ConfigError, OutputError
from reportgen.gallery.build import build
from reportgen.gallery.core.writer import MADE_LATER
from reportgen.metrics.classification import classify
from reportgen.metrics.failures import failure_kinds
from reportgen.metrics.localization.ilsvrc import localize
from reportgen.metrics.localization.max_box_acc import SIDE
from reportgen.metrics.localization.study import study
from reportgen.models.classifier import Classifier
from reportgen.models.heads import POOLINGS
from reportgen.models.layers import choose_layers
from reportgen.models.loading import load_classifiers, vocabulary_of
from reportgen.pipeline.backprop_baseline import backprop
from reportgen.pipeline.cross_fitting import look_with_fitted_head
from reportgen.pipeline.extraction import (
    Look,
    Progress,
    look,
    maps_of_random_weights,
    seen_by_all,
    settled,
    silent,
    with_maps_settled,
)
from reportgen.pipeline.feature_visualization import asked_units
from reportgen.pipeline.forward import pick_device, within_memory
from reportgen.pipeline.freshness import made_of, note_standing, standing
from reportgen.pipeline.model_info import model_card
from reportgen.pipeline.outputs import Summary, publish, result_files, write_results
from reportgen.pipeline.part_test import part_test
from reportgen.pipeline.selected_images import Subject, look_closer
from reportgen.results import metrics as results
from reportgen.store.files import only_run
from reportgen.store.table import begin_use, end_use, note_use


class _Clock:
    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - start


def run_audit(config: AuditConfig, progress: Progress = silent) -> Summary:
    """Runs the whole job and writes the report. Errors: ReportgenError, each with its one line."""
    if config.data is None:
        raise ConfigError("no data set is named", "give --data DIR_OR_TABLE, or `data` in audit.toml")
    return _run(
        config, lambda vocabulary: read_dataset(Path(config.data or ""), vocabulary, config.annotations), progress
    )


def run_demo(which: str, config: AuditConfig, progress: Progress = silent) -> Summary:
    """Runs the job on an embedded data set: `photos` or `solar`."""
    make, note, name = {
        "photos": (make_demo_photos, DEMO_NOTE, "eight photographs"),
        "solar": (make_solar_table, SOLAR_NOTE, "solar cells"),
    }[which]

    def read(vocabulary: Any) -> Dataset:
        return replace(read_dataset(make(config.out / "demo"), vocabulary), name=name, note=note)

    return _run(config, read, progress)


def _run(config: AuditConfig, read: Callable[[Any], Dataset], progress: Progress) -> Summary:
    clock = _Clock()
    torch.set_num_threads(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    refuse_foreign_site(config.out)
    with only_run(config.out), within_memory():
        begin_use(config.out / "cache")
        saw = _see(config, read, clock, progress)
        of = made_of(config, saw.dataset, saw.samples, saw.unreadable, saw.looks, saw.cards, saw.reference)
        stores = standing(config.out, of)
        summary = Summary(
            index=config.out / "site" / "index.html",
            metrics={},
            computed=sum(one.looked.computed for one in saw.looks),
            reused=sum(one.looked.reused for one in saw.looks),
            set_aside=[line for one in saw.looks for line in one.store.set_aside],
            seconds=clock.seconds,
            stood=stores is not None,
            analysed=lambda: _audit_of(config, saw, clock, progress),
        )
        if stores is not None:
            note_use(config.out / "cache", stores)
            end_use(config.out / "cache")
            summary.metrics = json.loads((config.out / "metrics.json").read_text("utf-8"))
            return summary
        summary.metrics = results.metrics(summary.audit)
        filled = _filled(config.out)
        with clock("build the site"):
            begin = partial(progress, "Building the site", unit="pages")
            files = result_files(summary)
            site = config.out / "site"
            pages = build(summary.audit, site, begin, config.pictures, publish(files, site))
        summary.outdated = [name for name, was in filled.items() if (config.out / "site" / name).read_bytes() != was]
        end_use(config.out / "cache")
        note_standing(config.out, of, write_results(summary, config, files, pages))
        return summary


def _filled(out: Path) -> dict[str, bytes]:
    """The pages that `reportgen review` may have filled: it leaves its table beside them."""
    paths = [out / "site" / name for name in sorted(MADE_LATER) if (out / "review.csv").is_file()]
    return {path.name: path.read_bytes() for path in paths if path.is_file()}


@dataclass(frozen=True)
class _Saw:
    """What the networks saw of the data set: all that the report follows from, with the settings and our own code."""

    dataset: Dataset
    samples: list[Sample]
    unreadable: list[tuple[str, str]]
    looks: Sequence[Look]
    cards: Sequence[ModelCard]
    codes: Codes
    reference: Reference | None
    device: torch.device


def _see(config: AuditConfig, read: Callable[[Any], Dataset], clock: _Clock, progress: Progress) -> _Saw:
    with clock("load the model"), progress("Loading the model", None, ""):
        device = pick_device(config.device)
        networks = config.networks()
        classifiers = load_classifiers(networks, device)
        asked_units(networks[0], classifiers[0])  # a unit that there is not is told before the work
    with clock("read the data set"), progress("Reading the data set", None, ""):
        vocabulary = vocabulary_of(config, classifiers, read)
        dataset = read(vocabulary).limited(config.limit)
        dataset = replace(dataset, name=config.name or dataset.name).printable()
        training = read_dataset(config.fit_data, vocabulary) if config.fit_data else None
        other = read_dataset(config.reference, vocabulary).printable() if config.reference else None
    codes = codes_of(config.codes, watched_layers(classifiers[0], networks[0]))
    looks: list[Look] = []
    agreements = []
    for classifier, wanted in zip(classifiers, networks, strict=True):
        with clock("extract"):
            network, agreement = settled(dataset, classifier, wanted, device)
            agreements.append(agreement)
            looks.append(
                look_with_fitted_head(dataset, training, classifier, network, device, progress)
                if network.head in POOLINGS
                else look(dataset, classifier, network, device, progress)
            )
    reference = None
    if other:
        with clock("extract the reference"):
            reference = look_at_reference(other, looks[0], networks[0].store_maps, device, progress)
    samples, unreadable = seen_by_all(looks)
    samples, beyond = inside(samples, np.asarray(looks[0].store["samples/size"]))
    dataset = replace(dataset, refused=[*dataset.refused, *beyond])
    cards = [model_card(one, agreement, device) for one, agreement in zip(looks, agreements, strict=True)]
    return _Saw(dataset, samples, unreadable, looks, cards, codes, reference, device)


def _audit_of(config: AuditConfig, saw: _Saw, clock: _Clock, progress: Progress) -> Audit:
    """Every figure, and what is computed for chosen images only."""
    with clock("random weights"):
        random_maps = [
            maps_of_random_weights(saw.dataset, saw.samples, one.classifier, one.network, saw.device, progress)
            for one in saw.looks
        ]
    with clock("analyse"), progress("Analysing", None, ""):
        audits = [
            analyse(saw.dataset, saw.samples, saw.unreadable, card, one, maps)
            for one, card, maps in zip(saw.looks, saw.cards, random_maps, strict=True)
        ]
    with clock("hide parts"):
        first, *others = [
            replace(
                one,
                parts=part_test(one, look, saw.device, progress),
                backprop=backprop(one, look, saw.device, progress),
                top_patches=config.top_patches,
            )
            for one, look in zip(audits, saw.looks, strict=True)
        ]
        audit = replace(first, beside=others, codes=saw.codes, reference=saw.reference)
    with clock("look closer"):
        subject = Subject(saw.looks[0].classifier, saw.looks[0].network, saw.device, audit, config.out)
        return look_closer(subject, progress)


def refuse_foreign_site(out: Path) -> None:
    """Errors: OutputError where `out` has a `site` that no run made: building removes pages that it did not write."""
    ours = (".lock", "cache", "report.json")
    if not any((out / name).exists() for name in ours) and (out / "site").is_dir() and any((out / "site").iterdir()):
        raise OutputError(f"`{out / 'site'}` is there already, and is no report", "name another folder with --out")


def watched_layers(classifier: Classifier, network: AuditConfig) -> list[str]:
    """The names of the layers whose units the pass looks at."""
    chosen = choose_layers(classifier.trunk, classifier.head, network.layers)
    return list(dict.fromkeys([*(layer.name for layer in chosen), classifier.maps_layer]))


def look_at_reference(
    other: Dataset, first: Look, store_maps: str, device: torch.device, progress: Progress
) -> Reference:
    """The other data set through the first network, into the same store, but for its last maps: `auto` was decided for
    the audited images, and this set may be far larger."""
    wanted = replace(first.network, store_maps=store_maps)
    network = with_maps_settled(other, first.classifier, wanted, device)
    seen = look(other, first.classifier, network, device, progress)
    seen.store.select(seen.looked.keys)
    return Reference(other.name, seen.looked.samples, seen.looked.unreadable, seen.store)


def inside(samples: Sequence[Sample], sizes: np.ndarray) -> tuple[list[Sample], list[Refused]]:
    """The samples with their boxes cut at the image's right and lower border (sizes: `(N, 2)`), which only the decoded
    image tells, and the boxes that are wholly beyond it."""
    kept, beyond = [], []
    for sample, size in zip(samples, sizes, strict=True):
        boxes = np.minimum(sample.boxes, np.tile(size, 2).astype(np.float32))
        seen = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
        kept.append(replace(sample, boxes=boxes[seen]))
        for box in sample.boxes[~seen]:
            shown = " ".join(f"{v:g}" for v in box)
            beyond.append(Refused(sample.name, f"box {shown} lies outside of the image of {size[0]} × {size[1]}"))
    return kept, beyond


def analyse(
    dataset: Dataset,
    samples: list[Sample],
    unreadable: list[tuple[str, str]],
    card: ModelCard,
    look: Look,
    random_maps: dict[int, np.ndarray],
) -> Audit:
    """Every figure of the report, from the store's arrays."""
    store = look.store
    labels = np.array([-1 if s.label is None else s.label for s in samples])
    logits, maps = np.asarray(store["logits"]), np.asarray(store["cam/map"])
    classes = np.asarray(store["cam/class"], np.int64)
    sizes, windows = np.asarray(store["samples/size"]), np.asarray(store["samples/window"])
    boxes = [s.boxes.astype(np.float64) for s in samples]
    classification = classify(logits, labels)
    where = (boxes, sizes, windows, card.input_size)
    localization = localize(maps, classes, *where)
    masks = {i: seen(s.outlines, windows[i], SIDE) for i, s in enumerate(samples) if s.outlines}
    every = study(localization, classification, maps, classes, *where, random_maps, masks) if localization else None
    kinds = failure_kinds(classification.right1, labels, localization, boxes)
    bias = look.bias(samples)
    identity = None if bias is None else cam_identity(maps, classes, logits, bias)
    return Audit(dataset, samples, unreadable, card, store, classification, localization, kinds, identity, every)


def cam_identity(maps: np.ndarray, classes: np.ndarray, logits: np.ndarray, bias: np.ndarray) -> float | None:
    """Largest |mean(CAM) + bias − logit| over the stored maps: 0 but for rounding where CAM is exact.

    bias: `(N, K)`, of the head that gave an image's logits. Maps that are not finite are left out; None where none is.
    """
    looked_up = np.maximum(classes, 0)
    finite = (classes >= 0) & np.isfinite(maps).all((2, 3))
    means = maps.astype(np.float64).mean((2, 3)) + np.take_along_axis(bias, looked_up, 1)
    difference = means[finite] - np.take_along_axis(logits, looked_up, 1)[finite]
    return float(np.abs(difference).max()) if finite.any() else None
