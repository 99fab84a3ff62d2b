"""A child process that is ended with the process that started it, however that ends."""

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

# Linux watches the thread that started a child, not its process: this one lives as long as the process does.
_keeper = ThreadPoolExecutor(1, "leash")


def popen(
    command: Sequence[str],
    output: IO[bytes] | int,
    *,
    environment: Mapping[str, str] | None = None,
    ending: signal.Signals = signal.SIGKILL,
) -> subprocess.Popen[bytes]:
    """Starts a process in a session of its own, where the terminal's Ctrl-C does not reach it.

    It gets a signal when this process is no more; elsewhere than on Linux it has to be ended by its starter.

    Args:
        command: what to run.
        output: where its output and its errors go; ``subprocess.PIPE`` gives both as ``stdout``.
        environment: in place of this process's own.
        ending: the signal.
    """
    parent = os.getpid()

    def hold() -> None:
        if _LIBC is not None:
            _LIBC.prctl(_SET_PARENT_DEATH_SIGNAL, ending)
            if os.getppid() != parent:  # it ended in between
                os._exit(1)

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
            preexec_fn=hold,
        )

    return _keeper.submit(start).result()
