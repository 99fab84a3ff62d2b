from __future__ import annotations

import errno
import threading
from collections.abc import Callable
from typing import Literal

import av
import pytest

from api.evidence.writer import EvidenceWriter, WriteJob
from api.serialization import MediaFile


class Stuck:
    """A double for a disk that takes its time: the first job waits until it is let go."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.released = threading.Event()

    def __call__(self) -> MediaFile:
        self.begun.set()
        assert self.released.wait(20)
        return MediaFile("ready")


def job(
    id: str, work: Callable[[], MediaFile] = lambda: MediaFile("ready"), what: Literal["snapshot", "clip"] = "clip"
) -> WriteJob:
    return WriteJob("live", id, "lane", what, work)


def test_snapshots_come_first_and_what_is_asked_for_anew_is_written_once() -> None:
    stuck, told = Stuck(), list[tuple[str, str, str]]()
    cutter = EvidenceWriter(lambda job, medium: told.append((job.id, job.what, medium.status)), newest_wins=True)
    cutter.submit(job("writing", stuck))
    assert stuck.begun.wait(20)
    cutter.submit(job("a"))
    cutter.submit(job("b"))
    cutter.submit(job("b", what="snapshot"))
    cutter.submit(job("a", lambda: MediaFile("partial")))
    stuck.released.set()
    cutter.close()
    assert told[1:] == [("b", "snapshot", "ready"), ("b", "clip", "ready"), ("a", "clip", "partial")]


def test_live_the_newest_evidence_wins() -> None:
    stuck, told = Stuck(), list[tuple[str, str]]()
    cutter = EvidenceWriter(lambda job, medium: told.append((job.id, medium.reason)), newest_wins=True, limit=2)
    cutter.submit(job("writing", stuck))
    assert stuck.begun.wait(20)
    for id in ("a", "b", "c"):
        cutter.submit(job(id))
    assert told == [("a", "queue_full")]
    stuck.released.set()
    cutter.close()
    assert told[1:] == [("writing", ""), ("b", ""), ("c", "")]


def test_a_recording_waits_for_its_evidence() -> None:
    stuck, told = Stuck(), list[str]()
    cutter = EvidenceWriter(lambda job, medium: told.append(job.id), newest_wins=False, limit=1)
    cutter.submit(job("writing", stuck))
    assert stuck.begun.wait(20)
    cutter.submit(job("a"))
    waited = threading.Thread(target=lambda: cutter.submit(job("b")))
    waited.start()
    assert not cutter.settle(0.05)
    assert waited.is_alive()
    stuck.released.set()
    waited.join(20)
    cutter.close()
    assert told == ["writing", "a", "b"]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(errno.ENOSPC, "no space left on device"), "disk_full"),
        (OSError(errno.EIO, "input/output error"), "not_written"),
        (av.error.InvalidDataError(1, "invalid data"), "unreadable"),
        (ValueError("nothing is held"), "failed"),  # whatever it is, the next is written
    ],
)
def test_whatever_one_picture_breaks_on_the_next_is_written(error: Exception, reason: str) -> None:
    told: list[str] = []

    def broken() -> MediaFile:
        raise error

    cutter = EvidenceWriter(lambda job, medium: told.append(medium.reason), newest_wins=True)
    cutter.submit(job("broken", broken))
    cutter.submit(job("next"))
    cutter.close()
    assert told == [reason, ""]
