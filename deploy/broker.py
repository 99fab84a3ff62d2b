"""A real Apache Kafka on this machine: one node, KRaft, from the jars that Maven fetches. `make kafka` runs it."""

from __future__ import annotations

import argparse
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

HOUSE = Path(__file__).parent.parent
POM = HOUSE / "deploy" / "kafka" / "pom.xml"
JARS = HOUSE / "build" / "kafka"

START_S = 60.0
"""A loaded machine's; an idle one has it up in three."""

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
        self.folder = folder or Path(tempfile.mkdtemp(prefix="lanewatch-kafka-"))
        self.port = port or free_port()
        self.address = f"127.0.0.1:{self.port}"
        self._heap = heap
        self._properties = PROPERTIES | self._listeners() | dict(properties)
        self._process: subprocess.Popen[bytes] | None = None

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
        """Starts it and waits until it answers.

        Raises:
            RuntimeError: it did not come up; with the end of its log.
        """
        settings = self._settings()
        log = (self.folder / "server.log").open("ab")
        command = ["java", f"-Xmx{self._heap}", f"-Xms{self._heap}", "-XX:+UseG1GC", "-cp", f"{jars()}/*"]
        command += [f"-Dlog4j2.configurationFile={HOUSE / 'deploy' / 'kafka' / 'log4j2.yaml'}"]
        self._process = subprocess.Popen([*command, "kafka.Kafka", str(settings)], stdout=log, stderr=log)
        log.close()
        until = time.monotonic() + START_S
        while time.monotonic() < until:
            if self._process.poll() is not None:
                break
            try:
                socket.create_connection(("127.0.0.1", self.port), 0.5).close()
            except OSError:
                time.sleep(0.1)
            else:
                return
        tail = (self.folder / "server.log").read_text(errors="replace")[-2000:]
        self.kill()
        raise RuntimeError(f"the broker did not start on {self.address}:\n{tail}")

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
        self.stop()
        if self._temporary:
            shutil.rmtree(self.folder, ignore_errors=True)

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
        path.write_text("".join(f"{name}={value}\n" for name, value in self._properties.items()))
        if not (self.folder / "log" / "meta.properties").exists():
            command = ["java", "-cp", f"{jars()}/*", "kafka.tools.StorageTool", "format", "-c", str(path)]
            command += ["-t", uuid.uuid4().hex[:22], *self._formatting()]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise RuntimeError(f"the broker's folder cannot be formatted: {done.stdout}{done.stderr}")
        return path

    def _formatting(self) -> list[str]:
        """More arguments of the formatting, such as the first users of a broker that demands passwords."""
        return []


def free_port() -> int:
    """A loopback port that nobody uses just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def jars() -> Path:
    """The folder with the broker's jars; fetched by Maven the first time.

    Raises:
        RuntimeError: Java or Maven is missing, or Maven failed.
    """
    done = JARS / ".complete"
    if done.exists():
        return JARS
    for tool in ("java", "mvn"):
        if shutil.which(tool) is None:
            raise RuntimeError(f"{tool} is missing; on Debian: apt-get install openjdk-17-jre-headless maven")
    print("== fetching Apache Kafka's jars with Maven (43 MB)", file=sys.stderr, flush=True)
    part = Path(tempfile.mkdtemp(prefix="kafka-", dir=_made(JARS.parent)))
    command = ["mvn", "-q", "-B", "-f", str(POM), "dependency:copy-dependencies"]
    fetched = subprocess.run(
        [*command, "-DincludeScope=runtime", f"-DoutputDirectory={part}"], capture_output=True, text=True, check=False
    )
    if fetched.returncode:
        shutil.rmtree(part, ignore_errors=True)
        raise RuntimeError(f"Maven could not fetch the broker: {fetched.stdout[-2000:]}{fetched.stderr[-2000:]}")
    (part / ".complete").touch()
    try:
        part.rename(JARS)
    except OSError:  # somebody else was quicker
        shutil.rmtree(part, ignore_errors=True)
    return JARS


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def main() -> int:
    """Runs a broker until it is interrupted."""
    parser = argparse.ArgumentParser(description="Runs Apache Kafka on this machine, one node, for trying things out.")
    parser.add_argument("--port", type=int, default=9092, help="loopback port (default: 9092)")
    parser.add_argument("--folder", type=Path, default=HOUSE / "var" / "kafka", help="where its log lies")
    arguments = parser.parse_args()
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    with BrokerProcess(arguments.folder, port=arguments.port) as broker:
        print(f"Apache Kafka answers on {broker.address}   (Ctrl-C ends it)", flush=True)
        ended.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
