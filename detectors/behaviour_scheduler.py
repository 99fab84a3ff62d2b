"""A camera's post: what is constant there by one revision of the site, and which behaviours are asked when."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import msgspec

from detectors.behaviours.base import Behaviour, BehaviourError, Candidate
from detectors.behaviours.registry import behaviours_of
from detectors.event_lifecycle import EventSource
from detectors.observation.camera_geometry import CameraGeometry
from detectors.observation.observation import Observation
from detectors.thresholds import Resolver
from lanewatch import metrics
from lanewatch.config.schedules import CameraSchedules
from lanewatch.config.site import BehaviourConfig, Camera, Site
from lanewatch.records import BLIND, Detections, restore

PICTURE_S = 2.0
"""How often those are asked who judge the picture as a whole: the sampler reads colour and sharpness so often, and
camera trouble has a minute to be noticed."""

TRACKS, STILL, FLAMES, PICTURE, LOST, BOXES = 1, 2, 4, 8, 16, 32
_BITS = {"tracks": TRACKS, "boxes": BOXES, "still": STILL, "flames": FLAMES, "picture": PICTURE, "blind": LOST}

SEVERITIES = (1, 2, 3)

log = metrics.log("watch")


class Evaluation(NamedTuple):
    """What the behaviours say of a record.

    Attributes:
        memories: Theirs after it, by kind, without those that are as at the start.
        candidates: What those that were asked claim.
        not_evaluated: Kinds that were not asked although what they claimed may go on.
        failed: Kinds of those that raised.
    """

    memories: dict[str, Any]
    candidates: list[tuple[Behaviour[Any], Any]]
    not_evaluated: Collection[str]
    failed: list[str]


class _ScheduledBehaviour(NamedTuple):
    behaviour: Behaviour[Any]
    kind: str
    triggers: int
    fresh: msgspec.Struct


class CameraContext:
    """What is constant at one camera.

    Attributes:
        of_pictures: Kinds of the behaviours that judge the picture as a whole.
        of_blindness: Kinds of those that are asked while nobody knows what happens in front of the camera.
    """

    def __init__(self, site: Site, camera: Camera, run: str) -> None:
        self.camera = camera
        self.origin = EventSource(run, camera.id, site.digest)
        self.schedules = CameraSchedules(site, camera)
        places = {zone.kind for zone in camera.zones} | {line.kind for line in camera.lines}
        self._asked = [
            _asked(_made(one, Resolver(site, camera.id, kind, one.Thresholds), camera.id))
            for kind, one in behaviours_of(site).items()
            if site.behaviours.get(kind, BehaviourConfig()).enabled and (not one.places or one.places & places)
        ]
        self.of_pictures = frozenset(one.kind for one in self._asked if one.triggers & PICTURE)
        self.of_blindness = frozenset(one.kind for one in self._asked if one.triggers & LOST)
        self._kinds = frozenset(one.kind for one in self._asked)
        self._not_blind = self._kinds - self.of_blindness
        self._triggers = 0
        for one in self._asked:
            self._triggers |= one.triggers
        self._grounds: dict[tuple[int, int], CameraGeometry] = {}
        self._failing: set[str] = set()

    def geometry(self, width: int, height: int) -> CameraGeometry:
        """The geometry in pixels of frames of that size."""
        made = self._grounds.get((width, height))
        if made is None:
            made = self._grounds[width, height] = CameraGeometry(self.camera, width, height)
        return made

    def is_idle(self, memories: dict[str, Any]) -> bool:
        """Whether nobody here has anything to do at a record that concerns nobody."""
        if memories.keys() <= self.of_pictures:
            return True
        return all(_rests(one) or kind in self.of_pictures for kind, one in memories.items())

    def triggers_of(self, detections: Detections, pictured_at: float) -> int:
        """What in a record, tracks aside, may concern somebody here: bits, 0 for nothing.

        Args:
            detections: the record.
            pictured_at: capture time at which the picture as a whole was judged last.
        """
        if detections.gap is not None:
            return LOST & self._triggers if detections.gap in BLIND else 0
        scene = detections.scene
        bits = STILL if scene.still else 0
        if scene.flames:
            bits |= FLAMES
        if len(detections.scores) > 1:
            bits |= BOXES
        if not 0 <= detections.captured_at - pictured_at < PICTURE_S:
            bits |= PICTURE
        return bits & self._triggers

    def evaluate(self, memories: dict[str, Any], shown: Observation, triggers: int) -> Evaluation:
        """Asks those whom a record concerns, and those who remember something.

        One that raises, or answers nonsense, costs itself only: it starts afresh, and what it claimed ends.
        """
        if shown.objects:
            triggers |= TRACKS
        claimed = []
        changed: dict[str, Any] = {}
        failed: list[str] = []
        if not memories.keys() <= self._kinds:  # a revision has switched something off
            memories = {kind: one for kind, one in memories.items() if kind in self._kinds}
        for behaviour, kind, on, fresh in self._asked:
            memory = memories.get(kind)
            if not triggers & on and (memory is None or on & PICTURE or triggers & LOST or _rests(memory)):
                continue
            before = fresh if memory is None else _restored(memory, behaviour)
            after, claims = self._step(behaviour, before, shown, failed)
            if claims:
                claimed.append((behaviour, claims))
            if after is not before or (memory is not None and before is not memory):
                changed[kind] = None if after == fresh else after
        if changed:
            memories = {kind: one for kind, one in (memories | changed).items() if one is not None}
        if triggers & LOST:
            return Evaluation(memories, claimed, self._not_blind, failed)
        return Evaluation(memories, claimed, () if triggers & PICTURE else self.of_pictures, failed)

    def _step(
        self, behaviour: Behaviour[Any], memory: Any, shown: Observation, failed: list[str]
    ) -> tuple[Any, Sequence[Candidate]]:
        try:
            return _sound(behaviour, *behaviour.step(memory, shown))
        except Exception:  # whatever a behaviour of somebody else raises
            kind = behaviour.kind
            failed.append(kind)
            if kind not in self._failing:  # told once; how often it happens is counted
                self._failing.add(kind)
                log.exception(
                    "behaviour %s failed at camera %s, capture time %.3f: it starts afresh, and the others go on",
                    kind,
                    self.camera.id,
                    shown.captured_at,
                )
            return behaviour.start(), ()


def _made(behaviour: type[Behaviour[Any]], limits: Resolver[Any], camera: str) -> Behaviour[Any]:
    try:
        return behaviour(limits)
    except Exception as error:
        raise BehaviourError(f"behaviour {behaviour.kind} cannot be made for camera {camera}: {error}") from error


def _sound(behaviour: Behaviour[Any], memory: Any, claims: Sequence[Candidate]) -> tuple[Any, Sequence[Candidate]]:
    """A behaviour's answer as it was given; nonsense is refused here, where it is known whose it is."""
    if not isinstance(memory, behaviour.Memory):
        raise TypeError(f"its memory is of type {type(memory).__name__}, not {behaviour.Memory.__name__}")
    claims = tuple(claims)
    for one in claims:
        if not isinstance(one, Candidate):
            raise TypeError(f"it claims something of type {type(one).__name__}")
        if not math.isfinite(one.since + one.until + one.clarity + one.cooldown_s + sum(one.box) + sum(one.born)):
            raise ValueError(f"a time, a place or the clarity of its claim {one.key} is no number")
        if len(one.box) != 4 or one.severity not in SEVERITIES:
            raise ValueError(f"its claim {one.key} has a box of {len(one.box)} and severity {one.severity}")
    return memory, claims


def _rests(memory: Any) -> bool:
    return getattr(memory, "idle", False)


def _asked(behaviour: Behaviour[Any]) -> _ScheduledBehaviour:
    bits = 0
    for wake in behaviour.triggers:
        bits |= _BITS[wake]
    return _ScheduledBehaviour(behaviour, behaviour.kind, bits, behaviour.start())


def _restored(memory: Any, behaviour: Behaviour[Any]) -> Any:
    """A memory in its own type: after a decoding it has msgpack's."""
    return memory if isinstance(memory, msgspec.Struct) else restore(memory, behaviour.Memory)
