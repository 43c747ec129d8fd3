"""Parquet and Arrow files that hold the images: read by row, never unpacked, with the labels that they state."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reportgen.data.class_names import ClassNameCollector, ClassNames
from reportgen.data.readers.dataset import data_class_names, read_dataset
from reportgen.errors import DataError, ImageError
from reportgen.models.classifier import Preprocessing
from reportgen.pipeline.image_loader import load_image, reload_image

pa = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")
PETS = ClassNames(("cat", "dog"))


def png(k: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.full((3, 4, 3), k, np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


IMAGES = [png(k) for k in range(10)]
CELLS = [{"bytes": data, "path": f"{k}.png"} for k, data in enumerate(IMAGES)]
LABELS = [0, 1, 0, 1, 0, 1, 0, 1, -1, 0]
CLASS_LABEL = {"_type": "ClassLabel", "names": ["dog", "cat"]}


def described(table: pa.Table, **features: dict) -> pa.Table:
    """The table with the description that `datasets` stores."""
    return table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})


def pets() -> pa.Table:
    return described(pa.table({"image": CELLS, "label": LABELS}), image={"_type": "Image"}, label=CLASS_LABEL)


def write_arrow(table: pa.Table, path: Path) -> None:
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table, max_chunksize=4)


def write_arrow_file(table: pa.Table, path: Path) -> None:
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)


def write_parquet(table: pa.Table, path: Path) -> None:
    parquet.write_table(table, path, row_group_size=4)


WRITERS = {"pets.parquet": write_parquet, "pets.arrow": write_arrow, "file.arrow": write_arrow_file}


@pytest.mark.parametrize("name", WRITERS)
def test_rows_become_samples_with_the_bytes_and_labels_of_the_file(tmp_path, name: str) -> None:
    WRITERS[name](pets(), tmp_path / name)
    dataset = read_dataset(tmp_path / name, PETS)
    stem = name.partition(".")[0]
    assert dataset.name == stem
    assert [s.name for s in dataset.samples] == [f"{stem}/{k + 1:02}-{k}.png" for k in range(10)]
    assert [s.label for s in dataset.samples] == [1, 0, 1, 0, 1, 0, 1, 0, None, 1]
    assert not dataset.refused
    order = np.random.default_rng(0).permutation(10)
    assert [dataset.samples[k].read() for k in order] == [IMAGES[k] for k in order]
    assert [pickle.loads(pickle.dumps(s)).read() for s in dataset.samples] == IMAGES
    assert data_class_names(tmp_path / name) == ("dog", "cat")
    assert sorted(tmp_path.iterdir()) == [tmp_path / name]


def test_image_is_decoded_again_for_the_expensive_methods_only_if_unchanged(tmp_path) -> None:
    write_parquet(pets(), tmp_path / "t.parquet")
    sample = read_dataset(tmp_path / "t.parquet", PETS).samples[7]
    preprocessing = Preprocessing(size=32, resize_size=32)
    loaded = load_image(sample, lambda *_: False, preprocessing, "warp")
    assert loaded.decoded is not None
    assert loaded.id == hashlib.sha256(IMAGES[7]).hexdigest()
    again = reload_image(sample, loaded.id, preprocessing, "warp")
    assert again is not None
    np.testing.assert_array_equal(again.pixels, loaded.decoded.pixels)
    write_parquet(pets().slice(1), tmp_path / "t.parquet")
    assert reload_image(sample, loaded.id, preprocessing, "warp") is None


def test_threads_read_the_same_bytes(tmp_path) -> None:
    write_parquet(pets(), tmp_path / "t.parquet")
    samples = read_dataset(tmp_path / "t.parquet", PETS).samples
    wrong: list[int] = []

    def read(seed: int) -> None:
        for k in np.random.default_rng(seed).integers(0, 10, 100):
            if samples[k].read() != IMAGES[k]:
                wrong.append(int(k))

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_replaced_file_is_read_again(tmp_path) -> None:
    write_parquet(pets(), tmp_path / "t.parquet")
    sample = read_dataset(tmp_path / "t.parquet", PETS).samples[0]
    assert sample.read() == IMAGES[0]
    write_parquet(pets().slice(5), tmp_path / "new")
    (tmp_path / "new").replace(tmp_path / "t.parquet")
    assert sample.read() == IMAGES[5]
    write_parquet(pets().slice(0, 0), tmp_path / "t.parquet")
    with pytest.raises(ImageError, match=r"^`t.parquet` row 1 cannot be read: the file has 0 rows$"):
        sample.read()
    (tmp_path / "t.parquet").unlink()
    with pytest.raises(ImageError, match=r"^`t.parquet` row 1 cannot be read: no such file or directory$"):
        sample.read()


def test_image_column_is_found_without_a_description(tmp_path) -> None:
    for column in (CELLS, IMAGES):
        parquet.write_table(pa.table({"n": range(10), "img": column, "label": ["cat"] * 10}), tmp_path / "t.parquet")
        dataset = read_dataset(tmp_path / "t.parquet", PETS)
        assert [s.read() for s in dataset.samples] == IMAGES
        assert {s.label for s in dataset.samples} == {0}
    assert data_class_names(tmp_path / "t.parquet") is None


def test_cell_without_bytes_names_a_file_or_is_unreadable(tmp_path) -> None:
    (tmp_path / "a.png").write_bytes(IMAGES[3])
    paths = ["a.png", str(tmp_path / "a.png"), "gone.png", None]
    cells = pa.array([*({"bytes": None, "path": path} for path in paths), None], CELLS_TYPE)
    parquet.write_table(pa.table({"image": cells}), tmp_path / "t.parquet")
    samples = read_dataset(tmp_path / "t.parquet", PETS).samples
    assert [s.read() for s in samples[:2]] == [IMAGES[3]] * 2
    for k, reason in ((2, "`gone.png` cannot be read: no such file"), (3, "row 4 has no image"), (4, "row 5 has no")):
        with pytest.raises(ImageError, match=reason):
            samples[k].read()
    assert [s.name for s in samples] == ["t/1-a.png", "t/2-a.png", "t/3-gone.png", "t/4", "t/5"]


CELLS_TYPE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def test_bad_rows_keep_their_image(tmp_path) -> None:
    columns = {
        "image": CELLS[:4],
        "label": ["cat", "cow", None, "dog"],
        "x0": [0.0, None, 1.0, 5.0],
        **{name: [2.0, None, 3.0, 4.0] for name in ("y0", "x1", "y1")},
    }
    columns["y0"] = [1.0, None, 1.0, 1.0]
    parquet.write_table(pa.table(columns), tmp_path / "t.parquet")
    dataset = read_dataset(tmp_path / "t.parquet", PETS)
    assert [(s.label, s.boxes.tolist()) for s in dataset.samples] == [
        (0, [[0, 1, 2, 2]]),
        (None, []),
        (None, []),
        (1, []),
    ]
    assert [(row.where, row.reason.partition(";")[0]) for row in dataset.refused] == [
        ("t.parquet: row 2", "no class is called `cow`"),
        ("t.parquet: row 3", "a box needs a label, and the image has none"),
        ("t.parquet: row 4", "box 5 1 4 4 is reversed: the order is left, top, right, bottom"),
    ]


def test_label_is_the_first_column_of_class_numbers_if_none_is_called_label(tmp_path) -> None:
    table = pa.table({"image": CELLS[:2], "fine": [0, 1], "coarse": [1, 1]})
    table = described(table, image={"_type": "Image"}, fine=CLASS_LABEL, coarse=CLASS_LABEL)
    parquet.write_table(table, tmp_path / "t.parquet")
    dataset = read_dataset(tmp_path / "t.parquet", PETS)
    assert [s.label for s in dataset.samples] == [1, 0]
    assert [(row.where, row.reason) for row in dataset.refused] == [
        ("t.parquet", "labels are those of `fine`, not of `coarse`")
    ]


def test_hostile_names_of_images_stay_in_one_line(tmp_path) -> None:
    cells = [{"bytes": IMAGES[0], "path": "../../etc/<b>\n.png"}, {"bytes": IMAGES[1], "path": "C:\\x\\y.png"}]
    parquet.write_table(pa.table({"image": cells}), tmp_path / "t.parquet")
    names = [s.name for s in read_dataset(tmp_path / "t.parquet", PETS).with_printable_names().samples]
    assert names == ["t/1-<b>\\n.png", "t/2-y.png"]


# Several files


def test_shards_are_read_by_pattern_and_by_folder(tmp_path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    for k in range(3):
        write_parquet(pets().slice(3 * k, 3), data / f"train-{k:05}-of-00003.parquet")
    for source in (data, data / "train-{00000..00002}-of-00003.parquet", data / "train-*.parquet"):
        assert [s.read() for s in read_dataset(source, PETS).samples] == IMAGES[:9]
        assert data_class_names(source) == ("dog", "cat")
    assert [s.read() for s in read_dataset(data / "train-0000?-of-00003.parquet", PETS).limited(2).samples]
    with pytest.raises(DataError, match=r"`train-00003-of-00003.parquet` does not exist"):
        read_dataset(data / "train-{00000..00003}-of-00003.parquet", PETS)
    with pytest.raises(DataError, match=r"is not an ascending range of at most"):
        read_dataset(data / "train-{3..0}-of-00003.parquet", PETS)
    with pytest.raises(DataError, match=r"test-\*.parquet` does not exist"):
        read_dataset(data / "test-*.parquet", PETS)
    write_parquet(pets(), data / "test-00000-of-00001.parquet")
    with pytest.raises(DataError, match="holds several data sets: `test`, `train`") as error:
        read_dataset(data, PETS)
    assert error.value.hint == f"give one: --data '{data}/test*.parquet'"
    (data / "photo.png").write_bytes(IMAGES[0])
    assert [s.name for s in read_dataset(data, PETS).samples] == ["photo.png"]


def test_annotations_of_packed_images_are_refused(tmp_path) -> None:
    write_parquet(pets(), tmp_path / "t.parquet")
    with pytest.raises(DataError, match="holds its own labels"):
        read_dataset(tmp_path / "t.parquet", PETS, tmp_path / "t.parquet")


# Written by Hugging Face's own package


def test_files_written_by_datasets_are_read(tmp_path) -> None:
    datasets = pytest.importorskip("datasets")
    datasets.disable_progress_bars()
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["dog", "cat"])})
    pictures = [Image.open(io.BytesIO(data)) for data in IMAGES]
    table = datasets.Dataset.from_dict({"image": pictures, "label": [k % 2 for k in range(10)]}, features=features)
    expected = [(hashlib.sha256(np.asarray(row["image"]).tobytes()).hexdigest(), row["label"]) for row in table]

    def found(source: Path) -> list[tuple]:
        samples = read_dataset(source, ClassNames(("dog", "cat"))).samples
        pixels = (np.asarray(Image.open(io.BytesIO(s.read()))) for s in samples)
        return [(hashlib.sha256(p.tobytes()).hexdigest(), s.label) for p, s in zip(pixels, samples, strict=True)]

    table.to_parquet(tmp_path / "x.parquet")
    table.save_to_disk(tmp_path / "disk", num_shards=3)
    for source in (tmp_path / "x.parquet", tmp_path / "disk"):
        assert found(source) == expected
        assert data_class_names(source) == ("dog", "cat")
    datasets.DatasetDict({"train": table, "test": table}).save_to_disk(tmp_path / "dict")
    assert found(tmp_path / "dict" / "test") == expected
    with pytest.raises(DataError, match="holds several data sets: `test`, `train`"):
        read_dataset(tmp_path / "dict", ClassNameCollector(()))
