"""The families of networks, and their verdicts."""

from __future__ import annotations

import gc
import multiprocessing
import time
import warnings
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import cache

import torch

from tests.matrix import checkpoints, handwritten, huggingface_networks, timm_networks, torchvision_networks
from tests.matrix.case import Case, Family, Verdict
from tests.matrix.checks import try_network

FAMILIES: dict[str, Family] = {
    "torchvision": torchvision_networks.FAMILY,
    "timm": timm_networks.FAMILY,
    "transformers": huggingface_networks.FAMILY,
    "handwritten": handwritten.FAMILY,
    "checkpoints": checkpoints.FAMILY,
}
PROCESSES = 2


def verdicts(families: Iterable[str]) -> Iterator[tuple[Case, Verdict, float]]:
    """Each network of some families with its verdict and seconds, from processes of one thread each."""
    work = [(family, name) for family in families for name in _cases(family)]
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(PROCESSES, spawn, initializer=_start) as pool:
        for (family, name), (verdict, seconds) in zip(work, pool.map(_try, *zip(*work, strict=True)), strict=True):
            yield _cases(family)[name], verdict, seconds


@cache
def _cases(family: str) -> dict[str, Case]:
    return {case.name: case for case in FAMILIES[family].cases()}


def _start() -> None:
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")  # of the packages that make the networks


def _try(family: str, name: str) -> tuple[Verdict, float]:
    start = time.perf_counter()
    case = _cases(family)[name]
    verdict = checkpoints.try_form(case) if family == "checkpoints" else try_network(case)
    gc.collect()
    return verdict, time.perf_counter() - start
