"""The watch stage's processing of one partition: the states and watermarks of its cameras.

Each camera's records are in order in its partition, so none is reordered. Duplicates are dropped by offset, if a state
already contains the record, and by slot, in the stage itself. They come from a detect worker that continues from the
committed offset, and from a handover: both samplers give the same slots, and late records have the older epoch.
"""

from __future__ import annotations

from typing import Any, Generic, Self, TypeVar, cast

from kafka.consumer.fetcher import ConsumerRecord

from lanewatch import metrics
from lanewatch.records import Event, Watermark, encode
from streams.kafka import codec
from streams.kafka.codec import Message
from streams.kafka.state.checkpoints import NO_RECORD, Checkpoint, CheckpointPosition, StoredState
from streams.kafka.workers.partition_processor import PartitionProcessor
from streams.kafka.workers.worker_loop import format_position, record_position
from streams.local.instrumented_watch import InstrumentedWatch
from streams.stages import Watch

S = TypeVar("S")

STAGE = "watch"

log = metrics.log(STAGE)


class WatchProcessor(PartitionProcessor[Watch[S]], Generic[S]):
    """Processes the cameras of one partition."""

    def __init__(
        self, watch: Watch[S], checkpoint: Checkpoint, position: int, state_type: type[S], *, end: int = 0
    ) -> None:
        super().__init__(STAGE, watch, position, end=end)
        self._states: dict[str, S] = {}
        self._offsets: dict[str, int] = {}
        self._unsaved: set[str] = set()
        self._watermarks: dict[str, Watermark] = {}
        self._failed: set[str] = set()
        self._watch: InstrumentedWatch[S] = InstrumentedWatch()
        for camera, stored in checkpoint.states.items():
            state = self._decode_state(stored, state_type, camera, f"camera {camera}")
            if state is not None:
                self._states[camera] = state
                self._offsets[camera] = stored.offset

    @property
    def states(self) -> int:
        return len(self._states)

    @property
    def changed(self) -> bool:
        return bool(self._unsaved)

    def pop_watermark(self, node: str) -> Message | None:
        if not self._watermarks:
            return None
        watermarks, self._watermarks = self._watermarks, {}
        return codec.encode_watermark(node, self.position, watermarks)

    def take_watermarks(self, former: Self) -> None:
        for camera, watermark in former._watermarks.items():
            if self._offsets.get(camera) in (NO_RECORD, former._offsets[camera]):
                self._watermarks[camera] = watermark

    def mark_unsaved(self) -> None:
        self._unsaved.update(self._states)

    def save(self) -> tuple[dict[str, StoredState], CheckpointPosition]:
        states = {
            camera: StoredState(self._offsets[camera], encode(cast(Any, self._states[camera])))
            for camera in self._unsaved
        }
        return states, CheckpointPosition(self.position, dict(self._offsets))

    def saved(self) -> None:
        self._unsaved.clear()

    def _step(self, record: ConsumerRecord) -> list[Event]:
        detections = codec.decode_detections(record)
        camera = detections.camera
        if record.offset <= self._offsets.get(camera, -1):
            return []
        state = self._states.get(camera)
        if state is None:
            try:
                state = self._stage.start(camera)
            except KeyError:  # of another site that shared this topic, or of a revision that has not arrived yet
                metrics.DROPPED.labels(STAGE, camera, "unknown").inc()
                self._log_failure(record, camera, "is not in the site")
                return []
        try:
            self._states[camera], events = self._watch.step(self._stage, state, detections)
        except Exception as error:  # noqa: BLE001 - a record that one camera's state fails on must not stop the others
            metrics.DROPPED.labels(STAGE, camera, "failed").inc()
            self._log_failure(record, camera, f"slot {detections.slot} failed and is skipped", error)
            return []
        metrics.observe_latency(STAGE, detections.received_at)
        self.processed += 1
        self._offsets[camera] = record.offset
        self._unsaved.add(camera)
        previous = self._watermarks.get(camera)
        pictures = int(detections.gap is None) + (0 if previous is None else previous.pictures)
        self._watermarks[camera] = Watermark(
            detections.captured_at, detections.received_at, detections.gap, pictures, detections.scene.clock_s
        )
        return events

    def _log_failure(self, record: ConsumerRecord, camera: str, problem: str, error: Exception | None = None) -> None:
        """Logs a camera's first failure: the next ones may be the same."""
        if camera in self._failed:
            return
        self._failed.add(camera)
        position = record_position(record) | {"camera": camera}
        log.error("%s: camera %s %s", format_position(record), camera, problem, exc_info=error, extra=position)
