"""Events while the broker is away: bounded in memory, and delivered in order when it is back."""

from __future__ import annotations

from typing import Any, cast

import pytest
from kafka.errors import (
    InvalidRecordError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    TopicAuthorizationFailedError,
)
from kafka.future import Future

from deploy.kafka_server import BrokerProcess
from lanewatch import metrics
from streams.kafka.codec import Message
from streams.kafka.state import event_outbox as module
from streams.kafka.state.event_outbox import EventOutbox
from tests.streams.kafka.kafka_site import KafkaSite, until


class FailingProducer:
    """Takes messages, and succeeds or fails as the test says."""

    def __init__(self, *_: Any, **__: Any) -> None:
        self.sent: list[tuple[bytes, Future]] = []
        self.error: Exception | None = None

    def send(self, topic: str, partition: int, message: Message) -> Future:
        if self.error is not None:
            raise self.error
        self.sent.append((cast(bytes, message.value), Future()))
        return self.sent[-1][1]


@pytest.fixture
def outbox(monkeypatch: pytest.MonkeyPatch) -> tuple[EventOutbox, FailingProducer]:
    monkeypatch.setattr(module, "ReliableProducer", FailingProducer)
    monkeypatch.setattr(module, "_RETRY_S", 0.0)
    outbox = EventOutbox(cast(Any, None), cast(Any, type("Topic", (), {"name": "events"})), "watch")
    return outbox, cast(Any, outbox._sender)


def message(number: int) -> Message:
    return Message(b"lane", b"%d" % number, [])


def test_after_a_failure_all_unacknowledged_events_are_sent_again_in_order(
    outbox: tuple[EventOutbox, FailingProducer],
) -> None:
    box, producer = outbox
    for number in range(4):
        box.send(message(number))
    producer.sent[0][1].success(None)
    producer.sent[1][1].failure(KafkaTimeoutError("10 s"))
    producer.sent[2][1].success(None)  # arrived nevertheless, and comes twice
    box.poll()
    assert [value for value, _ in producer.sent] == [b"0", b"1", b"2", b"3", b"1", b"2", b"3"]
    assert not box.clear
    for _, future in producer.sent[4:]:
        future.success(None)
    box.poll()
    assert box.clear


def test_it_is_full_at_the_bound_and_keeps_the_order_without_metadata(
    outbox: tuple[EventOutbox, FailingProducer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_EVENTS", 3)
    box, producer = outbox
    producer.error, expected = KafkaTimeoutError("no metadata"), [b"0", b"1", b"2"]
    monkeypatch.setattr(module, "_RETRY_S", 1000.0)
    for number in range(3):
        assert not box.full
        box.send(message(number))
    assert box.full
    assert not box.flush(0.0)
    assert producer.sent == []
    producer.error, box._retry_at = None, 0.0
    box.poll()
    assert [value for value, _ in producer.sent] == expected


def test_an_event_that_is_too_large_keeps_no_other_waiting(outbox: tuple[EventOutbox, FailingProducer]) -> None:
    box, producer = outbox
    producer.error = MessageSizeTooLargeError("5 MB")
    box.send(message(0))
    producer.error = None
    box.send(message(1))
    assert [value for value, _ in producer.sent] == [b"1"]


def test_an_event_that_the_broker_refuses_is_given_up_after_some_attempts(
    outbox: tuple[EventOutbox, FailingProducer], caplog: pytest.LogCaptureFixture
) -> None:
    """Before, it was sent again without end, and no later event arrived."""
    box, producer = outbox
    lost = metrics.DROPPED.labels("watch", "lane", "refused")
    before = lost._value.get()
    box.send(message(0))
    box.send(message(1))
    for _ in range(module.MAX_REFUSALS):
        assert [value for value, _ in producer.sent[-2:]] == [b"0", b"1"]
        producer.sent[-2][1].failure(InvalidRecordError("no"))
        box.poll()
    assert producer.sent[-1][0] == b"1"
    producer.sent[-1][1].success(None)
    box.poll()
    assert box.clear
    assert lost._value.get() == before + 1
    assert "an event of lane is lost" in caplog.text


def test_a_refusal_for_lack_of_rights_ends_the_stage(outbox: tuple[EventOutbox, FailingProducer]) -> None:
    box, producer = outbox
    box.send(message(0))
    producer.sent[0][1].failure(TopicAuthorizationFailedError("events"))
    with pytest.raises(TopicAuthorizationFailedError):
        box.poll()


@pytest.mark.slow
def test_events_are_delivered_in_order_when_the_broker_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(module.SEND, "delivery_timeout_ms", 1500)
    monkeypatch.setitem(module.SEND, "request_timeout_ms", 1000)
    with BrokerProcess() as process:
        kafka_site = KafkaSite(process.address)
        messages = [message(number) for number in range(30)]
        outbox = EventOutbox(kafka_site.broker, kafka_site.topics.events, "watch")
        for event in messages[:10]:
            outbox.send(event)
        assert outbox.flush(10)
        process.kill()
        for event in messages[10:20]:
            outbox.send(event)
        assert not outbox.flush(4.0), "longer than the delivery may take"
        process.start()
        for event in messages[20:]:
            outbox.send(event)
        until(lambda: outbox.flush(0.5), "all delivered")
        outbox.close()
        records = kafka_site.records(kafka_site.topics.events.name, lambda found: len(found) >= 30)
        assert list(dict.fromkeys(record.value for record in records)) == [event.value for event in messages]
        kafka_site.close()
