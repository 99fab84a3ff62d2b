"""Checks one broker address, with one connection, and says what is wrong. kafka-python says only that it waited."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Coroutine
from typing import Any

from kafka.errors import (
    IllegalSaslStateError,
    KafkaConnectionError,
    SaslAuthenticationFailedError,
    UnsupportedSaslMechanismError,
)
from kafka.net.manager import KafkaConnectionManager
from kafka.net.selector import NetworkSelector
from kafka.protocol.sasl import SaslHandshakeRequest

from lanewatch.config.kafka_checks import is_broker_address
from streams.kafka.client.errors import BrokerAwayError, BrokerError
from streams.kafka.client.kafka_python_patches import LargeReadManager

STEP_S = 3.0
"""Time limit of each step. A broker on a loaded machine is slow; the whole check stays below ten seconds."""

GUESS_S = 1.5
"""Time limit of a guess at the protocol, after a step has failed. There are two guesses."""

_NODE = "bootstrap-0"
"""kafka-python's name for the first address."""

_FIX_ADDRESS = "correct `kafka.brokers` of the site file, or LANEWATCH_KAFKA"
_NEEDS_CERTIFICATE = "it requires a client certificate that it trusts: see kafka.security.certificate and key"


def check_broker(address: str, settings: dict[str, Any]) -> None:
    """Connects to the broker at ``host:port`` as a client with these settings does, and to all of its cluster.

    Raises:
        BrokerAwayError: there is no answer at present.
        BrokerError: it is not a Kafka broker, or it refuses the connection. The message contains the fix, and never
            a password.
    """
    host, port = parse_address(address)
    _check_connection(address, host, port, settings.get("ssl_context"))
    connected = False

    async def read_brokers(manager: KafkaConnectionManager) -> list[tuple[str, int]]:
        nonlocal connected
        await manager.get_connection(_NODE, timeout_ms=STEP_S * 1000)
        connected = True
        await manager.cluster.refresh_metadata(_NODE)
        return [(broker.host, broker.port) for broker in manager.cluster.brokers()]

    try:
        brokers = _run(address, settings, read_brokers)
    except Exception as error:
        raise _explained(address, settings, error, connected=connected) from error
    for host, port in brokers:
        try:
            socket.create_connection((host, port), STEP_S).close()
        except OSError as error:
            raise BrokerAwayError(
                f"broker {address} says that a broker of its cluster is {host}:{port}, which cannot be reached from "
                f"this machine ({error.strerror or error}); start that broker, or set its advertised.listeners to an "
                "address that this machine knows"
            ) from None


def parse_address(address: str) -> tuple[str, int]:
    """Host and port of an address.

    Raises:
        BrokerError: it is not ``host:port``.
    """
    if not is_broker_address(address):
        raise BrokerError(f"{address!r} is not the address of a broker; write host:port, such as 127.0.0.1:9092")
    host, _, port = address.rpartition(":")
    return host.removeprefix("[").removesuffix("]"), int(port)


def _check_connection(address: str, host: str, port: int, context: ssl.SSLContext | None) -> None:
    """DNS, TCP and, with a context, the TLS handshake. kafka-python's own handshake has no time limit."""
    try:
        with socket.create_connection((host, port), STEP_S) as raw:
            if context is not None:
                _check_tls(address, host, port, raw, context)
    except socket.gaierror as error:
        what = f"the host name {host} is unknown on this machine ({error.strerror}); {_FIX_ADDRESS}"
    except TimeoutError:
        what = f"no answer within {STEP_S:g} s; check the firewall, or {_FIX_ADDRESS}"
    except OSError as error:
        what = f"nothing listens there ({error.strerror or error}); start the broker, or {_FIX_ADDRESS}"
    else:
        return
    raise BrokerAwayError(f"broker {address}: {what}") from None


def _check_tls(address: str, host: str, port: int, raw: socket.socket, context: ssl.SSLContext) -> None:
    try:
        context.wrap_socket(raw, server_hostname=host).close()
    except ssl.SSLCertVerificationError as error:
        what = f"its certificate is not trusted: {error.verify_message}; {_certificate_fix(error)}"
        raise BrokerError(f"broker {address}: {what}") from None
    except TimeoutError:
        raise _not_a_broker(address, host, port) from None
    except (OSError, ValueError) as error:  # ValueError: a host that cannot be in a certificate
        if "ALERT" in str(error):
            raise BrokerError(f"broker {address}: it refuses the connection ({error}): {_NEEDS_CERTIFICATE}") from None
        if _is_web_server(host, port):
            raise _not_a_broker(address, host, port) from None
        what = "it does not use TLS; set kafka.security.protocol to plaintext or sasl_plaintext, or use another port"
        raise BrokerError(f"broker {address}: {what}") from None


def _certificate_fix(error: ssl.SSLCertVerificationError) -> str:
    if error.verify_code == 62 or "ostname" in error.verify_message or "IP address" in error.verify_message:
        return "give a name that the certificate contains in `kafka.brokers`"
    if error.verify_code in (9, 10):
        return "check the clocks of both machines, and renew the certificate"
    return "set kafka.security.ca to the certificate of the authority that signed it"


def _run(
    address: str, settings: dict[str, Any], steps: Callable[[KafkaConnectionManager], Coroutine[Any, Any, Any]]
) -> Any:
    """The result of steps with one connection, which is closed afterwards."""
    net = NetworkSelector()
    manager = LargeReadManager(
        net, bootstrap_servers=[address], request_timeout_ms=STEP_S * 1000, client_id="lanewatch", **settings
    )
    try:
        return net.run(steps, manager)
    finally:
        manager.close()
        net.close()


def _explained(address: str, settings: dict[str, Any], error: Exception, *, connected: bool) -> BrokerError:
    """What failed and how to fix it; ``connected``: whether it greeted us as a Kafka broker does."""
    mechanism, tls = settings.get("sasl_mechanism"), "ssl_context" in settings
    if isinstance(error, UnsupportedSaslMechanismError):
        mechanisms = ", ".join(_mechanisms(address, settings)) or "other mechanisms"
        what = f"it accepts {mechanisms}, and kafka.security.mechanism is {mechanism}; set it to one of those"
    elif isinstance(error, IllegalSaslStateError):
        protocol = "ssl" if tls else "plaintext"
        what = f"it does not use passwords; set kafka.security.protocol to {protocol}, or use another port"
    elif mechanism and isinstance(error, SaslAuthenticationFailedError | ValueError | KeyError):  # or a wrong proof
        user = settings.get("sasl_plain_username")
        what = (
            f"it refuses user {user!r} with this password ({mechanism}); check kafka.security.username and password, "
            "and whether the user was created for this mechanism"
        )
    elif "ALERT" in str(error):
        what = f"it refuses the connection ({error}): {_NEEDS_CERTIFICATE}"
    elif connected and mechanism is None and isinstance(error, KafkaConnectionError):
        what = "it requires a user and a password: set kafka.security.protocol to sasl_ssl or sasl_plaintext"
    elif connected:
        return BrokerAwayError(f"broker {address} closed the connection: {error}; it may be starting or stopping")
    elif tls and isinstance(error, KafkaConnectionError):
        what = (
            f"it closed the connection after the TLS handshake; either {_NEEDS_CERTIFICATE}, or it is no Kafka broker"
        )
    else:
        return _not_a_broker(address, *parse_address(address), tls=tls)
    return BrokerError(f"broker {address}: {what}")


def _mechanisms(address: str, settings: dict[str, Any]) -> list[str]:
    """The SASL mechanisms that a broker accepts; kafka-python does not pass them on."""
    anonymous = {"security_protocol": "SSL" if "ssl_context" in settings else "PLAINTEXT"}

    async def handshake(manager: KafkaConnectionManager) -> list[str]:
        connection = await manager.get_connection(_NODE, timeout_ms=STEP_S * 1000)
        request = SaslHandshakeRequest(mechanism=settings["sasl_mechanism"], max_version=1)
        return list((await connection.send_request(request)).mechanisms)

    found: list[str] = _run(address, settings | anonymous, handshake)
    return found


def _not_a_broker(address: str, host: str, port: int, *, tls: bool = True) -> BrokerError:
    """What listens there instead of a broker with these settings; ``tls``: whether TLS was used."""
    if not tls and _is_tls(host, port):
        return BrokerError(f"broker {address}: it uses TLS; set kafka.security.protocol to ssl or sasl_ssl, and ca")
    if _is_web_server(host, port):
        return BrokerError(f"broker {address}: that is a web server, not a Kafka broker; {_FIX_ADDRESS}")
    return BrokerAwayError(
        f"broker {address}: something listens there, and does not answer as a Kafka broker; it may be starting or "
        f"overloaded, else {_FIX_ADDRESS}"
    )


def _is_tls(host: str, port: int) -> bool:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # nothing is sent over this connection
    try:
        with socket.create_connection((host, port), GUESS_S) as raw, context.wrap_socket(raw):
            return True
    except ssl.SSLError as error:
        return "ALERT" in (error.reason or "")
    except OSError:
        return False


def _is_web_server(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), GUESS_S) as raw:
            raw.sendall(f"GET / HTTP/1.0\r\nHost: {host}\r\n\r\n".encode())
            return raw.recv(5, socket.MSG_WAITALL) == b"HTTP/"
    except OSError:
        return False
