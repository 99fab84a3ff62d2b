"""A broker that demands certificates and passwords and has access rules, with what its users need."""

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
    """A broker with five listeners.

    ``mutual`` has TLS with certificates on both sides, ``secret`` TLS with a password, ``bare`` a password without
    TLS. ``astray`` advertises an address where nothing listens. The administrator's listener needs no credentials.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ca = authority(folder, "ca")
        signed(folder, "ca", "server", "kafka-1.example")
        self.ports = {name: free_port() for name in ("mutual", "secret", "bare")}
        admin, controller = free_port(), free_port()
        doors = {"PLAINTEXT": admin, **{name.upper(): port for name, port in self.ports.items()}}
        doors["ASTRAY"] = self.ports["astray"] = free_port()
        listeners = [f"{name}://127.0.0.1:{port}" for name, port in doors.items()]
        self.process = BrokerProcess(
            folder / "broker",
            port=admin,
            properties={
                "listeners": ",".join([*listeners, f"CONTROLLER://127.0.0.1:{controller}"]),
                "advertised.listeners": ",".join([*listeners[:-1], "ASTRAY://127.0.0.1:1"]),
                "controller.quorum.voters": f"1@127.0.0.1:{controller}",
                "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,MUTUAL:SSL,"
                "SECRET:SASL_SSL,BARE:SASL_PLAINTEXT,ASTRAY:PLAINTEXT",
                "ssl.keystore.type": "PEM",
                "ssl.keystore.location": str(folder / "server.both.pem"),
                "ssl.truststore.type": "PEM",
                "ssl.truststore.location": str(self.ca),
                "listener.name.mutual.ssl.client.auth": "required",
                "ssl.principal.mapping.rules": "RULE:^CN=([^,]+).*$/$1/",
                **_passwords("secret"),
                **_passwords("bare"),
                "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
                "super.users": "User:ANONYMOUS",
            },
        )

    def address(self, door: str) -> str:
        """Of a door."""
        return self.process.address if door == "admin" else f"127.0.0.1:{self.ports[door]}"

    def admit(self, users: Sequence[str], rules: Sequence[ACL]) -> None:
        """Makes users, who prove ``PASSWORD`` by SCRAM-SHA-512, and adds access rules."""
        made = [UserScramCredentialUpsertion(name, ScramMechanism.SCRAM_SHA_512, PASSWORD) for name in users]
        with KafkaAdminClient(bootstrap_servers=self.process.address) as admin:
            assert admin.alter_user_scram_credentials(made) == dict.fromkeys(users)
            assert not admin.create_acls(rules)["failed"]

    def certified(self, name: str) -> KafkaSecurity:
        """What one needs who comes with a certificate."""
        signed(self.folder, "ca", name, name)
        return KafkaSecurity(
            protocol="ssl",
            ca=str(self.ca),
            certificate=str(self.folder / f"{name}.pem"),
            key=str(self.folder / f"{name}.key"),
        )

    def known(self, name: str, password: str = PASSWORD) -> KafkaSecurity:
        """What one needs who comes with a password, over TLS."""
        return KafkaSecurity(protocol="sasl_ssl", username=name, password=password, ca=str(self.ca))


def _passwords(door: str) -> dict[str, str]:
    plain = f'{JAAS}.plain.PlainLoginModule required user_plain="{PASSWORD}";'
    scram = f"{JAAS}.scram.ScramLoginModule required;"
    return {
        f"listener.name.{door}.sasl.enabled.mechanisms": "SCRAM-SHA-512,PLAIN",
        f"listener.name.{door}.scram-sha-512.sasl.jaas.config": scram,
        f"listener.name.{door}.plain.sasl.jaas.config": plain,
    }


def authority(folder: Path, name: str) -> Path:
    """A new authority: ``name.pem`` and ``name.key``."""
    _openssl(
        *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"),
        *("-subj", f"/CN={name}", "-keyout", str(folder / f"{name}.key"), "-out", str(folder / f"{name}.pem")),
    )
    return folder / f"{name}.pem"


def signed(folder: Path, by: str, name: str, common: str) -> None:
    """A certificate for this machine, signed by an authority: ``name.pem``, ``name.key`` and both in one file."""
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
    both = (folder / f"{name}.key").read_text() + (folder / f"{name}.pem").read_text()
    (folder / f"{name}.both.pem").write_text(both)


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)
