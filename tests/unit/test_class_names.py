"""Class names: how a text is matched to a class, and what class files may contain."""

import pytest
from torchvision.models import ResNet18_Weights

from reportgen.data.class_names import ClassNames, imagenet_names, imagenet_wnids, read_class_file
from reportgen.errors import DataError

BIRDS = ClassNames(("crane", "Maillot", "maillot", "7", "sea_lion", "crane", "tabby", "Tabby cat"))


@pytest.mark.parametrize(
    ("text", "index"),
    [("tabby", 6), ("Maillot", 1), ("maillot", 2), ("TABBY_CAT", 7), ("sea lion", 4), ("0", 0), ("007", 7), ("7", 3)],
)
def test_class_name_takes_precedence_over_an_index(text: str, index: int) -> None:
    assert BIRDS.index(text) == index


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("crane", "`crane` is the name of classes 0 and 5: use an index or a wnid"),
        ("CRANE", "`CRANE` is the name of classes 0 and 5: use an index or a wnid"),
        ("MAILLOT", "`MAILLOT` is the name of classes 1 and 2: use an index or a wnid"),
        ("8", "index 8 is out of range: the last class is 7"),
        ("9" * 5000, f"index {'9' * 59}… is out of range: the last class is 7"),
        ("tabbi", "no class is called `tabbi`; nearest: `tabby`"),
        ("-1", "no class is called `-1`"),
        ("٣", "no class is called `٣`"),
        ("a\nb\x1b[31m", "no class is called `a\\nb\\x1b[31m`"),
    ],
)
def test_unknown_class_text_is_refused_with_a_reason(text: str, reason: str) -> None:
    with pytest.raises(LookupError) as error:
        BIRDS.index(text)
    assert error.value.args == (reason,)


def test_imagenet_classes_are_found_by_wnid_name_and_index() -> None:
    names = ResNet18_Weights.DEFAULT.meta["categories"]
    assert imagenet_names() == tuple(names)
    vocabulary = ClassNames(tuple(names), imagenet_wnids())
    assert len(set(imagenet_wnids())) == len(names) == 1000
    assert vocabulary.index("n02123045") == vocabulary.index("tabby") == vocabulary.index("281") == 281
    assert vocabulary.index("n01440764") == 0
    assert all(vocabulary.index(name) == index for index, name in enumerate(names))
    with pytest.raises(LookupError, match="no class is called `n99999999`"):
        vocabulary.index("n99999999")


def test_class_file_keeps_order_repeats_and_accents(tmp_path) -> None:
    path = tmp_path / "classes.txt"
    path.write_bytes("\ufeffcrane\r\n  Käfer \r\ncrane\r\n\r\n".encode())
    assert read_class_file(path) == ("crane", "Käfer", "crane")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (None, "cannot be read: no such file or directory"),
        (b"", "is empty"),
        (b"\n \n", "is empty"),
        (b"a\n\nb\n", "has a blank line: line 2"),
        (b"\nb\n", "has a blank line: line 1"),
        (b"a\n\xff\n", "is not UTF-8 at byte 2"),
    ],
)
def test_unusable_class_file_is_a_data_error(tmp_path, data: bytes | None, reason: str) -> None:
    path = tmp_path / "classes.txt"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(DataError) as error:
        read_class_file(path)
    assert str(error.value) == f"class file `{path}` {reason}"
