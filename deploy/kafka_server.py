"""Apache Kafka on this machine: one node, KRaft, with jars from Maven. `make kafka` runs it."""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from deploy import child_process

ROOT = Path(__file__).parent.parent
POM = ROOT / "deploy" / "kafka" / "pom.xml"
BUILD = ROOT / "build"

START_S = 60.0
"""Of a loaded machine; an idle one takes three seconds."""

MAX_TRIES = 3
"""With other ports, if another process has taken the free one meanwhile."""

_STARTED = "Kafka Server started"
_FOLDER_PREFIX = "lanewatch-kafka-"
_LOWEST_PORT = 15_000

PROPERTIES = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    "auto.create.topics.enable": "false",
    "log.retention.check.interval.ms": "10000",
    "log.cleaner.backoff.ms": "5000",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.num.partitions": "1",
    "log.dir.failure.timeout.ms": "30000",
    "num.network.threads": "2",
    "num.io.threads": "4",
}


class BrokerProcess:
    """A broker as a child process; a context manager. After ``stop`` or ``kill``, ``start`` continues with its data.

    Args:
        folder: For its data; None: a temporary folder, removed at the end.
        port: Loopback port; 0: a free one.
        properties: Additional settings, such as a listener with passwords.
        heap: Of the Java virtual machine.
    """

    def __init__(
        self, folder: Path | None = None, *, port: int = 0, properties: Mapping[str, str] = {}, heap: str = "512m"
    ) -> None:
        self._temporary = folder is None
        self.folder = folder or _temporary()
        self.port = port or free_port()
        self._may_change_port = not port
        self._heap = heap
        self._added = dict(properties)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """``host:port`` for clients; constant after the first start."""
        return f"127.0.0.1:{self.port}"

    @property
    def running(self) -> bool:
        """Whether the Java process runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Process id of the Java process.

        Raises:
            RuntimeError: it is not running.
        """
        if self._process is None:
            raise RuntimeError("the broker is not running")
        return self._process.pid

    def start(self) -> None:
        """Starts it and waits until it answers. It ends with this process.

        Raises:
            RuntimeError: it runs already, or did not start; with the end of its log.
        """
        if self.running:
            raise RuntimeError(f"the broker on {self.address} is running already")
        for left in reversed(range(MAX_TRIES)):
            error = self._start()
            if error is None:
                self._may_change_port = False
                return
            if not (left and self._may_change_port and "Address already in use" in error):
                raise RuntimeError(f"the broker did not start on {self.address}:\n{error}")
            self.port = free_port()

    def _start(self) -> str | None:
        """None if it has started, else the end of its log."""
        settings = self._settings()
        with (self.folder / "server.log").open("ab") as log:
            start = log.tell()
            logging = f"-Dlog4j2.configurationFile={ROOT / 'deploy' / 'kafka' / 'log4j2.yaml'}"
            java = ["java", f"-Xmx{self._heap}", f"-Xms{self._heap}", "-XX:+UseG1GC", logging, "-cp", f"{jars()}/*"]
            self._process = child_process.popen([*java, "kafka.Kafka", str(settings)], log)
        deadline = time.monotonic() + START_S
        while self.running and time.monotonic() < deadline:
            if _STARTED in self._read_log(start):
                return None
            time.sleep(0.05)
        self.kill()
        return self._read_log(start)[-4000:]

    def _read_log(self, start: int) -> str:
        """The log shows that the broker is up; its port might belong to another process."""
        with (self.folder / "server.log").open("rb") as log:
            log.seek(start)
            return log.read().decode(errors="replace")

    def stop(self, timeout_s: float = 30.0) -> None:
        """Stops it in order."""
        self._end(signal.SIGTERM, timeout_s)

    def kill(self) -> None:
        """Kills it, like a power failure."""
        self._end(signal.SIGKILL, 10.0)

    def _end(self, signal_number: int, timeout_s: float) -> None:
        if self._process is None:
            return
        self._process.send_signal(signal_number)
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def __enter__(self) -> BrokerProcess:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._temporary:  # its data is not used again
            self.kill()
            shutil.rmtree(self.folder, ignore_errors=True)
        else:
            self.stop()

    def _settings(self) -> Path:
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / "server.properties"
        controller = f"127.0.0.1:{free_port()}"
        listeners = {
            "listeners": f"PLAINTEXT://{self.address},CONTROLLER://{controller}",
            "advertised.listeners": f"PLAINTEXT://{self.address}",
            "controller.quorum.voters": f"1@{controller}",
            "log.dirs": str(self.folder / "log"),
        }
        properties = PROPERTIES | listeners | self._added
        path.write_text("".join(f"{name}={value}\n" for name, value in properties.items()))
        path.chmod(0o600)  # it may contain passwords
        if not (self.folder / "log" / "meta.properties").exists():
            command = ["java", "-Xmx128m", "-XX:TieredStopAtLevel=1", "-cp", f"{jars()}/*", "kafka.tools.StorageTool"]
            # 22 characters, as Kafka makes them; a leading hyphen would be read as an option.
            command += ["format", "-c", str(path), "-t", f"L{secrets.token_urlsafe(16)[1:]}"]
            result = subprocess.run(command, capture_output=True, text=True, check=False)
            if result.returncode:
                raise RuntimeError(f"the broker's folder cannot be formatted: {result.stdout}{result.stderr}")
        return path


@contextlib.contextmanager
def running_broker() -> Iterator[str]:
    """The address in ``LANEWATCH_KAFKA``, or of a broker that runs during the block."""
    address = os.environ.get("LANEWATCH_KAFKA")
    if address:
        yield address
        return
    with BrokerProcess() as process:
        yield process.address


def free_port() -> int:
    """An unused loopback port below the ephemeral ports.

    With an ephemeral port, a client that retries to connect may get that port as its own and connect to itself.
    """
    for _ in range(100):
        port = _LOWEST_PORT + secrets.randbelow(_first_ephemeral_port() - _LOWEST_PORT)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise RuntimeError("no loopback port is free")


def _first_ephemeral_port() -> int:
    try:
        first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except OSError:  # not Linux; elsewhere they start at 49152
        first = 32_768
    return max(first, _LOWEST_PORT + 1000)


def jars() -> Path:
    """The folder with the broker's jars. Maven fetches them the first time, and after a change of the POM.

    Raises:
        RuntimeError: Java or Maven is missing, or Maven failed.
    """
    # Each POM has its own folder: running brokers have the old jars open.
    folder = BUILD / f"kafka-{hashlib.sha256(POM.read_bytes()).hexdigest()[:12]}"
    if folder.exists():
        return folder
    for tool in ("java", "mvn"):
        if shutil.which(tool) is None:
            raise RuntimeError(f"{tool} is missing; on Debian: apt-get install default-jre-headless maven")
    BUILD.mkdir(exist_ok=True)
    with (BUILD / "kafka.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():  # another process may have fetched them meanwhile
            _fetch(folder)
    return folder


def _fetch(folder: Path) -> None:
    print("== fetching Apache Kafka's jars with Maven (43 MB)", file=sys.stderr, flush=True)
    part = folder.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    command = ["mvn", "-q", "-B", "-f", str(POM), "dependency:copy-dependencies", "-DincludeScope=runtime"]
    result = subprocess.run([*command, f"-DoutputDirectory={part}"], capture_output=True, text=True, check=False)
    if result.returncode:
        raise RuntimeError(f"Maven could not fetch the broker: {result.stdout[-2000:]}{result.stderr[-2000:]}")
    part.rename(folder)


def _temporary() -> Path:
    """A new folder, named after this process. Folders of killed processes are removed."""
    for old in Path(tempfile.gettempdir()).glob(f"{_FOLDER_PREFIX}*-*"):
        owner = old.name.removeprefix(_FOLDER_PREFIX).partition("-")[0]
        try:
            os.kill(int(owner), 0)
        except ProcessLookupError:
            shutil.rmtree(old, ignore_errors=True)
        except (PermissionError, ValueError):  # a process of another user; not a folder of ours
            continue
    return Path(tempfile.mkdtemp(prefix=f"{_FOLDER_PREFIX}{os.getpid()}-"))


def until_interrupted() -> threading.Event:
    """An event that Ctrl-C or SIGTERM sets."""
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    return ended


def main() -> int:
    """Runs a broker until it is interrupted."""
    parser = argparse.ArgumentParser(description="Runs Apache Kafka on this machine, one node, for experiments.")
    parser.add_argument("--port", type=int, default=9092, help="loopback port (default: 9092)")
    parser.add_argument("--folder", type=Path, default=ROOT / "var" / "kafka", help="folder for its data")
    arguments = parser.parse_args()
    ended = until_interrupted()
    try:
        with BrokerProcess(arguments.folder, port=arguments.port) as broker:
            print(f"Apache Kafka answers on {broker.address}   (Ctrl-C ends it)", flush=True)
            ended.wait()
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
