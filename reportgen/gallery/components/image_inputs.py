"""What the cards and pages of images are made from, as a digest for each image: those of unchanged images are kept.

Whatever else a section of image pages reads has to become part of `page_inputs`; a test changes each part of an audit
and compares every page with a page that is made anew.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from reportgen.audit.audit import Audit
from reportgen.embedding.neighbours import Neighbours
from reportgen.embedding.space import N_SHOWN
from reportgen.gallery.components.coverage_notice import image_notice
from reportgen.gallery.components.image_facts import images_around
from reportgen.gallery.core.manifest import digest_of
from reportgen.gallery.core.registry import all_sections
from reportgen.gallery.core.urls import image_page


def card_inputs(audit: Audit, image_format: str) -> list[str]:
    """Return a digest for each image of what its card and its photograph are made from: its row of the stored arrays,
    its outcome, and the annotations, the network and the format of photographs that all images share."""
    model = audit.main
    shared = digest_of(model.info, _annotations(audit), list(audit.classes), image_format).encode()
    rows = zip(_versions(audit), model.outcomes, strict=True)
    return [_digest(shared, version, outcome.encode()) for version, outcome in rows]


def page_inputs(audit: Audit, image_format: str) -> list[str]:
    """Return a digest for each image of what its page is made from: what its card is made from, its results of the
    expensive methods, and the same of the images that its page shows."""
    cards, shared = card_inputs(audit, image_format), _shared(audit).encode()
    addresses = [image_page(audit, i).encode() for i in range(len(cards))]
    rows = zip(_versions(audit), addresses, strict=True)
    versions = np.array([_digest(version, address).encode() for version, address in rows])
    shown = list(_shown(audit))
    pages = []
    for i, card in enumerate(cards):
        others = [part for neighbours in shown for part in _of_row(neighbours, versions, i)]
        pages.append(_digest(shared, card.encode(), *others, _further(audit, i)))
    return pages


def _shared(audit: Audit) -> str:
    """Digest of what the pages of all images depend on."""
    model = audit.main
    sections = [entry.name for entry in all_sections() if entry.scope == "image" and entry.applies_to(audit)]
    reference = audit.reference and (
        audit.reference.name,
        [(sample.name, sample.label) for sample in audit.reference.samples],
        audit.reference.table.row_versions(),
    )
    return digest_of(
        [(one.info, one.table.settings, one.cam_identity is None) for one in audit.models],
        [sample.columns for sample in audit.samples],
        (audit.dataset.name, len(audit.samples), audit.feature_source, sections, reference),
        (model.localization is None, model.has_top5),
        [(name, *baseline) for name, baseline in model.unit_baselines.items()],
    )


def _shown(audit: Audit) -> Iterator[tuple[Neighbours, bool]]:
    """Yield the other images that the pages show, and whether they are of the reference."""
    for space in (audit.feature_space, audit.pixel_space):
        yield space.neighbours.first(N_SHOWN), False
    for nearest in audit.nearest_of_classes:
        yield nearest, False
    for matches in audit.reference_matches or ():
        yield matches.nearest.first(N_SHOWN), True


def _of_row(shown: tuple[Neighbours, bool], versions: np.ndarray, i: int) -> Iterator[bytes]:
    """Yield the numbers and the stored rows of the images that the page of image i shows."""
    neighbours, is_of_reference = shown
    index = neighbours.index[i]
    yield index.tobytes()
    yield neighbours.distance[i].tobytes()
    if not is_of_reference:  # all of whose images are among what all pages depend on
        yield versions[index[index >= 0]].tobytes()


def _annotations(audit: Audit) -> str:
    """Digest of the annotations of the audited images."""
    return replace(audit.dataset, samples=list(audit.samples)).annotation_digest


def _further(audit: Audit, i: int) -> bytes:
    """What is special about the page of image i: its expensive results, those that it lacks, and its live page."""
    results = {
        kind: (found.table.fingerprint, found.table.row_version(found.rows[i]))
        for kind, found in audit.main.selected.items()
        if i in found
    }
    is_live = audit.live is not None and i in audit.live.inputs
    return digest_of(results, image_notice(audit, i), images_around(audit, i), is_live).encode()


def _versions(audit: Audit) -> np.ndarray:
    """A digest `(N, 16)` of each image's row of the stored arrays, of all networks."""
    return np.concatenate([model.table.row_versions() for model in audit.models], axis=1)


def _digest(*parts: bytes) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        digest.update(len(part).to_bytes(4))
        digest.update(part)
    return digest.hexdigest()
