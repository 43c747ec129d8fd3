"""`reportgen` as people run it: in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
Done = subprocess.CompletedProcess[str]


def start(*arguments: object, cwd: Path | None = None) -> subprocess.Popen[str]:
    """Starts `reportgen`, with the checkout's package and `tests` on its path in any working folder."""
    env = os.environ | {"PYTHONPATH": str(ROOT), "NO_COLOR": "1", "OMP_NUM_THREADS": "2", "COLUMNS": "200"}
    return subprocess.Popen(
        [sys.executable, "-m", "reportgen", *map(os.fsdecode, map(_text, arguments))],
        cwd=cwd,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="surrogateescape",
        # as in a terminal: what a shell starts in the background ignores Ctrl-C, and so would this
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )


def reportgen(*arguments: object, cwd: Path | None = None) -> Done:
    """Runs it to its end: exit status, stdout, stderr."""
    process = start(*arguments, cwd=cwd)
    stdout, stderr = process.communicate(timeout=300)
    return Done(arguments, process.returncode, stdout, stderr)


def _text(argument: object) -> str | bytes:
    return argument if isinstance(argument, str | bytes) else str(argument)
