"""Maps that the user's own code draws: `maps = "python:package.module:function"`."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from reportgen.errors import ConfigError, ModelError
from reportgen.models.classifier import Classifier, Drawer
from reportgen.models.graph import reason


def load_drawer(spec: str) -> Drawer:
    """The function that `python:package.module:function` names; its module's source is its digest.

    Errors: ConfigError for the spec, ModelError where it cannot be imported.
    """
    kind, _, rest = spec.partition(":")
    module_name, _, name = rest.partition(":")
    if kind != "python" or not name:
        raise ConfigError(f"`maps` is `{spec}`", "use `python:package.module:function`")
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        module = importlib.import_module(module_name)
        function: Callable[[Classifier, Tensor, Tensor], Tensor] = getattr(module, name)
        source = inspect.getsource(module)
    except Exception as error:
        raise ModelError(f"`maps = {spec}` failed ({type(error).__name__}: {reason(error)})") from error
    return Drawer(spec, hashlib.sha256(source.encode()).hexdigest(), function)


def draw_maps(classifier: Classifier, drawer: Drawer, images: Tensor, classes: Tensor) -> Tensor:
    """`(N, M, h, w)` float32. images: `(N, 3, S, S)` normalised; classes: `(N, M)` int64.

    Errors: ModelError where the function fails, or gives no such maps.
    """
    try:
        with torch.enable_grad():
            maps = drawer.draw(classifier, images, classes)
        shape, wanted = tuple(maps.shape), tuple(classes.shape)
    except torch.OutOfMemoryError:
        raise
    except Exception as error:
        raise ModelError(f"`maps = {drawer.name}` failed ({type(error).__name__}: {reason(error)})") from error
    if len(shape) != 4 or shape[:2] != wanted:
        raise ModelError(f"`maps = {drawer.name}` gave {shape} for classes {wanted}", "it must give (N, M, h, w)")
    return maps.detach().float()
