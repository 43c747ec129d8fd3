"""Forked processes that never outlive the process which started them, even if that is killed. Linux only."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
"""Option of Linux's `prctl`: the signal that the system sends to this process when the thread that forked it ends."""
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def begin_child(parent: int) -> None:
    """Prepare a forked process: it is killed when the thread that forked it ends, and Ctrl-C is the parent's to handle.

    parent: the process number of the parent.
    """
    assert _libc is not None, "processes are forked on Linux only"
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before the system knew of our wish
        os._exit(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
