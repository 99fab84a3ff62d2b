"""A node's turn at a camera: one source, sampled and handed on in a thread of its own until somebody else has it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping

import msgspec

from lanewatch import metrics
from lanewatch.config import loader
from lanewatch.config.site import Camera
from lanewatch.records import Frame
from streams.sampling.end_of_stream import end_record
from streams.sampling.sampler import Sampler
from streams.sources.network_camera import Backoff
from streams.sources.url import redact

RESTART_S = (1.0, 30.0)
"""A camera whose code raises begins again after the first, at most after the second."""

log = metrics.log("sample")

HandOn = Callable[[Frame], None]


def sampling_key(camera: Camera, time_zone: str) -> tuple[object, ...]:
    """All of a camera that its sampler depends on: where this changes, another turn begins."""
    place = (camera.latitude, camera.longitude, camera.time_zone or time_zone)
    return (camera.url, camera.rate, camera.width, camera.masks, *place)


class CameraTask:
    """Samples a camera until it is closed, or a recording has ended.

    A source whose code raises, or whose URL asks for what the environment lacks, begins again after a while: it ends
    neither the node nor the other cameras.

    Args:
        camera: with ``${NAME}`` in its URL, which are replaced from ``environment``.
        time_zone: of the site.
        hand_on: takes the frames, from this turn's thread.
        make: the sampler of a camera whose URL is settled.
    """

    def __init__(
        self,
        camera: Camera,
        time_zone: str,
        hand_on: HandOn,
        *,
        environment: Mapping[str, str] = os.environ,
        make: Callable[[Camera, str], Sampler] | None = None,
        backoff: Backoff | None = None,
    ) -> None:
        self.camera = camera
        self.key = sampling_key(camera, time_zone)
        self.first: tuple[int, int] | None = None
        self.told = False
        self._time_zone = time_zone
        self._hand_on = hand_on
        self._environment = environment
        self._make = make or sampler
        self._backoff = backoff or Backoff(*RESTART_S)
        self._stop = threading.Event()
        self._removed = False
        self._last: Frame | None = None
        self._sampler: Sampler | None = None
        self._thread = threading.Thread(target=self._run, name=f"sample-{camera.id}", daemon=True)

    def start(self) -> None:
        """Begins."""
        self._thread.start()

    def close(self) -> None:
        """Ends it, from any thread and at once: nothing more is handed on."""
        self._stop.set()
        if self._sampler is not None:
            self._sampler.close()

    def remove(self) -> None:
        """Ends it because the site has the camera no more: its last word says so, and what is open there expires."""
        self._removed = True
        self.close()

    def join(self, timeout_s: float) -> None:
        """Waits for its thread."""
        self._thread.join(timeout_s)

    @property
    def over(self) -> bool:
        """Whether it has ended, such as with its recording."""
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._play()
            except Exception as error:  # noqa: BLE001 - whatever breaks one camera must not end the others
                wait_s = self._backoff.next()
                metrics.DROPPED.labels("sample", self.camera.id, "failed").inc()
                what = f"the environment has no {error}" if isinstance(error, KeyError) else redact(str(error))
                log.error("camera %s begins again in %.0f s: %s", self.camera.id, wait_s, what)
                self._stop.wait(wait_s)
            else:
                break
        end = end_record(self._last) if self._removed and self._last is not None else None
        if end is not None:
            self._hand_on(end)

    def _play(self) -> None:
        url = loader.resolve_variables(self.camera.url, self._environment)
        self._sampler = self._make(self.camera.model_copy(update={"url": url}), self._time_zone)
        if self._stop.is_set():
            return
        for frame in self._sampler:
            if self._stop.is_set():
                return
            self._hand_on(frame)
            self._last = msgspec.structs.replace(frame, image=None, crops=())  # no picture is held for it
            if frame.gap in (None, "idle"):
                self.first = self.first or (frame.epoch, frame.slot)
                self._backoff.reset()


def sampler(camera: Camera, time_zone: str) -> Sampler:
    """A camera's sampler. One whose idle rate is its active rate has every slot looked at, moving or not."""
    return Sampler(camera, time_zone=time_zone, gate=camera.rate.idle < camera.rate.active)


def player(
    camera: Camera, time_zone: str, environment: Mapping[str, str] = os.environ
) -> Callable[[threading.Event, HandOn], None]:
    """Plays a camera's source until an event is set; every slot is looked at, moving or not.

    Raises:
        KeyError: the environment lacks what the URL asks for.
        SourceError: the URL cannot be understood.
    """
    url = loader.resolve_variables(camera.url, environment)
    played = Sampler(camera.model_copy(update={"url": url}), time_zone=time_zone, gate=False)

    def play(stop: threading.Event, hand_on: HandOn) -> None:
        def close() -> None:
            stop.wait()
            played.close()

        threading.Thread(target=close, name=f"close-{camera.id}", daemon=True).start()
        for frame in played:
            if stop.is_set():
                return
            hand_on(frame)

    return play
