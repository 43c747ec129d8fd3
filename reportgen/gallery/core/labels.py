"""Labels that several pages share."""

from __future__ import annotations

from collections.abc import Sequence

from reportgen.audit.model_audit import ModelAudit
from reportgen.audit.model_info import ModelInfo
from reportgen.data.samples import Sample
from reportgen.metrics.multilabel import NO_LABELS

OUTCOME_LABELS = {
    "right": "right",
    "class": "wrong class",
    "part": "part only",
    "more": "box too large",
    "multi-instance": "multiple instances",
    "other": "off target",
    "inexact": "wrong labels",
    "exact": "all labels right",
    "unlabelled": "no label",
}
"""Text of the chip of an outcome; the keys are the names in result files."""
OUTCOME_SHAPES = {
    "right": ("M1.5 6.5l3 3 6-7", ""),
    "class": ("M2 2l8 8M10 2l-8 8", ""),
    "part": ("M1 1h10v10H1z", "M3 3h4v4H3z"),
    "more": ("M3.5 3.5h5v5h-5zM1 1h10v10H1z", ""),
    "multi-instance": ("M1 1h4v4H1zM7 7h4v4H7z", ""),
    "other": ("M1 6h10", ""),
    "inexact": ("M2 2l8 8M10 2l-8 8", ""),
    "exact": ("M1.5 6.5l3 3 6-7", ""),
    "unlabelled": ("M6 1a5 5 0 100 10 5 5 0 000-10z", ""),
}
"""Shape of the chip of an outcome in a frame of 12 × 12: the SVG path that is stroked, and the one that is filled."""
METHOD_LABELS = {
    "cam": "class activation maps (exact)",
    "grad-cam": "Grad-CAM through the head",
    "files": "score maps read from files (`maps`), one for each image, whatever the class",
}
TOKENS_NOTE = (
    "The map shows the patches that the class token reads last. Attention has mixed positions before, so what is read "
    "there may come from elsewhere in the image."
)
"""What a reader of Grad-CAM on patch tokens has to know."""
HEAD_LABELS = {
    "own": "global average pooling and one linear layer",
    "own-gmp": "global max pooling and one linear layer",
    "class-token": "attention of a class token to patch tokens",
    "other": "other than pooling and one linear layer",
    "gap": "average pooling and a fitted linear layer",
    "gmp": "max pooling and a fitted linear layer",
}
"""How a network gets from its feature maps to its logits."""


def label_text(sample: Sample, classes: Sequence[str]) -> str:
    """The label of an image, or all of its labels in a multi-label data set."""
    if sample.labels is not None:
        return ", ".join(classes[k] for k in sample.labels) or NO_LABELS
    return "no label" if sample.label is None else classes[sample.label]


def prediction_text(model: ModelAudit, i: int) -> str:
    """The predicted class of image i, or all predicted labels in a multi-label data set."""
    if model.dataset.is_multilabel:
        return ", ".join(model.classes[k] for k in model.predicted_labels(i)) or NO_LABELS
    return model.classes[int(model.classification.top_classes[i, 0])]


def method_label(info: ModelInfo) -> str:
    """Where the activation maps come from."""
    if reads_tokens(info):
        return "Grad-CAM on the last patch tokens that the class token reads (not exact)"
    return METHOD_LABELS.get(info.method, f"by `{info.method}`")


def reads_tokens(info: ModelInfo) -> bool:
    """Whether the activation maps are Grad-CAM on patch tokens that a class token reads."""
    return info.head == "class-token" and info.method == "grad-cam"


def cam_name(info: ModelInfo) -> str:
    """Name of one activation map."""
    if reads_tokens(info):
        return "Grad-CAM map on patch tokens"
    names = {"cam": "Class activation map (CAM)", "grad-cam": "Grad-CAM map", "files": "Score map from a file"}
    return names.get(info.method, f"Map by {info.method}")


def cam_unit(info: ModelInfo) -> str:
    """Unit of the activation maps: logits, but none for those of a `map_function` or of files."""
    return " logit" if info.method in ("cam", "grad-cam") else ""


def input_size_label(info: ModelInfo) -> str:
    """`224 × 224`, height first; `32 × 100, grey` for a network of grey images."""
    height, width = info.input_size
    return f"{height} × {width}" + (", grey" if len(info.mean) == 1 else "")


def preprocessing(info: ModelInfo) -> str:
    """The preprocessing of an image."""
    side, (height, width) = input_size_label(info), info.resize_size
    if info.resize == "warp":
        resize = f"resized to {side}"
    elif info.squash:
        resize = f"resized to {height} × {width}, centre crop of {side}"
    elif height == width:
        resize = f"shorter side {height}, centre crop of {side}"
    else:
        resize = f"scaled to cover {height} × {width}, centre crop of {side}"
    if info.decode == "fast":
        resize += "; large JPEGs decoded at a fraction of their size, so pixels differ slightly"
    mean, std = (", ".join(f"{v:.3g}" for v in values) for values in (info.mean, info.std))
    return f"{resize}, {info.interpolation}; mean {mean}; standard deviation {std}"


def head_label(info: ModelInfo) -> str:
    """The head; for a fitted one also how it was fitted."""
    fit = info.head_fit
    if fit is None:
        return HEAD_LABELS[info.head]
    how = f"in {fit.folds} folds" if fit.folds > 1 else "on a training set"
    penalties = ", ".join(f"{penalty:g}" for penalty in fit.penalties)
    images = ", ".join(f"{n:,}" for n in fit.images)
    return (
        f"{HEAD_LABELS[info.head]}, {how}; no image is evaluated with a head that was fitted on the same bytes or the "
        f"same group; penalties {penalties}; fitted on {images} images; gradient at the end ≤ {fit.gradient:.0e} of "
        "penalty × norm of the weights"
    )


def precision_label(info: ModelInfo) -> str:
    """The precision of the trunk, with its agreement with float32 if that was measured."""
    agreement = info.precision_agreement
    if agreement is None:
        return info.precision
    return (
        f"{info.precision}; in a trial on {agreement.images:,} images, {agreement.precision} and float32 predicted the "
        f"same class on {100 * agreement.top1:.1f} %, with features of cosine similarity ≥ {agreement.cosine:.5f}"
    )


def runtime_label(info: ModelInfo) -> str:
    """What ran the trunk, and how ONNX Runtime compared with PyTorch in a trial."""
    trial = info.runtime_trial
    uses_onnx = info.runtime != "torch"
    name = info.runtime.replace("onnxruntime", "ONNX Runtime") if uses_onnx else "PyTorch"
    if trial is None:
        return name
    if trial.failure:
        return f"{name}; {trial.failure}"
    outcome = (
        f"in a trial on {trial.images:,} images, PyTorch and ONNX Runtime differed by at most {trial.difference:.1e} "
        f"standard deviations, and {100 * trial.same_positions:.1f} % of the maxima were at the same position"
    )
    return f"{name}; {outcome}" if uses_onnx else f"{name}; {outcome}, which is too much or was not faster"


def feature_maps_label(info: ModelInfo) -> str:
    """`conv5, 512 × 7 × 7`."""
    return f"{info.feature_layer}, {' × '.join(map(str, info.feature_shape))}"
