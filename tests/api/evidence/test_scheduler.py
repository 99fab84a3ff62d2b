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
from api.storage.event_store import EventStore
from api.storage.records import Evidence, MediaFile
from lanewatch import metrics
from lanewatch.config.site import Camera, Site
from lanewatch.records import Event, Image, Peak
from streams.video.packet_buffer import PacketBuffer
from tests.api.event_factory import BEGIN, FPS, Feeder, after, make_event, watermark


def evidence_of(store: EventStore, id: str = "e-1") -> Evidence:
    return store.evidence_of("live", id)


def decoded_frames(path: Path) -> list[Image]:
    """All frames of a video, decoded by PyAV."""
    with av.open(str(path)) as container:
        return [np.asarray(frame.to_ndarray(format="bgr24"), np.uint8) for frame in container.decode(video=0)]


def difference(left: Image, right: Image) -> float:
    return float(np.abs(left.astype(np.int16) - right.astype(np.int16)).mean())


def closed(event: Event, ended: float) -> Event:
    return after(event, ended - event.updated_at + 2, state="closed", ended_at=ended)


def test_a_clip_has_its_pre_roll_and_its_post_roll(
    event_sink: EventSink, evidence: EvidenceScheduler, store: EventStore, feeder: Feeder, clip: Path
) -> None:
    feeder.until(20.5)
    event = make_event(at=BEGIN + 20, lasted=6)
    event_sink.upsert(event)
    feeder.until(40)
    event_sink.upsert(closed(event, BEGIN + 24))
    event_sink.advance("lane", watermark(BEGIN + 28.9))
    assert evidence.wait_until_idle()
    assert evidence_of(store).clip.status == "partial"
    event_sink.advance("lane", watermark(BEGIN + 29.0))
    assert evidence.wait_until_idle()
    found = evidence_of(store).clip
    assert found.started_at is not None
    assert found.ended_at is not None
    assert (found.status, found.reason) == ("ready", "")
    assert found.started_at == pytest.approx(BEGIN + 9, abs=1 / FPS)  # five seconds before 14
    assert found.ended_at == pytest.approx(BEGIN + 29, abs=1 / FPS)  # five seconds after 24
    source = decoded_frames(clip)
    first, last = round((found.started_at - BEGIN) * FPS), round((found.ended_at - BEGIN) * FPS)
    written = decoded_frames(evidence.file_path(found))
    assert difference(written[-1], source[last]) < 3
    assert any(difference(frame, source[first]) < 3 for frame in written[:15])  # a copy starts at a key frame


def test_a_snapshot_shows_the_peak(
    event_sink: EventSink, evidence: EvidenceScheduler, store: EventStore, feeder: Feeder, clip: Path
) -> None:
    feeder.until(20.5)
    at = BEGIN + 118 / FPS
    event_sink.upsert(make_event(at=BEGIN + 20, peak=Peak(0, at, (10.0, 10.0, 50.0, 90.0), 768, 576)))
    evidence.settle()
    snapshot = evidence_of(store).snapshot
    image = cv2.imread(str(evidence.file_path(snapshot)))
    assert image is not None
    source = decoded_frames(clip)
    differences = [difference(np.asarray(image, np.uint8), source[index]) for index in (117, 118, 119)]
    assert min(differences) == differences[1]
    assert snapshot.started_at == pytest.approx(at, abs=1e-4)
    assert snapshot.peak is not None


def test_an_open_event_has_a_partial_clip(
    event_sink: EventSink, evidence: EvidenceScheduler, store: EventStore, feeder: Feeder
) -> None:
    feeder.until(20.5)
    event_sink.upsert(make_event())
    assert evidence.wait_until_idle()
    found = evidence_of(store)
    assert (found.status, found.clip.status, found.clip.reason) == ("partial", "partial", "going_on")
    assert decoded_frames(evidence.file_path(found.clip))


def test_the_clip_of_a_recording_is_written_once(store: EventStore, feeder: Feeder, tmp_path: Path) -> None:
    evidence = EvidenceScheduler(store, feeder.buffer, tmp_path / "recorded", live=False)
    event_sink = EventSink(store, evidence)
    feeder.until(40)
    event = make_event()
    event_sink.upsert(event)
    assert evidence.wait_until_idle()
    found = evidence_of(store)
    assert (found.snapshot.status, found.clip.status) == ("ready", "pending")
    event_sink.upsert(after(event, 2, state="closed", ended_at=BEGIN + 22))
    event_sink.advance("lane", watermark(BEGIN + 27))
    assert evidence.wait_until_idle()
    assert evidence_of(store).clip.status == "ready"
    evidence.close()


def test_a_new_peak_gets_a_new_snapshot(
    event_sink: EventSink, evidence: EvidenceScheduler, store: EventStore, feeder: Feeder
) -> None:
    feeder.until(40)
    event = make_event(at=BEGIN + 20)
    better = Peak(1, BEGIN + 26, (10.0, 10.0, 50.0, 90.0), 768, 576)
    event_sink.upsert(event)
    event_sink.upsert(after(event, 2, peak=better))  # too soon after the first
    assert evidence.wait_until_idle()
    assert evidence_of(store).snapshot.peak == event.peak
    event_sink.upsert(after(event, 6, peak=better))
    assert evidence.wait_until_idle()
    assert evidence_of(store).snapshot.peak == better


def test_a_long_events_clip_is_capped_around_its_opening(
    event_sink: EventSink, evidence: EvidenceScheduler, store: EventStore, feeder: Feeder
) -> None:
    feeder.until(60)
    event = make_event(at=BEGIN + 60, lasted=58)
    event_sink.upsert(event)
    feeder.until(81)
    event_sink.upsert(after(event, 20))
    event_sink.advance("lane", watermark(BEGIN + 60 + AFTER_OPENING_S))
    evidence.settle()
    clip = evidence_of(store).clip
    assert clip.status == "ready"
    assert clip.started_at == pytest.approx(BEGIN + 35, abs=1 / FPS)
    assert clip.ended_at == pytest.approx(BEGIN + 80, abs=1 / FPS)


def test_an_expired_event_gets_the_video_up_to_its_end(
    event_sink: EventSink, evidence: EvidenceScheduler, store: EventStore, feeder: Feeder
) -> None:
    feeder.until(25)
    event = make_event(at=BEGIN + 20)
    event_sink.upsert(event)
    event_sink.upsert(after(event, 5, state="expired"))
    evidence.settle()
    clip = evidence_of(store).clip
    assert clip.ended_at == pytest.approx(BEGIN + 25, abs=1 / FPS)
    assert clip.status == "ready"


def test_video_that_is_no_longer_held_is_out_of_reach(
    event_sink: EventSink, evidence: EvidenceScheduler, store: EventStore, feeder: Feeder
) -> None:
    feeder.until(110)  # the packet buffer holds a minute
    event = make_event(at=BEGIN + 20)
    before = metrics.DROPPED.labels("evidence", "lane", "out_of_reach")._value.get()
    event_sink.upsert(event)
    event_sink.upsert(closed(event, BEGIN + 22))
    evidence.settle()
    found = evidence_of(store)
    assert (found.status, found.snapshot.reason, found.clip.reason) == ("failed", "out_of_reach", "out_of_reach")
    assert metrics.DROPPED.labels("evidence", "lane", "out_of_reach")._value.get() > before


def test_a_camera_of_another_process_has_no_evidence_here(
    event_sink: EventSink, evidence: EvidenceScheduler, store: EventStore
) -> None:
    event_sink.upsert(make_event(camera="elsewhere", state="closed", ended_at=BEGIN + 20))
    evidence.settle()
    assert evidence_of(store).reason == "out_of_reach"


def test_an_event_sent_again_after_a_restart_keeps_its_evidence(
    event_sink: EventSink, evidence: EvidenceScheduler, store: EventStore, feeder: Feeder, site: Site
) -> None:
    feeder.until(30)
    event = make_event(at=BEGIN + 20)
    over = closed(event, BEGIN + 22)
    event_sink.upsert(event)
    event_sink.upsert(over)
    evidence.settle()
    before = evidence_of(store)
    assert before.status == "ready"
    empty = PacketBuffer([site.camera("lane")])
    restarted = EvidenceScheduler(store, empty, evidence.folder)
    for revision in (event, over):
        store.upsert(revision)
        restarted.upsert(revision)
    restarted.close()
    assert evidence_of(store).snapshot.file == before.snapshot.file
    assert (evidence_of(store).snapshot.status, evidence_of(store).clip.status) == ("ready", "ready")


@pytest.mark.parametrize("progress", ["open", "closed", "nothing written"])
def test_open_evidence_of_a_killed_process_is_written_if_the_video_lasts(
    store: EventStore, feeder: Feeder, tmp_path: Path, progress: str
) -> None:
    folder = tmp_path / "evidence"
    feeder.until(31)
    event = make_event(at=BEGIN + 20)
    over = closed(event, BEGIN + 22)
    killed = EvidenceScheduler(store, feeder.buffer, folder, lasting=True)
    for revision in (event,) if progress == "open" else (event, over):
        store.upsert(revision)
        if progress != "nothing written":
            killed.upsert(revision)
    killed.wait_until_idle()
    del killed  # as after a power cut: nothing is final
    assert not evidence_of(store).settled
    restarted = EvidenceScheduler(store, feeder.buffer, folder, lasting=True)
    if progress == "open":
        store.upsert(over)
        restarted.upsert(over)
    restarted.advance("lane", BEGIN + 27)
    restarted.close()
    assert (evidence_of(store).snapshot.status, evidence_of(store).clip.status) == ("ready", "ready")
    assert evidence_of(store).clip.ended_at == pytest.approx(BEGIN + 27, abs=1 / FPS)


def test_if_the_video_lasts_open_evidence_is_left_to_the_next_process(
    store: EventStore, feeder: Feeder, tmp_path: Path
) -> None:
    feeder.until(21)
    event = make_event(at=BEGIN + 20)
    store.upsert(event)
    evidence = EvidenceScheduler(store, feeder.buffer, tmp_path / "evidence", lasting=True)
    evidence.upsert(event)
    evidence.close()
    assert (evidence_of(store).clip.status, evidence_of(store).clip.reason) == ("partial", "going_on")


def test_complete_evidence_is_not_written_again(
    event_sink: EventSink, evidence: EvidenceScheduler, store: EventStore, feeder: Feeder
) -> None:
    feeder.until(41)
    event = make_event(at=BEGIN + 20)
    event_sink.upsert(event)
    event_sink.advance("lane", watermark(BEGIN + 20 + AFTER_OPENING_S))
    assert evidence.wait_until_idle()
    assert evidence_of(store).clip.status == "ready"
    clip, snapshot = (evidence.file_path(media) for media in (evidence_of(store).clip, evidence_of(store).snapshot))
    written = clip.stat().st_mtime_ns, snapshot.stat().st_mtime_ns
    event_sink.upsert(after(event, 21))
    event_sink.advance("lane", watermark(BEGIN + 42))
    assert evidence.wait_until_idle()
    assert evidence_of(store).clip.status == "ready"
    assert (clip.stat().st_mtime_ns, snapshot.stat().st_mtime_ns) == written


def test_incomplete_files_of_a_killed_process_are_deleted(store: EventStore, feeder: Feeder, tmp_path: Path) -> None:
    left = tmp_path / "evidence" / "2026-01-14" / "abc.part.mp4"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")
    EvidenceScheduler(store, feeder.buffer, tmp_path / "evidence").close()
    assert not left.exists()


def test_privacy_masks_are_in_the_evidence(
    store: EventStore, site: Site, packets: list[object], tmp_path: Path, clip: Path
) -> None:
    corner = ((0.0, 0.0), (0.25, 0.0), (0.25, 0.25), (0.0, 0.25))
    camera: Camera = site.camera("lane").model_copy(update={"masks": (corner,)})
    feeder = Feeder(camera, packets)  # type: ignore[arg-type]
    evidence = EvidenceScheduler(store, feeder.buffer, tmp_path / "masked")
    feeder.until(26)
    event = make_event(at=BEGIN + 20, lasted=1, state="closed", ended_at=BEGIN + 20)
    store.upsert(event)
    evidence.upsert(event)
    evidence.close()
    found = evidence_of(store)
    snapshot = cv2.imread(str(evidence.file_path(found.snapshot)))
    assert snapshot is not None
    inside = (slice(4, 136), slice(4, 184))
    assert np.asarray(snapshot)[inside].max() < 24
    assert all(frame[inside].max() < 24 for frame in decoded_frames(evidence.file_path(found.clip)))
    assert decoded_frames(clip)[140][inside].max() > 100


@pytest.fixture
def file_limit() -> Iterator[Callable[[int], None]]:
    """Limits the size of files. The kernel fails the write in the middle, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def limit(size: int) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))

    yield limit
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_fills_up_during_a_write_destroys_nothing(
    event_sink: EventSink,
    evidence: EvidenceScheduler,
    store: EventStore,
    feeder: Feeder,
    file_limit: Callable[[int], None],
) -> None:
    feeder.until(20.5)
    first = make_event("first", at=BEGIN + 20, lasted=2)
    event_sink.upsert(first)
    evidence.settle()
    good = evidence_of(store, "first")
    whole = evidence.file_path(good.clip).read_bytes()
    before = metrics.DROPPED.labels("evidence", "lane", "disk_full")._value.get()

    with store._engine.connect() as connection:  # empties the journal, so that it stays below the limit
        connection.connection.driver_connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # type: ignore[union-attr]
    file_limit(400_000)  # snapshots and the database fit, clips don't
    second = make_event("second", at=BEGIN + 20, lasted=12)
    event_sink.upsert(second)
    event_sink.upsert(closed(first, BEGIN + 20))
    evidence.settle()
    found = evidence_of(store, "second")
    assert (found.snapshot.status, found.clip.status, found.clip.reason) == ("ready", "failed", "disk_full")
    assert found.status == "partial"
    assert metrics.DROPPED.labels("evidence", "lane", "disk_full")._value.get() > before
    assert evidence.file_path(good.clip).read_bytes() == whole  # the first clip is unchanged
    assert list(evidence.folder.glob("**/*.part.*")) == []

    file_limit(resource.RLIM_INFINITY)
    event_sink.upsert(make_event("third", at=BEGIN + 20, lasted=12))
    evidence.settle()
    assert evidence_of(store, "third").clip.file


def test_the_reserve_of_the_disk_is_for_events(store: EventStore, feeder: Feeder, tmp_path: Path) -> None:
    evidence = EvidenceScheduler(store, feeder.buffer, tmp_path / "evidence", reserve=1 << 60)
    feeder.until(21)
    event = make_event(state="closed", ended_at=BEGIN + 20)
    store.upsert(event)
    evidence.upsert(event)
    evidence.close()
    assert (evidence_of(store).status, evidence_of(store).reason) == ("failed", "disk_full")
    assert not evidence.has_disk_space
    assert store.upsert(make_event("e-2")) > 0


def test_a_status_is_saved_when_the_store_is_available_again(store: EventStore, feeder: Feeder, tmp_path: Path) -> None:
    class UnavailableStore(EventStore):
        """A double for a store that can't be written for some time."""

        unavailable = True

        def save_evidence(self, run: str, id: str, found: Evidence) -> None:
            if self.unavailable:
                self.url = "double"
                with self._translate_errors("written"):
                    self._engine.connect().exec_driver_sql("insert into nowhere values (1)")
            super().save_evidence(run, id, found)

    unavailable = UnavailableStore(tmp_path / "unavailable.db")
    evidence = EvidenceScheduler(unavailable, feeder.buffer, tmp_path / "evidence")
    feeder.until(21)
    event = make_event()
    unavailable.upsert(event)
    evidence.upsert(event)
    evidence.settle()
    assert unavailable.evidence_of("live", "e-1").status == "pending"
    unavailable.unavailable = False
    evidence.advance("lane", BEGIN + 21)
    assert unavailable.evidence_of("live", "e-1").snapshot.status == "ready"
    evidence.close()
    unavailable.close()


def test_evidence_is_decoded_as_it_was() -> None:
    found = Evidence(MediaFile("ready", file="a", peak=Peak(1, 2.0, (0, 0, 1, 1), 3, 4)))
    assert msgspec.json.decode(msgspec.json.encode(found), type=Evidence) == found
