"""The views: every module of this package with a `VIEW` is one. Add a file, and it is in the gallery and the manual."""

from __future__ import annotations

import importlib
import pkgutil
from functools import lru_cache

from reportgen.views.panel import Scope, View


@lru_cache(1)
def all_views() -> tuple[View, ...]:
    """Every view, in the order in which pages show them."""
    modules = (importlib.import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__))
    return tuple(sorted((m.VIEW for m in modules if hasattr(m, "VIEW")), key=lambda view: view.order))


def views_of(scope: Scope) -> tuple[View, ...]:
    """The views of one scope, in order."""
    return tuple(view for view in all_views() if view.scope == scope)
