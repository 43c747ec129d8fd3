"""A network without what training and deployment put around it: plain modules, in float32, that gradients pass."""

from __future__ import annotations

import copy
import itertools

import torch
from torch import fx, nn
from torch.nn.parameter import is_lazy

from reportgen.errors import ModelError

WRAPPERS: dict[str, str] = {
    "torch.nn.parallel.data_parallel.DataParallel": "module",
    "torch.nn.parallel.distributed.DistributedDataParallel": "module",
    "torch._dynamo.eval_frame.OptimizedModule": "_orig_mod",  # of torch.compile; importing its package takes seconds
}
"""Types of modules that only run another one, and the attribute that holds it."""
QUANTIZED = ("torch.ao.nn.quantized.", "torch.ao.nn.intrinsic.quantized.")
"""Packages of quantized modules."""


def plain_module(module: nn.Module, name: str) -> tuple[nn.Module, str]:
    """Return a network without wrappers and in float32, and what was converted, or "". It is changed in place.

    name: of the network, for messages. Errors: ModelError for TorchScript and quantized modules.
    """
    module = _without_wrappers(module)
    for part in module.modules():
        if isinstance(part, torch.jit.ScriptModule):
            raise ModelError(
                f"`{name}` is or contains TorchScript, which cannot be cut into trunk and head",
                "return the module from before `torch.jit.script` or `torch.jit.trace`",
            )
        if type(part).__module__.startswith(QUANTIZED):
            raise ModelError(
                f"`{name}` is quantized, and activation maps need floating-point numbers",
                "return the module from before its quantization",
            )
    tensors = [t for t in itertools.chain(module.parameters(), module.buffers()) if not is_lazy(t)]
    if any(tensor.is_inference() for tensor in tensors):  # made in `torch.inference_mode`: gradients do not pass them
        module = copy.deepcopy(module)
    others = {tensor.dtype for tensor in tensors if tensor.is_floating_point()} - {torch.float32}
    converted = ", ".join(sorted(str(dtype).removeprefix("torch.") for dtype in others))
    return module.float(), f"converted from {converted} to float32" if converted else ""


def _without_wrappers(module: nn.Module) -> nn.Module:
    module = _inner(module)
    for parent in list(module.modules()):
        parent._compiled_call_impl = None  # of `module.compile()`
        for name, child in list(parent.named_children()):
            if _type(child) in WRAPPERS:
                setattr(parent, name, _inner(child))
    return module


def _inner(module: nn.Module) -> nn.Module:
    while _type(module) in WRAPPERS:
        module = getattr(module, WRAPPERS[_type(module)])
    return module


def _type(module: nn.Module) -> str:
    return f"{type(module).__module__}.{type(module).__qualname__}"


def let_gradients_pass(graph: fx.GraphModule) -> None:
    """Remove `detach` from a traced network: it changes no value, and saliency and Grad-CAM need the gradient."""
    for node in list(graph.graph.nodes):
        is_method = node.op == "call_method" and node.target in ("detach", "detach_")
        is_function = node.op == "call_function" and node.target is torch.detach
        is_data = node.op == "call_function" and node.target is getattr and node.args[1:2] == ("data",)
        if is_method or is_function or is_data:
            node.replace_all_uses_with(node.all_input_nodes[0])
            graph.graph.erase_node(node)
    graph.recompile()
