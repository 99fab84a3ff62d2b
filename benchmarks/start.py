"""How long a stranger waits: `make demo` in a fresh clone with an empty home, and the starts after it.

The first start installs from the package registries, so their speed is part of it. A page's event is counted when the
API gives it. CPU seconds of the last start tell how much of its time a busy machine took.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).parents[1]
GIVE_UP_S = 600.0
_TICKS = os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Measures and prints one row."""
    with tempfile.TemporaryDirectory() as folder:
        clone, home = Path(folder) / "clone", Path(folder) / "home"
        home.mkdir()
        subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
        known = ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "XDG_CACHE_HOME", "LANEWATCH_DATA")
        environment = {name: value for name, value in os.environ.items() if name not in known} | {"HOME": str(home)}
        first_s = _page(clone, environment)
        size = sum(_megabytes(place) for place in (clone, home))
        second_s = _page(clone, environment)
        once_s, cpu_s = _once(clone, environment)
    print(f"make demo in a fresh clone: first event on the page after {first_s:.1f} s, {size:.0f} MB in all")
    print(f"the second start: first event on the page after {second_s:.1f} s")
    print(f"demo --once after it: first event after {once_s:.1f} s, of which {cpu_s:.1f} s CPU")
    print(f"load of the machine {os.getloadavg()[1]:.1f} on {os.cpu_count()} cores")


def _page(clone: Path, environment: dict[str, str]) -> float:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    began = time.monotonic()
    command = ["make", "demo", f"ARGS=--port {port}"]
    process = subprocess.Popen(command, cwd=clone, env=environment, stdout=subprocess.DEVNULL, start_new_session=True)
    try:
        while time.monotonic() - began < GIVE_UP_S and process.poll() is None:
            with (
                suppress(OSError, ValueError),
                urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/events", timeout=5) as answer,
            ):
                if json.load(answer)["events"]:
                    return time.monotonic() - began
            time.sleep(0.05)
        raise RuntimeError("make demo showed no event")
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(60)


def _once(clone: Path, environment: dict[str, str]) -> tuple[float, float]:
    began = time.monotonic()
    command = [str(clone / ".venv" / "bin" / "python"), "-u", "-m", "lanewatch", "demo", "--once"]
    with subprocess.Popen(command, cwd=clone, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        if not process.stdout.readline():
            raise RuntimeError("demo --once printed no event")
        took = time.monotonic() - began
        fields = Path(f"/proc/{process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        process.kill()
    return took, (int(fields[11]) + int(fields[12])) / _TICKS


def _megabytes(place: Path) -> float:
    return sum(path.lstat().st_blocks * 512 for path in place.rglob("*")) / 2**20


if __name__ == "__main__":
    main()
