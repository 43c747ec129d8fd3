"""Which images have a full page: all of them, or of very many those that a reader is most likely to open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from reportgen.audit.findings.finding import Finding
from reportgen.data.sampling import evenly_spaced
from reportgen.embedding.space import N_SHOWN
from reportgen.metrics.failures import failures_worst_first

if TYPE_CHECKING:
    from reportgen.audit.audit import Audit

PAGE_ID_DIGITS = 16
"""Digits of an image's SHA-256 that name it in an address."""


@dataclass(frozen=True)
class FullPages:
    """has: `(N,)` bool, whether an image has a full page; the others have a short one.

    counts: reason → images with a full page for it, in the order of the reasons; an image counts for the first one.
    failures: number of all failures.
    ids: image without a full page → what names it in an address.
    """

    has: np.ndarray
    counts: Mapping[str, int]
    failures: int
    ids: Mapping[int, str]

    @property
    def short(self) -> np.ndarray:
        """The images without a full page, ascending."""
        return np.flatnonzero(~self.has)


def choose_full_pages(audit: Audit) -> FullPages:
    """Every image if there are at most `audit.page_limit`.

    Otherwise so many, in this order: images that `select` names, failures with the worst first, images of findings,
    nearest neighbours by features of all these, and a sample of the rest that is stratified by class.
    """
    n = len(audit.samples)
    has = np.zeros(n, bool)
    counts: dict[str, int] = {}
    if n <= audit.page_limit:
        return FullPages(~has, counts, 0, {})

    def take(reason: str, rows: np.ndarray) -> None:
        """Give pages to the first of these images that have none."""
        rows = rows[~has[rows]]
        _, first = np.unique(rows, return_index=True)
        taken = rows[np.sort(first)][: audit.page_limit - int(has.sum())]
        has[taken] = True
        counts[reason] = len(taken)

    classification = audit.main.classification
    take("selected", _named_images(audit))
    failures = failures_worst_first(audit.main.outcomes, classification.scores[:, 0])
    take("failures", failures)
    take("findings", images_in_turns(audit.findings))
    near = audit.feature_space.neighbours.first(N_SHOWN).index[has].T.ravel()  # the nearest of each, the second, …
    take("neighbours", near[near >= 0])
    rest = np.flatnonzero(~has)
    classes = np.where(audit.labels >= 0, audit.labels, classification.top_classes[:, 0])
    in_classes = rest[np.lexsort((classification.scores[rest, 0], classes[rest]))]
    sample = evenly_spaced(in_classes.tolist(), audit.page_limit - int(has.sum()))
    take("sample", np.array(sample, np.int64))
    ids = _page_ids(np.asarray(audit.main.table["samples/id"]), np.flatnonzero(~has))
    return FullPages(has, counts, len(failures), ids)


def _named_images(audit: Audit) -> np.ndarray:
    """The images that the setting `select` names one by one."""
    names = {audit.select, *(name.strip() for name in audit.select.split(","))}
    return np.array([i for i, sample in enumerate(audit.samples) if sample.name in names], np.int64)


def images_in_turns(findings: Sequence[Finding]) -> np.ndarray:
    """The first image of each finding, then the second of each, and so on."""
    images = [np.asarray(finding.images, np.int64) for finding in findings]
    turns = np.concatenate([np.zeros(0, np.int64), *(np.arange(len(of_one)) for of_one in images)])
    return np.concatenate([np.zeros(0, np.int64), *images])[np.argsort(turns, kind="stable")]


def _page_ids(digests: np.ndarray, rows: np.ndarray) -> dict[int, str]:
    """Return what names each of these images: digits of its digest, with `.2` for a second image of the same file."""
    seen: dict[str, int] = {}
    ids = {}
    for row in rows.tolist():
        digits = digests[row].decode()[:PAGE_ID_DIGITS]
        seen[digits] = seen.get(digits, 0) + 1
        ids[row] = digits if seen[digits] == 1 else f"{digits}.{seen[digits]}"
    return ids
