"""JSON from files that may be damaged, or made to do harm."""

from __future__ import annotations

import json
from typing import Any


def load_json(text: str | bytes) -> Any:
    """Return the value of a JSON text. Errors: ValueError, also for lists nested too deep for Python's parser."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("its lists are nested too deep") from None
