"""The site file's security, as the settings of a client; with what is wrong in it said before a broker is asked."""

from __future__ import annotations

import logging
import ssl
from pathlib import Path
from typing import Any

from lanewatch.config.site import KafkaSecurity
from streams.kafka.client.errors import BrokerError


class Secret(str):
    """A text that shows itself to nobody: the client library logs its settings."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


def settings(security: KafkaSecurity) -> dict[str, Any]:
    """What kafka-python must be told.

    Raises:
        BrokerError: a file is missing or is no such thing, or there is no user; never holds a password.
    """
    told: dict[str, Any] = {"security_protocol": security.protocol.upper()}
    if security.protocol.endswith("ssl"):
        told["ssl_context"] = context(security)
    if security.protocol.startswith("sasl"):
        if not security.username or not security.password:
            raise BrokerError(
                f"kafka.security.protocol is {security.protocol}, which wants a username and a password; give both, "
                "such as password: ${KAFKA_PASSWORD}"
            )
        _hush()
        told |= {
            "sasl_mechanism": security.mechanism,
            "sasl_plain_username": security.username,
            "sasl_plain_password": Secret(security.password),
        }
    return told


def _hush() -> None:
    """The client library writes every byte that it sends to its debugging log, and PLAIN sends the password."""
    library = logging.getLogger("kafka")
    library.setLevel(max(library.level, logging.WARNING))


def context(security: KafkaSecurity) -> ssl.SSLContext:
    """How the broker's certificate is checked, and which one of ours it gets.

    Raises:
        BrokerError: a file is missing, or is none of those that are wanted.
    """
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # checks the certificate and the name in it
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    if security.ca is None:
        made.load_default_certs()
    else:
        _there("ca", security.ca)
        try:
            made.load_verify_locations(security.ca)
        except ssl.SSLError as error:
            raise BrokerError(
                f"kafka.security.ca: {security.ca} holds no certificate in PEM ({error.reason or error}); give the "
                "authority's certificate, which begins with -----BEGIN CERTIFICATE-----"
            ) from None
    if security.certificate is not None:
        _load_own(made, security.certificate, security.key)
    return made


def _load_own(made: ssl.SSLContext, certificate: str, key: str | None) -> None:
    _there("certificate", certificate)
    if key is not None:
        _there("key", key)
    asked = []

    def nothing() -> str:  # OpenSSL would ask at the terminal, where nobody is
        asked.append(True)
        return ""

    try:
        made.load_cert_chain(certificate, key, password=nothing)
    except ssl.SSLError as error:
        holder = key or certificate
        if asked:
            raise BrokerError(
                f"kafka.security.key: {holder} is locked by a password; give one without (`openssl pkey -in {holder} "
                "-out unlocked.pem`), which only the service's user may read"
            ) from None
        raise BrokerError(
            f"kafka.security: {certificate} and {holder} are no certificate with its private key in PEM "
            f"({error.reason or error}); give those that were made together"
        ) from None


def _there(name: str, path: str) -> None:
    try:
        with Path(path).open("rb"):
            return
    except OSError as error:
        raise BrokerError(
            f"kafka.security.{name}: {path} can't be read: {error.strerror}; give the path of a PEM file that this "
            "user may read"
        ) from None
