"""The passes of a job: which images go through which network into which store."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import PIL
import torch

from reportgen import __version__
from reportgen.config import AuditConfig
from reportgen.data.files import one_line
from reportgen.data.labels import Listing, Vocabulary, read_class_file
from reportgen.data.sample import Dataset, Sample, no_boxes
from reportgen.errors import ConfigError, DataError
from reportgen.extract.forward import Pass, assembled, evaluating, extract
from reportgen.extract.loader import Decoded, chunks, look_at_all
from reportgen.extract.precision import TRIAL, Agreement, measure_agreement, native_precision
from reportgen.extract.randomised import randomised
from reportgen.models.classifier import Classifier, Pooling
from reportgen.models.heads import POOLINGS, FittedHead, fit_head, grouped, out_of_fold, with_head
from reportgen.models.sources import load_classifier
from reportgen.store.files import write_atomic
from reportgen.store.store import Key, Store, fingerprint

SPLIT_SEED = 0
"""Folds are dealt with this seed."""


class Ticker(Protocol):
    """Counts the steps of a stage."""

    def __call__(self, steps: int = 1) -> None: ...


class Progress(Protocol):
    """How a stage's progress is shown; the job itself prints nothing."""

    def __call__(self, stage: str, total: int | None, unit: str) -> AbstractContextManager[Ticker]: ...


def silent(stage: str, total: int | None, unit: str) -> AbstractContextManager[Ticker]:
    """Progress that is not shown."""
    return nullcontext(lambda steps=1: None)


def load_classifiers(networks: Sequence[AuditConfig], device: torch.device) -> list[Classifier]:
    """The networks of an audit, on the device; for a fitted head, the network whose trunk it is fitted on.

    Errors: ConfigError unless those with their own head share their classes, and none its name with another.
    """
    loaded: dict[AuditConfig, Classifier] = {}
    found: list[Classifier] = []
    own: Classifier | None = None
    for network in networks:
        fitted = network.head in POOLINGS
        plain = replace(network, model_name=None)
        if fitted:
            plain = replace(plain, head=None, classes=None)
        if plain not in loaded:
            loaded[plain] = load_classifier(plain).to(device)
        name = loaded[plain].name + (f" + {network.head.upper()}" if fitted and network.head else "")
        classifier = replace(loaded[plain], name=one_line(network.model_name or name))
        if any(classifier.name == other.name for other in found):
            raise ConfigError(
                f"two networks are called `{classifier.name}`", "give each of them a `name` in its [[models]] table"
            )
        found.append(classifier)
        if fitted:
            continue
        own = own or classifier
        if classifier.class_names != own.class_names:
            raise ConfigError(
                f"`{own.name}` and `{classifier.name}` have different classes",
                "audit them in two reports, or name the same classes with `classes`",
            )
    return found


def vocabulary_of(
    config: AuditConfig, classifiers: Sequence[Classifier], read: Callable[[Vocabulary], Dataset]
) -> Vocabulary:
    """The classes of the audit: those of the networks with their own head; where all heads are fitted, those of the
    file `classes`, or else every label of the data set, sorted."""
    own = [c for c, network in zip(classifiers, config.networks(), strict=True) if network.head not in POOLINGS]
    if own:
        return own[0].vocabulary
    if config.classes:
        return Vocabulary(read_class_file(config.classes))
    listing = Listing(())
    read(listing)
    return Vocabulary(tuple(sorted(listing.texts)))


def pass_for(classifier: Classifier, network: AuditConfig) -> Pass:
    """The pass that the settings ask for, once they are `settled`."""
    return Pass(classifier, network.layers, network.precision, network.store_maps == "yes")


MAPS_AT_MOST = 4_000_000_000
"""Bytes of last maps that `store_maps = auto` keeps."""


def settled(
    dataset: Dataset, classifier: Classifier, network: AuditConfig, device: torch.device
) -> tuple[AuditConfig, Agreement | None]:
    """The settings with every `auto` of the pass decided, and what the low precision was seen to do, if it was tried.

    The trial is written down beside the shards, so that a rerun does not repeat it.
    """
    if network.store_maps == "auto":
        fits = 4 * math.prod(classifier.maps_shape) * len(dataset.samples) <= MAPS_AT_MOST
        network = replace(network, store_maps="yes" if fits else "no")
    if network.precision != "auto":
        return network, None
    low, full = native_precision(device), replace(network, precision="fp32")
    if low is None:
        return full, None
    key = fingerprint(store_settings(pass_for(classifier, replace(network, precision=low)), network, device))
    path = network.out / "cache" / f"precision-{key[:16]}.json"
    try:
        agreement = Agreement(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        agreement = try_precision(dataset, classifier, full, low, device)
        write_atomic(path, json.dumps(asdict(agreement)).encode())
    return (replace(network, precision=low) if agreement.enough else full), agreement


def try_precision(
    dataset: Dataset, classifier: Classifier, network: AuditConfig, low: str, device: torch.device
) -> Agreement:
    """What the low precision says beside float32 of the first images."""
    threads, first = max(2, torch.get_num_threads()), dataset.samples[:TRIAL]
    how = (classifier.preprocessing, network.resize, network.decode, threads, 2 * network.batch_size)
    images = (one.decoded for one in look_at_all(first, lambda identity, label: False, *how) if one.decoded)
    with evaluating(classifier):
        batches = (pixels.to(device) for _, pixels in assembled(chunks(images, network.batch_size), device))
        quick = pass_for(classifier, replace(network, precision=low))
        return measure_agreement(quick, pass_for(classifier, network), batches)


def store_settings(forward: Pass, config: AuditConfig, device: torch.device) -> dict[str, Any]:
    """Everything, beside an image's bytes and its label, that could change a stored number."""
    classifier = forward.classifier
    return {
        "weights": classifier.weights_digest,
        "maps": classifier.maps_layer,
        "layers": forward.layers,
        "aliases": forward.aliases,
        "method": classifier.method,
        "preprocessing": asdict(classifier.preprocessing),
        "resize": config.resize,
        "decode": config.decode,
        "precision": forward.precision,
        "store_maps": forward.store_maps,
        "device": device.type,
        "reportgen": __version__,
        "torch": torch.__version__,
        "pillow": PIL.__version__,
    }


@dataclass
class LookedAt:
    """What the extraction made of a data set's samples: every one of them is in `samples` or in `unreadable`.

    keys: where the store has each of `samples`.
    """

    samples: list[Sample]
    keys: list[Key]
    unreadable: list[tuple[str, str]]
    computed: int
    reused: int

    @property
    def ids(self) -> list[str]:
        """The digests of the samples' bytes."""
        return [identity for identity, _ in self.keys]


def fill_store(
    store: Store,
    dataset: Dataset,
    forward: Pass,
    config: AuditConfig,
    device: torch.device,
    progress: Progress,
) -> LookedAt:
    """Puts every readable image of the data set into the store."""
    looked = LookedAt([], [], [], 0, 0)
    threads = max(2, torch.get_num_threads())
    coming: set[Key] = set()

    def known(identity: str, label: int | None) -> bool:
        return (identity, -1 if label is None else label) in store

    def missing(tick: Ticker) -> Iterator[Decoded]:
        preprocessing = forward.classifier.preprocessing
        found = look_at_all(
            dataset.samples, known, preprocessing, config.resize, config.decode, threads, 2 * config.batch_size
        )
        for sample, look in zip(dataset.samples, found, strict=True):
            tick()
            if look.id is None and look.decoded is None:
                looked.unreadable.append((sample.name, look.error or ""))
                continue
            looked.samples.append(sample)
            identity = look.id or (look.decoded.id if look.decoded else "")
            key = (identity, -1 if sample.label is None else sample.label)
            looked.keys.append(key)
            if look.decoded is None or key in coming:  # in the store, or a second file of the same bytes
                looked.reused += 1
            else:
                coming.add(key)
                looked.computed += 1
                yield look.decoded

    with progress("Looking at the images", len(dataset.samples), "images") as tick, evaluating(forward.classifier):
        for arrays in extract(forward, missing(tick), device, config.batch_size):
            store.commit(arrays)
    if not looked.keys:
        first = f", the first because {looked.unreadable[0][1]}" if looked.unreadable else ""
        raise DataError(f"none of the {len(dataset.samples)} files could be read{first}")
    return looked


@dataclass
class Look:
    """A network, and what it made of the data set.

    heads: those fitted for it, one a fold; fold: image's name → the fold it is in. Both empty for its own head.
    classifier: for fitted heads, with that of the first fold.
    """

    classifier: Classifier
    network: AuditConfig
    store: Store
    looked: LookedAt
    heads: Sequence[FittedHead] = ()
    fold: Mapping[str, int] = field(default_factory=dict)

    def bias(self, samples: Sequence[Sample]) -> np.ndarray | None:
        """`(N, K)` of the head that judged each sample, where the mean of its map and this make the logit."""
        own = self.classifier.own
        if own is None or own.pooling != "gap":
            return None
        if not self.heads:
            return np.broadcast_to(own.bias.cpu().numpy(), (len(samples), len(own.bias)))
        return np.stack([head.bias.numpy() for head in self.heads])[[self.fold[s.name] for s in samples]]

    def fit_in_words(self) -> str:
        """How the heads were fitted, for the reader; "" for the network's own."""
        if not self.heads:
            return ""
        unseen = "with bytes or group of an image of its training is judged by it"
        penalties = ", ".join(f"{head.penalty:g}" for head in self.heads)
        images = ", ".join(f"{head.images:,}" for head in self.heads)
        how = f"in {len(self.heads)} folds" if len(self.heads) > 1 else "on a training set"
        return f"linear softmax, fitted {how}: no image {unseen}; penalties {penalties}; {images} images"


def look(
    dataset: Dataset, classifier: Classifier, network: AuditConfig, device: torch.device, progress: Progress
) -> Look:
    """The data set through a network with its own head."""
    forward = pass_for(classifier, network)
    store = Store(network.out / "cache", store_settings(forward, network, device))
    return Look(classifier, network, store, fill_store(store, dataset, forward, network, device, progress))


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
        features, others = _pooled(training, classifier, network, device, progress)
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


def seen_by_all(looks: Sequence[Look]) -> tuple[list[Sample], list[tuple[str, str]]]:
    """The samples that every network saw with the same bytes, their rows selected in each store, and the others."""
    rows = [dict(zip((s.name for s in one.looked.samples), one.looked.keys, strict=True)) for one in looks]
    looked, first = looks[0].looked, rows[0]
    samples = [s for s in looked.samples if all(found.get(s.name) == first[s.name] for found in rows)]
    for one in looks:
        one.store.select([first[s.name] for s in samples])
    kept = {s.name for s in samples}
    return samples, [*looked.unreadable, *((name, "changed during the run") for name in first if name not in kept)]


RANDOM_AT_MOST = 512
"""Images with boxes that the network with random weights looks at: enough for an error known to ± 4 points."""


def maps_of_random_weights(
    dataset: Dataset,
    samples: Sequence[Sample],
    classifier: Classifier,
    config: AuditConfig,
    device: torch.device,
    progress: Progress,
) -> dict[int, np.ndarray]:
    """Sample's row → its label's map `(h, w)` under random weights, for images with boxes, evenly spread over them."""
    boxed = [i for i, sample in enumerate(samples) if len(sample.boxes)]
    if not boxed:
        return {}
    chosen = [boxed[i * len(boxed) // RANDOM_AT_MOST] for i in range(RANDOM_AT_MOST)]
    rows = {samples[i].name: i for i in (chosen if len(boxed) > RANDOM_AT_MOST else boxed)}
    forward = pass_for(randomised(classifier), replace(config, store_maps="no"))
    store = Store(config.out / "cache", store_settings(forward, config, device))
    few = replace(dataset, samples=[samples[i] for i in rows.values()])
    looked = fill_store(store, few, forward, config, device, progress)
    store.select(looked.keys)
    return {rows[sample.name]: map_ for sample, map_ in zip(looked.samples, store["cam/map"][:, -1], strict=True)}
