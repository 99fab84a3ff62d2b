"""Lanes with loiterers on a real broker: the input of the stateful workers' tests."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from detectors.camera_state import CameraState
from detectors.watch_stage import WatchStage
from lanewatch.config.revisions import SiteRevisions
from lanewatch.config.site import Site
from lanewatch.records import Detections, Event, Watermark
from streams.kafka import codec
from streams.kafka.workers.watch_worker import WatchWorker
from tests.detectors.walker_records import NOON, along, detections, site
from tests.streams.kafka.kafka_site import KafkaSite

CAMERAS = ("a", "b", "c", "d", "e", "f")
Key = tuple[str, int, bytes]


def lanes(cameras: Iterable[str] = CAMERAS, apart_m: float = 200) -> Site:
    """A site whose cameras all see the same yard, so far from each other, to the north."""
    template = site().cameras[0]
    return site().model_copy(
        update={
            "cameras": tuple(
                template.model_copy(update={"id": camera, "latitude": template.latitude + apart_m * number / 111_000})
                for number, camera in enumerate(cameras)
            )
        }
    )


class LoiteringSite(KafkaSite):
    """Topics of its own, and a site of lanes."""

    def __init__(
        self, address: str, cameras: Iterable[str] = CAMERAS, partitions: int = 3, prefix: str | None = None
    ) -> None:
        super().__init__(address, tuple(cameras), partitions, prefix)
        self.watched = lanes(cameras)
        self.revisions = SiteRevisions.from_site(self.watched)

    def raise_if_failed(self) -> None:
        """Its site never fails."""

    def loop(self, node: str, **settings: Any) -> WatchWorker[CameraState]:
        """A watch worker on these topics; this object knows its site revisions."""
        defaults: dict[str, Any] = {
            "make_stage": lambda revisions: WatchStage(revisions, run="live"),
            "checkpoint_s": 0.3,
        }
        return WatchWorker(
            self.broker, self.topics, site=self, node=node, state_type=CameraState, **defaults | settings
        )

    def put(self, records: Iterable[Detections]) -> None:
        """Sends detections to their cameras' partitions."""
        for record in records:
            partition = self.seats[record.camera] % self.topics.partitions
            self.send(self.topics.detections.name, partition, codec.encode_detections(record))
        self.flush()

    def read_events(
        self, enough: Callable[[list[Event], dict[str, Watermark]], bool]
    ) -> tuple[list[Event], dict[str, Watermark]]:
        """Events and watermarks of the events topic, read until ``enough`` accepts them."""

        def split_records(records: list[Any]) -> tuple[list[Event], dict[str, Watermark]]:
            events: list[Event] = []
            reached: dict[str, Watermark] = {}
            for record in records:
                decoded = codec.decode_event_record(record)
                if isinstance(decoded, Event):
                    events.append(decoded)
                else:
                    reached |= decoded
            return events, reached

        found = self.records(self.topics.events.name, lambda records: enough(*split_records(records)))
        return split_records(found)

    def events_until(self, until: float) -> list[Event]:
        """The events, read until all cameras' watermarks reach a capture time."""
        cameras = set(self.seats)
        return self.read_events(
            lambda _, reached: {camera for camera, mark in reached.items() if mark.captured_at >= until} >= cameras
        )[0]


def footage(
    cameras: Iterable[str] = CAMERAS, *, seconds: float = 40.0, fps: float = 5.0, start: float = NOON
) -> list[Detections]:
    """Each camera's loiterer, one after the other, all cameras' records in the order of capture."""
    records = []
    for number, camera in enumerate(cameras):
        begin = 2.0 + 3.0 * number
        walk = along((begin, 500, 790), (begin + 4, 500, 500), (begin + 18, 500, 500), (begin + 22, 500, 790))
        records += [
            msgspec.structs.replace(record, camera=camera, received_at=time.time())
            for record in detections([walk], fps=fps, seconds=seconds, start=start)
        ]
    return sorted(records, key=lambda record: (record.captured_at, record.camera))


def undisturbed(site: Site | SiteRevisions, records: Iterable[Detections]) -> list[Event]:
    """What one watcher makes of them in one go."""
    watcher = WatchStage(site, run="live")
    states: dict[str, CameraState] = {}
    events: list[Event] = []
    for record in records:
        state = states.get(record.camera) or watcher.start(record.camera)
        states[record.camera], more = watcher.step(state, record)
        events += more
    return events


def keys(events: Iterable[Event]) -> set[Key]:
    """Identity, revision and the whole body, as it is after a way over the wire."""
    bodies = (msgspec.json.decode(msgspec.json.encode(event), type=Event) for event in events)
    return {(event.id, event.revision, msgspec.json.encode(event)) for event in bodies}


def main() -> None:
    """``python -m tests.streams.kafka.loiterer_records ADDRESS PREFIX NODE FOLDER``: a watcher that can be killed."""
    address, prefix, node = sys.argv[1:]
    LoiteringSite(address, prefix=prefix).loop(node, instance=True).run(threading.Event())


if __name__ == "__main__":
    main()
