"""Checks of a site's Kafka part that need no broker: addresses, credentials and certificate files."""

from __future__ import annotations

from collections.abc import Iterator

from lanewatch.config.problems import ConfigProblem, Location
from lanewatch.config.site import KafkaConfig, KafkaSecurity


def problems(kafka: KafkaConfig, at: Location) -> Iterator[ConfigProblem]:
    """All problems that can be found without the broker; ``kafka`` has absolute paths."""
    for index, address in enumerate(kafka.brokers):
        if not is_broker_address(address):
            what = f"{address} is no address of a broker"
            yield ConfigProblem((*at, "brokers", index), what, "write host:port, such as kafka-1.example:9093")
    yield from _credentials(kafka.security, (*at, "security"))
    yield from _files(kafka.security, (*at, "security"))


def is_broker_address(text: str) -> bool:
    """Whether a text is ``host:port``, or ``[host]:port`` with an IPv6 address."""
    host, _, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    bare = bool(host) and not set(host) & set("/:@[] ")
    return (bare or bracketed) and port.isdecimal() and 0 < int(port) < 65536


def _credentials(security: KafkaSecurity, at: Location) -> Iterator[ConfigProblem]:
    sasl = security.protocol.startswith("sasl")
    for key, variable in (("username", "KAFKA_USER"), ("password", "KAFKA_PASSWORD")):
        if sasl and not getattr(security, key):
            what = f"`protocol` {security.protocol} needs a {key}"
            yield ConfigProblem((*at, key), what, f"add it, such as {key}: ${{{variable}}}")
        elif getattr(security, key) and not sasl:
            yield _unused(key, security, at, "sasl_ssl")
    if "mechanism" in security.model_fields_set and not sasl:
        yield _unused("mechanism", security, at, "sasl_ssl")


def _files(security: KafkaSecurity, at: Location) -> Iterator[ConfigProblem]:
    for key in ("ca", "certificate", "key"):
        path = getattr(security, key)
        if path is None:
            continue
        if not security.protocol.endswith("ssl"):
            yield _unused(key, security, at, "ssl or sasl_ssl")
        try:
            with open(path, "rb"):
                pass
        except OSError as error:
            what = f"the file of `{key}` can't be read: {error.strerror or error}"
            yield ConfigProblem((*at, key), what, "give the path of a PEM file; it starts from this file's folder")
    if security.key is not None and security.certificate is None:
        what = "there is a key without a certificate"
        yield ConfigProblem((*at, "key"), what, "add `certificate`, or remove the key")


def _unused(key: str, security: KafkaSecurity, at: Location, protocols: str) -> ConfigProblem:
    what = f"a {key} is not used with `protocol` {security.protocol}"
    return ConfigProblem((*at, key), what, f"set `protocol` to {protocols}, or remove it")
