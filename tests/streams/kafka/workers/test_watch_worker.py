"""The watch stage over a real broker: whatever is killed when, the events are those of an undisturbed fold."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import msgspec
import pytest
from kafka import TopicPartition

from detectors.camera_state import CameraState
from detectors.watch_stage import WatchStage
from lanewatch import metrics
from lanewatch.config.revisions import SiteRevision, SiteRevisions
from lanewatch.config.site import BehaviourConfig
from lanewatch.records import Detections, Event
from streams.kafka import codec
from streams.kafka.client.errors import BrokerError
from streams.kafka.codec import Message
from streams.kafka.state.event_outbox import EventOutbox
from tests.detectors.walker_records import NOON
from tests.streams.kafka.kafka_site import running, until
from tests.streams.kafka.loiterer_records import LoiteringSite, footage, keys, undisturbed

END = NOON + 39.8


@pytest.fixture
def kafka_site(broker: str) -> Iterator[LoiteringSite]:
    kafka_site = LoiteringSite(broker)
    yield kafka_site
    kafka_site.close()


def dropped(camera: str, reason: str) -> float:
    return float(metrics.DROPPED.labels("watch", camera, reason)._value.get())


def test_the_events_and_watermarks_are_those_of_one_fold(kafka_site: LoiteringSite) -> None:
    records = footage()
    kafka_site.put(records)
    with running(kafka_site.loop("w")):
        events = kafka_site.events_until(END)
    expected = undisturbed(kafka_site.watched, records)
    assert keys(events) == keys(expected)
    assert len(events) == len(expected)
    assert {event.camera for event in expected} == set(kafka_site.seats)


def test_a_planned_end_leaves_nothing_to_process_again(kafka_site: LoiteringSite) -> None:
    records = footage()
    half = len(records) // 2
    kafka_site.put(records[:half])
    with running(kafka_site.loop("w", checkpoint_s=3600)):
        kafka_site.events_until(records[half - 6].captured_at)
    kafka_site.put(records[half:])
    with running(kafka_site.loop("w", checkpoint_s=3600)):
        events = kafka_site.events_until(END)
    expected = undisturbed(kafka_site.watched, records)
    assert len(events) == len(expected)  # none twice
    assert keys(events) == keys(expected)
    assert sum(kafka_site.committed("watch", kafka_site.topics.detections.name).values()) == len(records)


@pytest.mark.parametrize("seed", [1, 2])
def test_another_goes_on_where_a_process_was_killed(kafka_site: LoiteringSite, broker: str, seed: int) -> None:
    """kill -9 of a real process at a random moment; its successor has the same name, as one that is started again."""
    records = footage(seconds=120)
    chance = random.Random(seed)
    command = [
        sys.executable,
        "-m",
        "tests.streams.kafka.loiterer_records",
        broker,
        kafka_site.topics.prefix,
        "w",
    ]
    process = subprocess.Popen(command)
    try:
        part = chance.randint(len(records) // 4, len(records) * 3 // 4)
        kafka_site.put(records[:part])
        kafka_site.read_events(lambda events, watermarks: len(watermarks) > 0)
        kafka_site.put(records[part:])
        kill_at = chance.randint(1, 6)
        kafka_site.read_events(lambda events, watermarks: len(events) >= kill_at)
    finally:
        process.kill()
        process.wait()
    began = time.monotonic()
    with running(kafka_site.loop("w", instance=True)):
        events = kafka_site.events_until(NOON + 119.8)
    assert time.monotonic() - began < 30  # the chaos proofs time it on a quiet machine
    assert keys(events) == keys(undisturbed(kafka_site.watched, records))


@pytest.mark.slow
def test_a_worker_of_another_name_takes_over_from_a_killed_one(kafka_site: LoiteringSite, broker: str) -> None:
    """Its name keeps its cameras until its session is over; the 15 s are for a machine that is busy besides."""
    records = footage()
    command = [
        sys.executable,
        "-m",
        "tests.streams.kafka.loiterer_records",
        broker,
        kafka_site.topics.prefix,
        "w",
    ]
    process = subprocess.Popen(command)
    try:
        kafka_site.put(records[: len(records) // 2])
        kafka_site.read_events(lambda events, watermarks: len(watermarks) == len(kafka_site.seats))
        other = kafka_site.loop("v", instance=True)
        with running(other):
            until(lambda: other.partitions, "both at work")
            process.kill()
            process.wait()
            kafka_site.put(records[len(records) // 2 :])
            began = time.monotonic()
            until(lambda: len(other.partitions) == kafka_site.topics.partitions, "all taken over")
            took_s = time.monotonic() - began
            events = kafka_site.events_until(END)
    finally:
        process.kill()
        process.wait()
    assert took_s < 12
    assert keys(events) == keys(undisturbed(kafka_site.watched, records))


def test_watermarks_survive_a_rebalance_while_events_are_on_their_way(
    kafka_site: LoiteringSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No checkpoint is possible then. The states are kept, so their records are not processed again."""
    acknowledged = threading.Event()
    monkeypatch.setattr(EventOutbox, "clear", property(lambda outbox: acknowledged.is_set()))
    records = footage()
    kafka_site.put(records)
    worker = kafka_site.loop("w")
    with running(worker):
        until(lambda: sum(processor.position for processor in worker._processors.values()) == len(records), "processed")
        before = set(worker._processors)
        assert worker._tracker is not None
        worker._tracker.restart()
        until(lambda: len(worker._processors) == 3 and before.isdisjoint(worker._processors), "assigned again")
        acknowledged.set()
        events = kafka_site.events_until(END)
    assert keys(events) == keys(undisturbed(kafka_site.watched, records))


class Killed(BaseException):
    """A BaseException, so that nothing catches it."""


@pytest.mark.parametrize("seed", range(4))
def test_a_sent_event_without_its_checkpoint_gives_the_same_events(kafka_site: LoiteringSite, seed: int) -> None:
    """A process dies at a random record, three times; its last events were sent, and its state was not stored."""
    records = footage()
    chance = random.Random(seed)
    kafka_site.put(records)
    for _ in range(3):
        left = [chance.randint(1, len(records) // 3)]

        def failing_stage(revisions: SiteRevisions, left: list[int] = left) -> WatchStage:
            watcher = WatchStage(revisions, run="live")
            step = watcher.step

            def counted(state: CameraState, detections: Detections) -> tuple[CameraState, list[Event]]:
                left[0] -= 1
                if left[0] < 0:
                    raise Killed
                return step(state, detections)

            watcher.step = counted  # type: ignore[method-assign]
            return watcher

        loop = kafka_site.loop("w", instance=True, make_stage=failing_stage, checkpoint_s=0.05)
        with pytest.raises(Killed):
            loop.run(threading.Event())
    with running(kafka_site.loop("w", instance=True)):
        events = kafka_site.events_until(END)
    assert keys(events) == keys(undisturbed(kafka_site.watched, records))


def test_a_restart_under_the_same_name_moves_nothing(kafka_site: LoiteringSite) -> None:
    records = footage()
    half = len(records) // 2
    other = kafka_site.loop("two", instance=True)
    first = kafka_site.loop("one", instance=True)
    with running(other):
        with running(first):
            until(lambda: len(first.partitions | other.partitions) == 3, "all partitions are watched")
            until(lambda: first.partitions and other.partitions, "both at work")
            until(lambda: not first.partitions & other.partitions, "settled")
            had, has = first.partitions, other.partitions
            kafka_site.put(records[:half])
        rebalances: list[object] = []
        assert other._tracker is not None
        other._tracker.on_partitions_revoked = rebalances.append  # type: ignore[method-assign, assignment]
        other._tracker.on_partitions_assigned = rebalances.append  # type: ignore[method-assign, assignment]
        with running(kafka_site.loop("one", instance=True)) as _:
            kafka_site.put(records[half:])
            events = kafka_site.events_until(END)
        assert not rebalances
        assert other.partitions == has
        assert had
    assert keys(events) == keys(undisturbed(kafka_site.watched, records))
    assert len(events) == len(undisturbed(kafka_site.watched, records))


def test_invalid_and_failing_records_are_skipped_alone_and_counted(kafka_site: LoiteringSite) -> None:
    records = footage()
    topic = kafka_site.topics.detections.name
    good = codec.encode_detections(records[0])
    refused = {reason: metrics.REFUSED.labels("watch", reason) for reason in ("foreign", "version", "unreadable")}
    before = {reason: counter._value.get() for reason, counter in refused.items()}
    unknown, failed = dropped("elsewhere", "unknown"), dropped("b", "failed")
    kafka_site.send(topic, 0, Message(b"a", b"what is this", []))
    kafka_site.send(topic, 0, Message(b"a", good.value, [(codec.KIND, b"detections/99")]))
    kafka_site.send(topic, 0, Message(b"a", b"\xc1", [(codec.KIND, b"detections/1")]))
    kafka_site.put(records)
    kafka_site.send(topic, 0, codec.encode_detections(msgspec.structs.replace(records[0], camera="elsewhere")))
    kafka_site.flush()
    broken = next(record for record in records if record.camera == "b" and record.captured_at > NOON + 10)

    def failing_stage(revisions: SiteRevisions) -> WatchStage:
        watcher = WatchStage(revisions, run="live")
        step = watcher.step

        def failing_step(state: CameraState, detections: Detections) -> tuple[CameraState, list[Event]]:
            if (detections.camera, detections.slot) == (broken.camera, broken.slot):
                raise ArithmeticError("of a plugin")
            return step(state, detections)

        watcher.step = failing_step  # type: ignore[method-assign]
        return watcher

    with running(kafka_site.loop("w", make_stage=failing_stage)):
        events = kafka_site.events_until(END)
        until(lambda: dropped("elsewhere", "unknown") == unknown + 1, "the unknown camera counted")
    assert {reason: counter._value.get() - before[reason] for reason, counter in refused.items()} == dict.fromkeys(
        refused, 1
    )
    assert dropped("b", "failed") == failed + 1
    assert keys(events) == keys(undisturbed(kafka_site.watched, [record for record in records if record is not broken]))


def test_deleted_records_are_counted_and_the_worker_continues(
    kafka_site: LoiteringSite, caplog: pytest.LogCaptureFixture
) -> None:
    records = footage()
    kafka_site.put([record for record in records if record.captured_at < NOON + 1])
    with running(kafka_site.loop("w")):
        kafka_site.events_until(NOON + 0.8)
    kafka_site.put([record for record in records if NOON + 1 <= record.captured_at < NOON + 2])
    remaining = [record for record in records if record.captured_at >= NOON + 2]
    place = TopicPartition(kafka_site.topics.detections.name, 0)
    with kafka_site.broker.open_admin() as admin:
        admin.delete_records({place: 20})  # cameras a and d: 10 records have been processed, 10 are deleted
    before = dropped("", "retention")
    kafka_site.put(remaining)
    with running(kafka_site.loop("w")):
        events = kafka_site.events_until(END)
    assert dropped("", "retention") == before + 10
    assert f"{place.topic}-0: 10 records before offset 20 are missing" in caplog.text
    lost = [record for record in records if record.camera in "ad" and NOON + 1 <= record.captured_at < NOON + 2]
    assert keys(events) == keys(undisturbed(kafka_site.watched, [record for record in records if record not in lost]))


def test_a_revision_reaches_it_while_it_runs(kafka_site: LoiteringSite) -> None:
    records = footage()
    half = NOON + 20
    stricter = kafka_site.watched.model_copy(
        update={"behaviours": {"loitering": BehaviourConfig(thresholds={"dwell_s": 5})}}
    )
    revisions = SiteRevisions([SiteRevision(0.0, kafka_site.watched), SiteRevision(half, stricter)])
    with running(kafka_site.loop("w")):
        kafka_site.put([record for record in records if record.captured_at < half])
        kafka_site.events_until(half - 0.2)
        kafka_site.revisions = revisions
        kafka_site.put([record for record in records if record.captured_at >= half])
        events = kafka_site.events_until(END)
    assert keys(events) == keys(undisturbed(revisions, records))
    assert {event.site for event in events} == {kafka_site.watched.digest, stricter.digest}


def test_an_unusable_revision_is_logged_and_the_former_one_stays_in_effect(
    kafka_site: LoiteringSite, caplog: pytest.LogCaptureFixture
) -> None:
    records = footage()
    unknown = kafka_site.watched.model_copy(update={"behaviours": {"of_the_next_release": BehaviourConfig()}})
    with running(kafka_site.loop("w")):
        kafka_site.revisions = SiteRevisions.from_site(unknown)
        until(lambda: "of_the_next_release: no such behaviour" in caplog.text, "the refusal is logged")
        kafka_site.put(records)
        events = kafka_site.events_until(END)
    assert keys(events) == keys(undisturbed(kafka_site.watched, records))


def test_a_site_that_is_no_longer_followed_ends_the_worker(
    kafka_site: LoiteringSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would otherwise go on with an outdated site."""

    def fail() -> None:
        raise BrokerError("may not READ the site")

    worker = kafka_site.loop("w")
    monkeypatch.setattr(kafka_site, "raise_if_failed", fail)
    with pytest.raises(BrokerError, match="READ the site"):
        worker.run(threading.Event())
