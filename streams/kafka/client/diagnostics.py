"""What answers at a broker's address: asked directly, since the client library only says that it waited in vain."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import time
from typing import Any, Literal, NoReturn

from kafka.errors import KafkaError
from kafka.net.sasl import get_sasl_mechanism

from lanewatch.config.kafka_checks import is_broker_address
from streams.kafka.client.errors import BrokerAwayError, BrokerError

PATIENCE_S = 1.5
"""For each guess. There are three, after the 3 s in which it was asked as a broker: ten seconds are not exceeded."""


def identify_protocol(host: str, port: int) -> Literal["tls", "http", "kafka"] | None:
    """What it is: something behind TLS, a web server, a broker without TLS; None where it is silent or unknown."""
    if _speaks_kafka(host, port):
        return "kafka"
    if _speaks_tls(host, port):
        return "tls"
    return "http" if _speaks_http(host, port) else None


def _speaks_kafka(host: str, port: int) -> bool:
    name = b"lanewatch"
    question = struct.pack(">hhih", 18, 0, 7, len(name)) + name  # its versions, which it tells to everybody
    return _answer(host, port, struct.pack(">i", len(question)) + question, 8)[4:] == struct.pack(">i", 7)


def _speaks_http(host: str, port: int) -> bool:
    return _answer(host, port, f"GET / HTTP/1.0\r\nHost: {host}\r\n\r\n".encode(), 5) == b"HTTP/"


def _speaks_tls(host: str, port: int) -> bool:
    anything = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anything.check_hostname = False
    anything.verify_mode = ssl.CERT_NONE  # only whether it speaks it; nothing is sent
    try:
        with socket.create_connection((host, port), PATIENCE_S) as raw, anything.wrap_socket(raw):
            return True
    except ssl.SSLError as error:
        return "ALERT" in (error.reason or "")
    except OSError:
        return False


def _answer(host: str, port: int, question: bytes, length: int) -> bytes:
    """The first bytes that it says; fewer where it says nothing."""
    try:
        with socket.create_connection((host, port), PATIENCE_S) as raw:
            raw.sendall(question)
            return raw.recv(length, socket.MSG_WAITALL)
    except OSError:
        return b""


PATIENCE_S = 3.0
"""For each step; on a loaded machine a broker takes its time, and all of it stays under ten seconds."""

LARGEST = 1 << 20
"""Of an answer to one of our questions; a longer one comes from something else."""

_VERSIONS, _METADATA, _HANDSHAKE, _AUTHENTICATE = 18, 3, 17, 36
_NO_MECHANISM, _NO_PASSWORD_ASKED = 33, 34
_ELSE = "correct `kafka.brokers` of the site file, or LANEWATCH_KAFKA"
_PASSWORD_WANTED = "it asks for a user and a password: set kafka.security.protocol to sasl_ssl or sasl_plaintext"
_CERTIFICATE_WANTED = "it wants a certificate of ours that it trusts: see kafka.security.certificate and key"


def check_broker(address: str, settings: dict[str, Any]) -> None:
    """Greets a broker as a client with these settings would, and looks whether the brokers it names can be reached.

    Args:
        address: ``host:port``.
        settings: of ``security.settings``.

    Raises:
        BrokerAwayError: nobody answers there just now.
        BrokerError: what answers is no broker, or does not let us in; says what to do, and no password.
    """
    with contextlib.closing(_Probe(address, settings)) as asked:
        try:
            asked.greet()
            if "sasl_mechanism" in settings:
                asked.log_in()
            others = asked.brokers()
        except (struct.error, UnicodeDecodeError):  # an answer that is none of the protocol's
            asked.stranger()
    for host, port in others:
        _reach(address, host, port)


def endpoint(address: str) -> tuple[str, int]:
    """Host and port of an address.

    Raises:
        BrokerError: it is none.
    """
    if not is_broker_address(address):
        raise BrokerError(f"{address!r} is no address of a broker; write host:port, such as 127.0.0.1:9092")
    host, _, port = address.rpartition(":")
    return host.removeprefix("[").removesuffix("]"), int(port)


class _Probe:
    """One connection to what should be a broker."""

    def __init__(self, address: str, settings: dict[str, Any]) -> None:
        self._address = address
        self._settings = settings
        self._host, self._port = endpoint(address)
        self._asked = 0
        self._socket: socket.socket = self._connected()

    def close(self) -> None:
        self._socket.close()

    def greet(self) -> None:
        """Asks for its versions, as every client does first."""
        answer = self._ask(_VERSIONS, 0, b"")
        if len(answer) < 6:
            self.stranger()

    def log_in(self) -> None:
        """Proves who we are."""
        mechanism = self._settings["sasl_mechanism"]
        answer = self._ask(_HANDSHAKE, 1, _text(mechanism))
        (code,) = struct.unpack_from(">h", answer)
        if code == _NO_MECHANISM:
            known = ", ".join(_texts(answer[2:])) or "others"
            self._fail(f"it takes {known}, and kafka.security.mechanism is {mechanism}; set it to one of those")
        if code == _NO_PASSWORD_ASKED:
            plain = "ssl" if "ssl_context" in self._settings else "plaintext"
            self._fail(f"it asks for no password; set kafka.security.protocol to {plain}, or use another port of it")
        if code:
            self._fail(f"it refuses to log anybody in (error {code}); look into its log")
        self._prove(mechanism)

    def brokers(self) -> list[tuple[str, int]]:
        """Where it says that the cluster's brokers are."""
        answer = self._ask(_METADATA, 1, struct.pack(">i", 0))
        found = []
        (count,) = struct.unpack_from(">i", answer)
        at = 4
        for _ in range(count):
            (length,) = struct.unpack_from(">h", answer, at + 4)
            host = answer[at + 6 : at + 6 + length].decode()
            at += 6 + length
            port, rack = struct.unpack_from(">ih", answer, at)
            at += 6 + max(rack, 0)
            found.append((host, port))
        return found

    def _connected(self) -> socket.socket:
        raw = _open(self._address, self._host, self._port)
        context = self._settings.get("ssl_context")
        if context is None:
            return raw
        try:
            wrapped: socket.socket = context.wrap_socket(raw, server_hostname=self._host)
        except ssl.SSLCertVerificationError as error:
            raw.close()
            self._fail(f"its certificate is not to be trusted: {error.verify_message}; {_certificate(error)}")
        except (OSError, ValueError) as error:  # ValueError: a host that can't be in a certificate
            raw.close()
            if "ALERT" in (getattr(error, "reason", None) or ""):
                self._fail(f"it refuses us ({error}): {_CERTIFICATE_WANTED}")
            self.stranger()
        return wrapped

    def _ask(self, what: int, version: int, body: bytes) -> bytes:
        self._asked += 1
        head = struct.pack(">hhi", what, version, self._asked) + _text("lanewatch")
        try:
            self._socket.sendall(struct.pack(">i", len(head) + len(body)) + head + body)
            size = self._read(4)
            (length,) = struct.unpack(">i", size)
            if not 4 <= length <= LARGEST:
                self.stranger()
            answer = self._read(length)
        except ssl.SSLError as error:
            self._fail(f"it refuses us ({error.reason}): {_CERTIFICATE_WANTED}")
        except TimeoutError:
            self.stranger()
        except OSError as error:
            self._closed(what, error)
        if struct.unpack_from(">i", answer) != (self._asked,):
            self.stranger()
        return answer[4:]

    def _read(self, length: int) -> bytes:
        data, until = b"", time.monotonic() + PATIENCE_S
        while len(data) < length:
            if time.monotonic() > until:
                raise TimeoutError
            part = self._socket.recv(length - len(data))
            if not part:
                raise ConnectionResetError("it closed the connection")
            data += part
        return data

    def _prove(self, mechanism: str) -> None:
        proof = get_sasl_mechanism(mechanism)(host=self._host, **self._settings)
        refused = f"it refuses user {self._settings['sasl_plain_username']!r} with this password ({mechanism}); see "
        refused += "kafka.security.username and password, and whether the user was made for this mechanism"
        while not proof.is_done():
            token = proof.auth_bytes()
            answer = self._ask(_AUTHENTICATE, 0, struct.pack(">i", len(token)) + token)
            code, length = struct.unpack_from(">hh", answer)
            if code:
                self._fail(refused)
            try:
                proof.receive(answer[8 + max(length, 0) :])
            except (KafkaError, ValueError, KeyError):
                self._fail(refused)

    def _closed(self, what: int, error: OSError) -> NoReturn:
        if what == _METADATA and "sasl_mechanism" not in self._settings:
            self._fail(_PASSWORD_WANTED)
        if "ssl_context" in self._settings and what == _VERSIONS:
            self._fail(f"it closed the connection after the TLS handshake; either {_CERTIFICATE_WANTED}, or it is none")
        if what == _VERSIONS:
            self.stranger()
        raise BrokerAwayError(f"broker {self._address} closed the connection: {error}; it may be starting or ending")

    def stranger(self) -> NoReturn:
        """Something is there, and did not answer as it should: says what it is."""
        found = identify_protocol(self._host, self._port)
        if found == "kafka" and "ssl_context" in self._settings:
            self._fail(
                "it speaks no TLS; set kafka.security.protocol to plaintext or sasl_plaintext, or use another port"
            )
        if found == "tls":
            self._fail("it speaks TLS; set kafka.security.protocol to ssl or sasl_ssl, and ca")
        if found == "http":
            self._fail(f"that is a web server and no Kafka broker; {_ELSE}")
        raise BrokerAwayError(
            f"broker {self._address}: something listens there and does not answer as a Kafka broker; it may be "
            f"starting or overloaded, else {_ELSE}"
        )

    def _fail(self, what: str) -> NoReturn:
        raise BrokerError(f"broker {self._address}: {what}")


def _open(address: str, host: str, port: int) -> socket.socket:
    try:
        return socket.create_connection((host, port), PATIENCE_S)
    except socket.gaierror as error:
        raise BrokerAwayError(
            f"broker {address}: the name {host} is not known here ({error.strerror}); {_ELSE}"
        ) from None
    except TimeoutError:
        raise BrokerAwayError(
            f"broker {address}: no answer within {PATIENCE_S:g} s; is a firewall between? Else {_ELSE}"
        ) from None
    except OSError as error:
        raise BrokerAwayError(
            f"broker {address}: nothing listens there ({error.strerror or error}); start the broker, or {_ELSE}"
        ) from None


def _reach(address: str, host: str, port: int) -> None:
    """That a broker is where the cluster says it is."""
    try:
        socket.create_connection((host, port), PATIENCE_S).close()
    except OSError as error:
        raise BrokerAwayError(
            f"broker {address} answers, and says that a broker of its cluster is {host}:{port}, where nobody can be "
            f"reached from here ({error.strerror or error}); start that one, or set its advertised.listeners to an "
            "address that this machine knows"
        ) from None


def _certificate(error: ssl.SSLCertVerificationError) -> str:
    if error.verify_code == 62 or "ostname" in error.verify_message or "IP address" in error.verify_message:
        return "give the name that is in it in `kafka.brokers`"
    if error.verify_code in (9, 10):
        return "see the clocks of both machines, and renew it"
    return "set kafka.security.ca to the certificate of the authority that signed it"


def _text(text: str) -> bytes:
    data = text.encode()
    return struct.pack(">h", len(data)) + data


def _texts(data: bytes) -> list[str]:
    """An array of texts as the protocol writes it."""
    (count,) = struct.unpack_from(">i", data)
    found, at = [], 4
    for _ in range(count):
        (length,) = struct.unpack_from(">h", data, at)
        found.append(data[at + 2 : at + 2 + length].decode())
        at += 2 + length
    return found
