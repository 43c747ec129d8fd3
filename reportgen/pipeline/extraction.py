"""The passes of a job: which images go through which network into which store."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, astuple, dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import PIL
import torch

from reportgen import __version__
from reportgen.config import AuditConfig
from reportgen.data.samples import Dataset, Sample
from reportgen.errors import DataError
from reportgen.methods.randomization import randomised
from reportgen.models.classifier import Classifier
from reportgen.models.heads import FittedHead
from reportgen.pipeline.forward import Pass, assembled, evaluating, extract
from reportgen.pipeline.image_loader import Decoded, chunks, look_at_all
from reportgen.pipeline.precision import TRIAL, Agreement, measure_agreement, native_precision
from reportgen.store.files import write_atomic
from reportgen.store.table import Key, Store, fingerprint


class Ticker(Protocol):
    """Counts the steps of a stage."""

    def __call__(self, steps: int = 1) -> None: ...


class Progress(Protocol):
    """How a stage's progress is shown; the job itself prints nothing. seconds: by an estimate, or 0."""

    def __call__(
        self, stage: str, total: int | None, unit: str, seconds: float = 0
    ) -> AbstractContextManager[Ticker]: ...


def silent(stage: str, total: int | None, unit: str, seconds: float = 0) -> AbstractContextManager[Ticker]:
    """Progress that is not shown."""
    return nullcontext(lambda steps=1: None)


def pass_for(classifier: Classifier, network: AuditConfig) -> Pass:
    """The pass that the settings ask for, once they are `settled`."""
    return Pass(classifier, network.layers, network.precision, network.store_maps == "yes")


MAPS_AT_MOST = 4_000_000_000
"""Bytes of last maps that `store_maps = auto` adds."""


def settled(
    dataset: Dataset, classifier: Classifier, network: AuditConfig, device: torch.device
) -> tuple[AuditConfig, Agreement | None]:
    """The settings with every `auto` of the pass decided, and what the low precision was seen to do, if it was tried.

    The trial is written down beside the shards, so that a rerun does not repeat it.
    """
    low, full = native_precision(device), replace(network, precision="fp32")
    if network.precision != "auto" or low is None:
        chosen = network if network.precision != "auto" else full
        return with_maps_settled(dataset, classifier, chosen, device), None
    key = fingerprint(store_settings(pass_for(classifier, replace(network, precision=low)), network, device))
    path = network.out / "cache" / f"precision-{key[:16]}.json"
    try:
        agreement = Agreement(**json.loads(path.read_text()))
        if [type(value) for value in astuple(agreement)] != [str, int, float, float]:
            raise ValueError
    except (OSError, ValueError, TypeError):
        agreement = try_precision(dataset, classifier, full, low, device)
        write_atomic(path, json.dumps(asdict(agreement)).encode())
    chosen = replace(network, precision=low) if agreement.enough else full
    return with_maps_settled(dataset, classifier, chosen, device), agreement


def with_maps_settled(
    dataset: Dataset, classifier: Classifier, network: AuditConfig, device: torch.device
) -> AuditConfig:
    """The settings with `store_maps` decided: yes, if it adds few bytes to a store that has maps, or there is none.

    Where an earlier run decided, that stays as long as it can: the other way is another store, all of it to compute.
    """
    if network.store_maps != "auto":
        return network
    settings = store_settings(pass_for(classifier, network), network, device)
    names = (fingerprint(settings | {"store_maps": kept})[:16] for kept in (True, False))
    with_, without = (network.out / "cache" / name for name in names)
    there = sum(path.stat().st_size for path in with_.glob("[0-9]*.npz"))
    fits = 4 * math.prod(classifier.maps_shape) * len(dataset.samples) - there <= MAPS_AT_MOST
    return replace(network, store_maps="yes" if fits and (there or not without.exists()) else "no")


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
        "method": classifier.drawer.digest if classifier.drawer else classifier.method,
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
        if own is None or own.pooling != "gap" or self.classifier.drawer:
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
