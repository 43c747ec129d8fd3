"""The audit: everything that the pages and the result files are made from. Built once, read-only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from reportgen.audit.columns import ImageColumns, image_columns
from reportgen.audit.coverage import Coverage
from reportgen.audit.drift import Drift, study_drift
from reportgen.audit.findings.finding import Finding
from reportgen.audit.findings.registry import ranked_findings
from reportgen.audit.full_pages import FullPages, choose_full_pages
from reportgen.audit.history import PastRun
from reportgen.audit.live_network import LiveNetwork
from reportgen.audit.model_audit import LABEL, ModelAudit, label_table
from reportgen.audit.reference import Reference, ReferenceMatches
from reportgen.audit.region_study import study_regions
from reportgen.audit.separation import Separation, separate
from reportgen.audit.slices import SliceStudy, study_slices
from reportgen.data.samples import Dataset, Sample
from reportgen.embedding.label_sets import LabelSets
from reportgen.embedding.maps import EmbeddingMaps, make_embedding_maps
from reportgen.embedding.neighbours import Neighbours
from reportgen.embedding.projections import principal_components
from reportgen.embedding.region_names import RegionSummary
from reportgen.embedding.regions import MapRegions, find_regions
from reportgen.embedding.rows import PixelRows
from reportgen.embedding.space import FEATURE_SOURCES, N_SHOWN, FeatureSource, Space
from reportgen.metrics.label_errors import MAX_AXES, LabelErrors, find_label_errors
from reportgen.store.results_cache import Arrays, ResultsCache
from reportgen.store.table import Table


@dataclass(frozen=True)
class Audit:
    """One data set audited with one or more networks.

    samples:    those that could be read, in the data set's order; the same for every network.
    unreadable: (name, reason) of those that could not.
    models:     one `ModelAudit` a network; the pages of images, classes and units show the first.
    reference:  another data set to compare with, or None.
    ood:        images that show none of the classes, or None.
    feature_source: the array that nearest neighbours and embedding maps compare images by.
    coverage: how many images have the results of the expensive methods; select: the setting that chose them.
    live:       the first network for the live page, or None without such a page.
    named_slices: the setting `slices`: name and conditions of each.
    fresh_maps: t-SNE maps do not continue those of an earlier run.
    history:    earlier runs into the same folder, the earliest first, if the settings ask for them.
    page_limit: number of images that have a full page, at most.
    """

    dataset: Dataset
    samples: Sequence[Sample]
    unreadable: Sequence[tuple[str, str]]
    models: Sequence[ModelAudit]
    reference: Reference | None = None
    ood: Reference | None = None
    feature_source: FeatureSource = FEATURE_SOURCES["head"]
    coverage: Sequence[Coverage] = ()
    select: str = "auto"
    live: LiveNetwork | None = None
    named_slices: Sequence[Mapping[str, Any]] = ()
    fresh_maps: bool = False
    history: Sequence[PastRun] = ()
    page_limit: int = 20_000

    @property
    def main(self) -> ModelAudit:
        """The network that most pages show: the first."""
        return self.models[0]

    @property
    def title(self) -> str:
        """`data set × network`, for the head of every page."""
        more = f" and {len(self.models) - 1} more" if len(self.models) > 1 else ""
        return f"{self.dataset.name} × {self.main.info.name}{more}"

    @property
    def classes(self) -> Sequence[str]:
        """The class names, in the order of the networks' outputs."""
        return self.dataset.classes

    @property
    def is_multilabel(self) -> bool:
        """Whether any number of labels may be right for an image: most figures of one label do not exist then."""
        return self.dataset.is_multilabel

    @property
    def labels(self) -> np.ndarray:
        """`(N,)` int64, −1 for none; see `ModelAudit.labels`."""
        return self.main.labels

    @cached_property
    def label_sets(self) -> LabelSets | None:
        """All labels of each image of a multi-label data set; None where an image has one label."""
        if not self.is_multilabel:
            return None
        return LabelSets(label_table(self.samples, len(self.classes)), self.main.annotated)

    @cached_property
    def predicted_sets(self) -> LabelSets | None:
        """All labels that the first network predicts for each image, which are all known; None as `label_sets`."""
        return LabelSets(self.main.predicted_table(), np.ones(len(self.samples), bool)) if self.is_multilabel else None

    @cached_property
    def separation(self) -> Sequence[Separation]:
        """How well scores of the first network separate the audited images from those of `ood`; empty without them."""
        return [] if self.ood is None else separate(self.main.table["logits"], self.ood.table["logits"])

    @cached_property
    def columns(self) -> ImageColumns:
        """The further columns of the annotations that group images."""
        return image_columns(self.samples)

    def has_array(self, name: str) -> bool:
        """Whether an array of this slash path exists, of the forward pass or of selected images.

        `<layer>` in the path stands for any layer.
        """
        before, is_pattern, after = name.partition("<layer>")
        names = (path for table in self._tables for path in table.names())
        return any(path.startswith(before) and path.endswith(after) if is_pattern else path == name for path in names)

    @property
    def _tables(self) -> list[Table]:
        return [self.main.table, *(results.table for results in self.main.selected.values() if results.rows)]

    @cached_property
    def cache(self) -> ResultsCache:
        """Where results that take long to compute are stored for the next run."""
        return ResultsCache(self.main.table.cache)

    @cached_property
    def feature_space(self) -> Space:
        """The images by their features, with nearest neighbours."""
        rows = np.asarray(self.main.table[self.feature_source.array])
        self.main.table.release_pages()
        return Space.of(rows, self.cache)

    @cached_property
    def pixel_space(self) -> Space:
        """The images by their pixels, as thumbnails of 32 × 32, with nearest neighbours."""
        space = Space.of(PixelRows(self.main.table["image/tiny"]), self.cache)
        self.main.table.release_pages()
        return space

    @cached_property
    def nearest_of_classes(self) -> tuple[Neighbours, Neighbours]:
        """The nearest image by features with the predicted class as its label, and the nearest one with the image's own
        label; of wrongly classified images only."""
        is_wrong = np.array([outcome == "class" for outcome in self.main.outcomes], bool)
        predicted, own = (np.where(is_wrong, self.main.cam_classes[:, column], -1) for column in (0, LABEL))
        space, labels = self.feature_space, self.labels
        return space.nearest_with_label(predicted, labels), space.nearest_with_label(own, labels)

    @cached_property
    def reference_matches(self) -> tuple[ReferenceMatches, ReferenceMatches] | None:
        """What the reference has that is like these images, by features and by pixels; None without a reference."""
        if self.reference is None:
            return None
        table = self.reference.table
        return (
            ReferenceMatches.of(self.feature_space, np.asarray(table[self.feature_source.array]), self.cache),
            ReferenceMatches.of(self.pixel_space, PixelRows(table["image/tiny"]), self.cache),
        )

    @cached_property
    def embedding_maps(self) -> EmbeddingMaps:
        """The images in two dimensions: t-SNE, PCA and grid."""
        spaces = self.feature_space, self.pixel_space
        maps = make_embedding_maps(*spaces, self.labels, self.cache, self.fresh_maps, self.label_sets)
        self.main.table.release_pages()
        return maps

    @cached_property
    def map_regions(self) -> MapRegions:
        """The regions of the t-SNE map of the features."""
        tsne = self.embedding_maps.maps[0]
        return find_regions(tsne.positions, cache=self.cache, continues=tsne.is_continued)

    @cached_property
    def region_summaries(self) -> list[RegionSummary]:
        """The names and the errors of these regions."""
        return study_regions(self)

    @cached_property
    def label_errors(self) -> LabelErrors:
        """The labels that contradict the features of other images."""
        rows, near = self.feature_space.rows, self.feature_space.neighbours.index[:, :N_SHOWN]

        def compute() -> Arrays:
            components = principal_components(rows, MAX_AXES).positions
            return vars(find_label_errors(components, near, self.labels, self.main.groups))

        return LabelErrors(**self.cache.get("labels", [rows, near, self.labels, self.main.groups], compute))

    @cached_property
    def drift(self) -> Drift | None:
        """How the images differ from those of the reference; None without a reference."""
        return study_drift(self)

    @cached_property
    def slices(self) -> SliceStudy:
        """The groups of images with a higher error than the rest, and those of the settings."""
        return study_slices(self)

    @cached_property
    def findings(self) -> Sequence[Finding]:
        """What a reader should know first, ranked."""
        return ranked_findings(self)

    @cached_property
    def full_pages(self) -> FullPages:
        """Which images have a full page."""
        return choose_full_pages(self)
