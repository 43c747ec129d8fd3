"""The forward pass over a data set: which images go through which network into which store."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import PIL
import torch

from reportgen import __version__
from reportgen.config import AuditConfig
from reportgen.data.image_properties import DEFINITION
from reportgen.data.samples import Dataset, Sample
from reportgen.errors import DataError
from reportgen.models.classifier import Classifier
from reportgen.models.heads import FittedHead, replace_head
from reportgen.models.inference import N_TOP_LABELS, eval_mode
from reportgen.pipeline.failed_files import FailedFiles
from reportgen.pipeline.forward import ForwardPass, extract, unit_size
from reportgen.pipeline.image_loader import DecodedImage, load_images
from reportgen.pipeline.part import WHOLE, Part
from reportgen.pipeline.progress import Progress, Ticker
from reportgen.store.results_cache import ResultsCache
from reportgen.store.table import Key, Store, fingerprint

log = logging.getLogger(__name__)

MAX_FEATURE_MAP_BYTES = 4_000_000_000
"""Bytes of feature maps that `store_feature_maps = "auto"` adds at most."""


@dataclass
class PartOutcome:
    """What another process did with images, besides the rows in the store.

    computed: number of images that went through the network; unreadable, said: as in `Extraction`.
    """

    computed: int = 0
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    said: dict[str, str] = field(default_factory=dict)

    def add(self, other: PartOutcome) -> None:
        """Add what became of other images."""
        self.computed += other.computed
        self.unreadable += other.unreadable
        self.said |= other.said


@dataclass
class Extraction:
    """What became of a data set's samples: every one of them is in `samples` or in `unreadable`.

    keys: the store's key of each of `samples`; computed, reused: number of samples that went through the network, and
    of those that the store had. undecodable: name → digest of the bytes of samples that cannot be decoded;
    said: name → what the decoder said of a sample that was decoded.
    """

    samples: list[Sample]
    keys: list[Key]
    unreadable: list[tuple[str, str]]
    computed: int
    reused: int
    undecodable: dict[str, str] = field(default_factory=dict)
    said: dict[str, str] = field(default_factory=dict)

    @property
    def ids(self) -> list[str]:
        """The digests of the samples' bytes."""
        return [identity for identity, _ in self.keys]

    @property
    def outcome(self) -> PartOutcome:
        """What matters of it to another process."""
        return PartOutcome(self.computed, self.unreadable, self.said)

    def note_computed(self, elsewhere: PartOutcome) -> None:
        """Count images as computed that the store had because other processes of this run have computed them."""
        moved = min(elsewhere.computed, self.reused)
        self.computed, self.reused = self.computed + moved, self.reused - moved
        self.said = elsewhere.said | self.said


@dataclass(frozen=True)
class ModelRun:
    """A network with its settings, and what it made of the data set.

    classifier: for fitted heads, with that of the first fold.
    heads: those that were fitted, one a fold; fold: image's name → its fold. Both empty for the network's own head.
    """

    classifier: Classifier
    settings: AuditConfig
    store: Store
    extraction: Extraction
    heads: Sequence[FittedHead] = ()
    fold: Mapping[str, int] = field(default_factory=dict)

    def classifier_for(self, name: str) -> Classifier:
        """The network that judges an image: where heads were fitted, with the head that was not fitted on it."""
        if not self.heads or self.classifier.linear_head is None:
            return self.classifier
        head = self.heads[self.fold[name]]
        return replace_head(
            self.classifier, self.classifier.linear_head.pooling, head, self.classifier.class_names.names
        )

    def bias(self, samples: Sequence[Sample]) -> np.ndarray | None:
        """`(N, K)` bias of the head that judged each sample; None where mean(CAM) + bias is not the logit."""
        own = self.classifier.linear_head
        if own is None or own.pooling != "gap" or self.classifier.method != "cam":
            return None
        if not self.heads:
            return np.broadcast_to(own.bias.cpu().numpy(), (len(samples), len(own.bias)))
        return np.stack([head.bias.numpy() for head in self.heads])[[self.fold[s.name] for s in samples]]


class Pass:
    """A data set on its way through a network into a store, as a whole or in parts."""

    def __init__(self, dataset: Dataset, classifier: Classifier, settings: AuditConfig, device: torch.device) -> None:
        """settings: of the network; their `auto` values must have been resolved."""
        self.dataset, self.classifier, self.settings, self.device = dataset, classifier, settings, device
        self._forward = forward_pass(classifier, settings)
        self.store_settings = store_settings(self._forward, settings, device)

    @cached_property
    def store(self) -> Store:
        """The store, with what it has when it is first asked for and what this process adds."""
        return Store(self.settings.out / "cache", self.store_settings)

    def extract(self, progress: Progress, part: Part = WHOLE) -> Extraction:
        """Put the readable images of the data set, or of a part of it, into the store. Errors: `extract_dataset`."""
        return extract_dataset(self.store, self.dataset, self._forward, self.settings, self.device, progress, part)


def run_model(
    dataset: Dataset,
    classifier: Classifier,
    settings: AuditConfig,
    device: torch.device,
    progress: Progress,
    part: Part = WHOLE,
) -> ModelRun:
    """Run the data set, or a part of it, through a network with its own head."""
    whole = Pass(dataset, classifier, settings, device)
    return ModelRun(classifier, settings, whole.store, whole.extract(progress, part))


def forward_pass(classifier: Classifier, settings: AuditConfig, keep_graph: bool = True) -> ForwardPass:
    """The forward pass that the settings ask for; their `auto` values must have been resolved.

    keep_graph: whether a graph that is exported for ONNX Runtime is cached, which takes as many bytes as the network.
    """
    store_feature_maps = settings.store_feature_maps == "yes"
    cache = ResultsCache(settings.out / "cache") if keep_graph else None
    return ForwardPass(classifier, settings.layers, settings.precision, store_feature_maps, settings.runtime, cache)


def store_settings(forward: ForwardPass, config: AuditConfig, device: torch.device) -> dict[str, Any]:
    """Everything, except an image's bytes and its label, that could change a stored number."""
    classifier = forward.classifier
    return {
        "weights": classifier.weights_digest,
        "maps": classifier.feature_layer,
        "layers": forward.layers,
        "aliases": forward.aliases,
        "method": _method(classifier),
        "preprocessing": {key: value for key, value in asdict(classifier.preprocessing).items() if key != "source"},
        "resize": config.resize,
        "decode": config.decode,
        "properties": DEFINITION,
        "precision": forward.precision,
        "runtime": forward.runtime_version,
        "store_maps": forward.store_feature_maps,
        **({"top_labels": N_TOP_LABELS} if classifier.class_names.is_multilabel else {}),
        "device": device.type,
        "reportgen": __version__,
        "torch": torch.__version__,
        "pillow": PIL.__version__,
    }


def _method(classifier: Classifier) -> str:
    """Identify where activation maps come from: a built-in method, or the digest of a function or of files."""
    own = classifier.score_maps or classifier.map_function
    return own.digest if own else classifier.method


def resolve_feature_map_storage(
    dataset: Dataset, classifier: Classifier, settings: AuditConfig, device: torch.device
) -> AuditConfig:
    """The settings with `store_feature_maps = "auto"` resolved to yes, if the maps add few enough bytes, or to no.

    What an earlier run resolved stays as long as it can: the other value means another store, computed from scratch.
    """
    if settings.store_feature_maps != "auto":
        return settings
    keys = store_settings(forward_pass(classifier, settings), settings, device)
    names = (fingerprint(keys | {"store_maps": stored})[:16] for stored in (True, False))
    with_maps, without = (settings.out / "cache" / name for name in names)
    stored = sum(path.stat().st_size for path in with_maps.glob("[0-9]*.npz"))
    fits = 4 * math.prod(classifier.feature_shape) * len(dataset.samples) - stored <= MAX_FEATURE_MAP_BYTES
    return replace(settings, store_feature_maps="yes" if fits and (stored or not without.exists()) else "no")


def extract_dataset(
    store: Store,
    dataset: Dataset,
    forward: ForwardPass,
    config: AuditConfig,
    device: torch.device,
    progress: Progress,
    part: Part = WHOLE,
) -> Extraction:
    """Put every readable image of the data set, or of a part of it, into the store.

    Errors: DataError if none of the whole data set or too few can be read, or a score map changed during the run;
    OutputError.
    """
    done = Extraction([], [], [], 0, 0)
    size = unit_size(config.batch_size)
    units = part.units(len(dataset.samples), size)
    samples = dataset.samples[units.start * size : units.stop * size]
    threads = max(2, torch.get_num_threads())
    scheduled: set[Key] = set()
    failed = FailedFiles(store.folder.parent, config.decode)
    score_maps = forward.classifier.score_maps

    def is_stored(identity: str, label: int | None) -> bool:
        return (identity, -1 if label is None else label) in store

    def missing(tick: Ticker) -> Iterator[DecodedImage]:
        preprocessing = forward.classifier.preprocessing
        how = (preprocessing, config.resize, config.decode, threads, 2 * config.batch_size)
        loaded = load_images(samples, is_stored, *how, failed.reason)
        for number, (sample, image) in enumerate(zip(samples, loaded, strict=True)):
            tick()
            if image.error is not None:
                done.unreadable.append((sample.name, image.error))
                if image.id:
                    done.undecodable[sample.name] = image.id
                    failed.add(image.id, sample.name, image.error)
                check_failure_rate(done.unreadable, len(samples), config.max_failure_rate)
                continue
            done.samples.append(sample)
            if image.said:
                done.said[sample.name] = image.said
            identity = image.id or ""
            key = (identity, -1 if sample.label is None else sample.label)
            done.keys.append(key)
            if image.decoded is None or key in scheduled:  # in the store, or a second file of the same bytes
                done.reused += 1
            else:
                scheduled.add(key)
                done.computed += 1
                score_map = score_maps.read(sample.name) if score_maps else None
                yield replace(image.decoded, score_map=score_map, unit=units.start + number // size)

    start = time.perf_counter()
    try:
        with progress("Running the network", len(samples), "images") as tick, eval_mode(forward.classifier):
            for unit, arrays in extract(forward, missing(tick), device, config.batch_size):
                store.commit(arrays, unit)
    finally:
        failed.save()
    if done.computed:
        store.add_seconds(time.perf_counter() - start, "" if part == WHOLE else f"-{part}")
    log.debug(
        "store %s: %d computed, %d reused, %d unreadable", store.folder.name, done.computed, done.reused,
        len(done.unreadable),
    )  # fmt: skip
    if part == WHOLE:
        check_any_is_readable(done)
    return done


def check_any_is_readable(done: Extraction) -> None:
    """Raise DataError if there are no files, or none of them could be read."""
    if not done.keys:
        first = f", the first because {done.unreadable[0][1]}" if done.unreadable else ""
        raise DataError(f"none of the {len(done.unreadable)} files could be read{first}")


def check_failure_rate(unreadable: Sequence[tuple[str, str]], files: int, limit: float | None) -> None:
    """Raise DataError if more than this share of the files is unreadable. unreadable: names and reasons so far."""
    if limit is not None and len(unreadable) > limit * files:
        raise DataError(
            f"{len(unreadable):,} of {files:,} files cannot be read, which is more than `max_failure_rate = {limit:g}` "
            f"allows; the first: {unreadable[0][1]}",
            "mend the files, or raise --max-failure-rate",
        )


def common_samples(runs: Sequence[ModelRun]) -> tuple[list[Sample], list[Key], list[tuple[str, str]]]:
    """The samples that every network saw with the same bytes, their keys, and (name, reason) of all others."""
    keys = [dict(zip((s.name for s in r.extraction.samples), r.extraction.keys, strict=True)) for r in runs]
    extraction, first = runs[0].extraction, keys[0]
    samples = [s for s in extraction.samples if all(key.get(s.name) == first[s.name] for key in keys)]
    names = {s.name for s in samples}
    changed = [(name, "changed during the run") for name in first if name not in names]
    return samples, [first[s.name] for s in samples], [*extraction.unreadable, *changed]
