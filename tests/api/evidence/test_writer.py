from __future__ import annotations

import errno
import threading
from collections.abc import Callable

import av
import pytest

from api.evidence.writer import EvidenceWriter, WriteJob
from api.storage.records import MediaFile, MediaKind


class SlowWrite:
    """A double for a slow disk: the write waits until it is released."""

    def __init__(self) -> None:
        self.started = threading.Event()
        self.released = threading.Event()

    def __call__(self) -> MediaFile:
        self.started.set()
        assert self.released.wait(20)
        return MediaFile("ready")


def make_job(
    id: str, write: Callable[[], MediaFile] = lambda: MediaFile("ready"), kind: MediaKind = "clip"
) -> WriteJob:
    return WriteJob("live", id, "lane", kind, write)


def test_snapshots_are_first_and_a_repeated_job_is_written_once() -> None:
    slow, outcomes = SlowWrite(), list[tuple[str, str, str]]()
    writer = EvidenceWriter(lambda job, media: outcomes.append((job.id, job.kind, media.status)), newest_wins=True)
    writer.submit(make_job("first", slow))
    assert slow.started.wait(20)
    writer.submit(make_job("a"))
    writer.submit(make_job("b"))
    writer.submit(make_job("b", kind="snapshot"))
    writer.submit(make_job("a", lambda: MediaFile("partial")))
    slow.released.set()
    writer.close()
    assert outcomes[1:] == [("b", "snapshot", "ready"), ("b", "clip", "ready"), ("a", "clip", "partial")]


def test_live_the_newest_evidence_wins() -> None:
    slow, outcomes = SlowWrite(), list[tuple[str, str]]()
    writer = EvidenceWriter(lambda job, media: outcomes.append((job.id, media.reason)), newest_wins=True, limit=2)
    writer.submit(make_job("first", slow))
    assert slow.started.wait(20)
    for id in ("a", "b", "c"):
        writer.submit(make_job(id))
    assert outcomes == [("a", "queue_full")]
    slow.released.set()
    writer.close()
    assert outcomes[1:] == [("first", ""), ("b", ""), ("c", "")]


def test_jobs_that_hold_no_packets_are_never_dropped() -> None:
    slow, outcomes = SlowWrite(), list[tuple[str, str]]()
    writer = EvidenceWriter(lambda job, media: outcomes.append((job.id, media.reason)), newest_wins=True, limit=None)
    writer.submit(make_job("first", slow))
    assert slow.started.wait(20)
    for number in range(500):
        writer.submit(make_job(str(number)))
    slow.released.set()
    writer.close()
    assert [reason for _, reason in outcomes] == [""] * 501


def test_a_recording_waits_for_its_evidence() -> None:
    slow, outcomes = SlowWrite(), list[str]()
    writer = EvidenceWriter(lambda job, media: outcomes.append(job.id), newest_wins=False, limit=1)
    writer.submit(make_job("first", slow))
    assert slow.started.wait(20)
    writer.submit(make_job("a"))
    waiting = threading.Thread(target=lambda: writer.submit(make_job("b")))
    waiting.start()
    assert not writer.wait_until_idle(0.05)
    assert waiting.is_alive()
    slow.released.set()
    waiting.join(20)
    writer.close()
    assert outcomes == ["first", "a", "b"]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(errno.ENOSPC, "no space left on device"), "disk_full"),
        (OSError(errno.EIO, "input/output error"), "not_written"),
        (av.error.InvalidDataError(1, "invalid data"), "unreadable"),
        (ValueError("nothing is held"), "failed"),  # an unexpected error
    ],
)
def test_after_any_error_the_next_job_is_written(error: Exception, reason: str) -> None:
    outcomes: list[str] = []

    def broken() -> MediaFile:
        raise error

    writer = EvidenceWriter(lambda job, media: outcomes.append(media.reason), newest_wins=True)
    writer.submit(make_job("broken", broken))
    writer.submit(make_job("next"))
    writer.close()
    assert outcomes == [reason, ""]
