"""Certificates, passwords and access rules, at a real broker that demands them."""

from __future__ import annotations

import http.server
import logging
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaConsumer, TopicPartition
from kafka.errors import GroupAuthorizationFailedError, TopicAuthorizationFailedError

from lanewatch.config.fields import LocalizedName
from lanewatch.config.site import Camera, KafkaConfig, KafkaSecurity, Site
from streams.kafka.client import acls
from streams.kafka.client.acls import RIGHTS, STAGES, Stage
from streams.kafka.client.connection import Broker
from streams.kafka.client.errors import BrokerAwayError, BrokerError
from streams.kafka.client.security import settings
from streams.kafka.client.topics import Topics, ensure_topics
from streams.kafka.state.site_topic import SiteTopic
from streams.kafka.workers import startup
from tests.streams.kafka.secure_broker import PASSWORD, SecureBroker, authority, signed

HOUSE = Path(__file__).parents[4]
PREFIX = "lanewatch.seosan"


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureBroker]:
    """A broker that asks who comes; the topics are there, and each stage has a user and a certificate."""
    made = SecureBroker(tmp_path_factory.mktemp("secure"))
    with made.process:
        topics = Topics(site("127.0.0.1:1"))
        rules = [rule for stage in STAGES for rule in acls.rules(topics, stage, f"User:{stage}")]
        made.admit([*STAGES, "newcomer"], rules)
        signed(made.folder, "ca", "alien", "alien")
        authority(made.folder, "other")
        signed(made.folder, "other", "forged", "sample")
        ensure_topics(broker(made, "secret", made.known("admin")), topics)
        acls.check_rights(
            broker(made, "secret", made.known("watch")), topics, "watch"
        )  # waits for the topic of the groups
        yield made


def site(address: str, security: KafkaSecurity = KafkaSecurity(), **kafka: object) -> Site:  # noqa: B008
    name = LocalizedName(ko="서산", en="Seosan")
    told = {"brokers": [address], "security": security, "prefix": PREFIX, "partitions": 2} | kafka
    return Site(
        name=name,
        cameras=(Camera(id="a", name=name, url="x", latitude=36, longitude=127),),
        kafka=KafkaConfig.model_validate(told),
    )


def broker(secure: SecureBroker, door: str, security: KafkaSecurity, **kafka: object) -> Broker:
    return Broker(site(secure.address(door), security, **kafka), "test", {})


WAYS = [
    # (door, who comes)
    ("admin", {}),
    ("mutual", {"certified": "sample"}),
    ("secret", {"known": "detect"}),
    ("secret", {"known": "plain", "mechanism": "PLAIN"}),
    ("bare", {"known": "detect", "protocol": "sasl_plaintext", "ca": None}),
]


def comer(secure: SecureBroker, who: dict[str, Any]) -> KafkaSecurity:
    changes = dict(who)
    if name := changes.pop("certified", None):
        base = secure.certified(name)
    elif name := changes.pop("known", None):
        base = secure.known(name)
    else:
        base = KafkaSecurity()
    paths = {key: str(secure.folder / value) for key, value in changes.items() if value and key in _PATHS}
    return base.model_copy(update=changes | paths)


_PATHS = ("ca", "certificate", "key")


@pytest.mark.parametrize(("door", "who"), WAYS, ids=[str(row) for row in WAYS])
def test_who_comes_as_the_door_wants_is_let_in(secure: SecureBroker, door: str, who: dict[str, Any]) -> None:
    here = broker(secure, door, comer(secure, who))
    here.check()
    with here.administering() as admin:
        assert admin.describe_cluster()["brokers"]


WRONG = [
    # (door, who comes, what is said)
    ("secret", {"known": "detect", "password": "guess"}, "refuses user 'detect' with this password"),
    ("secret", {"known": "nobody"}, "refuses user 'nobody'"),
    ("secret", {"known": "plain", "mechanism": "PLAIN", "password": "guess"}, "refuses user 'plain'"),
    ("secret", {"known": "detect", "mechanism": "SCRAM-SHA-256"}, "it takes SCRAM-SHA-512, PLAIN"),
    ("secret", {"known": "detect", "ca": None}, "set kafka.security.ca"),
    ("secret", {"known": "detect", "ca": "other.pem"}, "certificate is not to be trusted"),
    ("secret", {"known": "detect", "protocol": "sasl_plaintext"}, "it speaks TLS; set kafka.security.protocol"),
    ("secret", {"protocol": "ssl", "ca": "ca.pem"}, "asks for a user and a password"),
    ("secret", {}, "it speaks TLS; set kafka.security.protocol to ssl or sasl_ssl"),
    ("bare", {}, "asks for a user and a password: set kafka.security.protocol to sasl_ssl or sasl_plaintext"),
    ("bare", {"known": "detect"}, "it speaks no TLS"),
    ("mutual", {}, "it speaks TLS"),
    ("mutual", {"protocol": "ssl", "ca": "ca.pem"}, "wants a certificate of ours that it trusts"),
    (
        "mutual",
        {"protocol": "ssl", "ca": "ca.pem", "certificate": "forged.pem", "key": "forged.key"},
        "wants a certificate of ours that it trusts",
    ),
    ("mutual", {"known": "detect"}, "wants a certificate of ours"),
    ("admin", {"known": "detect", "protocol": "sasl_plaintext"}, "it asks for no password; set kafka.security"),
    ("admin", {"protocol": "ssl", "ca": "ca.pem"}, "it speaks no TLS"),
    ("astray", {}, r"says that a broker of its cluster is 127\.0\.0\.1:1.*advertised\.listeners"),
]


@pytest.mark.parametrize(("door", "who", "said"), WRONG, ids=[f"{row[0]}-{row[2]}" for row in WRONG])
def test_who_comes_otherwise_is_told_what_to_change(
    secure: SecureBroker, door: str, who: dict[str, Any], said: str
) -> None:
    begun = time.monotonic()
    with pytest.raises(BrokerError, match=said) as caught:
        ensure_topics(broker(secure, door, comer(secure, who)), Topics(site("127.0.0.1:1")))
    assert time.monotonic() - begun < 10
    assert secure.address(door) in str(caught.value)
    assert "guess" not in str(caught.value)
    assert PASSWORD not in str(caught.value)
    assert isinstance(caught.value, BrokerAwayError) == (door == "astray"), "waiting mends no setting"


@pytest.mark.parametrize("stage", STAGES)
def test_each_stage_may_do_what_its_row_says_and_nothing_else(secure: SecureBroker, stage: Stage) -> None:
    """By the broker's own answer to what this user may do."""
    here, topics = broker(secure, "secret", secure.known(stage)), Topics(site("127.0.0.1:1"))
    acls.check_stage(here, topics, stage)
    rights = RIGHTS[stage]
    with here.administering() as admin:
        told = {one["name"]: set(one["authorized_operations"]) for one in admin.describe_topics()}
        assert told == {
            topic.name: {*acls.EVERYWHERE, *rights.managing, *rights.topics.get(topic.stream, ())}
            for topic in topics.all
        }
        for group in {name for other in RIGHTS.values() for name in other.groups} - {"*"}:
            if group in rights.groups or "*" in rights.groups:
                admin.describe_groups([topics.group(group)])
            else:
                with pytest.raises(GroupAuthorizationFailedError):
                    admin.describe_groups([topics.group(group)])


def test_a_detect_worker_reads_writes_and_joins_with_its_certificate_and_nothing_else(secure: SecureBroker) -> None:
    here, topics = broker(secure, "mutual", secure.certified("detect")), Topics(site("127.0.0.1:1"))
    acls.check_stage(here, topics, "detect")
    producer = here.producer()
    producer.send(topics.detections.name, b"seen", partition=0).get(10)
    with pytest.raises(TopicAuthorizationFailedError):
        producer.send(topics.events.name, b"raised", partition=0).get(10)
    producer.close()
    sampler = broker(secure, "secret", secure.known("sample")).producer(acks=1)
    sampler.send(topics.frames.name, b"picture", partition=1).get(10)
    sampler.close()
    with here.member(topics.group("detect")) as member:
        member.subscribe([topics.frames.name])
        assert poll(member) == [b"picture"]
        member.commit()
    with here.member(topics.group("watch")) as member:
        member.subscribe([topics.frames.name])
        with pytest.raises(GroupAuthorizationFailedError):
            poll(member)
    with here.consumer() as consumer:
        consumer.assign([TopicPartition(topics.events.name, 0)])
        with pytest.raises(TopicAuthorizationFailedError):
            poll(consumer)


def poll(consumer: KafkaConsumer) -> list[bytes]:
    """The first values that there are."""
    until = time.monotonic() + 20
    while not (found := consumer.poll(500)):
        assert time.monotonic() < until
    return [record.value for records in found.values() for record in records]


def test_who_may_nothing_is_told_the_commands_that_allow_it(secure: SecureBroker) -> None:
    here, topics = broker(secure, "secret", secure.known("newcomer")), Topics(site("127.0.0.1:1"))
    with pytest.raises(BrokerError, match=r"user newcomer may not .*READ on lanewatch\.seosan\.frames") as caught:
        acls.check_stage(here, topics, "detect")
    for command in acls.commands(topics, "detect", "User:newcomer", secure.address("secret")):
        assert command in str(caught.value)


def test_a_topic_that_may_not_be_made_is_told_with_its_command(secure: SecureBroker) -> None:
    elsewhere = site("127.0.0.1:1", prefix="lanewatch.seosan.new")
    here = broker(secure, "secret", secure.known("detect"))
    with pytest.raises(BrokerError, match=r"seosan\.new\.frames is missing .* kafka-topics\.sh .*--partitions 2"):
        ensure_topics(here, Topics(elsewhere))


def test_who_may_not_publish_the_first_site_is_told_who_does(secure: SecureBroker) -> None:
    here = broker(secure, "secret", secure.known("detect"))
    what = site(secure.address("secret"))
    with SiteTopic(here, Topics(what)) as sites:
        sites.read()
        with pytest.raises(BrokerError, match=r"no site yet.*`lanewatch publish town\.yaml` first.*Authorization"):
            startup.publish_first_site(sites, what, Topics(what), Path("town.yaml"))


def test_the_password_is_in_no_log(secure: SecureBroker, caplog: pytest.LogCaptureFixture) -> None:
    library = logging.getLogger("kafka")
    before = library.level
    library.setLevel(logging.DEBUG)
    try:
        with caplog.at_level(logging.DEBUG):
            here = broker(secure, "secret", comer(secure, {"known": "plain", "mechanism": "PLAIN"}))
            with here.administering() as admin:
                admin.describe_cluster()
        assert repr(settings(secure.known("detect"))).count(PASSWORD) == 0
    finally:
        library.setLevel(before)
    assert PASSWORD not in caplog.text


FILES = [
    # (what is given, what is said)
    ({"ca": "nothing.pem"}, r"kafka\.security\.ca: .*nothing\.pem can't be read: No such file"),
    ({"ca": "server.key"}, "holds no certificate in PEM"),
    ({"certificate": "nothing.pem"}, r"kafka\.security\.certificate: .*can't be read"),
    ({"certificate": "alien.pem", "key": "nothing.key"}, r"kafka\.security\.key: .*can't be read"),
    ({"certificate": "alien.pem", "key": "server.key"}, "no certificate with its private key"),
    ({"certificate": "alien.pem"}, "no certificate with its private key"),
    ({"certificate": "alien.pem", "key": "locked.key"}, "locked by a password; give one without"),
    ({"protocol": "sasl_ssl"}, "wants a username and a password"),
]


@pytest.mark.parametrize(("given", "said"), FILES, ids=[row[1] for row in FILES])
def test_files_that_are_none(secure: SecureBroker, given: dict[str, str], said: str) -> None:
    locked = secure.folder / "locked.key"
    if not locked.exists():
        command = ["openssl", "pkcs8", "-topk8", "-in", str(secure.folder / "alien.key"), "-passout", "pass:x"]
        subprocess.run([*command, "-out", str(locked)], check=True, capture_output=True)
    with pytest.raises(BrokerError, match=said):
        broker(secure, "mutual", comer(secure, {"protocol": "ssl", "ca": "ca.pem"} | given))


def test_both_in_one_file_do(secure: SecureBroker) -> None:
    both = {"protocol": "ssl", "ca": "ca.pem", "certificate": "server.both.pem"}
    broker(secure, "mutual", comer(secure, both)).check()


def check(address: str, security: KafkaSecurity = KafkaSecurity()) -> None:  # noqa: B008
    begun = time.monotonic()
    try:
        Broker(site(address, security), "test", {}).check()
    finally:
        assert time.monotonic() - begun < 12


def test_nobody_there() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        with pytest.raises(BrokerAwayError, match=r"nothing listens there .*start the broker, or correct"):
            check(f"127.0.0.1:{held.getsockname()[1]}")
        held.listen()  # answers nothing, as a machine that hangs
        with pytest.raises(BrokerAwayError, match="does not answer as a Kafka broker"):
            check(f"127.0.0.1:{held.getsockname()[1]}")
    with pytest.raises(BrokerAwayError, match=r"the name no-such-host\.invalid is not known"):
        check("no-such-host.invalid:9092")
    with pytest.raises(BrokerError, match="'kafka' is no address of a broker; write host:port"):
        check("kafka")


@pytest.mark.parametrize("protocol", ["plaintext", "ssl"])
def test_a_web_server_is_no_broker(protocol: str) -> None:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Quiet)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    try:
        with pytest.raises(BrokerError, match="that is a web server and no Kafka broker"):
            check(f"127.0.0.1:{server.server_port}", KafkaSecurity.model_validate({"protocol": protocol}))
    finally:
        server.shutdown()
        serving.join()
        server.server_close()


class _Quiet(http.server.BaseHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


def test_one_of_several_addresses_is_enough(secure: SecureBroker) -> None:
    here = Broker(site("127.0.0.1:1"), "test", {"LANEWATCH_KAFKA": f"127.0.0.1:1, {secure.address('admin')}"})
    here.check()
    assert here.addresses == ["127.0.0.1:1", secure.address("admin")]


def test_without_the_compiled_checksum_nothing_starts() -> None:
    code = (
        "import sys; sys.modules['crc32c'] = None\n"
        "from streams.kafka.client.connection import Broker\nfrom lanewatch.config.site import Kafka\n"
        "class Site: kafka = Kafka()\nBroker(Site(), 'x', {})"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=HOUSE, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "BrokerError: kafka-python has no compiled checksum: `pip install crc32c`" in done.stderr
