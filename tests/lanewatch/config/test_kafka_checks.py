"""The site file's Kafka part: its variables, paths and mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from lanewatch.config.loader import load, resolve_variables
from lanewatch.config.problems import SiteError
from lanewatch.config.site import Site

SECRET = "hunter2-Kafka"
ENVIRONMENT = {"KAFKA_USER": "detect", "KAFKA_PASSWORD": SECRET, "HOST": "kafka-1", "CAMERA": "s3cret"}
HEAD = """\
name: {ko: 가, en: a}
cameras:
  - {id: a, name: {ko: 가, en: a}, url: "rtsp://u:${CAMERA}@h/1", latitude: 36, longitude: 127}
  - {id: b, name: {ko: 나, en: b}, url: clips/b.mp4, latitude: 36, longitude: 127}
  - {id: c, name: {ko: 다, en: c}, url: "${CAMERA}", latitude: 36, longitude: 127}
  - {id: d, name: {ko: 라, en: d}, url: "file:clips/${CAMERA}.mp4?pace=live", latitude: 36, longitude: 127}
kafka:
"""
GOOD = """\
  brokers: ["${HOST}:9093", "kafka-2:9093"]
  security:
    protocol: sasl_ssl
    username: ${KAFKA_USER}
    password: ${KAFKA_PASSWORD}
    ca: secrets/ca.pem
"""


def read(folder: Path, part: str, environment: dict[str, str] = ENVIRONMENT, *, resolve: bool = True) -> Site:
    (folder / "secrets").mkdir(exist_ok=True)
    (folder / "secrets" / "ca.pem").write_text("-")
    (folder / "site.yaml").write_text(HEAD + part, encoding="utf-8")
    return load(folder / "site.yaml", environment, resolve=resolve)


def test_variables_are_replaced_and_paths_start_from_the_files_folder(tmp_path: Path) -> None:
    kafka = read(tmp_path, GOOD).kafka
    assert kafka.brokers == ("kafka-1:9093", "kafka-2:9093")
    assert (kafka.security.username, kafka.security.password) == ("detect", SECRET)
    assert kafka.security.ca == str(tmp_path / "secrets" / "ca.pem")


def test_the_password_is_in_no_text_of_the_site(tmp_path: Path) -> None:
    site = read(tmp_path, GOOD)
    assert SECRET not in repr(site)
    assert SECRET not in str(site.kafka)


def test_the_digest_does_not_depend_on_the_broker(tmp_path: Path) -> None:
    assert read(tmp_path, GOOD).digest == read(tmp_path, "  partitions: 3\n").digest


def test_urls_can_keep_their_variables(tmp_path: Path) -> None:
    site = read(tmp_path, GOOD, {name: value for name, value in ENVIRONMENT.items() if name != "CAMERA"}, resolve=False)
    assert [camera.url for camera in site.cameras] == [
        "rtsp://u:${CAMERA}@h/1",
        f"{tmp_path}/clips/b.mp4",
        "${CAMERA}",
        f"file://{tmp_path}/clips/${{CAMERA}}.mp4?pace=live",
    ]
    assert site.kafka.security.password == SECRET, "the broker is needed in this process"
    assert resolve_variables(site.cameras[0].url, ENVIRONMENT) == "rtsp://u:s3cret@h/1"
    with pytest.raises(KeyError, match="CAMERA"):
        resolve_variables(site.cameras[0].url, {})


@pytest.mark.parametrize(
    "address", ["kafka-1:9093", "10.0.0.1:9092", "[::1]:9092", "[fe80::1]:1", "kafka-1.seosan.internal:65535"]
)
def test_addresses(tmp_path: Path, address: str) -> None:
    assert read(tmp_path, f'  brokers: ["{address}"]\n').kafka.brokers == (address,)


TLS = "    protocol: sasl_ssl\n"

WRONG = [
    # text to replace in GOOD, replacement, line from `kafka:` on, words of the problem, words of the fix
    ("kafka-2:9093", "kafka-2", 1, "kafka-2 is no address of a broker", "host:port"),
    ("kafka-2:9093", "kafka://kafka-2:9092", 1, "is no address of a broker", "host:port"),
    ("kafka-2:9093", "kafka-2:90930", 1, "is no address of a broker", "host:port"),
    ("kafka-2:9093", ":9092", 1, "is no address of a broker", "host:port"),
    ("kafka-2:9093", "::1:9092", 1, "is no address of a broker", "host:port"),
    ("kafka-2:9093", "kafka-1:9092,kafka-2:9092:", 1, "is no address of a broker", "host:port"),
    ('["${HOST}:9093", "kafka-2:9093"]', "[]", 1, "`brokers` is too short", "at least 1"),
    ('["${HOST}:9093", "kafka-2:9093"]', "kafka-1:9092", 1, "`brokers` kafka-1:9092 must be a list", "hyphen"),
    ("${HOST}", "${HOTS}", 1, "the environment has no HOTS, which `brokers` needs", "export HOTS="),
    ("${KAFKA_PASSWORD}", "${KAFKA_PASWORD}", 5, "the environment has no KAFKA_PASWORD, which `password`", "export"),
    ("  security:\n", "  prefix: ${P}\n  security:\n", 2, "the environment has no P, which `prefix`", "export P="),
    ("secrets/ca.pem", "secrets/ac.pem", 6, "the file of `ca` can't be read: No such file", "PEM file"),
    ("secrets/ca.pem", "secrets", 6, "the file of `ca` can't be read: Is a directory", "PEM file"),
    ("sasl_ssl", "sasl_tls", 3, "`protocol` sasl_tls is not known", "did you mean `sasl_ssl`"),
    ("sasl_ssl", "tls", 3, "`protocol` tls is not known", "`ssl`"),
    (TLS, TLS + "    mechanism: SCRAM-SHA-1\n", 4, "`mechanism` SCRAM-SHA-1 is not known", "`SCRAM-SHA-"),
    (TLS, TLS + "    trust: all\n", 4, "unknown key `trust`", "known are"),
    ("    username: ${KAFKA_USER}\n", "", 2, "`protocol` sasl_ssl needs a username", "username: ${KAFKA_USER}"),
    ("    password: ${KAFKA_PASSWORD}\n", "", 2, "needs a password", "password: ${KAFKA_PASSWORD}"),
    ("${KAFKA_PASSWORD}", '""', 5, "needs a password", "add it"),
    ("sasl_ssl", "ssl", 4, "a username is not used with `protocol` ssl", "sasl_ssl"),
    ("sasl_ssl", "plaintext", 6, "a ca is not used with `protocol` plaintext", "ssl"),
    ("    protocol: sasl_ssl\n", "", 4, "a password is not used with `protocol` plaintext", "sasl_ssl"),
    ("ca: secrets", "key: secrets", 6, "a key without a certificate", "add `certificate`"),
    ("  security:\n", "  partitions: 0\n  security:\n", 2, "`partitions` 0 must be at least 1", "at least 1"),
    ("  security:\n", "  replication: 9\n  security:\n", 2, "`replication` 9 must be at most 5", "at most 5"),
    ("  security:\n", "  prefix: a/b\n  security:\n", 2, "`prefix` a/b", "docs/site.md"),
    ("  security:\n", "  frames: {minutes: 0, gigabytes: 1}\n  security:\n", 2, "`minutes` 0 must be above 0", "above"),
    ("  security:\n", "  frames: {minutes: 5}\n  security:\n", 2, "`gigabytes` is missing", "add it"),
    ("${KAFKA_PASSWORD}", f"[{SECRET}]", 5, "`password` must be text", "colon"),
    ("${KAFKA_PASSWORD}", "12345678", 5, "`password` … must be text", 'in quotes: "…"'),
]


@pytest.mark.parametrize(("old", "new", "line", "what", "fix"), WRONG, ids=[f"{row[1]}-{row[3]}" for row in WRONG])
def test_each_mistake_has_its_line_and_its_fix(
    tmp_path: Path, old: str, new: str, line: int, what: str, fix: str
) -> None:
    assert old in GOOD
    with pytest.raises(SiteError) as caught:
        read(tmp_path, GOOD.replace(old, new))
    fitting = [problem for problem in caught.value.problems if what in problem.what]
    assert fitting, caught.value
    assert fitting[0].line == HEAD.count("\n") + line
    assert fix in fitting[0].fix
    assert SECRET not in str(caught.value)
    assert "12345678" not in str(caught.value)
    assert len(caught.value.problems) <= 3
