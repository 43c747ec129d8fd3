"""The data sets of an audit, read with its class names. Needs no network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from reportgen.config import AuditConfig
from reportgen.data.class_names import ClassNameCollector, ClassNames, read_class_file
from reportgen.data.mask_files import with_masks
from reportgen.data.readers.dataset import read_dataset
from reportgen.data.samples import Dataset, no_boxes
from reportgen.data.score_maps import ScoreMaps, list_score_maps

ReadDataset = Callable[[ClassNames], Dataset]
"""Reads the audited data set, its labels looked up in the class names."""


@dataclass(frozen=True)
class AuditData:
    """The data sets of an audit.

    audited:    the images that have every score map that the settings name, if they name any.
    training:   the data set that heads are fitted on, if it is another one.
    reference:  the data set to search for near-duplicates and nearest neighbours, if there is one.
    ood:        images that show none of the classes, if there are any.
    score_maps: of each network; None if its activation maps are computed.
    """

    audited: Dataset
    training: Dataset | None
    reference: Dataset | None
    ood: Dataset | None
    score_maps: Sequence[ScoreMaps | None]

    @property
    def run(self) -> list[Dataset]:
        """The data sets whose images are run through the first network: the audited one and the others."""
        return [dataset for dataset in (self.audited, self.reference, self.ood) if dataset]


def read_data(config: AuditConfig, class_names: ClassNames, read: ReadDataset) -> AuditData:
    """Read the data sets that the settings name. Errors: DataError."""
    dataset = read(class_names).limited(config.limit)
    if config.masks:
        dataset = with_masks(dataset, config.masks)
    dataset = replace(dataset, name=config.name or dataset.name).with_printable_names()
    training = read_dataset(config.fit_data, class_names) if config.fit_data else None
    reference = read_dataset(config.reference, class_names).with_printable_names() if config.reference else None
    ood = _without_labels(config.ood) if config.ood else None
    dataset, score_maps = with_score_maps(dataset, config.networks())
    return AuditData(dataset, training, reference, ood, score_maps)


def _without_labels(source: Path) -> Dataset:
    """Read a data set whose labels, such as the names of its folders, are no classes. Errors: DataError."""
    dataset = read_dataset(source, ClassNameCollector(())).with_printable_names()
    return replace(dataset, samples=[replace(one, label=None, boxes=no_boxes()) for one in dataset.samples])


def with_score_maps(dataset: Dataset, settings: Sequence[AuditConfig]) -> tuple[Dataset, list[ScoreMaps | None]]:
    """Return the images that have all score maps that the networks' settings name, and these maps, one entry a network.

    What is wrong with a map, or missing, is added to the rejected inputs. Errors: DataError.
    """
    found: list[ScoreMaps | None] = []
    for own in settings:
        score_maps = None
        if own.maps:
            score_maps, rejected = list_score_maps(own.maps, dataset.samples)
            kept = [sample for sample in dataset.samples if sample.name in score_maps.files]
            dataset = replace(dataset, samples=kept, refused=[*dataset.refused, *rejected])
        found.append(score_maps)
    return dataset, found


def class_names_of_data(config: AuditConfig, read: ReadDataset) -> ClassNames:
    """Return the class names of an audit whose heads are all fitted: those of the file `classes` or, without it, all
    labels of the data set, sorted. Errors: DataError."""
    if config.classes:
        return ClassNames(read_class_file(config.classes))
    collector = ClassNameCollector(())
    read(collector)
    return ClassNames(tuple(sorted(collector.collected)))
