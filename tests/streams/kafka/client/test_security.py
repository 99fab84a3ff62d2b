"""Certificates, passwords and access rules, at a real broker that demands them."""

from __future__ import annotations

import http.server
import logging
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaConsumer, TopicPartition
from kafka.admin import ACL, ACLOperation, ACLPermissionType, ACLResourcePatternType, ResourcePattern, ResourceType
from kafka.errors import GroupAuthorizationFailedError, TopicAuthorizationFailedError

from lanewatch import metrics
from lanewatch.config.fields import LocalizedName
from lanewatch.config.site import Camera, KafkaConfig, KafkaSecurity, Site
from streams.kafka.client import acls
from streams.kafka.client.acls import RIGHTS, STAGES, Stage
from streams.kafka.client.connection import Broker
from streams.kafka.client.errors import BrokerAwayError, BrokerError
from streams.kafka.client.security import security_settings
from streams.kafka.client.topic_monitor import TopicMonitor
from streams.kafka.client.topics import Topics, ensure_topics
from streams.kafka.state.site_topic import SiteTopic
from streams.kafka.workers import startup
from tests.streams.kafka.secure_broker import PASSWORD, SecureBroker, authority, signed

ROOT = Path(__file__).parents[4]
PREFIX = "lanewatch.seosan"


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureBroker]:
    """A broker with access rules; its topics exist, and each stage has a user and a certificate."""
    secure = SecureBroker(tmp_path_factory.mktemp("secure"))
    with secure.process:
        topics = Topics(site("127.0.0.1:1"))
        secure.create_users([*STAGES, "newcomer"], [rule for stage in STAGES for rule in access_rules(topics, stage)])
        signed(secure.folder, "ca", "alien", "alien")
        authority(secure.folder, "other")
        signed(secure.folder, "other", "forged", "sample")
        ensure_topics(broker(secure, "sasl_ssl", secure.with_password("admin")), topics)
        acls.check_rights(
            broker(secure, "sasl_ssl", secure.with_password("watch")), topics, "watch"
        )  # waits until the broker answers for groups
        yield secure


def access_rules(topics: Topics, stage: Stage) -> Iterator[ACL]:
    """All access rules of a stage's user, as the admin client takes them."""
    for grant in acls.grants(topics, stage):
        kind = ACLResourcePatternType.PREFIXED if grant.prefixed else ACLResourcePatternType.LITERAL
        resource = ResourcePattern(ResourceType[grant.kind.upper()], grant.name, kind)
        for operation in grant.operations:
            yield ACL(f"User:{stage}", "*", ACLOperation[operation], ACLPermissionType.ALLOW, resource)


def site(address: str, security: KafkaSecurity = KafkaSecurity(), **kafka: object) -> Site:  # noqa: B008
    name = LocalizedName(ko="서산", en="Seosan")
    content = {"brokers": [address], "security": security, "prefix": PREFIX, "partitions": 2} | kafka
    return Site(
        name=name,
        cameras=(Camera(id="a", name=name, url="x", latitude=36, longitude=127),),
        kafka=KafkaConfig.model_validate(content),
    )


def broker(secure: SecureBroker, listener: str, security: KafkaSecurity, **kafka: object) -> Broker:
    return Broker(site(secure.address(listener), security, **kafka), "test", {})


ACCEPTED = [
    # (listener, security of the client)
    ("admin", {}),
    ("mutual", {"certificate_of": "sample"}),
    ("sasl_ssl", {"user": "detect"}),
    ("sasl_ssl", {"user": "plain", "mechanism": "PLAIN"}),
    ("sasl_plaintext", {"user": "detect", "protocol": "sasl_plaintext", "ca": None}),
]


def security_of(secure: SecureBroker, client: dict[str, Any]) -> KafkaSecurity:
    changes = dict(client)
    if name := changes.pop("certificate_of", None):
        base = secure.with_certificate(name)
    elif name := changes.pop("user", None):
        base = secure.with_password(name)
    else:
        base = KafkaSecurity()
    paths = {key: str(secure.folder / value) for key, value in changes.items() if value and key in _PATHS}
    return base.model_copy(update=changes | paths)


_PATHS = ("ca", "certificate", "key")


@pytest.mark.parametrize(("listener", "client"), ACCEPTED, ids=[str(row) for row in ACCEPTED])
def test_right_settings_are_accepted(secure: SecureBroker, listener: str, client: dict[str, Any]) -> None:
    client_broker = broker(secure, listener, security_of(secure, client))
    client_broker.check()
    with client_broker.open_admin() as admin:
        assert admin.describe_cluster()["brokers"]


WRONG = [
    # (listener, security of the client, message)
    ("sasl_ssl", {"user": "detect", "password": "guess"}, "refuses user 'detect' with this password"),
    ("sasl_ssl", {"user": "nobody"}, "refuses user 'nobody'"),
    ("sasl_ssl", {"user": "plain", "mechanism": "PLAIN", "password": "guess"}, "refuses user 'plain'"),
    ("sasl_ssl", {"user": "detect", "mechanism": "SCRAM-SHA-256"}, "it accepts SCRAM-SHA-512, PLAIN"),
    ("sasl_ssl", {"user": "detect", "ca": None}, "set kafka.security.ca"),
    ("sasl_ssl", {"user": "detect", "ca": "other.pem"}, "certificate is not trusted"),
    ("sasl_ssl", {"user": "detect", "protocol": "sasl_plaintext"}, "it uses TLS; set kafka.security.protocol"),
    ("sasl_ssl", {"protocol": "ssl", "ca": "ca.pem"}, "requires a user and a password"),
    ("sasl_ssl", {}, "it uses TLS; set kafka.security.protocol to ssl or sasl_ssl"),
    ("sasl_plaintext", {}, "requires a user and a password: set kafka.security.protocol to sasl_ssl or sasl_plaintext"),
    ("sasl_plaintext", {"user": "detect"}, "it does not use TLS"),
    ("mutual", {}, "it uses TLS"),
    ("mutual", {"protocol": "ssl", "ca": "ca.pem"}, "requires a client certificate that it trusts"),
    (
        "mutual",
        {"protocol": "ssl", "ca": "ca.pem", "certificate": "forged.pem", "key": "forged.key"},
        "requires a client certificate that it trusts",
    ),
    ("mutual", {"user": "detect"}, "requires a client certificate"),
    ("admin", {"user": "detect", "protocol": "sasl_plaintext"}, "it does not use passwords; set kafka.security"),
    ("admin", {"protocol": "ssl", "ca": "ca.pem"}, "it does not use TLS"),
    ("astray", {}, r"says that a broker of its cluster is 127\.0\.0\.1:1.*advertised\.listeners"),
]


@pytest.mark.parametrize(("listener", "client", "message"), WRONG, ids=[f"{row[0]}-{row[2]}" for row in WRONG])
def test_wrong_settings_are_reported_with_their_fix(
    secure: SecureBroker, listener: str, client: dict[str, Any], message: str
) -> None:
    started = time.monotonic()
    with pytest.raises(BrokerError, match=message) as caught:
        ensure_topics(broker(secure, listener, security_of(secure, client)), Topics(site("127.0.0.1:1")))
    assert time.monotonic() - started < 10
    assert secure.address(listener) in str(caught.value)
    assert "guess" not in str(caught.value)
    assert PASSWORD not in str(caught.value)
    assert isinstance(caught.value, BrokerAwayError) == (listener == "astray"), "a wrong setting is not retried"


@pytest.mark.parametrize("stage", STAGES)
def test_each_stage_has_its_rights_and_no_others(secure: SecureBroker, stage: Stage) -> None:
    """According to the broker's description of the user's rights."""
    client_broker, topics = broker(secure, "sasl_ssl", secure.with_password(stage)), Topics(site("127.0.0.1:1"))
    acls.check_stage(client_broker, topics, stage)
    rights = RIGHTS[stage]
    with client_broker.open_admin() as admin:
        rights_at_broker = {topic["name"]: set(topic["authorized_operations"]) for topic in admin.describe_topics()}
        assert rights_at_broker == {
            topic.name: {*acls.ALL_TOPICS, *rights.managing, *rights.topics.get(topic.stream, ())}
            for topic in topics.all
        }
        for group in {name for other in RIGHTS.values() for name in other.groups} - {"*"}:
            if group in rights.groups or "*" in rights.groups:
                admin.describe_groups([topics.group(group)])
            else:
                with pytest.raises(GroupAuthorizationFailedError):
                    admin.describe_groups([topics.group(group)])


def test_a_detect_worker_with_a_certificate_can_do_its_work_and_nothing_else(secure: SecureBroker) -> None:
    client_broker, topics = broker(secure, "mutual", secure.with_certificate("detect")), Topics(site("127.0.0.1:1"))
    acls.check_stage(client_broker, topics, "detect")
    producer = client_broker.producer()
    producer.send(topics.detections.name, b"seen", partition=0).get(10)
    with pytest.raises(TopicAuthorizationFailedError):
        producer.send(topics.events.name, b"raised", partition=0).get(10)
    producer.close()
    sampler = broker(secure, "sasl_ssl", secure.with_password("sample")).producer(acks=1)
    sampler.send(topics.frames.name, b"picture", partition=1).get(10)
    sampler.close()
    with client_broker.member(topics.group("detect")) as member:
        member.subscribe([topics.frames.name])
        assert poll(member) == [b"picture"]
        member.commit()
    with client_broker.member(topics.group("watch")) as member:
        member.subscribe([topics.frames.name])
        with pytest.raises(GroupAuthorizationFailedError):
            poll(member)
    with client_broker.consumer() as consumer:
        consumer.assign([TopicPartition(topics.events.name, 0)])
        with pytest.raises(TopicAuthorizationFailedError):
            poll(consumer)


def poll(consumer: KafkaConsumer) -> list[bytes]:
    """The first available values."""
    deadline = time.monotonic() + 20
    while not (found := consumer.poll(500)):
        assert time.monotonic() < deadline
    return [record.value for records in found.values() for record in records]


def test_a_user_without_rights_gets_the_commands_that_grant_them(secure: SecureBroker) -> None:
    client_broker, topics = broker(secure, "sasl_ssl", secure.with_password("newcomer")), Topics(site("127.0.0.1:1"))
    with pytest.raises(BrokerError, match=r"user newcomer may not .*READ on lanewatch\.seosan\.frames") as caught:
        acls.check_stage(client_broker, topics, "detect")
    for command in acls.commands(topics, "detect", "User:newcomer", secure.address("sasl_ssl")):
        assert command in str(caught.value)


def test_a_missing_topic_is_reported_with_the_command_that_creates_it(secure: SecureBroker) -> None:
    elsewhere = site("127.0.0.1:1", prefix="lanewatch.seosan.new")
    client_broker = broker(secure, "sasl_ssl", secure.with_password("detect"))
    with pytest.raises(BrokerError, match=r"seosan\.new\.frames is missing .* kafka-topics\.sh .*--partitions 2"):
        ensure_topics(client_broker, Topics(elsewhere))


def test_a_topic_that_disappears_is_named_with_the_command_until_it_is_back(
    secure: SecureBroker, caplog: pytest.LogCaptureFixture
) -> None:
    """This user may not create it. The line appears once a minute, although the topics are checked all the time."""
    elsewhere = site("127.0.0.1:1", prefix="lanewatch.seosan.gone")
    topics, frames = Topics(elsewhere), "lanewatch.seosan.gone.frames"
    admins = broker(secure, "admin", KafkaSecurity())
    ensure_topics(admins, topics)
    client_broker = broker(secure, "sasl_ssl", secure.with_password("detect"))
    ensure_topics(client_broker, topics)
    before = client_broker.topic_ids[frames]
    metrics.reset_throttle(metrics.log("kafka"), ["topics"])
    with TopicMonitor(client_broker, topics, check_s=0.05):
        with admins.open_admin() as admin:
            admin.delete_topics([frames])
        until(lambda: "cannot be created" in caplog.text)
        assert client_broker.lacks(frames)
        assert metrics.MISSING_TOPICS._value.get() == 1
        checks = metrics._throttled["lanewatch.kafka", "topics"][1] + 2
        until(lambda: metrics._throttled["lanewatch.kafka", "topics"][1] >= checks)
        assert caplog.text.count("cannot be created") == 1
        assert f"kafka-topics.sh --bootstrap-server {client_broker.address} --create --topic {frames}" in caplog.text
        ensure_topics(admins, topics)
        until(lambda: client_broker.topic_ids.get(frames, before) != before)
        until(lambda: metrics.MISSING_TOPICS._value.get() == 0)
    with admins.open_admin() as admin:  # the other tests list what there is
        admin.delete_topics([topic.name for topic in topics.all])
        until(lambda: not any(name.startswith("lanewatch.seosan.gone") for name in admin.list_topics()))
    assert f"created anew, because they were missing: {frames}." in caplog.text


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.01)


def test_a_user_that_may_not_publish_the_first_site_gets_the_command(secure: SecureBroker) -> None:
    client_broker = broker(secure, "sasl_ssl", secure.with_password("detect"))
    published = site(secure.address("sasl_ssl"))
    with SiteTopic(client_broker, Topics(published)) as sites:
        sites.read()
        with pytest.raises(BrokerError, match=r"no site yet.*`lanewatch publish town\.yaml` first.*Authorization"):
            startup.publish_first_site(sites, published, Topics(published), Path("town.yaml"))


def test_the_password_is_not_logged(secure: SecureBroker, caplog: pytest.LogCaptureFixture) -> None:
    library = logging.getLogger("kafka")
    before = library.level
    library.setLevel(logging.DEBUG)
    try:
        with caplog.at_level(logging.DEBUG):
            client_broker = broker(secure, "sasl_ssl", security_of(secure, {"user": "plain", "mechanism": "PLAIN"}))
            with client_broker.open_admin() as admin:
                admin.describe_cluster()
        assert repr(security_settings(secure.with_password("detect"))).count(PASSWORD) == 0
    finally:
        library.setLevel(before)
    assert PASSWORD not in caplog.text


FILES = [
    # (security, message)
    ({"ca": "nothing.pem"}, r"kafka\.security\.ca: .*nothing\.pem cannot be read: No such file"),
    ({"ca": "server.key"}, "contains no certificate in PEM"),
    ({"certificate": "nothing.pem"}, r"kafka\.security\.certificate: .*cannot be read"),
    ({"certificate": "alien.pem", "key": "nothing.key"}, r"kafka\.security\.key: .*cannot be read"),
    ({"certificate": "alien.pem", "key": "server.key"}, "not a certificate and its private key"),
    ({"certificate": "alien.pem"}, "not a certificate and its private key"),
    ({"certificate": "alien.pem", "key": "locked.key"}, "locked by a password; give a key without one"),
    ({"protocol": "sasl_ssl"}, "requires a username and a password"),
]


@pytest.mark.parametrize(("security", "message"), FILES, ids=[row[1] for row in FILES])
def test_wrong_files_are_reported(secure: SecureBroker, security: dict[str, str], message: str) -> None:
    locked = secure.folder / "locked.key"
    if not locked.exists():
        command = ["openssl", "pkcs8", "-topk8", "-in", str(secure.folder / "alien.key"), "-passout", "pass:x"]
        subprocess.run([*command, "-out", str(locked)], check=True, capture_output=True)
    with pytest.raises(BrokerError, match=message):
        broker(secure, "mutual", security_of(secure, {"protocol": "ssl", "ca": "ca.pem"} | security))


def test_certificate_and_key_may_be_in_one_file(secure: SecureBroker) -> None:
    combined = {"protocol": "ssl", "ca": "ca.pem", "certificate": "server.both.pem"}
    broker(secure, "mutual", security_of(secure, combined)).check()


def check(address: str, security: KafkaSecurity = KafkaSecurity()) -> None:  # noqa: B008
    started = time.monotonic()
    try:
        Broker(site(address, security), "test", {}).check()
    finally:
        assert time.monotonic() - started < 10


def test_an_address_without_a_broker_is_reported() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        with pytest.raises(BrokerAwayError, match=r"nothing listens there .*start the broker, or correct"):
            check(f"127.0.0.1:{held.getsockname()[1]}")
        held.listen()  # accepts connections and sends nothing, like a machine that hangs
        with pytest.raises(BrokerAwayError, match="does not answer as a Kafka broker"):
            check(f"127.0.0.1:{held.getsockname()[1]}")
    with pytest.raises(BrokerAwayError, match=r"the host name no-such-host\.invalid is unknown"):
        check("no-such-host.invalid:9092")
    with pytest.raises(BrokerError, match="'kafka' is not the address of a broker; write host:port"):
        check("kafka")


@pytest.mark.parametrize("protocol", ["plaintext", "ssl"])
def test_a_web_server_is_reported(protocol: str) -> None:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Quiet)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    try:
        with pytest.raises(BrokerError, match="that is a web server, not a Kafka broker"):
            check(f"127.0.0.1:{server.server_port}", KafkaSecurity.model_validate({"protocol": protocol}))
    finally:
        server.shutdown()
        serving.join()
        server.server_close()


class _Quiet(http.server.BaseHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Logs nothing."""


def test_one_reachable_address_is_enough(secure: SecureBroker) -> None:
    client_broker = Broker(site("127.0.0.1:1"), "test", {"LANEWATCH_KAFKA": f"127.0.0.1:1, {secure.address('admin')}"})
    client_broker.check()
    assert client_broker.addresses == ["127.0.0.1:1", secure.address("admin")]


def test_the_compiled_checksum_library_is_required() -> None:
    code = (
        "import sys; sys.modules['crc32c'] = None\n"
        "from streams.kafka.client.connection import Broker\nfrom lanewatch.config.site import KafkaConfig\n"
        "class Site: kafka = KafkaConfig()\nBroker(Site(), 'x', {})"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    message = "BrokerError: kafka-python has no compiled checksum, which costs 21 ms a record: `pip install crc32c`"
    assert message in done.stderr
