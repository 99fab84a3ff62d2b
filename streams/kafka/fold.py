"""The watch stage's fold over one partition: its cameras' states, and how far each has been judged.

A partition's records come in one order, each camera's in the order in which one detect worker after the other wrote
them; so nothing is waited for to put them in order. What comes twice falls out: by offset, where this fold has judged
it, and by slot, in the stage itself. A detect worker that takes over begins at the committed offset and gives the same
records again, in order. While one sampler hands a camera to another, both give the same slots of the UTC grid: what of
the old one arrives after the new one's first record is of an older epoch, and the new one's word on it is there too.
"""

from __future__ import annotations

import time
from typing import Any, Generic, TypeVar, cast

import msgspec
from kafka.consumer.fetcher import ConsumerRecord

from lanewatch import telemetry
from lanewatch.records import Detections, Event, Reached, decode, encode
from streams.kafka import wire
from streams.kafka.checkpoint import Checkpoint, Kept, Place
from streams.stage import Watch

S = TypeVar("S")

STAGE = "watch"

log = telemetry.log(STAGE)


class Fold(Generic[S]):
    """One partition's cameras.

    Args:
        watch: the stage.
        checkpoint: where to go on from.
        position: the offset of the first record to come.
        state_type: of the stage's states, to decode them.
        end: the partition's end when it was taken over: what lies before it had to wait for that.

    Attributes:
        position: the offset of the next record.
    """

    def __init__(
        self, watch: Watch[S], checkpoint: Checkpoint, position: int, state_type: type[S], *, end: int = 0
    ) -> None:
        self.position = position
        self._watch = watch
        self._states: dict[str, S] = {}
        self._offsets: dict[str, int] = {}
        self._unsaved: set[str] = set()
        self._reached: dict[str, Reached] = {}
        self._failed: set[str] = set()
        self._end = end
        self._began, self._began_at, self._judged = time.monotonic(), position, 0
        for camera, kept in checkpoint.states.items():
            try:
                self._states[camera] = decode(kept.data, state_type)
            except (msgspec.DecodeError, TypeError, ValueError) as error:
                telemetry.dropped(STAGE, camera, "state")
                log.error(
                    "camera %s begins afresh: its state cannot be read: %s", camera, error, extra={"camera": camera}
                )
            else:
                self._offsets[camera] = kept.offset

    @property
    def cameras(self) -> int:
        """How many have a state."""
        return len(self._states)

    @property
    def changed(self) -> bool:
        """Whether there is anything to write down."""
        return bool(self._unsaved)

    def judges_by(self, watch: Watch[S]) -> None:
        """Another revision of the site is known; what it changes it says itself, by capture time."""
        self._watch = watch

    def take(self, record: ConsumerRecord) -> list[Event]:
        """Judges a record. What cannot be read or judged is skipped alone, counted, and said where it lies."""
        if record.offset < self.position:
            return []
        if record.offset > self.position:
            self._missing(record)
        self.position = record.offset + 1
        telemetry.taken(STAGE)
        try:
            detections = wire.detections(record)
        except wire.WireError as error:
            telemetry.refused(STAGE, error)
            return []
        if record.offset <= self._offsets.get(detections.camera, -1):
            return []
        events = self._judge(detections, record)
        if self._end and self.position >= self._end:
            self._caught_up(record)
        return events

    def told(self) -> dict[str, Reached]:
        """How far each camera has been judged that has gone on since this was last asked."""
        reached, self._reached = self._reached, {}
        return reached

    def save(self) -> tuple[dict[str, Kept], Place]:
        """The states that have changed since ``saved``, and the position that belongs to them."""
        states = {
            camera: Kept(self._offsets[camera], encode(cast(Any, self._states[camera]))) for camera in self._unsaved
        }
        return states, Place(self.position, dict(self._offsets))

    def saved(self) -> None:
        """What ``save`` gave has been written."""
        self._unsaved.clear()

    def _judge(self, detections: Detections, record: ConsumerRecord) -> list[Event]:
        camera = detections.camera
        state = self._states.get(camera)
        if state is None:
            try:
                state = self._watch.start(camera)
            except KeyError:  # of a site that shared this topic, or of a revision that is still on its way
                telemetry.dropped(STAGE, camera, "unknown")
                self._say(record, camera, "is none of the site's")
                return []
        began = time.perf_counter()
        try:
            self._states[camera], events = self._watch.step(state, detections)
        except Exception as error:  # noqa: BLE001 - a record that breaks one camera's fold must not end the others
            telemetry.dropped(STAGE, camera, "failed")
            self._say(record, camera, f"slot {detections.slot} was not judged", error)
            return []
        telemetry.STAGE_SECONDS.labels(STAGE).observe(time.perf_counter() - began)
        telemetry.judged(camera, detections.captured_at)
        telemetry.latency(STAGE, detections.received_at)
        self._judged += 1
        self._offsets[camera] = record.offset
        self._unsaved.add(camera)
        reached = Reached(detections.captured_at, detections.received_at, detections.gap, int(detections.gap is None))
        self._note(camera, reached)
        return events

    def _note(self, camera: str, reached: Reached) -> None:
        before = self._reached.get(camera)
        if before is not None:
            reached = msgspec.structs.replace(reached, pictures=before.pictures + reached.pictures)
        self._reached[camera] = reached

    def _missing(self, record: ConsumerRecord) -> None:
        count = record.offset - self.position
        telemetry.dropped(STAGE, "", "retention", count)
        log.error(
            "%s-%d: %d records before offset %d are gone: they were kept for too short a time, or deleted",
            record.topic,
            record.partition,
            count,
            record.offset,
            extra=_where(record),
        )

    def _caught_up(self, record: ConsumerRecord) -> None:
        telemetry.replayed(STAGE, self._judged)
        log.info(
            "%s-%d: went on from offset %d with %d cameras: %d records judged in %.1f s",
            record.topic,
            record.partition,
            self._began_at,
            self.cameras,
            self._judged,
            time.monotonic() - self._began,
            extra=_where(record),
        )
        self._end = 0

    def _say(self, record: ConsumerRecord, camera: str, what: str, error: Exception | None = None) -> None:
        """Tells of a camera's first, since the next may be the same."""
        if camera in self._failed:
            return
        self._failed.add(camera)
        log.error(
            "%s-%d at offset %d: camera %s %s",
            record.topic,
            record.partition,
            record.offset,
            camera,
            what,
            exc_info=error,
            extra=_where(record) | {"camera": camera},
        )


def _where(record: ConsumerRecord) -> dict[str, object]:
    return {"topic": record.topic, "partition": record.partition, "offset": record.offset}
