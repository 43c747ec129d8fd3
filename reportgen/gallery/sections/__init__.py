"""The views: every module of `sections` and `pages` with a `VIEW` is one."""

from __future__ import annotations

import importlib
import pkgutil
from functools import lru_cache

from reportgen.gallery import pages
from reportgen.gallery.components.figure import Scope, View


@lru_cache(1)
def all_views() -> tuple[View, ...]:
    """Every view, in the order in which pages show them."""
    places = ((__name__, __path__), (pages.__name__, pages.__path__))
    modules = [
        importlib.import_module(f"{name}.{found.name}") for name, path in places for found in pkgutil.iter_modules(path)
    ]
    return tuple(sorted((m.VIEW for m in modules if hasattr(m, "VIEW")), key=lambda view: view.order))


def views_of(scope: Scope) -> tuple[View, ...]:
    """The views of one scope, in order."""
    return tuple(view for view in all_views() if view.scope == scope)
