"""The forward pass over a data set: which images go through which network into which store."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
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
from reportgen.models.classifier import Classifier
from reportgen.models.heads import FittedHead, replace_head
from reportgen.models.inference import N_TOP_LABELS
from reportgen.pipeline.forward import ForwardPass
from reportgen.pipeline.image_loader import Decoders
from reportgen.pipeline.part import WHOLE, Part
from reportgen.pipeline.part_pass import Extraction, PartPass
from reportgen.pipeline.progress import Progress
from reportgen.store.results_cache import ResultsCache
from reportgen.store.table import Key, Store, fingerprint

MAX_FEATURE_MAP_BYTES = 4_000_000_000
"""Bytes of feature maps that `store_feature_maps = "auto"` adds at most."""


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
        """Put the readable images of the data set, or of a part of it, into the store. Errors: `PartPass.finish`."""
        return self.begin(part).finish(progress)

    def begin(self, part: Part, decoders: Decoders | None = None) -> PartPass:
        """Begin to decode the images of a part of the data set. decoders: see `load_images`."""
        return PartPass(self.store, self.dataset, self._forward, self.settings, self.device, part, decoders)


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


def common_samples(runs: Sequence[ModelRun]) -> tuple[list[Sample], list[Key], list[tuple[str, str]]]:
    """The samples that every network saw with the same bytes, their keys, and (name, reason) of all others."""
    keys = [dict(zip((s.name for s in r.extraction.samples), r.extraction.keys, strict=True)) for r in runs]
    extraction, first = runs[0].extraction, keys[0]
    samples = [s for s in extraction.samples if all(key.get(s.name) == first[s.name] for key in keys)]
    names = {s.name for s in samples}
    changed = [(name, "changed during the run") for name in first if name not in names]
    return samples, [first[s.name] for s in samples], [*extraction.unreadable, *changed]
