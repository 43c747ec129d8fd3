"""An image whose file changed between two networks is left out and named."""

from pathlib import Path

from reportgen.config import AuditConfig
from reportgen.data.samples import Sample
from reportgen.models.from_module import classifier_from_module
from reportgen.pipeline.extraction import ModelRun, common_samples
from reportgen.pipeline.part_pass import Extraction
from reportgen.store.table import Store
from tests.support.tiny_networks import network


def test_image_that_changed_between_two_networks_is_left_out(tmp_path: Path) -> None:
    classifier, store = classifier_from_module(network().eval(), "tiny"), Store(tmp_path, {})
    a, b, c = (Sample(tmp_path / name, name) for name in ("a.png", "b.png", "c.png"))
    first = Extraction([a, b], [("1" * 64, -1), ("2" * 64, -1)], [("c.png", "truncated")], 2, 0)
    second = Extraction([a, b, c], [("1" * 64, -1), ("3" * 64, -1), ("4" * 64, -1)], [], 3, 0)
    runs = [ModelRun(classifier, AuditConfig(), store, extraction) for extraction in (first, second)]
    samples, keys, unreadable = common_samples(runs)
    assert samples == [a]
    assert keys == [("1" * 64, -1)]
    assert unreadable == [("c.png", "truncated"), ("b.png", "changed during the run")]
