"""A real Apache Kafka on this machine: one node, KRaft, from the jars that Maven fetches. `make kafka` runs it."""

from __future__ import annotations

import argparse
import base64
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
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType

from deploy import child_process

HOUSE = Path(__file__).parent.parent
POM = HOUSE / "deploy" / "kafka" / "pom.xml"
BUILD = HOUSE / "build"

START_S = 60.0
"""A loaded machine's; an idle one has it up in three."""

TRIES = 3
"""Of other ports, where somebody was quicker to take the one that was free."""

_UP = "Kafka Server started"
_FOLDER = "lanewatch-kafka-"
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
    """A broker of our own; a context manager. ``stop`` and ``kill`` leave its log, so that ``start`` goes on with it.

    Args:
        folder: where its log lies; a temporary one, removed at the end, if None.
        port: loopback port; a free one if 0.
        properties: settings that are added or replaced, such as a listener that demands passwords.
        heap: of the Java machine.
    """

    def __init__(
        self, folder: Path | None = None, *, port: int = 0, properties: Mapping[str, str] = {}, heap: str = "512m"
    ) -> None:
        self._temporary = folder is None
        self.folder = folder or _temporary()
        self.port = port or free_port()
        self._may_move = not port
        self._heap = heap
        self._added = dict(properties)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """``host:port`` for clients; it stays the same from the first start on."""
        return f"127.0.0.1:{self.port}"

    @property
    def running(self) -> bool:
        """Whether the Java process lives."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Of the Java process.

        Raises:
            RuntimeError: it is not running.
        """
        if self._process is None:
            raise RuntimeError("the broker is not running")
        return self._process.pid

    def start(self) -> None:
        """Starts it and waits until it answers. It ends with this process, however that ends.

        Raises:
            RuntimeError: it runs already, or did not come up; with the end of its log.
        """
        if self.running:
            raise RuntimeError(f"the broker on {self.address} is running already")
        for left in reversed(range(TRIES)):
            said = self._start()
            if said is None:
                self._may_move = False
                return
            if not (left and self._may_move and "Address already in use" in said):
                raise RuntimeError(f"the broker did not start on {self.address}:\n{said}")
            self.port = free_port()

    def _start(self) -> str | None:
        """None where it is up, else the end of its log."""
        settings = self._settings()
        with (self.folder / "server.log").open("ab") as log:
            begun = log.tell()
            self._process = child_process.popen([*self._java(), "kafka.Kafka", str(settings)], log)
        until = time.monotonic() + START_S
        while self.running and time.monotonic() < until:
            if _UP in self._said(begun):
                return None
            time.sleep(0.05)
        self.kill()
        return self._said(begun)[-4000:]

    def _said(self, begun: int) -> str:
        """Its log from a place on. That its port answers is not enough: it might be somebody else's by now."""
        with (self.folder / "server.log").open("rb") as log:
            log.seek(begun)
            return log.read().decode(errors="replace")

    def _java(self) -> list[str]:
        logging = f"-Dlog4j2.configurationFile={HOUSE / 'deploy' / 'kafka' / 'log4j2.yaml'}"
        return ["java", f"-Xmx{self._heap}", f"-Xms{self._heap}", "-XX:+UseG1GC", logging, "-cp", f"{jars()}/*"]

    def stop(self, timeout_s: float = 30.0) -> None:
        """Ends it as an administrator would."""
        self._end(signal.SIGTERM, timeout_s)

    def kill(self) -> None:
        """Ends it as a power cut would."""
        self._end(signal.SIGKILL, 10.0)

    def _end(self, how: int, timeout_s: float) -> None:
        if self._process is None:
            return
        self._process.send_signal(how)
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def __enter__(self) -> BrokerProcess:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._temporary:  # nobody will read its log again
            self.kill()
            shutil.rmtree(self.folder, ignore_errors=True)
        else:
            self.stop()

    def _listeners(self) -> dict[str, str]:
        controller = free_port()
        return {
            "listeners": f"PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{self.port}",
            "controller.quorum.voters": f"1@127.0.0.1:{controller}",
            "log.dirs": str(self.folder / "log"),
        }

    def _settings(self) -> Path:
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / "server.properties"
        properties = PROPERTIES | self._listeners() | self._added
        path.write_text("".join(f"{name}={value}\n" for name, value in properties.items()))
        path.chmod(0o600)  # there may be passwords in it
        if not (self.folder / "log" / "meta.properties").exists():
            command = ["java", "-Xmx128m", "-XX:TieredStopAtLevel=1", "-cp", f"{jars()}/*", "kafka.tools.StorageTool"]
            command += ["format", "-c", str(path), "-t", _cluster_id()]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise RuntimeError(f"the broker's folder can not be formatted: {done.stdout}{done.stderr}")
        return path


@contextlib.contextmanager
def running_broker() -> Iterator[str]:
    """The address that ``LANEWATCH_KAFKA`` names, or that of a broker which is started here and ends with the block."""
    told = os.environ.get("LANEWATCH_KAFKA")
    if told:
        yield told
        return
    with BrokerProcess() as process:
        yield process.address


def free_port() -> int:
    """A loopback port that nobody uses just now, of those that the system gives to nobody by itself.

    A client that tries to reach a broker that is away would else be given that very port as its own some day, and
    be connected to itself.
    """
    for _ in range(100):
        port = _LOWEST_PORT + secrets.randbelow(_lowest_given() - _LOWEST_PORT)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise RuntimeError("no loopback port is free")


def _lowest_given() -> int:
    try:
        lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except OSError:  # no Linux; elsewhere they begin at 49152
        lowest = 32_768
    return max(lowest, _LOWEST_PORT + 1000)


def jars() -> Path:
    """The folder with the broker's jars; fetched by Maven the first time, and after a change of what is wanted.

    Raises:
        RuntimeError: Java or Maven is missing, or Maven failed.
    """
    # A folder for each set of jars: brokers that run have those of the old one open.
    folder = BUILD / f"kafka-{hashlib.sha256(POM.read_bytes()).hexdigest()[:12]}"
    if folder.exists():
        return folder
    for tool in ("java", "mvn"):
        if shutil.which(tool) is None:
            raise RuntimeError(f"{tool} is missing; on Debian: apt-get install default-jre-headless maven")
    with _alone(BUILD / "kafka.lock"):
        if not folder.exists():  # else somebody was quicker
            _fetch(folder)
    return folder


def _fetch(folder: Path) -> None:
    print("== fetching Apache Kafka's jars with Maven (43 MB)", file=sys.stderr, flush=True)
    part = folder.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    command = ["mvn", "-q", "-B", "-f", str(POM), "dependency:copy-dependencies", "-DincludeScope=runtime"]
    done = subprocess.run([*command, f"-DoutputDirectory={part}"], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"Maven could not fetch the broker: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    part.rename(folder)


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """One process after the other."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _temporary() -> Path:
    """A new folder, named after this process; those of processes that were killed are removed."""
    for old in Path(tempfile.gettempdir()).glob(f"{_FOLDER}*-*"):
        owner = old.name.removeprefix(_FOLDER).partition("-")[0]
        if owner.isdecimal() and not _lives(int(owner)):
            shutil.rmtree(old, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{_FOLDER}{os.getpid()}-"))


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        return True
    return True


def _cluster_id() -> str:
    """As Kafka makes them: 22 letters that do not begin with a hyphen, which would be taken for an option."""
    while (made := base64.urlsafe_b64encode(uuid.uuid4().bytes)[:22].decode()).startswith("-"):
        pass
    return made


def main() -> int:
    """Runs a broker until it is interrupted."""
    parser = argparse.ArgumentParser(description="Runs Apache Kafka on this machine, one node, for trying things out.")
    parser.add_argument("--port", type=int, default=9092, help="loopback port (default: 9092)")
    parser.add_argument("--folder", type=Path, default=HOUSE / "var" / "kafka", help="where its log lies")
    arguments = parser.parse_args()
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
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
