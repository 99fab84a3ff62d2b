"""What docs/kafka.md says of the rights and of the topics is what the code has; the same for compose.yaml."""

from __future__ import annotations

import re
from pathlib import Path

from ruamel.yaml import YAML

from deploy.kafka_server import PROPERTIES
from lanewatch.config.fields import LocalizedName
from lanewatch.config.site import Camera, KafkaConfig, Site
from streams.kafka.client import acls
from streams.kafka.client.topics import MAX_FRAME_BYTES, Topics

HOUSE = Path(__file__).parents[3]
TEXT = (HOUSE / "docs" / "kafka.md").read_text(encoding="utf-8")
NAME = LocalizedName(ko="서산", en="Seosan")
SITE = Site(
    id="seosan",
    name=NAME,
    cameras=(Camera(id="a", name=NAME, url="x", latitude=36, longitude=127),),
    kafka=KafkaConfig(partitions=7),
)


def table(after: str) -> list[list[str]]:
    """The rows of the table that follows a text, without its head."""
    lines = TEXT[TEXT.index(after) :].splitlines()
    begin = next(number for number, line in enumerate(lines) if line.startswith("|"))
    rows = []
    for line in lines[begin + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


def quoted(cell: str) -> set[str]:
    return set(re.findall(r"`([^`]+)`", cell))


def test_every_stage_has_its_row() -> None:
    rows = {row[0]: row[1:] for row in table("<!-- this table is checked by the tests -->")}
    assert list(rows) == list(acls.STAGES)
    for stage, rights in acls.RIGHTS.items():
        reads, writes, groups, beside = rows[stage]
        assert quoted(reads) == {stream for stream, operations in rights.topics.items() if "READ" in operations}
        assert quoted(writes) == {stream for stream, operations in rights.topics.items() if "WRITE" in operations}
        assert quoted(groups) == set(rights.groups) - {"*"}
        assert ("on all groups" in beside) == ("*" in rights.groups)
        managing = {word.upper() for word in quoted(beside)} - {"DESCRIBE"}
        assert managing == {operation.replace("_", "") for operation in rights.managing}


def test_the_commands_are_those_that_a_stage_prints() -> None:
    found = re.search(r"these commands are checked by the tests -->\n```sh\n(.*?)```", TEXT, re.DOTALL)
    assert found is not None
    assert found[1].splitlines() == acls.commands(Topics(SITE), "detect", "User:detect", "kafka-1:9093")


def test_every_topic_is_described() -> None:
    rows = {next(iter(quoted(row[0]))): row[1:] for row in table("## The topics")}
    assert list(rows) == [topic.stream for topic in Topics(SITE).all]
    for topic in Topics(SITE).all:
        partitions, _, retention, compression = rows[topic.stream]
        assert partitions == ("1" if topic.partitions == 1 else "`kafka.partitions`")
        assert ("newest of each key" in retention) == (topic.config["cleanup.policy"] == "compact")
        assert compression.startswith("zstd" if topic.config["compression.type"] == "zstd" else "none")
        assert int(topic.config["max.message.bytes"]) > MAX_FRAME_BYTES == 4 << 20


def test_compose_runs_the_same_settings() -> None:
    service = YAML(typ="safe").load((HOUSE / "deploy" / "compose.yaml").read_text())["services"]["kafka"]
    version = re.search(r"<version>(4\.[\d.]+)</version>", (HOUSE / "deploy" / "kafka" / "pom.xml").read_text())
    assert version is not None
    assert service["image"] == f"apache/kafka:{version[1]}", "the same Kafka as the tests run"
    settings = {name: str(value) for name, value in service["environment"].items()}
    expected = {f"KAFKA_{name.upper().replace('.', '_')}": value for name, value in PROPERTIES.items()}
    assert {name: settings.get(name) for name in expected} == expected
    assert service["ports"] == ["127.0.0.1:9092:9092"], "reachable from this machine alone"
