"""Whether nothing has changed since the last run, decided without the network and without importing torch.

A run records what its report follows from: a digest of settings, annotations, networks' files, code, versions and
machine, and one of the bytes of all images. A rerun that finds the same digests, and the files of the report and of the
cache as they were, has nothing to do. Where that is not certain, the run loads the network, and
`reportgen.pipeline.freshness.input_digest` decides.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import platform
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from reportgen.config import ENGINE_KEYS, AuditConfig
from reportgen.data.class_names import ClassNames, read_class_file
from reportgen.data.decoding import digest
from reportgen.data.readers.dataset import data_class_names
from reportgen.data.samples import Dataset, Sample
from reportgen.errors import ReportgenError
from reportgen.gallery.core import assets
from reportgen.gallery.core.manifest import code_digest, digest_of
from reportgen.pipeline.datasets import AuditData, ReadDataset, class_names_of_data, read_data
from reportgen.pipeline.network_sources import machine, network_digest, versions
from reportgen.pipeline.progress import Progress

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SourceRecord:
    """What a report was made from.

    about:       digest of everything but the bytes of the images.
    images:      digest of the bytes of all images, also of those that cannot be decoded.
    class_names: of the networks, with their WordNet ids; None if they are the labels of the data set; is_multilabel:
        see `ClassNames`.
    published:   for each network, the file of published weights that torchvision has loaded, or None.
    """

    about: str
    images: str
    class_names: Sequence[str] | None
    wnids: Sequence[str] | None
    published: Sequence[str | None]
    is_multilabel: bool = False


@dataclass(frozen=True)
class Sources:
    """What an audit follows from, as a run gathers it.

    class_names: None if they are the labels of the data set; networks: digest of each, or None if it is not known
    without loading it; published: as in `SourceRecord`.
    """

    class_names: ClassNames | None
    data: AuditData
    networks: Sequence[str | None]
    published: Sequence[Path | None]


def are_unchanged(config: AuditConfig, record: SourceRecord, read: ReadDataset, progress: Progress) -> bool:
    """Whether everything that the report follows from is as it was recorded.

    False if that is not certain, as for data that cannot be read: then the networks are loaded.
    """
    try:
        published = [None if path is None else Path(path) for path in record.published]
        networks = [network_digest(own, path) for own, path in zip(config.networks(), published, strict=True)]
        class_names = (
            class_names_of_data(config, read)
            if record.class_names is None
            else ClassNames(
                tuple(record.class_names), None if record.wnids is None else tuple(record.wnids), record.is_multilabel
            )
        )
        data = read_data(config, class_names, read)
        if about_digest(config, Sources(class_names, data, networks, published)) != record.about:
            log.debug("settings, annotations, networks, code or versions have changed")
            return False
        is_same = images_digest(_identities([*_images(data)], progress)) == record.images
    except (ReportgenError, OSError, ValueError, KeyError, TypeError) as error:
        log.debug("not decided without the network: %s", error)
        return False
    log.debug("images unchanged: %s", is_same)
    return is_same


def record_of(config: AuditConfig, sources: Sources, known: Sequence[dict[str, str]]) -> SourceRecord | None:
    """Return the record of a finished run; None if a rerun has to load the networks.

    known: for each data set of `sources.data.run`, by name the digest of the bytes of each image that was
        decoded, or cannot be decoded; the cause that made another file unreadable may have gone.
    """
    if None in sources.networks or sources.data.training:
        return None
    datasets = sources.data.run
    identities = [
        ids.get(sample.name) for dataset, ids in zip(datasets, known, strict=True) for sample in dataset.samples
    ]
    if None in identities:
        return None
    names = sources.class_names
    return SourceRecord(
        about=about_digest(config, sources),
        images=images_digest([identity or "" for identity in identities]),
        class_names=None if names is None else names.names,
        wnids=None if names is None else names.wnids,
        published=[None if path is None else str(path) for path in sources.published],
        is_multilabel=names is not None and names.is_multilabel,
    )


def about_digest(config: AuditConfig, sources: Sources) -> str:
    """Digest of everything that a report follows from, except the bytes of the images. Errors: DataError."""
    data = sources.data
    settings = json.dumps(settings_of_report(config), default=str, sort_keys=True)
    gallery = assets.all_contents()
    class_file = read_class_file(config.classes) if config.classes else None
    folder_names = data_class_names(config.data) if config.data else None  # see `models.sources.load_classifier`
    datasets = [dataset and _annotations(dataset) for dataset in (data.audited, data.reference, data.ood)]
    maps = [score_maps and score_maps.digest for score_maps in data.score_maps]
    libraries = (platform.python_version(), versions(), machine())
    names = (class_file, folder_names)
    return digest_of(code_digest(), gallery, libraries, settings, list(sources.networks), names, datasets, maps)


def settings_of_report(config: AuditConfig) -> dict[str, Any]:
    """The settings that a report follows from."""
    settings = asdict(replace(config, retry_failed=False))
    return {key: value for key, value in settings.items() if key not in ENGINE_KEYS}


def images_digest(identities: Sequence[str]) -> str:
    """Digest of the digests of all images, in their order."""
    return hashlib.sha256("\n".join(identities).encode()).hexdigest()


def _annotations(dataset: Dataset) -> tuple[object, ...]:
    """Everything that is known of a data set before its images are read."""
    rejected = [(one.where, one.reason) for one in dataset.refused]
    columns = [(sample.group, list(sample.columns.items())) for sample in dataset.samples]
    return dataset.name, dataset.note, rejected, columns, dataset.annotation_digest


def _images(data: AuditData) -> list[Sample]:
    """The images of all data sets that are run through the first network."""
    return [sample for dataset in data.run for sample in dataset.samples]


def _identities(samples: Sequence[Sample], progress: Progress) -> list[str]:
    """The digest of the bytes of each image. Errors: ImageError if one cannot be read."""
    with progress("Checking the images", len(samples), "images") as tick, ThreadPoolExecutor(os.cpu_count()) as pool:
        identities = []
        for identity in pool.map(lambda sample: sample.known_digest() or digest(sample.read()), samples):
            identities.append(identity)
            tick()
    return identities
