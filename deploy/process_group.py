"""Stages as child processes on this machine, for `make cluster` and the chaos tests."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from deploy import child_process

END_S = 20.0
"""Time limit of a planned end: a sampler continues for up to 10 s, until its successor's first frame."""


class StageProcess:
    """One `lanewatch` command as a process, which starts at once.

    Args:
        name: Such as ``detect-1``; its log is ``name.log``.
        arguments: Of the command, such as ``["detect", "site.yaml", "--node", "detect-1"]``.
        folder: For its log.
        environment: Added to this process's environment.
        on_line: Called with its name and each line of its log.
    """

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        folder: Path,
        *,
        environment: Mapping[str, str] | None,
        on_line: Callable[[str, str], None] | None,
    ) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self._arguments = [sys.executable, "-m", "lanewatch", *arguments]
        self._environment = os.environ | dict(environment or {})
        self._on_line = on_line
        self.start()

    @property
    def running(self) -> bool:
        """Whether it runs."""
        return self._process.poll() is None

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    def start(self) -> None:
        """Starts it again. It gets SIGTERM when this process ends."""
        self._process = child_process.popen(
            self._arguments, subprocess.PIPE, environment=self._environment, ending=signal.SIGTERM
        )
        threading.Thread(target=self._read, args=(self._process,), name=self.name, daemon=True).start()

    def kill(self) -> None:
        """Kills it, like a power failure."""
        if self.running:
            self._process.kill()
            self._process.wait()

    def end(self) -> None:
        """Sends SIGTERM for a planned end; ``wait`` waits for it."""
        self._process.terminate()

    def wait(self, timeout_s: float = END_S) -> int | None:
        """The exit code; None if it has not ended in time."""
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        with self.log.open("ab") as log, process.stdout as lines:
            for line in lines:
                log.write(line)
                log.flush()
                if self._on_line is not None:
                    self._on_line(self.name, line.decode(errors="replace").rstrip("\n"))


class ProcessGroup:
    """Several processes; a context manager that ends all of them."""

    def __init__(
        self,
        folder: Path,
        *,
        environment: Mapping[str, str] | None = None,
        on_line: Callable[[str, str], None] | None = None,
    ) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.processes: dict[str, StageProcess] = {}
        self._environment = environment
        self._on_line = on_line

    def start(self, name: str, *arguments: str) -> StageProcess:
        """Starts a stage's command under a name."""
        process = StageProcess(name, arguments, self.folder, environment=self._environment, on_line=self._on_line)
        self.processes[name] = process
        return process

    def __getitem__(self, name: str) -> StageProcess:
        return self.processes[name]

    def end(self, timeout_s: float = END_S) -> None:
        """Ends all in the order of their start, so that each stage's last records are processed; kills late ones."""
        deadline = time.monotonic() + timeout_s
        for process in self.processes.values():
            process.end()
        for process in self.processes.values():
            if process.wait(max(0.1, deadline - time.monotonic())) is None:
                process.kill()

    def signal(self, number: int) -> None:
        """Sends a signal to all running processes."""
        for process in self.processes.values():
            if process.running:
                os.kill(process.pid, number)

    def kill(self) -> None:
        """Kills all."""
        for process in self.processes.values():
            process.kill()

    def __enter__(self) -> ProcessGroup:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.end() if kind is None else self.kill()
