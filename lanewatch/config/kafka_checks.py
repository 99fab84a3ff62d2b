"""What makes no sense in a site's broker part, though each of its values is allowed."""

from __future__ import annotations

from collections.abc import Iterator

from lanewatch.config.problems import Finding, Location
from lanewatch.config.site import KafkaConfig, KafkaSecurity


def findings(kafka: KafkaConfig, at: Location) -> Iterator[Finding]:
    """All that can be said without asking the broker.

    Args:
        kafka: the part.
        at: where it lies in the site.
    """
    for number, address in enumerate(kafka.brokers):
        if not is_address(address):
            what = f"{address} is no address of a broker"
            yield Finding((*at, "brokers", number), what, "write host:port, such as kafka-1.example:9093")
    yield from _security(kafka.security, (*at, "security"))


def is_address(text: str) -> bool:
    """Whether a text is ``host:port``, or ``[host]:port`` with an address of IPv6."""
    host, _, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    bare = bool(host) and not set(host) & set("/:@[] ")
    return (bare or bracketed) and port.isdecimal() and 0 < int(port) < 65536


def _security(security: KafkaSecurity, at: Location) -> Iterator[Finding]:
    asked = security.protocol.startswith("sasl")
    named = security.model_fields_set
    for key in ("username", "password"):
        given = getattr(security, key)
        if asked and not given:
            what = f"`protocol` {security.protocol} wants a {key}, and there is none"
            yield Finding(
                (*at, key), what, f"add it, such as {key}: ${{KAFKA_{'USER' if key == 'username' else 'PASSWORD'}}}"
            )
        elif given and not asked:
            what = f"a {key} is not used with `protocol` {security.protocol}"
            yield Finding((*at, key), what, "set `protocol` to sasl_ssl, or remove it")
    if "mechanism" in named and not asked:
        what = f"a mechanism is not used with `protocol` {security.protocol}"
        yield Finding((*at, "mechanism"), what, "set `protocol` to sasl_ssl, or remove it")
    for key in ("ca", "certificate", "key"):
        if getattr(security, key) is not None and not security.protocol.endswith("ssl"):
            what = f"a {key} is not used with `protocol` {security.protocol}"
            yield Finding((*at, key), what, "set `protocol` to ssl or sasl_ssl, or remove it")
    if security.key is not None and security.certificate is None:
        yield Finding((*at, "key"), "there is a key and no certificate to it", "add `certificate`, or remove the key")
