"""Networks of all families of timm. `python -m tests.matrix.timm_networks` makes their list anew."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from tests.matrix.case import Case, Family, Goal

LIST = Path(__file__).with_name("timm_networks.txt")
"""A name a line and its kind. It is kept, so that another version of timm does not change what is tried."""
GOALS = {"convolutional": Goal(share=0.95), "hybrid": Goal(), "transformer": Goal()}
MAX_PARAMETERS = 60_000_000
MAX_SIDE = 320
MAX_OF_A_MODULE = 4
TRANSFORMERS = {
    "beit", "cait", "convit", "crossvit", "deit", "eva", "hiera", "hieradet_sam2", "mlp_mixer", "mvitv2", "naflexvit",
    "pit", "sequencer", "swin_transformer", "swin_transformer_v2", "swin_transformer_v2_cr", "tnt",
    "vision_transformer", "vision_transformer_relpos", "vision_transformer_sam", "volo", "xcit",
}  # fmt: skip
"""Modules of `timm.models` whose networks work on tokens from the first layer on: attention or MLPs across tokens."""
HYBRIDS = {
    "byoanet", "coat", "davit", "edgenext", "efficientformer", "efficientformer_v2", "efficientvim", "efficientvit_mit",
    "efficientvit_msra", "gcvit", "iformer", "levit", "lowformer", "cpubone", "maxxvit", "mobilevit", "nest", "nextvit",
    "pvt_v2", "shvit", "swiftformer", "tiny_vit", "twins", "visformer", "vision_transformer_hybrid", "vitamin",
}  # fmt: skip
"""Those with convolutions and attention."""
HYBRID_NETWORKS = {"caformer_s18"}
"""Hybrids of modules whose other networks are convolutional."""


def cases() -> list[Case]:
    """The networks of the list."""
    import timm

    rows = [line.split() for line in LIST.read_text("utf-8").splitlines()]
    return [Case(name, f"timm, {kind}", lambda name=name: timm.create_model(name)) for name, kind in rows]


FAMILY = Family({f"timm, {kind}": goal for kind, goal in GOALS.items()}, cases)


def chosen() -> dict[str, str]:
    """Name and kind of the smallest network of each series (`resnext` of `resnext50_32x4d`) in each module of timm.

    At most four series of a module, those with the smallest networks.
    """
    import timm

    found: dict[str, str] = {}
    for module in sorted(timm.list_modules()):
        series: dict[str, str] = {}
        for _, name in sorted((_parameters(name), name) for name in timm.list_models(module=module)):
            series.setdefault(name.split("_")[0].rstrip("0123456789"), name)
        small = [name for name in series.values() if _parameters(name) < MAX_PARAMETERS and _side(name) <= MAX_SIDE]
        found |= {name: _kind(module, name) for name in small[:MAX_OF_A_MODULE]}
    return found


@cache
def _parameters(name: str) -> int:
    import timm
    import torch

    with torch.device("meta"):
        return sum(p.numel() for p in timm.create_model(name).parameters())


def _side(name: str) -> int:
    import timm

    cfg = timm.get_pretrained_cfg(name)
    return 224 if cfg is None else max(cfg.input_size[1:])


def _kind(module: str, name: str) -> str:
    if module in TRANSFORMERS:
        return "transformer"
    return "hybrid" if module in HYBRIDS or name in HYBRID_NETWORKS else "convolutional"


if __name__ == "__main__":
    LIST.write_text("".join(f"{name} {kind}\n" for name, kind in chosen().items()), "utf-8")
