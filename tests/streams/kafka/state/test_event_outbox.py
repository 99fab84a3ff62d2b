"""Events while the broker is away: on disk, and delivered in order when it is back, also by the next process."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.kafka_server import BrokerProcess
from streams.kafka.codec import Message
from streams.kafka.state import event_outbox as module
from streams.kafka.state.event_outbox import EventOutbox
from streams.kafka.state.event_spool import EventSpool
from tests.streams.kafka.kafka_site import KafkaSite, until


@pytest.mark.slow
def test_what_the_broker_does_not_take_is_delivered_when_it_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(module.SEND, "delivery_timeout_ms", 1500)
    monkeypatch.setitem(module.SEND, "request_timeout_ms", 1000)
    with BrokerProcess(tmp_path / "broker") as process:
        shop = KafkaSite(process.address)
        messages = [Message(b"lane", b"%d" % number, []) for number in range(30)]
        with EventSpool(tmp_path, "w") as spool:
            outbox = EventOutbox(shop.broker, shop.topics.events, spool, "watch")
            for message in messages[:10]:
                outbox.send(message)
            assert outbox.settle(10)
            process.kill()
            for message in messages[10:20]:
                outbox.send(message)
            assert not outbox.settle(0.5)
            assert len(spool) == 10
            outbox.send(messages[20])
            assert len(spool) == 11
            outbox.close()
        process.start()
        with EventSpool(tmp_path, "w") as spool:
            outbox = EventOutbox(shop.broker, shop.topics.events, spool, "watch")
            for message in messages[21:]:
                outbox.send(message)
            until(lambda: outbox.settle(0.5), "all delivered")
            outbox.close()
        records = shop.records(shop.topics.events.name, lambda found: len(found) >= 30)
        assert list(dict.fromkeys(one.value for one in records)) == [one.value for one in messages]
        shop.close()
