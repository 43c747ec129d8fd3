"""Class names, and the lookup of a class by the text of a table cell or a folder's name."""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from importlib.resources import files
from pathlib import Path

from reportgen.data.files import cause, one_line, read_regular
from reportgen.errors import DataError


@dataclass(frozen=True)
class ClassNames:
    """The class names of a classifier.

    names: in the order of the logits; wnids: their WordNet ids, for ImageNet; is_multilabel: any number of the classes
    may be labels of one image.
    """

    names: tuple[str, ...]
    wnids: tuple[str, ...] | None = None
    is_multilabel: bool = False

    @classmethod
    def numbered(cls, count: int) -> ClassNames:
        """Return placeholder names `class 0`, `class 1`, … for a classifier without class names."""
        return cls(tuple(f"class {k}" for k in range(count)))

    def index(self, text: str) -> int:
        """Return the index of the class that `text` names.

        In this order: the name as written, the name without regard to case and `_`, a WordNet id, a decimal index.
        Errors: LookupError with a one-line reason if no class or several classes have the name.
        """
        for table, key in ((self._exact, text), (self._folded, _fold(text))):
            if indices := table.get(key):
                if len(indices) > 1:
                    listed = " and ".join(map(str, indices))
                    raise LookupError(f"`{_short(text)}` is the name of classes {listed}: use an index or a wnid")
                return indices[0]
        if self.wnids and text in self.wnids:
            return self.wnids.index(text)
        if text.isascii() and text.isdecimal():
            if len(text) < 10 and int(text) < len(self.names):
                return int(text)
            raise LookupError(f"index {_short(text)} is out of range: the last class is {len(self.names) - 1}")
        raise LookupError(f"no class is called `{_short(text)}`{_nearest(_short(text), self.names)}")

    @cached_property
    def _exact(self) -> Mapping[str, list[int]]:
        return _positions(self.names)

    @cached_property
    def _folded(self) -> Mapping[str, list[int]]:
        return _positions(tuple(map(_fold, self.names)))


@dataclass(frozen=True)
class ClassNameCollector(ClassNames):
    """Accepts every text as a class name and collects it: for data sets that define their own class names."""

    collected: set[str] = field(default_factory=set)

    def index(self, text: str) -> int:
        self.collected.add(text)
        return 0


def imagenet_wnids() -> tuple[str, ...]:
    """Return the 1,000 WordNet ids of ILSVRC 2012 in the order of torchvision's class names."""
    text = (files("reportgen") / "data" / "imagenet_wnids.txt").read_text("ascii")
    return tuple(text.split())


def imagenet_names() -> tuple[str, ...]:
    """Return torchvision's 1,000 class names of ImageNet. They are stored here: importing torchvision takes seconds."""
    text = (files("reportgen") / "data" / "imagenet_names.txt").read_text("ascii")
    return tuple(text.splitlines())


def read_class_file(path: Path) -> tuple[str, ...]:
    """Return the class names of a UTF-8 file with one name a line, in the model's order.

    Names may repeat, as ImageNet's do. A blank line is an error because it would shift all classes after it.
    Errors: DataError.
    """
    shown = f"class file `{one_line(str(path))}`"
    try:
        text = read_regular(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{shown} is not UTF-8 at byte {error.start}", "save it as UTF-8 with one name a line"
        ) from None
    except OSError as error:
        raise DataError(f"{shown} cannot be read: {cause(error)}") from None
    names = tuple(line.strip() for line in text.replace("\r\n", "\n").rstrip().split("\n"))
    if names == ("",):
        raise DataError(f"{shown} is empty", "write one name a line, in the model's order")
    if "" in names:
        line = names.index("") + 1
        raise DataError(f"{shown} has a blank line: line {line}", "write one name a line, in the model's order")
    return names


def _fold(name: str) -> str:
    return " ".join(name.replace("_", " ").casefold().split())


def _positions(names: tuple[str, ...]) -> Mapping[str, list[int]]:
    positions = defaultdict(list)
    for index, name in enumerate(names):
        positions[name].append(index)
    return dict(positions)


def _short(text: str) -> str:
    """Return `text` shortened to 60 characters on one line; a table cell may contain anything."""
    return one_line(text if len(text) <= 60 else text[:59] + "…")


@lru_cache(maxsize=4096)  # tables repeat unknown labels, and difflib takes milliseconds for each
def _nearest(text: str, names: tuple[str, ...]) -> str:
    by_fold = {_fold(name): name for name in names}
    near = [f"`{one_line(by_fold[key])}`" for key in difflib.get_close_matches(_fold(text), by_fold)]
    return f"; nearest: {', '.join(near)}" if near else ""
