"""The connection to a Ray cluster: no output of Ray on the terminal, no usage statistics, no files that stay."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import logging
import os
import secrets
import shutil
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import reportgen
from reportgen.config import AuditConfig
from reportgen.errors import ConfigError, first_line
from reportgen.store.files import has_ended, this_process

log = logging.getLogger(__name__)

QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_BACKEND_LOG_LEVEL": "fatal", "RAY_TQDM_PATCH_PRINT": "0"}
"""Environment variables: Ray sends no statistics, its C++ code prints nothing, and `print` stays Python's own."""
TOKENS = ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_AUTH_MODE")
"""Environment variables of the cluster's token. Without them, starting a cluster writes one to the home folder."""
_TOKEN = secrets.token_hex(16)
SECONDS_TO_ANSWER = 5.0
"""Time for the cluster's address to answer; Ray itself tries for minutes."""
OBJECT_STORE_BYTES = 100_000_000
"""Of a cluster that lasts as long as the run: results are files, so nothing large passes through it."""
SHORT_FOLDER = Path("/tmp")
"""Where the folder of such a cluster is: the paths of sockets have 107 bytes at most."""
PREFIX = "reportgen-ray-"
"""Beginning of the name of that folder, before the process that made it."""


@contextlib.contextmanager
def connected(config: AuditConfig, threads: int) -> Iterator[None]:
    """Connect to the cluster of the settings, or start it; disconnect, or end it, at the end of the `with` block.

    threads: of each worker. Errors: ConfigError if Ray or the cluster is missing.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.redirect_stdout(_Logged()))  # Ray prints there when a worker is killed
        stack.enter_context(_environment(QUIET))
        stack.enter_context(_own_signal_handler())
        try:
            import ray
        except ImportError:
            raise ConfigError("`engine = ray` needs Ray", "pip install 'reportgen[ray]'") from None
        how: dict[str, Any] = {}
        if config.ray_address == "local":
            if not any(name in os.environ for name in TOKENS):
                stack.enter_context(_environment({TOKENS[0]: _TOKEN}))
            folder = stack.enter_context(_temporary_folder())
            how = {"include_dashboard": False, "object_store_memory": OBJECT_STORE_BYTES, "_temp_dir": str(folder)}
        else:
            _check_it_answers(config.ray_address)
        stack.callback(ray.shutdown)
        try:
            with _own_signal_handler(), _logged_stderr():
                ray.init(
                    config.ray_address,
                    runtime_env=_runtime_env(config, threads),
                    log_to_driver=False,
                    logging_level=logging.CRITICAL,
                    **how,
                )
        except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
            raise _no_cluster(config.ray_address, first_line(error)) from error
        yield


def _runtime_env(config: AuditConfig, threads: int) -> dict[str, Any]:
    """Our code and the packages of `python:` sources, as this process has them, and the number of threads."""
    modules = {str(Path(reportgen.__file__).parent)}
    for own in config.networks():
        for source in (own.model, own.map_function or ""):
            kind, _, name = source.partition(":")
            spec = importlib.util.find_spec(name.partition(":")[0].partition(".")[0]) if kind == "python" else None
            if spec is not None:
                modules |= set(spec.submodule_search_locations or [spec.origin or ""])
    return {"py_modules": sorted(modules), "env_vars": {"OMP_NUM_THREADS": str(threads)}}


def _check_it_answers(address: str) -> None:
    """Raise ConfigError if an address with a port does not answer."""
    wanted = os.environ.get("RAY_ADDRESS", "auto") if address == "auto" else address
    host, _, port = wanted.rpartition(":")
    if not host or not port.isdecimal():
        return
    try:
        socket.create_connection((host, int(port)), SECONDS_TO_ANSWER).close()
    except (OSError, OverflowError) as error:
        raise _no_cluster(wanted, first_line(error)) from None


def _no_cluster(address: str, cause: str) -> ConfigError:
    return ConfigError(
        f"this machine finds no Ray cluster at `{address}` ({cause.rstrip('.')})",
        "start one with `ray start --head`, or use --ray-address local",
    )


@contextlib.contextmanager
def _temporary_folder() -> Iterator[Path]:
    """Make the folder of a cluster, which is removed at the end; those of runs that were killed are removed now.

    The processes of such a cluster end with the process that started it, even if that is killed.
    """
    for old in SHORT_FOLDER.glob(f"{PREFIX}*"):
        if has_ended(old.name.removeprefix(PREFIX).rpartition("-")[0]):
            shutil.rmtree(old, ignore_errors=True)
    folder = Path(tempfile.mkdtemp("", f"{PREFIX}{this_process()}-", SHORT_FOLDER))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables, and undo at the end what was changed meanwhile."""
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextlib.contextmanager
def _own_signal_handler() -> Iterator[None]:
    """Install our handler of SIGTERM again at the end: Ray replaces it by one that exits, and later by the default."""
    handler = signal.getsignal(signal.SIGTERM)
    try:
        yield
    except SystemExit:
        raise KeyboardInterrupt from None
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, handler)


@contextlib.contextmanager
def _logged_stderr() -> Iterator[None]:
    """Log what Ray's C++ code prints on stderr instead."""
    sys.stderr.flush()
    terminal = os.dup(2)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)
            file.seek(0)
            log.debug("%s", file.read().decode("utf-8", "replace"))


class _Logged(io.TextIOBase):
    """Text that is logged."""

    def write(self, text: str) -> int:
        if text.strip():
            log.debug("%s", text.strip())
        return len(text)
