"""A classifier from a module: traced, cut at its feature maps, and described."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from reportgen.data.class_names import ClassNames
from reportgen.errors import ModelError
from reportgen.models.class_logits import described_outputs, return_class_logits
from reportgen.models.class_tokens import is_read_by_class_tokens, trunk_output
from reportgen.models.classifier import Classifier, Preprocessing
from reportgen.models.cut import find_feature_maps
from reportgen.models.first_convolution import first_convolution
from reportgen.models.graph import trace
from reportgen.models.in_place import make_differentiable
from reportgen.models.layers import find_layers
from reportgen.models.linear_head import find_linear_head
from reportgen.models.outputs import BINARY_HINT, sigmoid_at_end, stated_outputs
from reportgen.models.plain_module import let_gradients_pass, plain_module
from reportgen.models.split import split
from reportgen.models.weights import weights_digest


def classifier_from_module(
    module: nn.Module,
    name: str,
    class_names: ClassNames | None = None,
    preprocessing: Preprocessing | None = None,
    layer: str | None = None,
    head: str | None = None,
    source: str = "",
    outputs: str = "classes",
) -> Classifier:
    """Cut a network at its feature maps.

    class_names: by default `class 0`, `class 1`, …; layer: name of the module whose output the feature maps are; head:
        name of the linear layer; both are found automatically by default; outputs: `binary` for a network with the one
        logit z of a binary classifier, which becomes one of two classes with the logits (−z/2, z/2); `probabilities`
        for one that returns those of a softmax, which become logits; `multilabel` for one with a logit or sigmoid for
        each label. A Hugging Face network whose configuration states that it is multi-label is taken as one.
    Errors: ModelError.
    """
    preprocessing = preprocessing or Preprocessing()
    module, converted = plain_module(module, name)
    graph = trace(module, torch.zeros(preprocessing.input_shape))
    let_gradients_pass(graph)
    make_differentiable(graph, name)
    outputs = stated_outputs(module, name, outputs)
    how = described_outputs(graph, outputs)
    is_multilabel, has_sigmoid = outputs == "multilabel", sigmoid_at_end(graph) is not None
    classes = return_class_logits(graph, name, outputs)
    feature_maps = find_feature_maps(graph, layer)
    last = trunk_output(feature_maps)
    trunk, head_module = split(graph, last)
    class_names = replace(class_names or ClassNames.numbered(classes), is_multilabel=is_multilabel)
    if len(class_names.names) != classes:
        raise ModelError(
            f"`{name}` has {classes} output{'s' * (classes > 1)} but {len(class_names.names)} class names",
            BINARY_HINT if classes == 1 else "give as many names, one a line, with --classes",
        )
    shape = tuple(feature_maps.meta["shape"][1:])
    origin = [source, converted, how]
    return Classifier(
        name=name,
        trunk=trunk,
        head=head_module,
        linear_head=find_linear_head(head_module, tuple(last.meta["shape"][1:]), head),
        feature_layer=find_layers(trunk, head_module)[-1].name,
        feature_shape=shape,
        class_names=class_names,
        preprocessing=preprocessing,
        first_conv=first_convolution(graph),
        parameters=sum(p.numel() for p in module.parameters()),
        weights_digest=weights_digest(graph),
        source="; ".join(filter(None, origin)),
        original=module,
        reads_tokens=is_read_by_class_tokens(feature_maps),
        outputs="sigmoids" if is_multilabel and has_sigmoid else outputs,
    )
