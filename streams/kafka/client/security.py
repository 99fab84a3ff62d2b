"""The site file's ``kafka.security`` as settings of a client, checked before the first connection."""

from __future__ import annotations

import logging
import ssl
from pathlib import Path
from typing import Any

from lanewatch.config.site import KafkaSecurity
from streams.kafka.client.errors import BrokerError


class Secret(str):
    """A text whose representation is hidden: the client library logs its settings."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


def security_settings(security: KafkaSecurity) -> dict[str, Any]:
    """Settings of kafka-python's clients.

    Raises:
        BrokerError: a file is missing or not valid, or there is no user; the message never contains a password.
    """
    settings: dict[str, Any] = {"security_protocol": security.protocol.upper()}
    if security.protocol.endswith("ssl"):
        settings["ssl_context"] = _tls_context(security)
    if security.protocol.startswith("sasl"):
        if not security.username or not security.password:
            raise BrokerError(
                f"kafka.security.protocol is {security.protocol}, which requires a username and a password; give both, "
                "such as password: ${KAFKA_PASSWORD}"
            )
        # Its debug log has every byte that it sends, and the mechanism PLAIN sends the password.
        library = logging.getLogger("kafka")
        library.setLevel(max(library.level, logging.WARNING))
        settings |= {
            "sasl_mechanism": security.mechanism,
            "sasl_plain_username": security.username,
            "sasl_plain_password": Secret(security.password),
        }
    return settings


def _tls_context(security: KafkaSecurity) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # checks the certificate and the name in it
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if security.ca is None:
        context.load_default_certs()
    else:
        _check_readable("ca", security.ca)
        try:
            context.load_verify_locations(security.ca)
        except ssl.SSLError as error:
            raise BrokerError(
                f"kafka.security.ca: {security.ca} contains no certificate in PEM ({error.reason or error}); give the "
                "authority's certificate, which begins with -----BEGIN CERTIFICATE-----"
            ) from None
    if security.certificate is not None:
        _load_client_certificate(context, security.certificate, security.key)
    return context


def _load_client_certificate(context: ssl.SSLContext, certificate: str, key: str | None) -> None:
    _check_readable("certificate", certificate)
    if key is not None:
        _check_readable("key", key)
    locked = False

    def no_password() -> str:  # without it OpenSSL would read from the terminal
        nonlocal locked
        locked = True
        return ""

    try:
        context.load_cert_chain(certificate, key, password=no_password)
    except ssl.SSLError as error:
        key_file = key or certificate
        if locked:
            raise BrokerError(
                f"kafka.security.key: {key_file} is locked by a password; give a key without one (`openssl pkey -in "
                f"{key_file} -out unlocked.pem`), which only the service's user may read"
            ) from None
        raise BrokerError(
            f"kafka.security: {certificate} and {key_file} are not a certificate and its private key in PEM "
            f"({error.reason or error}); give the two that belong together"
        ) from None


def _check_readable(name: str, path: str) -> None:
    try:
        with Path(path).open("rb"):
            return
    except OSError as error:
        raise BrokerError(
            f"kafka.security.{name}: {path} cannot be read: {error.strerror}; give the path of a PEM file that "
            "this user may read"
        ) from None
