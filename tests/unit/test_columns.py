"""Further columns of the annotations: kept on the samples, grouped by kind, and compared in findings."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from reportgen.audit.audit import Audit
from reportgen.audit.columns import MAX_CATEGORIES, QUANTILES, image_columns
from reportgen.audit.findings.column_group import column_group
from reportgen.audit.findings.finding import Bars, Maps
from reportgen.data.class_names import ClassNames
from reportgen.data.readers.dataset import read_dataset
from reportgen.data.readers.table import MAX_COLUMNS
from reportgen.data.samples import Sample
from reportgen.gallery.components.photo_sheets import draw_photo_sheets
from reportgen.gallery.core.media import Media
from reportgen.gallery.site_data import images_chunk
from tests.support.factories import make_audit, make_logits, make_model_audit

PETS = ClassNames(("cat", "dog"))
HOSTILE = '</script><b title="x">\n'


def samples_with(*columns: dict[str, str]) -> list[Sample]:
    return [Sample(Path(f"{i}"), f"{i}", columns=cells) for i, cells in enumerate(columns)]


# Reading

ROWS = [
    {"path": "a.jpg", "label": "cat", "Camera": "left", "age": 3, "x0": 0, "y0": 0, "x1": 1, "y1": 1, HOSTILE: "1"},
    {"path": "a.jpg", "label": "cat", "Camera": "right", "age": None, "x0": 1, "y0": 0, "x1": 2, "y1": 1, "late": "z"},
    {"path": "b.jpg", "label": "dog", "Camera": "", "age": 2.5, "x0": None, "y0": None, "x1": None, "y1": None},
]


def test_further_columns_are_kept_whatever_the_format(tmp_path) -> None:
    for image in "ab":
        (tmp_path / f"{image}.jpg").touch()
    names = list(dict.fromkeys(name for row in ROWS for name in row))
    cells = [["" if row.get(name) is None else str(row[name]) for name in names] for row in ROWS]
    quoted = ['"' + name.replace('"', '""') + '"' for name in names]
    (tmp_path / "t.csv").write_text("\n".join(map(",".join, [quoted, *cells])))
    (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, ROWS)))
    expected = [
        {"Camera": "left", "age": "3", '</script><b title="x">': "1", "late": "z"},
        {"age": "2.5"},
    ]
    assert [s.columns for s in read_dataset(tmp_path / "t.jsonl", PETS).samples] == expected
    # a header's name with a line break ends there for the CSV reader, which reads one line as the header
    one_line = (tmp_path / "t.csv").read_text().replace('>\n"', '>"')
    (tmp_path / "t.csv").write_text(one_line)
    assert [s.columns for s in read_dataset(tmp_path / "t.csv", PETS).samples] == expected
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    table = pa.table({name: [row.get(name) for row in ROWS] for name in names})
    parquet.write_table(table, tmp_path / "t.parquet")
    assert [s.columns for s in read_dataset(tmp_path / "t.parquet", PETS).samples] == expected
    annotated = read_dataset(tmp_path, PETS, tmp_path / "t.csv")
    assert [s.columns for s in annotated.samples] == expected


def test_columns_of_packed_images_are_kept_but_not_the_label(tmp_path) -> None:
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    table = pa.table({"img": [b"1", b"2"], "fine": [0, 1], "site": ["x", None], "emb": [[1.0], [2.0]]})
    features = {"fine": {"_type": "ClassLabel", "names": ["dog", "cat"]}}
    table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    parquet.write_table(table, tmp_path / "t.parquet")
    samples = read_dataset(tmp_path / "t.parquet", PETS).samples
    assert [(s.label, s.columns) for s in samples] == [(1, {"site": "x"}), (0, {})]


def test_columns_without_end_are_left_out_and_listed(tmp_path) -> None:
    (tmp_path / "a.jpg").touch()
    names = [f"c{k}" for k in range(100)]
    (tmp_path / "t.csv").write_text(",".join(["path", *names, "n" * 500]) + "\na.jpg" + ",v" * 101 + "\n")
    dataset = read_dataset(tmp_path / "t.csv", PETS)
    assert list(dataset.samples[0].columns) == names[:MAX_COLUMNS]
    assert [(row.where, row.reason) for row in dataset.refused] == [
        ("t.csv", f"of 101 further columns, the first {MAX_COLUMNS} are kept")
    ]
    (tmp_path / "t.csv").write_text(f"path,{'n' * 500}\na.jpg,{'v' * 5000}\n")
    ((name, text),) = read_dataset(tmp_path / "t.csv", PETS).samples[0].columns.items()
    assert (len(name), len(text)) == (80, 2000)


# Kinds and groups


def test_columns_have_the_kind_of_their_values() -> None:
    cells = [
        {"camera": "left", "age": "3", "flag": "True", "note": f"text {k}", "zip": "01234", "mixed": "1" if k else "x"}
        for k in range(MAX_CATEGORIES + 3)
    ]
    cells[3] = {}
    cells[4] = {"age": "nan"}
    columns = image_columns(samples_with(*cells))
    assert [c.column for c in columns.categories] == ["camera", "age", "flag", "mixed"]
    assert [c.name for c in columns.numbers] == ["zip"]
    camera, age = columns.categories[:2]
    assert (camera.names, camera.group_of[:5].tolist()) == (["left"], [0, 0, 0, -1, -1])
    assert (age.names, age.group_of[:5].tolist()) == (["3", "nan"], [0, 0, 0, -1, 1])


@pytest.mark.parametrize("seed", range(20))
def test_quantiles_hold_as_many_images_each_and_never_divide_equal_values(seed: int) -> None:
    random = np.random.default_rng(seed)
    n = int(random.integers(1, 300))
    values = np.round(random.normal(0, 10, n), int(random.integers(0, 3)))
    texts = [{"v": str(value)} if random.random() < 0.9 else {} for value in values]
    texts[0] = {"v": str(values[0])}
    (column,) = image_columns(samples_with(*texts)).numbers
    groups = column.groups
    present = [k for k in range(n) if texts[k]]
    assert [k for k in range(n) if groups.group_of[k] >= 0] == present
    assert len(groups.names) <= QUANTILES
    for code in range(len(groups.names)):
        inside = [values[k] for k in present if groups.group_of[k] == code]
        outside = [values[k] for k in present if groups.group_of[k] != code]
        assert inside
        assert not [value for value in outside if min(inside) <= value <= max(inside)]
        most_frequent = max(np.unique(values[present], return_counts=True)[1])
        assert len(inside) <= len(present) / QUANTILES + most_frequent
        shown = [float(part.replace("−", "-")) for part in groups.names[code].split(" to ")]
        assert shown == pytest.approx(sorted({min(inside), max(inside)}))


# Findings


def audit_with(column: str, values: list[str], wrong: list[bool]) -> Audit:
    """Images of class a; those that are wrong are predicted as b."""
    model = make_model_audit([0] * len(wrong), logits=make_logits([int(w) for w in wrong], 0.9, 3))
    samples = [
        replace(sample, columns={column: value} if value else {})
        for sample, value in zip(model.samples, values, strict=True)
    ]
    return make_audit(replace(model, samples=samples))


def test_value_with_more_errors_is_found() -> None:
    values = ["left"] * 20 + ["right"] * 30 + [""] * 10
    wrong = [k < 12 for k in range(20)] + [k < 2 for k in range(40)]
    (finding,) = column_group(audit_with("camera", values, wrong))
    assert finding.headline == ("With camera = left, the class is wrong in 12 of 20 images, otherwise in 2 of 40")
    from scipy.stats import fisher_exact

    assert finding.p == pytest.approx(2 * fisher_exact([[12, 8], [2, 38]])[1])
    assert finding.images == list(range(12))
    bars, maps = finding.evidence
    assert isinstance(bars, Bars)
    assert isinstance(maps, Maps)
    assert [(bar.name, round(bar.value, 3), bar.role) for bar in bars.bars] == [
        ("left", 0.6, "wrong"),
        ("right", 0.067, ""),
    ]
    assert not list(column_group(audit_with("camera", values, [k % 5 == 0 for k in range(60)])))


def test_quantile_of_a_number_with_more_errors_is_found() -> None:
    values = [str(k / 10) for k in range(100)]
    (finding,) = column_group(audit_with("brightness", values, [k < 15 for k in range(100)]))
    assert finding.headline.startswith("With brightness = 0 to 1.9, the class is wrong in 15 of 20 images")


def test_chance_alone_is_seldom_a_finding() -> None:
    random = np.random.default_rng(0)
    found = 0
    for _ in range(60):
        values = [f"v{k}" for k in random.integers(0, 10, 300)]
        found += bool(list(column_group(audit_with("c", values, list(random.random(300) < 0.3)))))
    assert found <= 6


def test_hostile_names_of_columns_are_harmless_in_a_finding() -> None:
    values = [HOSTILE * 30] * 20 + ["right"] * 30
    (finding,) = column_group(audit_with("</td>" * 16, values, [k < 12 for k in range(50)]))
    assert len(finding.headline) < 250
    assert finding.slug


# Data for the browser


def test_images_chunk_has_the_groups_and_the_numbers_of_each_image() -> None:
    audit = audit_with("age", ["10", "", "20", "30", "40"], [False] * 5)
    samples = [replace(s, columns={**s.columns, "camera": "left"}) if k < 3 else s for k, s in enumerate(audit.samples)]
    audit = make_audit(replace(audit.main, samples=samples))
    cards = {i: ["small.jpg", "", "large.jpg"] for i in range(5)}
    text = images_chunk(audit, cards, draw_photo_sheets(audit, Media(Path("unused")))).decode()
    body = json.loads(text[text.index("{") : text.rindex("}") + 1])
    assert body["table_columns"] == [
        {"name": "camera", "groups": ["left"], "range": None},
        {"name": "age", "groups": ["10", "20", "30", "40"], "range": [10.0, 40.0]},
    ]

    def decoded(key: str) -> list[int]:
        kind, packed = body["columns"][key]
        return np.frombuffer(base64.b64decode(packed), f"<{kind[0]}{kind[1]}").tolist()

    assert decoded("column_0") == [0, 0, 0, -1, -1]
    assert decoded("column_1") == [0, -1, 1, 2, 3]
    assert decoded("value_1") == [0, -1, 333, 667, 1000]
    assert "value_0" not in body["columns"]
