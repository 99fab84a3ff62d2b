"""A child ends with its parent process, not with the thread that started it."""

from __future__ import annotations

import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from deploy import child_process


def test_a_child_outlives_the_thread_that_started_it() -> None:
    command = [sys.executable, "-c", "import os, signal; print(os.environ['HERE'], flush=True); signal.pause()"]
    with ThreadPoolExecutor(1) as pool:
        child = pool.submit(child_process.popen, command, subprocess.PIPE, environment={"HERE": "yes"}).result()
    assert child.stdout is not None
    with child.stdout as output:
        assert output.readline() == b"yes\n"
        child.kill()
        assert child.wait(10) == -signal.SIGKILL
