"""The time for which cameras were observed, by camera and light: the denominator of the rate of false alarms."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence

from detectors.evaluation.ground_truth import TruthLabels
from lanewatch.config.site import Site
from lanewatch.records import BLIND, Detections

MAX_GAP_S = 5.0
"""A camera without motion ticks each second. A longer time without records is a gap."""

Light = Callable[[str, float], str]
"""The light at a camera at a capture time; "" if unknown."""
ObservedSeconds = dict[tuple[str, str], float]
"""Camera time by camera and light."""

_MINUTE = 60.0


def light_of(site: Site | None) -> Light:
    """The light by the sun at the site's cameras; unknown without a site, and for other cameras."""
    from lanewatch import sun

    places = {} if site is None else {camera.id: (camera.latitude, camera.longitude) for camera in site.cameras}

    def light(camera: str, at: float) -> str:
        place = places.get(camera)
        return "" if place is None else sun.condition(sun.elevation(*place, at))

    return light


def labelled_time(labels: Iterable[TruthLabels], light: Light) -> ObservedSeconds:
    """The labelled time, as if it had been observed without a gap; labels without an end add none."""
    seconds: ObservedSeconds = {}
    for stretch in labels:
        at, end = stretch.start, stretch.start if stretch.end is None else stretch.end
        while at < end:
            after = min(end, at + _MINUTE)
            key = (stretch.camera, stretch.condition or light(stretch.camera, at))
            seconds[key] = seconds.get(key, 0.0) + after - at
            at = after
    return seconds


class ObservationTime:
    """Counts the time that archived detections cover, while they pass by to be scored.

    Gaps and repeated records are not counted, nor is time outside of the labels, since alarms in it are excluded.
    """

    def __init__(self, labels: Sequence[TruthLabels], light: Light) -> None:
        self.seconds: ObservedSeconds = {}
        self._labels: dict[str, list[TruthLabels]] = defaultdict(list)
        for stretch in labels:
            self._labels[stretch.camera].append(stretch)
        self._light = light
        self._last: dict[str, Detections] = {}
        self._infrared: set[tuple[str, int]] = set()

    def light(self, camera: str, at: float) -> str:
        """The light at a camera, to the minute: infrared if a record was, else by the given light."""
        return "infrared" if (camera, int(at // _MINUTE)) in self._infrared else self._light(camera, at)

    def through(self, records: Iterable[Detections]) -> Iterator[Detections]:
        """The records unchanged, while they are counted."""
        for record in records:
            self._count(record)
            yield record

    def _count(self, record: Detections) -> None:
        last = self._last.get(record.camera)
        if last is not None and record.epoch < last.epoch:
            return
        if last is None or record.epoch > last.epoch:
            self._last[record.camera] = record
            if last is None or not 0 < record.captured_at - last.captured_at <= MAX_GAP_S:
                return
        passed_s = record.captured_at - last.captured_at
        if passed_s <= 0:
            return
        self._last[record.camera] = record
        if passed_s > MAX_GAP_S or last.gap in BLIND or last.gap == "ended" or record.gap in BLIND:
            return
        stretches = self._labels[record.camera]
        if any(item.covers(last.captured_at) and item.covers(record.captured_at) for item in stretches):
            if record.profile == "infrared":
                self._infrared.add((record.camera, int(record.captured_at // _MINUTE)))
            key = (record.camera, self.light(record.camera, record.captured_at))
            self.seconds[key] = self.seconds.get(key, 0.0) + passed_s
