"""A reference data set, other features, and cached embeddings, in whole runs."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reportgen.audit.audit import Audit
from reportgen.config import AuditConfig
from reportgen.embedding import continued_maps
from reportgen.embedding import maps as layouts
from reportgen.embedding import space as space_module
from reportgen.embedding.rows import PixelRows
from reportgen.embedding.space import DUPLICATE_SHARE
from reportgen.errors import ConfigError
from reportgen.gallery.components.image_figures import photograph
from reportgen.gallery.core.check import check_site
from reportgen.gallery.core.media import Media
from reportgen.gallery.pages.neighbours import neighbours
from reportgen.metrics.intervals import Rate
from reportgen.pipeline.run import run_audit
from reportgen.pipeline.summary import RunSummary
from tests.support.html import read_html
from tests.support.square_images import squares
from tests.support.tiny_networks import TINY_NETWORK


def run(folder: Path, table: Path, **settings: object) -> RunSummary:
    config = AuditConfig(
        data=table,
        classes=table.parent / "classes.txt",
        model=TINY_NETWORK,
        out=folder / "out",
        select="none",
        **settings,
    )
    return run_audit(config)


def audit_of(folder: Path, table: Path, **settings: object) -> Audit:
    return run(folder, table, **settings).audit


@pytest.fixture(scope="module")
def leaking(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Audit]:
    """Nine images, and a training set of twelve that has one of them as it is and one a little brighter, as red."""
    folder = tmp_path_factory.mktemp("leaking")
    table, training = squares(folder / "data", each=3), squares(folder / "training set", each=4, seed=9)
    same, brighter = training.parent / "blue-0.png", training.parent / "red-1.png"
    same.write_bytes((table.parent / "green-2.png").read_bytes())
    pixels = np.asarray(Image.open(table.parent / "blue-1.png")).astype(int)
    Image.fromarray(np.minimum(255, pixels + 1).astype(np.uint8)).save(brighter)
    return folder, table, audit_of(folder, table, reference=training)


def brute_force(rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    """`(N, M)` distances, pair by pair."""
    return np.array([[np.sqrt(np.square(x.astype(float) - y).sum()) for y in others] for x in rows])


def test_reference_matches_equal_brute_force(leaking: tuple[Path, Path, Audit]) -> None:
    folder, _, audit = leaking
    assert audit.reference is not None
    assert audit.reference_matches is not None
    assert len(audit.reference.samples) == 12
    assert len(np.unique([str(p) for p in (folder / "out" / "cache").glob("*/0*.npz")])) >= 2
    spaces = {
        "features": [np.asarray(table["features/gap"]) for table in (audit.main.table, audit.reference.table)],
        "pixels": [
            PixelRows(np.asarray(table["image/tiny"]))[:] for table in (audit.main.table, audit.reference.table)
        ],
    }
    expected = set()
    for (by, (rows, others)), matches in zip(spaces.items(), audit.reference_matches, strict=True):
        apart, own = brute_force(rows, others), brute_force(rows, rows)
        np.testing.assert_array_equal(matches.nearest.index, np.argsort(apart, 1, kind="stable"))
        limit = DUPLICATE_SHARE * np.sqrt(np.mean(np.square(own[np.triu_indices(len(rows), 1)])))
        for i, j in np.argwhere(apart <= limit):
            expected.add((by, audit.samples[i].name, audit.reference.samples[j].name))
    listed = list(csv.DictReader((folder / "out" / "duplicates.csv").open()))
    assert {(row["by"], row["name"], row["other"]) for row in listed if row["set"] == "reference"} == expected
    assert {("pixels", "green-2.png", "blue-0.png"), ("pixels", "blue-1.png", "red-1.png")} <= expected
    (pair,) = [row for row in listed if (row["by"], row["name"], row["other"]) == ("pixels", "blue-1.png", "red-1.png")]
    assert (pair["label"], pair["other_label"]) == ("blue", "red")


def test_neighbours_page_counts_images_shared_with_the_reference(
    leaking: tuple[Path, Path, Audit], tmp_path: Path
) -> None:
    folder, _, audit = leaking
    page = neighbours(audit, Media(tmp_path))
    assert page.reference is not None
    assert (page.reference.images, page.reference.same_bytes) == (12, 1)
    _, pixels = page.reference.near_duplicates
    assert (pixels.images, pixels.different_labels) == (2, 2)
    first = page.accuracy[0]
    assert first.k == 1
    assert audit.reference is not None
    assert audit.reference_matches is not None
    nearest = audit.reference_matches[1].nearest.index[:, 0]
    assert first.reference_pixels == Rate(int((audit.reference.labels[nearest] == audit.labels).sum()), 9)
    html = read_html(folder / "out" / "site" / "neighbours" / "index.html")
    assert "Images also in training set" in html
    assert "byte for byte" in html
    image = read_html(next((folder / "out" / "site" / "images").glob("*blue-1.html")))
    assert "By pixels in training set" in image
    assert check_site(folder / "out")[0] == []


def test_every_photograph_is_of_its_own_image(leaking: tuple[Path, Path, Audit], tmp_path: Path) -> None:
    """Both sets lie in stores of one fingerprint, and both have a row 0."""
    audit, media = leaking[2], Media(tmp_path)
    assert audit.reference is not None
    for of in (audit.main, audit.reference, audit.main):
        for i in range(len(of.samples)):
            shown = (tmp_path / photograph(of, media, i).url).read_bytes()
            assert shown == of.jpeg(i)
    jpegs = {of.jpeg(i) for of in (audit.main, audit.reference) for i in range(len(of.samples))}
    assert len(jpegs) > len(audit.samples)


def test_feature_space_uses_the_features_of_the_setting(leaking: tuple[Path, Path, Audit], tmp_path: Path) -> None:
    _, table, _ = leaking
    for wanted, array in (("gmp", "features/gmp"), ("2", "units/2/max")):
        audit = audit_of(tmp_path, table, features=wanted, layers=("2",))
        np.testing.assert_array_equal(audit.feature_space.rows, np.asarray(audit.main.table[array]))
    assert "the maxima of the units of 2" in read_html(tmp_path / "out" / "site" / "neighbours" / "index.html")
    with pytest.raises(ConfigError, match="unknown features `layer9`") as raised:
        audit_of(tmp_path, table, features="layer9", layers=("2",))
    assert raised.value.hint == "use one of `head`, `gap`, `gmp`, `2`, `5`"


def test_rerun_reads_embeddings_from_the_cache(
    leaking: tuple[Path, Path, Audit], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, table, _ = leaking
    first = audit_of(tmp_path, table)
    site = {path: path.read_bytes() for path in (tmp_path / "out" / "site").rglob("*") if path.is_file()}
    cached = sorted((tmp_path / "out" / "cache").glob("maps-*.npz"))
    assert len(cached) == 2
    counted: list[str] = []

    def count(module: object, name: str) -> None:
        plain = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *given: counted.append(name) or plain(*given))

    for module, name in ((continued_maps, "tsne"), (layouts, "assign_cells"), (space_module, "nearest_neighbours")):
        count(module, name)
    again = audit_of(tmp_path, table)
    positions = [layout.positions for layout in again.embedding_maps.maps]
    assert counted == []
    assert {path: path.read_bytes() for path in (tmp_path / "out" / "site").rglob("*") if path.is_file()} == site
    cached[0].write_bytes(cached[0].read_bytes()[:-1])
    positions += [layout.positions for layout in audit_of(tmp_path, table).embedding_maps.maps]
    assert counted == ["tsne"]
    for i, layout in enumerate(first.embedding_maps.maps):
        np.testing.assert_array_equal(positions[i], layout.positions)
        np.testing.assert_array_equal(positions[i + 5], layout.positions)


def test_changed_reference_rebuilds_the_report(tmp_path: Path) -> None:
    table, training = squares(tmp_path / "data", each=2), squares(tmp_path / "training", each=2, seed=9)
    first = run(tmp_path, table, reference=training)
    assert (first.is_fresh, first.computed) == (False, 6)
    assert run(tmp_path, table, reference=training).is_fresh
    (training.parent / "red-0.png").write_bytes((table.parent / "red-0.png").read_bytes())
    again = run(tmp_path, table, reference=training)
    assert not again.is_fresh
    html = read_html(tmp_path / "out" / "site" / "neighbours" / "index.html")
    assert re.search(r"\. 1 audited images? (is|are) in it byte for byte", html)
