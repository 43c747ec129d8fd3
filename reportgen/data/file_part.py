"""An image within a file that has many, such as a member of a tar file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reportgen.data.files import cause, one_line, read_regular
from reportgen.errors import ImageError


@dataclass(frozen=True)
class FilePart:
    """Consecutive bytes of a file. name: of the image, for messages."""

    offset: int
    size: int
    name: str

    def read(self, path: Path) -> bytes:
        """Return the bytes. Errors: ImageError, also if the file ends before them."""
        try:
            data = read_regular(path, self.offset, self.size)
            if len(data) < self.size:
                raise OSError("the file is truncated")
            return data
        except (OSError, ValueError) as error:
            shown = f"`{one_line(self.name)}` in `{one_line(path.name)}`"
            raise ImageError(f"{shown} cannot be read: {cause(error)}") from None
