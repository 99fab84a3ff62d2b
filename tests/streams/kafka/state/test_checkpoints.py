"""Checkpoints at a real broker: the offset from which a stage continues, after several writers too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

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


def save(
    checkpoints: Checkpoints,
    partition: int,
    states: Mapping[str, StoredState],
    position: CheckpointPosition | None = None,
    topic: str = "",
) -> None:
    assert not checkpoints.save({partition: (states, position)}, topic)


def test_the_last_checkpoint_is_restored(checkpoints: Checkpoints) -> None:
    assert checkpoints.restore([0, 1], "") == {0: Checkpoint(None, {}), 1: Checkpoint(None, {})}
    states = {"a": StoredState(3, b"x"), "b": StoredState(4, b"y")}
    save(checkpoints, 1, states, CheckpointPosition(5, {"a": 3, "b": 4}))
    save(checkpoints, 1, {"a": StoredState(7, b"z")}, CheckpointPosition(9, {"a": 7, "b": 4}))
    assert checkpoints.restore([1], "") == {1: Checkpoint(9, {"a": StoredState(7, b"z"), "b": StoredState(4, b"y")})}


def test_offsets_of_a_topic_that_was_created_anew_since_are_left_out(checkpoints: Checkpoints) -> None:
    save(checkpoints, 0, {"a": StoredState(3, b"x")}, CheckpointPosition(4, {"a": 3}), "first")
    restored = checkpoints.restore([0], "second")[0]
    assert restored == Checkpoint(None, {"a": StoredState(-1, b"x")}, recreated=True)
    save(checkpoints, 0, {"b": StoredState(1, b"y")}, CheckpointPosition(2, {"a": -1, "b": 1}), "second")
    states = {"a": StoredState(-1, b"x"), "b": StoredState(1, b"y", "second")}
    assert checkpoints.restore([0], "second")[0] == Checkpoint(2, states)
    save(checkpoints, 0, {"@correlate": StoredState(7, b"z")}, None, "first")
    assert checkpoints.read(0, "@correlate", "second") == StoredState(-1, b"z")


def test_a_partition_that_cannot_be_written_does_not_keep_the_others(checkpoints: Checkpoints) -> None:
    too_large = {"a": StoredState(1, bytes(8 << 20))}
    position = CheckpointPosition(2, {"a": 1})
    failed = checkpoints.save({0: (too_large, position), 1: ({"b": StoredState(1, b"y")}, position)}, "")
    assert list(failed) == [0]
    assert checkpoints.restore([0, 1], "")[0] == Checkpoint(None, {})
    assert checkpoints.restore([0, 1], "")[1] == Checkpoint(2, {"b": StoredState(1, b"y")})


def test_an_old_state_of_a_stalled_process_is_processed_again(checkpoints: Checkpoints) -> None:
    save(checkpoints, 0, {"a": StoredState(90, b"new"), "b": StoredState(80, b"b")})
    save(checkpoints, 0, {"a": StoredState(40, b"old")})
    save(checkpoints, 0, {}, CheckpointPosition(100, {"a": 90, "b": 80}))
    assert checkpoints.restore([0], "")[0] == Checkpoint(41, {"a": StoredState(40, b"old"), "b": StoredState(80, b"b")})


def test_foreign_records_are_skipped_and_a_special_key_is_no_camera(
    kafka_site: KafkaSite, checkpoints: Checkpoints
) -> None:
    kafka_site.send(kafka_site.topics.checkpoints.name, 0, Message(b"c", b"?", [])).get(10)
    states = {"@correlate": StoredState(2, b"s"), "a": StoredState(1, b"x")}
    save(checkpoints, 0, states, CheckpointPosition(3, {"a": 1}))
    assert checkpoints.restore([0], "")[0] == Checkpoint(3, {"a": StoredState(1, b"x")})
    assert checkpoints.read(0, "@correlate", "") == StoredState(2, b"s")
