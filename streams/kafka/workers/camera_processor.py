"""The watch stage's fold over one partition: its cameras' states, and how far each has been judged.

A partition's records come in one order, each camera's in the order in which one detect worker after the other wrote
them; so nothing is waited for to put them in order. What comes twice falls out: by offset, where a state has it, and
by slot, in the stage itself. A detect worker that takes over begins at the committed offset and gives the same
records again, in order. While one sampler hands a camera to another, both give the same slots of the UTC grid: what of
the old one arrives after the new one's first record is of an older epoch, and the new one's word on it is there too.
"""

from __future__ import annotations

from typing import Any, Generic, TypeVar, cast

import msgspec
from kafka.consumer.fetcher import ConsumerRecord

from lanewatch import metrics
from lanewatch.records import Detections, Event, Watermark, decode, encode
from streams.kafka import codec
from streams.kafka.codec import Message
from streams.kafka.state.checkpoints import Checkpoint, CheckpointPosition, StoredState
from streams.kafka.workers.partition_processor import PartitionProcessor, record_position
from streams.local.instrumented_watch import InstrumentedWatch
from streams.stages import Watch

S = TypeVar("S")

STAGE = "watch"

log = metrics.log(STAGE)


class CameraProcessor(PartitionProcessor[Watch[S]], Generic[S]):
    """One partition's cameras.

    Args:
        watch: the stage.
        checkpoint: where to go on from.
        position: the offset of the first record to come.
        state_type: of the stage's states, to decode them.
        end: the partition's end when it was taken over.
    """

    def __init__(
        self, watch: Watch[S], checkpoint: Checkpoint, position: int, state_type: type[S], *, end: int = 0
    ) -> None:
        super().__init__(STAGE, watch, position, end=end)
        self._states: dict[str, S] = {}
        self._offsets: dict[str, int] = {}
        self._unsaved: set[str] = set()
        self._reached: dict[str, Watermark] = {}
        self._failed: set[str] = set()
        self._judging: InstrumentedWatch[S] = InstrumentedWatch()
        for camera, kept in checkpoint.states.items():
            try:
                self._states[camera] = decode(kept.data, state_type)
            except (msgspec.DecodeError, TypeError, ValueError) as error:
                metrics.DROPPED.labels(STAGE, camera, "state").inc()
                log.error(
                    "camera %s begins afresh: its state cannot be read: %s", camera, error, extra={"camera": camera}
                )
            else:
                self._offsets[camera] = kept.offset

    @property
    def states(self) -> int:
        """One for each camera that has been seen."""
        return len(self._states)

    @property
    def changed(self) -> bool:
        """Whether any camera has gone on."""
        return bool(self._unsaved)

    def told(self, node: str) -> Message | None:
        """How far each camera has been judged that has gone on since this was last asked."""
        if not self._reached:
            return None
        reached, self._reached = self._reached, {}
        return codec.encode_watermark(node, self.position, reached)

    def save(self) -> tuple[dict[str, StoredState], CheckpointPosition]:
        """The states that have changed since ``saved``, and the position that belongs to them."""
        states = {
            camera: StoredState(self._offsets[camera], encode(cast(Any, self._states[camera])))
            for camera in self._unsaved
        }
        return states, CheckpointPosition(self.position, dict(self._offsets))

    def saved(self) -> None:
        """What ``save`` gave has been written."""
        self._unsaved.clear()

    def _events(self, record: ConsumerRecord) -> list[Event]:
        detections = codec.decode_detections(record)
        camera = detections.camera
        if record.offset <= self._offsets.get(camera, -1):
            return []
        state = self._states.get(camera)
        if state is None:
            try:
                state = self._judge.start(camera)
            except KeyError:  # of a site that shared this topic, or of a revision that is still on its way
                metrics.DROPPED.labels(STAGE, camera, "unknown").inc()
                self._say(record, camera, "is none of the site's")
                return []
        try:
            self._states[camera], events = self._judging.step(self._judge, state, detections)
        except Exception as error:  # noqa: BLE001 - a record that breaks one camera's fold must not end the others
            metrics.DROPPED.labels(STAGE, camera, "failed").inc()
            self._say(record, camera, f"slot {detections.slot} was not judged", error)
            return []
        metrics.observe_latency(STAGE, detections.received_at)
        self.judged += 1
        self._offsets[camera] = record.offset
        self._unsaved.add(camera)
        self._note(detections)
        return events

    def _note(self, detections: Detections) -> None:
        reached = Watermark(detections.captured_at, detections.received_at, detections.gap, int(detections.gap is None))
        before = self._reached.get(detections.camera)
        if before is not None:
            reached = msgspec.structs.replace(reached, pictures=before.pictures + reached.pictures)
        self._reached[detections.camera] = reached

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
            extra=record_position(record) | {"camera": camera},
        )
