"""The forward pass over a part of a data set, or the whole: what goes through the network, and what became of it."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import torch

from reportgen.config import AuditConfig
from reportgen.data.samples import Dataset, Sample
from reportgen.errors import DataError
from reportgen.models.inference import eval_mode
from reportgen.pipeline.failed_files import FailedFiles
from reportgen.pipeline.forward import ForwardPass, extract, unit_size
from reportgen.pipeline.image_loader import DecodedImage, Decoders, load_images
from reportgen.pipeline.part import WHOLE, Part
from reportgen.pipeline.progress import Progress, Ticker
from reportgen.store.table import Key, Store

log = logging.getLogger(__name__)


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


class PartPass:
    """A part of a data set, or the whole, on its way through a network into a store.

    The first images are decoded as soon as it is made, so that the network need not wait for them; `finish` does the
    rest. If that is not called, decoding ends with this object.
    """

    def __init__(
        self,
        store: Store,
        dataset: Dataset,
        forward: ForwardPass,
        config: AuditConfig,
        device: torch.device,
        part: Part = WHOLE,
        decoders: Decoders | None = None,
    ) -> None:
        """decoders: see `load_images`."""
        self._store, self._forward, self._config, self._device = store, forward, config, device
        self.part = part
        self._unit_size = unit_size(config.batch_size)
        units = part.units(len(dataset.samples), self._unit_size)
        self._first_unit = units.start
        self._samples = dataset.samples[units.start * self._unit_size : units.stop * self._unit_size]
        self._failed = FailedFiles(store.folder.parent, config.decode)
        self._loaded = load_images(
            self._samples,
            lambda identity, label: _key(identity, label) in store,
            forward.classifier.preprocessing,
            config.resize,
            config.decode,
            threads=max(2, torch.get_num_threads()),
            ahead=2 * config.batch_size,
            failed=self._failed.reason,
            decoders=decoders,
        )

    def finish(self, progress: Progress) -> Extraction:
        """Put the readable images into the store.

        Errors: DataError if none of the whole data set or too few can be read, or a score map changed during the run;
        OutputError.
        """
        done, store = Extraction([], [], [], 0, 0), self._store
        start = time.perf_counter()
        try:
            with (
                progress("Running the network", len(self._samples), "images") as tick,
                eval_mode(self._forward.classifier),
            ):
                missing = self._missing(done, tick)
                for unit, arrays in extract(self._forward, missing, self._device, self._config.batch_size):
                    store.commit(arrays, unit)
        finally:
            self._failed.save()
        if done.computed:
            store.add_seconds(time.perf_counter() - start, "" if self.part == WHOLE else f"-{self.part}")
        log.debug(
            "store %s: %d computed, %d reused, %d unreadable", store.folder.name, done.computed, done.reused,
            len(done.unreadable),
        )  # fmt: skip
        if self.part == WHOLE:
            check_any_is_readable(done)
        return done

    def _missing(self, done: Extraction, tick: Ticker) -> Iterator[DecodedImage]:
        """Yield the images that the store does not have, and take note of all. Errors: as those of `finish`."""
        scheduled: set[Key] = set()
        score_maps = self._forward.classifier.score_maps
        for number, (sample, image) in enumerate(zip(self._samples, self._loaded, strict=True)):
            tick()
            if image.error is not None:
                done.unreadable.append((sample.name, image.error))
                if image.id:
                    done.undecodable[sample.name] = image.id
                    self._failed.add(image.id, sample.name, image.error)
                check_failure_rate(done.unreadable, len(self._samples), self._config.max_failure_rate)
                continue
            done.samples.append(sample)
            if image.said:
                done.said[sample.name] = image.said
            key = _key(image.id or "", sample.label)
            done.keys.append(key)
            if image.decoded is None or key in scheduled or key in self._store:  # in the store, maybe since it was
                done.reused += 1  # decoded, or a second file of the same bytes
            else:
                scheduled.add(key)
                done.computed += 1
                score_map = score_maps.read(sample.name) if score_maps else None
                yield replace(image.decoded, score_map=score_map, unit=self._first_unit + number // self._unit_size)


def _key(identity: str, label: int | None) -> Key:
    return identity, -1 if label is None else label


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
