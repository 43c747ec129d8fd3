"""Class names: the list that labels index, and how a text in a table or a folder's name finds its class."""

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
class Vocabulary:
    """The classifier's class names in its order, and for ImageNet the WordNet id of each."""

    names: tuple[str, ...]
    wnids: tuple[str, ...] | None = None

    @classmethod
    def numbered(cls, count: int) -> Vocabulary:
        """The names of classes that nobody has named."""
        return cls(tuple(f"class {k}" for k in range(count)))

    def index(self, text: str) -> int:
        """The class that `text` means: a name as written, else a name but for case and `_`, a wnid, a decimal index.

        LookupError with a one-line reason when it means none, or more than one.
        """
        for table, key in ((self._exact, text), (self._folded, _fold(text))):
            if found := table.get(key):
                if len(found) > 1:
                    indices = " and ".join(map(str, found))
                    raise LookupError(f"`{_short(text)}` is the name of classes {indices}: use an index or a wnid")
                return found[0]
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
class Listing(Vocabulary):
    """Takes every text for a class and keeps it: a data set that is read with it tells its own class names."""

    texts: set[str] = field(default_factory=set)

    def index(self, text: str) -> int:
        self.texts.add(text)
        return 0


def imagenet_wnids() -> tuple[str, ...]:
    """The 1000 WordNet ids of ILSVRC 2012 in the order of torchvision's class names."""
    text = (files("reportgen") / "data" / "imagenet_wnids.txt").read_text("ascii")
    return tuple(text.split())


def read_class_file(path: Path) -> tuple[str, ...]:
    """Class names from a UTF-8 file, one a line in the model's order; DataError if it cannot be that.

    Names may repeat, as ImageNet's do. A blank line is an error, for it would shift every class below it.
    """
    shown = f"class file `{one_line(str(path))}`"
    try:
        text = read_regular(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{shown} is not UTF-8 at byte {error.start}", "save it as UTF-8, one name a line") from None
    except OSError as error:
        raise DataError(f"{shown} cannot be read: {cause(error)}") from None
    names = tuple(line.strip() for line in text.replace("\r\n", "\n").rstrip().split("\n"))
    if names == ("",):
        raise DataError(f"{shown} is empty", "write one name a line, in the model's order")
    if "" in names:
        raise DataError(
            f"{shown} has a blank line {names.index('') + 1}", "write one name a line, in the model's order"
        )
    return names


def _fold(name: str) -> str:
    return " ".join(name.replace("_", " ").casefold().split())


def _positions(names: tuple[str, ...]) -> Mapping[str, list[int]]:
    positions = defaultdict(list)
    for index, name in enumerate(names):
        positions[name].append(index)
    return dict(positions)


def _short(text: str) -> str:
    """`text` as a message can show it; a cell of a table may hold anything."""
    return one_line(text if len(text) <= 60 else text[:59] + "…")


@lru_cache(maxsize=4096)  # a table repeats its unknown labels, and difflib takes milliseconds for each
def _nearest(text: str, names: tuple[str, ...]) -> str:
    by_fold = {_fold(name): name for name in names}
    near = [f"`{one_line(by_fold[key])}`" for key in difflib.get_close_matches(_fold(text), by_fold)]
    return f"; nearest: {', '.join(near)}" if near else ""
