"""Starts a child process that ends with its parent, even if the parent is killed."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import IO

_SET_PARENT_DEATH_SIGNAL = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None

# Linux sends the signal when the starting thread ends; this thread ends with the process.
_starter = ThreadPoolExecutor(1, "child-process")


def popen(
    command: Sequence[str],
    output: IO[bytes] | int,
    *,
    environment: Mapping[str, str] | None = None,
    ending: signal.Signals = signal.SIGKILL,
) -> subprocess.Popen[bytes]:
    """Starts a process in its own session, which the terminal's Ctrl-C does not reach.

    On Linux it gets a signal when this process ends; on other systems the caller has to end it.

    Args:
        output: For stdout and stderr; ``subprocess.PIPE`` gives both as ``stdout``.
        environment: In place of this process's environment.
        ending: The signal.
    """
    parent = os.getpid()

    def set_death_signal() -> None:
        if _LIBC is not None:
            _LIBC.prctl(_SET_PARENT_DEATH_SIGNAL, ending)
            if os.getppid() != parent:  # the parent has ended meanwhile
                os._exit(1)

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
            preexec_fn=set_death_signal,
        )

    return _starter.submit(start).result()
