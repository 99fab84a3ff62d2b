"""Samples one camera in a thread, until the camera belongs to another node."""

from __future__ import annotations

import threading
from collections.abc import Callable

import msgspec

from lanewatch import metrics
from lanewatch.config import loader
from lanewatch.config.site import Camera
from lanewatch.records import Frame
from streams.sampling.end_of_stream import end_record
from streams.sampling.sampler import Sampler
from streams.sources.network_camera import Backoff
from streams.sources.url import SourceError, redact

RESTART_S = (1.0, 30.0)
"""Delay before a failed camera is restarted: the first one, and the longest one."""

log = metrics.log("sample")

OnFrame = Callable[[Frame], None]


def sampling_key(camera: Camera, time_zone: str) -> tuple[object, ...]:
    """All settings of a camera that its sampler depends on: if the key changes, a new task replaces the old one."""
    place = (camera.latitude, camera.longitude, camera.time_zone or time_zone)
    return (camera.url, camera.rate, camera.width, camera.masks, *place)


class CameraTask:
    """Samples a camera until the task is closed, or its recording has ended.

    A failed source, or a URL with an unknown environment variable, is tried again after a delay. It affects neither
    the node nor other cameras.

    Args:
        camera: Its URL may have ``${NAME}``, which is replaced from the environment.
        on_frame: Called with each frame, in the task's thread.
        make: Makes the sampler of a camera with a resolved URL.

    Attributes:
        first_frame: Epoch and slot of the first frame; None before it.
        announced: Whether the first frame was announced to the other nodes; set by the node.
    """

    def __init__(
        self, camera: Camera, time_zone: str, on_frame: OnFrame, *, make: Callable[[Camera, str], Sampler] | None = None
    ) -> None:
        self.camera = camera
        self.key = sampling_key(camera, time_zone)
        self.first_frame: tuple[int, int] | None = None
        self.announced = False
        self._time_zone = time_zone
        self._on_frame = on_frame
        self._make = make or _sampler
        self._backoff = Backoff(*RESTART_S)
        self._stop = threading.Event()
        self._removed = False
        self._last: Frame | None = None
        self._sampler: Sampler | None = None
        self._thread = threading.Thread(target=self._run, name=f"sample-{camera.id}", daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def close(self) -> None:
        """Stops at once, from any thread: no further frame follows."""
        self._stop.set()
        if self._sampler is not None:
            self._sampler.close()

    def remove(self) -> None:
        """Stops because the camera left the site: a last tick with the gap ``ended`` lets its events expire."""
        self._removed = True
        self.close()

    def join(self, timeout_s: float) -> None:
        """Waits for the thread."""
        self._thread.join(timeout_s)

    @property
    def ended(self) -> bool:
        """Whether the thread has ended, for example with its recording."""
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._play()
            except Exception as error:  # noqa: BLE001 - an error of one camera must not affect the others
                wait_s = self._backoff.next()
                metrics.DROPPED.labels("sample", self.camera.id, "failed").inc()
                what = redact(str(error) if isinstance(error, SourceError) else repr(error))
                log.error("camera %s restarts in %.0f s: %s", self.camera.id, wait_s, what)
                self._stop.wait(wait_s)
            else:
                break
        end = end_record(self._last) if self._removed and self._last is not None else None
        if end is not None:
            self._on_frame(end)

    def _play(self) -> None:
        try:
            url = loader.resolve_variables(self.camera.url)
        except KeyError as error:
            raise SourceError(f"environment variable {error} is not set") from None
        self._sampler = self._make(self.camera.model_copy(update={"url": url}), self._time_zone)
        if self._stop.is_set():
            return
        for frame in self._sampler:
            if self._stop.is_set():
                return
            self._on_frame(frame)
            self._last = msgspec.structs.replace(frame, image=None, crops=())  # without its image in memory
            if frame.gap in (None, "idle"):
                self.first_frame = self.first_frame or (frame.epoch, frame.slot)
                self._backoff.reset()


def _sampler(camera: Camera, time_zone: str) -> Sampler:
    return Sampler(camera, time_zone=time_zone, gate=camera.rate.idle < camera.rate.active)


def player(camera: Camera, time_zone: str) -> Callable[[threading.Event, OnFrame], None]:
    """A function that plays a camera's source until an event is set, with every slot, without a motion gate.

    Raises:
        KeyError: the URL has an unknown environment variable.
        SourceError: the URL is not valid.
    """
    url = loader.resolve_variables(camera.url)
    source = Sampler(camera.model_copy(update={"url": url}), time_zone=time_zone, gate=False)

    def play(stop: threading.Event, on_frame: OnFrame) -> None:
        def close() -> None:
            stop.wait()
            source.close()

        threading.Thread(target=close, name=f"close-{camera.id}", daemon=True).start()
        for frame in source:
            if stop.is_set():
                return
            on_frame(frame)

    return play
