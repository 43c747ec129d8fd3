"""Places for names on a drawing, so that no name covers an earlier one."""

from __future__ import annotations


class NamePlaces:
    """The names on one drawing. letter, line: width of a letter and height of a line, in the unit of the positions."""

    def __init__(self, letter: float, line: float) -> None:
        self._letter, self._line = letter, line
        self._taken: list[tuple[float, float, float]] = []

    def half_width(self, text: str) -> float:
        """Half of the approximate width of a name."""
        return self._letter * len(text) / 2

    def take(self, text: str, x: float, y: float) -> bool:
        """Place a name with its centre at (x, y), and return True; False if it would cover an earlier one."""
        half = self.half_width(text)
        if any(abs(y - b) < self._line and abs(x - a) < half + other for a, b, other in self._taken):
            return False
        self._taken.append((x, y, half))
        return True
