"""A broker with TLS, passwords and access rules, and the settings of its users."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from kafka import KafkaAdminClient
from kafka.admin import ACL, ScramMechanism, UserScramCredentialUpsertion

from deploy.kafka_server import BrokerProcess, free_port
from lanewatch.config.site import KafkaSecurity

PASSWORD = "correct-Horse.42"
JAAS = "org.apache.kafka.common.security"


class SecureBroker:
    """One broker with five listeners.

    ``mutual`` has TLS with client certificates, ``sasl_ssl`` TLS with passwords, ``sasl_plaintext`` passwords only.
    ``astray`` advertises an address that cannot be reached. ``admin`` needs no authentication.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ca = authority(folder, "ca")
        signed(folder, "ca", "server", "kafka-1.example")
        self.ports = {name: free_port() for name in ("mutual", "sasl_ssl", "sasl_plaintext")}
        admin, controller = free_port(), free_port()
        ports = {"PLAINTEXT": admin, **{name.upper(): port for name, port in self.ports.items()}}
        ports["ASTRAY"] = self.ports["astray"] = free_port()
        listeners = [f"{name}://127.0.0.1:{port}" for name, port in ports.items()]
        self.process = BrokerProcess(
            folder / "broker",
            port=admin,
            properties={
                "listeners": ",".join([*listeners, f"CONTROLLER://127.0.0.1:{controller}"]),
                "advertised.listeners": ",".join([*listeners[:-1], "ASTRAY://127.0.0.1:1"]),
                "controller.quorum.voters": f"1@127.0.0.1:{controller}",
                "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,MUTUAL:SSL,"
                "SASL_SSL:SASL_SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,ASTRAY:PLAINTEXT",
                "ssl.keystore.type": "PEM",
                "ssl.keystore.location": str(folder / "server.both.pem"),
                "ssl.truststore.type": "PEM",
                "ssl.truststore.location": str(self.ca),
                "listener.name.mutual.ssl.client.auth": "required",
                "ssl.principal.mapping.rules": "RULE:^CN=([^,]+).*$/$1/",
                **_passwords("sasl_ssl"),
                **_passwords("sasl_plaintext"),
                "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
                "super.users": "User:ANONYMOUS",
            },
        )

    def address(self, listener: str) -> str:
        """Address of a listener."""
        return self.process.address if listener == "admin" else f"127.0.0.1:{self.ports[listener]}"

    def create_users(self, users: Sequence[str], rules: Sequence[ACL]) -> None:
        """Creates users with ``PASSWORD`` for SCRAM-SHA-512, and adds access rules."""
        credentials = [UserScramCredentialUpsertion(name, ScramMechanism.SCRAM_SHA_512, PASSWORD) for name in users]
        with KafkaAdminClient(bootstrap_servers=self.process.address) as admin:
            assert admin.alter_user_scram_credentials(credentials) == dict.fromkeys(users)
            assert not admin.create_acls(rules)["failed"]

    def with_certificate(self, name: str) -> KafkaSecurity:
        """Security of a client with a certificate."""
        signed(self.folder, "ca", name, name)
        return KafkaSecurity(
            protocol="ssl",
            ca=str(self.ca),
            certificate=str(self.folder / f"{name}.pem"),
            key=str(self.folder / f"{name}.key"),
        )

    def with_password(self, name: str, password: str = PASSWORD) -> KafkaSecurity:
        """Security of a client with a password, over TLS."""
        return KafkaSecurity(protocol="sasl_ssl", username=name, password=password, ca=str(self.ca))


def _passwords(listener: str) -> dict[str, str]:
    plain = f'{JAAS}.plain.PlainLoginModule required user_plain="{PASSWORD}";'
    scram = f"{JAAS}.scram.ScramLoginModule required;"
    return {
        f"listener.name.{listener}.sasl.enabled.mechanisms": "SCRAM-SHA-512,PLAIN",
        f"listener.name.{listener}.scram-sha-512.sasl.jaas.config": scram,
        f"listener.name.{listener}.plain.sasl.jaas.config": plain,
    }


def authority(folder: Path, name: str) -> Path:
    """Creates a certificate authority: ``name.pem`` and ``name.key``."""
    _openssl(
        *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"),
        *("-subj", f"/CN={name}", "-keyout", str(folder / f"{name}.key"), "-out", str(folder / f"{name}.pem")),
    )
    return folder / f"{name}.pem"


def signed(folder: Path, by: str, name: str, common: str) -> None:
    """Creates a certificate for this machine, signed by an authority: ``name.pem``, ``name.key``, and both in one."""
    request, extension = folder / f"{name}.csr", folder / f"{name}.ext"
    extension.write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
    _openssl(
        *("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={common}"),
        *("-keyout", str(folder / f"{name}.key"), "-out", str(request)),
    )
    _openssl(
        *("x509", "-req", "-in", str(request), "-CA", str(folder / f"{by}.pem"), "-CAkey", str(folder / f"{by}.key")),
        *("-CAcreateserial", "-days", "2", "-extfile", str(extension), "-out", str(folder / f"{name}.pem")),
    )
    combined = (folder / f"{name}.key").read_text() + (folder / f"{name}.pem").read_text()
    (folder / f"{name}.both.pem").write_text(combined)


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)
