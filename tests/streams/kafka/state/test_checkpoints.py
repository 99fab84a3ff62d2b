"""Checkpoints at a real broker: the offset from which a stage continues, after several writers too."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from streams.kafka.codec import Message
from streams.kafka.state.checkpoints import Checkpoint, CheckpointPosition, Checkpoints, StoredState
from tests.streams.kafka.kafka_site import KafkaSite


@pytest.fixture
def kafka_site(broker: str) -> Iterator[KafkaSite]:
    kafka_site = KafkaSite(broker)
    yield kafka_site
    kafka_site.close()


@pytest.fixture
def checkpoints(kafka_site: KafkaSite) -> Iterator[Checkpoints]:
    checkpoints = Checkpoints(kafka_site.broker, kafka_site.topics)
    yield checkpoints
    checkpoints.close()


def test_the_last_checkpoint_is_restored(checkpoints: Checkpoints) -> None:
    assert checkpoints.restore([0, 1]) == {0: Checkpoint(None, {}), 1: Checkpoint(None, {})}
    checkpoints.save(1, {"a": StoredState(3, b"x"), "b": StoredState(4, b"y")}, CheckpointPosition(5, {"a": 3, "b": 4}))
    checkpoints.save(1, {"a": StoredState(7, b"z")}, CheckpointPosition(9, {"a": 7, "b": 4}))
    assert checkpoints.restore([1]) == {1: Checkpoint(9, {"a": StoredState(7, b"z"), "b": StoredState(4, b"y")})}


def test_an_old_state_of_a_stalled_process_is_processed_again(checkpoints: Checkpoints) -> None:
    checkpoints.save(0, {"a": StoredState(90, b"new"), "b": StoredState(80, b"b")})
    checkpoints.save(0, {"a": StoredState(40, b"old")})
    checkpoints.save(0, {}, CheckpointPosition(100, {"a": 90, "b": 80}))
    assert checkpoints.restore([0])[0] == Checkpoint(41, {"a": StoredState(40, b"old"), "b": StoredState(80, b"b")})


def test_foreign_records_are_skipped_and_a_special_key_is_no_camera(
    kafka_site: KafkaSite, checkpoints: Checkpoints
) -> None:
    kafka_site.send(kafka_site.topics.checkpoints.name, 0, Message(b"c", b"?", [])).get(10)
    checkpoints.save(
        0, {"@correlate": StoredState(2, b"s"), "a": StoredState(1, b"x")}, CheckpointPosition(3, {"a": 1})
    )
    assert checkpoints.restore([0])[0] == Checkpoint(3, {"a": StoredState(1, b"x")})
    assert checkpoints.read(0, "@correlate") == StoredState(2, b"s")
