"""The command `reportgen` in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
Done = subprocess.CompletedProcess[str]


def start(*arguments: object, cwd: Path | None = None) -> subprocess.Popen[str]:
    """Start `reportgen` with the checkout on its Python path, whatever the working folder is."""
    env = os.environ | {"PYTHONPATH": str(ROOT), "NO_COLOR": "1", "COLUMNS": "200"}
    return subprocess.Popen(
        [sys.executable, "-m", "reportgen", *map(os.fsdecode, map(_text, arguments))],
        cwd=cwd,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="surrogateescape",
        # as in a terminal; a process that a shell starts in the background ignores Ctrl-C
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )


def reportgen(*arguments: object, cwd: Path | None = None) -> Done:
    """Run `reportgen` to its end and return exit status, stdout and stderr."""
    process = start(*arguments, cwd=cwd)
    stdout, stderr = process.communicate(timeout=300)
    return Done(arguments, process.returncode, stdout, stderr)


def _text(argument: object) -> str | bytes:
    return argument if isinstance(argument, str | bytes) else str(argument)
