"""A tracer for networks that torch.fx's own cannot trace, because their `forward` asks for shapes or compares them.

Every operation is recorded and, at the same time, computed for an example, so that questions about shapes and types
are answered. Questions about values that depend on the image are refused: another image could have another answer.
Numbers that depend on the size of the batch are found by tracing two batches.
"""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor, fx, nn
from torch.overrides import is_tensor_method_or_property
from torch.utils._pytree import tree_leaves, tree_map

from reportgen.models.batch_size import TraceError, graph_for_any_batch

BATCHES = (2, 3)
"""Sizes of the two batches. Not 1, which broadcasts."""
VALUE_METHODS = {"item", "tolist", "numpy"}
"""Methods that return values instead of a tensor."""


def trace_with_examples(module: nn.Module, shape: tuple[int, ...]) -> fx.GraphModule:
    """Trace a module in evaluation mode. shape: `(channels, height, width)` of an image, which the graph is valid for.

    Errors: TraceError; whatever the module raises for the example.
    """
    generator = torch.Generator().manual_seed(0)
    examples = [torch.randn(batch, *shape, generator=generator) for batch in BATCHES]
    graphs = []
    with unchanged_attributes(module):
        with torch.no_grad():
            module(examples[0])  # some networks store what they compute for the first image, such as positions
        for example in examples:
            with unchanged_attributes(module):
                graphs.append(fx.GraphModule(module, _ExampleTracer(example).trace(module)))
    return graph_for_any_batch(graphs[0], graphs[1], BATCHES)


@contextmanager
def unchanged_attributes(module: nn.Module) -> Iterator[None]:
    """Undo what tracing leaves in a module: its constants, and proxies where `forward` stores a tensor for later."""
    stored = [(vars(part), {key: _copy_of(value) for key, value in vars(part).items()}) for part in module.modules()]
    try:
        yield
    finally:
        for attributes, before in stored:
            attributes.clear()
            attributes.update(before)


def _copy_of(value: Any) -> Any:
    return value.copy() if type(value) in (dict, list, set) else value


class GraphTracer(fx.Tracer):
    """Traces `forward` with the image alone; its other arguments keep their defaults.

    Autocast is refused: a graph does not hold it, and would run in another precision than the module.
    """

    def create_args_for_root(self, root_fn: Any, is_module: bool, concrete_args: Any = None) -> tuple[Any, list[Any]]:
        name = next(iter(inspect.signature(self.root.forward).parameters), "x")
        return root_fn, [self.root, self.create_proxy("placeholder", name, (), {})]

    def create_node(self, *args: Any, **kwargs: Any) -> fx.Node:
        if torch.is_autocast_enabled("cpu") or torch.is_autocast_enabled("cuda"):
            raise TraceError("its `forward` uses autocast: remove it, and set the precision with --precision")
        return super().create_node(*args, **kwargs)


class _ExampleTracer(GraphTracer):
    """Gives each proxy the `value` that its node has for the example, and whether it `depends` on the image."""

    def __init__(self, example: Tensor) -> None:
        super().__init__()
        self.example = example
        self.is_running = False  # an operation on the example: nothing is recorded

    def trace(self, root: nn.Module, concrete_args: dict[str, Any] | None = None) -> fx.Graph:  # type: ignore[override]
        with torch.no_grad():
            return super().trace(root, concrete_args)

    def proxy(self, node: fx.Node) -> _ExampleProxy:
        return _ExampleProxy(node, self)

    def create_arg(self, a: Any) -> Any:
        return a.node if type(a) is _ExampleProxy else super().create_arg(a)

    def create_proxy(
        self, kind: str, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any], *others: Any, **options: Any
    ) -> Any:
        proxies = [leaf for leaf in tree_leaves((args, kwargs)) if type(leaf) is _ExampleProxy]
        depends = kind == "placeholder" or any(proxy.depends for proxy in proxies)
        if depends and kind == "call_method" and target in VALUE_METHODS:
            raise TraceError(f"its `forward` reads values of the image (`.{target}()`)")
        proxy = super().create_proxy(kind, target, args, kwargs, *others, **options)
        self.is_running = True
        try:
            value = self._value(kind, target, *tree_map(_value_of, (args, kwargs)))
        finally:
            self.is_running = False
        return self._answer(cast(_ExampleProxy, proxy), value, depends)

    def call_module(self, m: nn.Module, forward: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return forward(*args, **kwargs) if self.is_running else super().call_module(m, forward, args, kwargs)

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, Any]) -> Any:
        return attr_val if self.is_running else super().getattr(attr, attr_val, parameter_proxy_cache)

    def _value(self, kind: str, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if kind == "placeholder":
            return self.example
        if kind == "get_attr":
            return operator.attrgetter(target)(self.root)
        if kind == "call_module":
            return self.root.get_submodule(target)(*args, **kwargs)
        if kind == "call_method":
            return getattr(args[0], target)(*args[1:], **kwargs)
        return target(*args, **kwargs) if kind == "call_function" else None

    def _answer(self, proxy: _ExampleProxy, value: Any, depends: bool) -> Any:
        """What `forward` gets: a proxy for a tensor, proxies for its parts if there are several, or a plain value."""
        proxy.value, proxy.depends = value, depends
        if isinstance(value, tuple | list) and any(isinstance(part, Tensor) for part in value):
            parts = [self.create_proxy("call_function", operator.getitem, (proxy, i), {}) for i in range(len(value))]
            return type(value)(parts) if type(value) in (tuple, list) else tuple(parts)
        if isinstance(value, Tensor) or proxy.node.op in ("placeholder", "output"):
            return proxy
        self.graph.erase_node(proxy.node)
        return value


class _ExampleProxy(fx.Proxy):
    """A tensor in `forward`: it has the shape and type of its example, and its operations are recorded."""

    tracer: _ExampleTracer
    value: Any = None
    depends: bool = True

    @property  # type: ignore[misc]
    def __class__(self) -> type:  # `isinstance(x, torch.Tensor)` in `forward` is true, as it is without tracing
        return Tensor

    def __getattr__(self, k: str) -> Any:
        with torch._C.DisableTorchFunction():
            found = getattr(self.value, k)
            if isinstance(found, Tensor):
                return self.tracer.create_proxy("call_function", getattr, (self, k), {})
        if not callable(found):
            return found
        return lambda *args, **kwargs: self.tracer.create_proxy("call_method", k, (self, *args), kwargs)

    @classmethod
    def __torch_function__(
        cls, orig_method: Any, types: Any, args: tuple[Any, ...] | None = None, kwargs: dict[str, Any] | None = None
    ) -> Any:
        args, kwargs = args or (), kwargs or {}
        tracer = next(leaf.tracer for leaf in tree_leaves((args, kwargs)) if type(leaf) is _ExampleProxy)
        if orig_method.__name__ == "__get__":  # a property such as `shape`
            return getattr(args[0], orig_method.__self__.__name__)
        if is_tensor_method_or_property(orig_method):
            return tracer.create_proxy("call_method", orig_method.__name__, args, kwargs)
        return tracer.create_proxy("call_function", orig_method, args, kwargs)

    def __len__(self) -> int:
        return len(self.value)

    def __iter__(self) -> Iterator[Any]:
        return iter([operator.getitem(cast(Any, self), i) for i in range(len(self.value))])

    def __setitem__(self, index: Any, value: Any) -> None:
        self.tracer.create_proxy("call_function", assign_, (self, index, value), {})

    def _known(self, convert: Callable[[Any], Any]) -> Any:
        if self.depends:
            raise TraceError("its `forward` decides by values of the image")
        return convert(self.value)

    def __bool__(self) -> bool:
        return bool(self._known(bool))

    def __int__(self) -> int:
        return int(self._known(int))

    def __index__(self) -> int:
        return int(self._known(int))

    def __float__(self) -> float:
        return float(self._known(float))


def _value_of(a: Any) -> Any:
    return a.value if type(a) is _ExampleProxy else a


def assign_(target: Tensor, index: Any, value: Any) -> Tensor:
    """`target[index] = value`, as a function that returns the tensor that it changes."""
    target[index] = value
    return target
