"""For how long cameras were watched, by camera and light: what false alarms are divided by."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from detectors.evaluation.ground_truth import TruthLabels
from lanewatch.config.site import Site
from lanewatch.records import BLIND, Detections

HOLE_S = 5.0
"""A still camera ticks each second: where nothing comes for longer, nobody watched."""

Light = Callable[[str, float], str]
"""The light at a camera at an instant, capture time; "" where it cannot be told."""
Seconds = dict[tuple[str, str], float]
"""Camera time by camera and light."""

_MINUTE = 60.0


def light_of(site: Site | None) -> Light:
    """The light by the sun at the site's cameras; unknown without a site, and at cameras that it does not have."""
    from lanewatch import sun

    places = {} if site is None else {one.id: (one.latitude, one.longitude) for one in site.cameras}

    def light(camera: str, at: float) -> str:
        place = places.get(camera)
        return "" if place is None else sun.condition(sun.elevation(*place, at))

    return light


def labelled_time(labels: Iterable[TruthLabels], light: Light) -> Seconds:
    """The time that the labels are about, as if it had been watched without a hole; none of those without an end."""
    seconds: Seconds = {}
    for one in labels:
        at, end = one.start, one.start if one.end is None else one.end
        while at < end:
            after = min(end, at + _MINUTE)
            place = (one.camera, one.condition or light(one.camera, at))
            seconds[place] = seconds.get(place, 0.0) + after - at
            at = after
    return seconds


class ObservationTime:
    """Counts the time that kept detections cover, while they are on their way to be scored.

    Holes are not in it: nothing came, or what came says that nobody saw anything. Records that are there twice, or come
    after a later one of their epoch, add nothing.

    Args:
        labels: time outside of them is not counted, since no alarm in it is judged.
        light: by which the time is split, unless a record of that minute says that the camera saw by infrared.
    """

    def __init__(self, labels: Sequence[TruthLabels], light: Light) -> None:
        self.seconds: Seconds = {}
        self._labels: dict[str, list[TruthLabels]] = {}
        for one in labels:
            self._labels.setdefault(one.camera, []).append(one)
        self._light = light
        self._last: dict[str, Detections] = {}
        self._infrared: set[tuple[str, int]] = set()

    def light(self, camera: str, at: float) -> str:
        """The light at a camera, to the minute: infrared where it said so, else as the light given says."""
        return "infrared" if (camera, int(at // _MINUTE)) in self._infrared else self._light(camera, at)

    def through(self, records: Iterable[Detections]) -> Iterator[Detections]:
        """The records as they are, counted."""
        for record in records:
            self._count(record)
            yield record

    def _count(self, record: Detections) -> None:
        last = self._last.get(record.camera)
        if last is not None and record.epoch < last.epoch:
            return
        if last is None or record.epoch > last.epoch:
            self._last[record.camera] = record
            if last is None or not 0 < record.captured_at - last.captured_at <= HOLE_S:
                return
        passed_s = record.captured_at - last.captured_at
        if passed_s <= 0:
            return
        self._last[record.camera] = record
        if passed_s > HOLE_S or last.gap in BLIND or last.gap == "ended" or record.gap in BLIND:
            return
        spans = self._labels.get(record.camera, ())
        if any(one.covers(last.captured_at) and one.covers(record.captured_at) for one in spans):
            if record.profile == "infrared":
                self._infrared.add((record.camera, int(record.captured_at // _MINUTE)))
            place = (record.camera, self.light(record.camera, record.captured_at))
            self.seconds[place] = self.seconds.get(place, 0.0) + passed_s
