"""Networks as people write them, each with what is expected of it."""

from __future__ import annotations

from tests.matrix.case import Case, Family, Goal
from tests.matrix.handwritten import blocks, forwards, heads, mixers

TAKEN, REFUSED, EITHER = "written by hand, usual", "written by hand, without maps", "written by hand, unusual"
SIDE = 64


def cases() -> list[Case]:
    """All of them, on images of 64 × 64 unless they are made for others."""
    taken = {**heads.TAKEN, **blocks.TAKEN, **forwards.TAKEN, **mixers.TAKEN}
    refused = {**heads.REFUSED, **forwards.REFUSED, **mixers.REFUSED}
    either = {**heads.EITHER, **forwards.EITHER, **mixers.EITHER}
    return [
        *(Case(name, TAKEN, build, forwards.SIZES.get(name, (SIDE, SIDE))) for name, build in taken.items()),
        *(Case(name, REFUSED, build, (SIDE, SIDE), why) for name, (build, why) in refused.items()),
        *(Case(name, EITHER, build, (SIDE, SIDE)) for name, build in either.items()),
    ]


FAMILY = Family({TAKEN: Goal(share=1), REFUSED: Goal("refused", 1), EITHER: Goal()}, cases)
