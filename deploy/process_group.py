"""Stages as processes on this machine: started, watched, ended, killed. `make city` and the chaos proofs run on it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

from deploy import child_process

END_S = 20.0
"""A planned end: a sampler goes on for up to 10 s, until its successor's first frame."""


class StageProcess:
    """One `lanewatch` command as a process.

    Args:
        name: what it is called here, such as ``detect-1``; its log is ``name.log``.
        arguments: of the command, such as ``["detect", "site.yaml", "--node", "detect-1"]``.
        folder: where its log lies.
        environment: added to this process's own.
        tell: called with every line of its log, beside the file.
    """

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        folder: Path,
        *,
        environment: Mapping[str, str] | None = None,
        tell: Callable[[str, str], None] | None = None,
    ) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self._arguments = [sys.executable, "-m", "lanewatch", *arguments]
        self._environment = os.environ | dict(environment or {})
        self._tell = tell
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: threading.Thread | None = None

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Of the process.

        Raises:
            RuntimeError: it was not started.
        """
        if self._process is None:
            raise RuntimeError(f"{self.name} was not started")
        return self._process.pid

    @property
    def status(self) -> int | None:
        """How it ended; None while it runs."""
        return None if self._process is None else self._process.poll()

    def start(self) -> None:
        """Starts it, or starts it again. It is asked to end when this process is no more, however that ended."""
        self._process = child_process.popen(
            self._arguments, subprocess.PIPE, environment=self._environment, ending=signal.SIGTERM
        )
        self._reader = threading.Thread(target=self._read, args=(self._process,), name=self.name, daemon=True)
        self._reader.start()

    def kill(self) -> None:
        """Ends it as a power cut would."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def pause(self) -> None:
        """Stops it in its tracks, as a machine that swaps would."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Lets it go on."""
        os.kill(self.pid, signal.SIGCONT)

    def end(self) -> None:
        """Asks it to end as planned; ``wait`` waits for it."""
        if self.running:
            os.kill(self.pid, signal.SIGTERM)

    def wait(self, timeout_s: float = END_S) -> int | None:
        """How it ended; None where it has not within the time."""
        if self._process is None:
            return None
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def said(self, text: str) -> bool:
        """Whether its log has a text."""
        return self.log.exists() and text in self.log.read_text(errors="replace")

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        with self.log.open("ab") as log, process.stdout as lines:
            for line in lines:
                log.write(line)
                log.flush()
                if self._tell is not None:
                    self._tell(self.name, line.decode(errors="replace").rstrip("\n"))


class ProcessGroup:
    """Several processes together; a context manager that leaves none behind."""

    def __init__(
        self,
        folder: Path,
        *,
        environment: Mapping[str, str] | None = None,
        tell: Callable[[str, str], None] | None = None,
    ) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.processes: dict[str, StageProcess] = {}
        self._environment = environment
        self._tell = tell

    def start(self, name: str, *arguments: str) -> StageProcess:
        """Starts a stage's command under a name."""
        process = StageProcess(name, arguments, self.folder, environment=self._environment, tell=self._tell)
        self.processes[name] = process
        process.start()
        return process

    def __getitem__(self, name: str) -> StageProcess:
        return self.processes[name]

    def end(self, timeout_s: float = END_S) -> None:
        """Ends all as planned, in the order in which they were started, so that each stage's last records are served;
        what has not ended in time is killed."""
        until = time.monotonic() + timeout_s
        for process in self.processes.values():
            process.end()
        for process in self.processes.values():
            if process.wait(max(0.1, until - time.monotonic())) is None:
                process.kill()

    def signal(self, number: int) -> None:
        """Sends a signal to all that run."""
        for process in self.processes.values():
            if process.running:
                os.kill(process.pid, number)

    def kill(self) -> None:
        """Ends all at once."""
        for process in self.processes.values():
            process.kill()

    def __enter__(self) -> ProcessGroup:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end() if kind is None else self.kill()
