from __future__ import annotations

import resource
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import cv2
import msgspec
import numpy as np
import pytest

from api.event_sink import EventSink
from api.evidence.scheduler import AFTER_OPENING_S, EvidenceScheduler
from api.serialization import Evidence, MediaFile
from api.storage.event_store import EventStore
from lanewatch import metrics
from lanewatch.config.site import Camera, Site
from lanewatch.records import Event, Image, Peak
from streams.video.packet_buffer import PacketBuffer
from tests.api.event_factory import BEGIN, FPS, Feeder, after, make_event, reached


def kept(store: EventStore, id: str = "e-1") -> Evidence:
    return store.exhibits("live", id)


def pictures(path: Path) -> list[Image]:
    """A video's pictures, decoded by PyAV from its first byte to its last."""
    with av.open(str(path)) as container:
        return [np.asarray(frame.to_ndarray(format="bgr24"), np.uint8) for frame in container.decode(video=0)]


def difference(one: Image, other: Image) -> float:
    return float(np.abs(one.astype(np.int16) - other.astype(np.int16)).mean())


def closed(event: Event, ended: float) -> Event:
    return after(event, ended - event.updated_at + 2, state="closed", ended_at=ended)


def test_a_clip_has_its_pre_roll_and_its_post_roll(
    intake: EventSink, evidence: EvidenceScheduler, store: EventStore, feeder: Feeder, clip: Path
) -> None:
    feeder.until(20.5)
    event = make_event(at=BEGIN + 20, lasted=6)
    intake.upsert(event)
    feeder.until(40)
    intake.upsert(closed(event, BEGIN + 24))
    intake.advance("lane", reached(BEGIN + 28.9))
    assert evidence.wait()
    assert kept(store).clip.status == "partial"
    intake.advance("lane", reached(BEGIN + 29.0))
    assert evidence.wait()
    found = kept(store).clip
    assert found.started_at is not None
    assert found.ended_at is not None
    assert (found.status, found.reason) == ("ready", "")
    assert found.started_at == pytest.approx(BEGIN + 9, abs=1 / FPS)  # five seconds before 14
    assert found.ended_at == pytest.approx(BEGIN + 29, abs=1 / FPS)  # five seconds after 24
    source = pictures(clip)
    first, last = round((found.started_at - BEGIN) * FPS), round((found.ended_at - BEGIN) * FPS)
    written = pictures(evidence.path(found))
    assert difference(written[-1], source[last]) < 3
    assert any(difference(picture, source[first]) < 3 for picture in written[:15])  # a copy begins at a key frame


def test_a_snapshot_is_the_peaks_frame(
    intake: EventSink, evidence: EvidenceScheduler, store: EventStore, feeder: Feeder, clip: Path
) -> None:
    feeder.until(20.5)
    at = BEGIN + 118 / FPS
    intake.upsert(make_event(at=BEGIN + 20, peak=Peak(0, at, (10.0, 10.0, 50.0, 90.0), 768, 576)))
    evidence.settle()
    snapshot = kept(store).snapshot
    picture = cv2.imread(str(evidence.path(snapshot)))
    assert picture is not None
    source = pictures(clip)
    differences = [difference(np.asarray(picture, np.uint8), source[index]) for index in (117, 118, 119)]
    assert min(differences) == differences[1]
    assert snapshot.started_at == pytest.approx(at, abs=1e-4)
    assert snapshot.peak is not None


def test_there_is_something_to_see_while_the_event_goes_on(
    intake: EventSink, evidence: EvidenceScheduler, store: EventStore, feeder: Feeder
) -> None:
    feeder.until(20.5)
    intake.upsert(make_event())
    assert evidence.wait()
    found = kept(store)
    assert (found.status, found.clip.status, found.clip.reason) == ("partial", "partial", "going_on")
    assert pictures(evidence.path(found.clip))


def test_of_a_recording_the_clip_is_written_once_it_is_whole(store: EventStore, feeder: Feeder, tmp_path: Path) -> None:
    evidence = EvidenceScheduler(store, feeder.ring, tmp_path / "recorded", live=False)
    intake = EventSink(store, evidence)
    feeder.until(40)
    event = make_event()
    intake.upsert(event)
    assert evidence.wait()
    found = kept(store)
    assert (found.snapshot.status, found.clip.status) == ("ready", "pending")
    intake.upsert(after(event, 2, state="closed", ended_at=BEGIN + 22))
    intake.advance("lane", reached(BEGIN + 27))
    assert evidence.wait()
    assert kept(store).clip.status == "ready"
    evidence.close()


def test_a_better_picture_takes_the_place_of_the_first(
    intake: EventSink, evidence: EvidenceScheduler, store: EventStore, feeder: Feeder
) -> None:
    feeder.until(40)
    event = make_event(at=BEGIN + 20)
    better = Peak(1, BEGIN + 26, (10.0, 10.0, 50.0, 90.0), 768, 576)
    intake.upsert(event)
    intake.upsert(after(event, 2, peak=better))  # too soon after the first
    assert evidence.wait()
    assert kept(store).snapshot.peak == event.peak
    intake.upsert(after(event, 6, peak=better))
    assert evidence.wait()
    assert kept(store).snapshot.peak == better


def test_a_long_events_clip_is_capped_around_its_opening(
    intake: EventSink, evidence: EvidenceScheduler, store: EventStore, feeder: Feeder
) -> None:
    feeder.until(60)
    event = make_event(at=BEGIN + 60, lasted=58)
    intake.upsert(event)
    feeder.until(81)
    intake.upsert(after(event, 20))
    intake.advance("lane", reached(BEGIN + 60 + AFTER_OPENING_S))
    evidence.settle()
    clip = kept(store).clip
    assert clip.status == "ready"
    assert clip.started_at == pytest.approx(BEGIN + 35, abs=1 / FPS)
    assert clip.ended_at == pytest.approx(BEGIN + 80, abs=1 / FPS)


def test_an_expired_event_has_what_was_there(
    intake: EventSink, evidence: EvidenceScheduler, store: EventStore, feeder: Feeder
) -> None:
    feeder.until(25)
    event = make_event(at=BEGIN + 20)
    intake.upsert(event)
    intake.upsert(after(event, 5, state="expired"))
    evidence.settle()
    clip = kept(store).clip
    assert clip.ended_at == pytest.approx(BEGIN + 25, abs=1 / FPS)
    assert clip.status == "ready"


def test_pictures_that_are_not_held_any_more_are_said_to_be_out_of_reach(
    intake: EventSink, evidence: EvidenceScheduler, store: EventStore, feeder: Feeder
) -> None:
    feeder.until(110)  # the ring holds a minute
    event = make_event(at=BEGIN + 20)
    before = metrics.DROPPED.labels("evidence", "lane", "out_of_reach")._value.get()
    intake.upsert(event)
    intake.upsert(closed(event, BEGIN + 22))
    evidence.settle()
    found = kept(store)
    assert (found.status, found.snapshot.reason, found.clip.reason) == ("failed", "out_of_reach", "out_of_reach")
    assert metrics.DROPPED.labels("evidence", "lane", "out_of_reach")._value.get() > before


def test_a_camera_of_another_process_has_no_evidence_here(
    intake: EventSink, evidence: EvidenceScheduler, store: EventStore
) -> None:
    intake.upsert(make_event(camera="elsewhere", state="closed", ended_at=BEGIN + 20))
    evidence.settle()
    assert kept(store).reason == "out_of_reach"


def test_an_event_told_again_after_a_restart_keeps_its_evidence(
    intake: EventSink, evidence: EvidenceScheduler, store: EventStore, feeder: Feeder, site: Site
) -> None:
    feeder.until(30)
    event = make_event(at=BEGIN + 20)
    over = closed(event, BEGIN + 22)
    intake.upsert(event)
    intake.upsert(over)
    evidence.settle()
    before = kept(store)
    assert before.status == "ready"
    empty = PacketBuffer([site.camera("lane")])
    anew = EvidenceScheduler(store, empty, evidence.folder)
    for revision in (event, over):
        store.upsert(revision)
        anew.upsert(revision)
    anew.close()
    assert kept(store).snapshot.file == before.snapshot.file
    assert (kept(store).snapshot.status, kept(store).clip.status) == ("ready", "ready")


@pytest.mark.parametrize("told", ["open", "closed", "nothing written"])
def test_what_a_killed_process_had_still_to_write_is_written_where_the_pictures_last(
    store: EventStore, feeder: Feeder, tmp_path: Path, told: str
) -> None:
    folder = tmp_path / "evidence"
    feeder.until(31)
    event = make_event(at=BEGIN + 20)
    over = closed(event, BEGIN + 22)
    killed = EvidenceScheduler(store, feeder.ring, folder, lasting=True)
    for revision in (event,) if told == "open" else (event, over):
        store.upsert(revision)
        if told != "nothing written":
            killed.upsert(revision)
    killed.wait()
    del killed  # as a power cut leaves it: nothing is settled
    assert not kept(store).settled
    anew = EvidenceScheduler(store, feeder.ring, folder, lasting=True)
    if told == "open":
        store.upsert(over)
        anew.upsert(over)
    anew.advance("lane", BEGIN + 27)
    anew.close()
    assert (kept(store).snapshot.status, kept(store).clip.status) == ("ready", "ready")
    assert kept(store).clip.ended_at == pytest.approx(BEGIN + 27, abs=1 / FPS)


def test_where_the_pictures_last_an_end_leaves_what_is_open_to_the_next(
    store: EventStore, feeder: Feeder, tmp_path: Path
) -> None:
    feeder.until(21)
    event = make_event(at=BEGIN + 20)
    store.upsert(event)
    evidence = EvidenceScheduler(store, feeder.ring, tmp_path / "evidence", lasting=True)
    evidence.upsert(event)
    evidence.close()
    assert (kept(store).clip.status, kept(store).clip.reason) == ("partial", "going_on")


def test_a_clip_that_is_whole_is_not_cut_again_while_its_event_goes_on(
    intake: EventSink, evidence: EvidenceScheduler, store: EventStore, feeder: Feeder
) -> None:
    feeder.until(41)
    event = make_event(at=BEGIN + 20)
    intake.upsert(event)
    intake.advance("lane", reached(BEGIN + 20 + AFTER_OPENING_S))
    assert evidence.wait()
    assert kept(store).clip.status == "ready"
    written = evidence.path(kept(store).clip).stat().st_mtime_ns
    intake.upsert(after(event, 21))
    intake.advance("lane", reached(BEGIN + 42))
    assert evidence.wait()
    assert kept(store).clip.status == "ready"
    assert evidence.path(kept(store).clip).stat().st_mtime_ns == written


def test_half_written_pictures_of_a_killed_process_are_removed(
    store: EventStore, feeder: Feeder, tmp_path: Path
) -> None:
    left = tmp_path / "evidence" / "2026-01-14" / "abc.part.mp4"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")
    EvidenceScheduler(store, feeder.ring, tmp_path / "evidence").close()
    assert not left.exists()


def test_masks_are_in_the_evidence(
    store: EventStore, site: Site, packets: list[object], tmp_path: Path, clip: Path
) -> None:
    corner = ((0.0, 0.0), (0.25, 0.0), (0.25, 0.25), (0.0, 0.25))
    camera: Camera = site.camera("lane").model_copy(update={"masks": (corner,)})
    feeder = Feeder(camera, packets)  # type: ignore[arg-type]
    evidence = EvidenceScheduler(store, feeder.ring, tmp_path / "masked")
    feeder.until(26)
    event = make_event(at=BEGIN + 20, lasted=1, state="closed", ended_at=BEGIN + 20)
    store.upsert(event)
    evidence.upsert(event)
    evidence.close()
    found = kept(store)
    snapshot = cv2.imread(str(evidence.path(found.snapshot)))
    assert snapshot is not None
    inside = (slice(4, 136), slice(4, 184))
    assert np.asarray(snapshot)[inside].max() < 24
    assert all(picture[inside].max() < 24 for picture in pictures(evidence.path(found.clip)))
    assert pictures(clip)[140][inside].max() > 100


@pytest.fixture
def file_limit() -> Iterator[Callable[[int], None]]:
    """Makes files that grow beyond a size fail, as a full disk does: by the kernel, in the middle of a write."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def limit(size: int) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))

    yield limit
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_fills_up_while_a_clip_is_written_takes_nothing_along(
    intake: EventSink, evidence: EvidenceScheduler, store: EventStore, feeder: Feeder, file_limit: Callable[[int], None]
) -> None:
    feeder.until(20.5)
    first = make_event("first", at=BEGIN + 20, lasted=2)
    intake.upsert(first)
    evidence.settle()
    good = kept(store, "first")
    whole = evidence.path(good.clip).read_bytes()
    before = metrics.DROPPED.labels("evidence", "lane", "disk_full")._value.get()

    with store._engine.connect() as connection:  # begins the journal anew, so that it stays below the limit
        connection.connection.driver_connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # type: ignore[union-attr]
    file_limit(400_000)  # pictures and the database fit, clips don't
    second = make_event("second", at=BEGIN + 20, lasted=12)
    intake.upsert(second)
    intake.upsert(closed(first, BEGIN + 20))
    evidence.settle()
    found = kept(store, "second")
    assert (found.snapshot.status, found.clip.status, found.clip.reason) == ("ready", "failed", "disk_full")
    assert found.status == "partial"
    assert metrics.DROPPED.labels("evidence", "lane", "disk_full")._value.get() > before
    assert evidence.path(good.clip).read_bytes() == whole  # what was there is there
    assert list(evidence.folder.glob("**/*.part.*")) == []

    file_limit(resource.RLIM_INFINITY)
    intake.upsert(make_event("third", at=BEGIN + 20, lasted=12))
    evidence.settle()
    assert kept(store, "third").clip.file


def test_the_last_of_the_disk_is_kept_for_events(store: EventStore, feeder: Feeder, tmp_path: Path) -> None:
    evidence = EvidenceScheduler(store, feeder.ring, tmp_path / "evidence", reserve=1 << 60)
    feeder.until(21)
    event = make_event(state="closed", ended_at=BEGIN + 20)
    store.upsert(event)
    evidence.upsert(event)
    evidence.close()
    assert (kept(store).status, kept(store).reason) == ("failed", "disk_full")
    assert not evidence.room
    assert store.upsert(make_event("e-2")) > 0


def test_a_status_that_the_store_could_not_take_is_brought_later(
    store: EventStore, feeder: Feeder, tmp_path: Path
) -> None:
    class Away(EventStore):
        """A double for a store whose disk is full for a while."""

        away = True

        def exhibit(self, run: str, id: str, exhibits: Evidence) -> None:
            if self.away:
                self.url = "double"
                with self._guard("written"):
                    self._engine.connect().exec_driver_sql("insert into nowhere values (1)")
            super().exhibit(run, id, exhibits)

    away = Away(tmp_path / "away.db")
    evidence = EvidenceScheduler(away, feeder.ring, tmp_path / "evidence")
    feeder.until(21)
    event = make_event()
    away.upsert(event)
    evidence.upsert(event)
    evidence.settle()
    assert away.exhibits("live", "e-1").status == "pending"
    away.away = False
    evidence.advance("lane", BEGIN + 21)
    assert away.exhibits("live", "e-1").snapshot.status == "ready"
    evidence.close()
    away.close()


def test_a_medium_is_encoded_as_it_was() -> None:
    medium = Evidence(MediaFile("ready", file="a", peak=Peak(1, 2.0, (0, 0, 1, 1), 3, 4)))
    assert msgspec.json.decode(msgspec.json.encode(medium), type=Evidence) == medium
