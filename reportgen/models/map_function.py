"""Activation maps computed by a user's function: `maps = "python:package.module:function"`."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from reportgen.errors import ConfigError, ModelError, first_line
from reportgen.models.classifier import Classifier, MapFunction


def load_map_function(spec: str) -> MapFunction:
    """Import the function that `python:package.module:function` names. Its digest is that of the module's source.

    Errors: ConfigError for an invalid spec, ModelError if the function cannot be imported.
    """
    kind, _, rest = spec.partition(":")
    module_name, _, name = rest.partition(":")
    if kind != "python" or not name:
        raise ConfigError(f"`map_function = {spec}` is not valid", "use `python:package.module:function`")
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        module = importlib.import_module(module_name)
        function: Callable[[Classifier, Tensor, Tensor], Tensor] = getattr(module, name)
        source = inspect.getsource(module)
    except Exception as error:
        raise ModelError(
            f"`map_function = {spec}` failed ({type(error).__name__}: {first_line(error)})",
            "it must be a function in a module that Python finds from this folder",
        ) from error
    return MapFunction(spec, hashlib.sha256(source.encode()).hexdigest(), function)


def apply_map_function(classifier: Classifier, map_function: MapFunction, images: Tensor, classes: Tensor) -> Tensor:
    """Return activation maps `(N, M, h, w)` float32. images: `(N, 3 or 1, H, W)` normalized; classes: `(N, M)` int64.

    Errors: ModelError if the function fails or returns another shape.
    """
    try:
        with torch.enable_grad():
            maps = map_function.compute(classifier, images, classes)
        shape, expected = tuple(maps.shape), tuple(classes.shape)
    except torch.OutOfMemoryError:
        raise
    except Exception as error:
        raise ModelError(
            f"`map_function = {map_function.name}` failed ({type(error).__name__}: {first_line(error)})",
            "it is called with a Classifier, images (N, C, H, W) and classes (N, M)",
        ) from error
    if len(shape) != 4 or shape[:2] != expected:
        message = f"`map_function = {map_function.name}` returned {shape} for classes {expected}"
        raise ModelError(message, "it must return (N, M, h, w)")
    return maps.detach().float()
