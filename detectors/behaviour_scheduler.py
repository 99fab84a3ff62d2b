"""What is constant at a camera under one site revision, and which of its behaviours a record concerns."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

from detectors.behaviours.base import Behaviour, BehaviourError, Candidate
from detectors.behaviours.registry import enabled
from detectors.event_lifecycle import EventSource
from detectors.observation.camera_geometry import CameraGeometry
from detectors.observation.observation import Observation
from detectors.thresholds import Resolver
from lanewatch import metrics
from lanewatch.config.schedules import CameraSchedules
from lanewatch.config.site import Camera, Site
from lanewatch.records import BLIND, Detections, restore

PICTURE_S = 2.0
"""How often behaviours check the picture as a whole: the rate at which the sampler measures colour and sharpness."""

TRACKS, STILL, FLAMES, PICTURE, LOST, BOXES = 1, 2, 4, 8, 16, 32
_BITS = {"tracks": TRACKS, "boxes": BOXES, "still": STILL, "flames": FLAMES, "picture": PICTURE, "blind": LOST}
"""Triggers as bits, so that most records of most cameras cost a few comparisons: 48,000 records/s where one record in
ten has boxes, 7,000 where each has three people (``benchmarks.behaviours --only speed``)."""

SEVERITIES = (1, 2, 3)

log = metrics.log("watch")


class Evaluation(NamedTuple):
    """The behaviours' results for a record.

    ``memories``, by kind, are without those that equal a fresh one. The open events of the ``not_evaluated`` kinds may
    continue. ``failed`` are the kinds that raised an exception.
    """

    memories: dict[str, Any]
    candidates: list[tuple[Behaviour[Any], Any]]
    not_evaluated: Collection[str]
    failed: list[str]


class _ScheduledBehaviour(NamedTuple):
    behaviour: Behaviour[Any]
    kind: str
    triggers: int
    fresh_memory: msgspec.Struct


class CameraContext:
    """What is constant at one camera under one site revision: its geometry, schedules and behaviours.

    ``picture_kinds`` check the picture as a whole; ``blind_kinds`` are evaluated while the camera is blind.
    """

    def __init__(self, site: Site, camera: Camera, run: str) -> None:
        self.camera = camera
        self.source = EventSource(run, camera.id, site.digest)
        self.schedules = CameraSchedules(site, camera)
        places = {zone.kind for zone in camera.zones} | {line.kind for line in camera.lines}
        self._behaviours = [
            _scheduled(_instance(behaviour, Resolver(site, camera.id, kind, behaviour.Thresholds), camera.id))
            for kind, behaviour in enabled(site).items()
            if not behaviour.places or behaviour.places & places
        ]
        self._kinds = frozenset(item.kind for item in self._behaviours)
        self.picture_kinds = frozenset(item.kind for item in self._behaviours if item.triggers & PICTURE)
        self.blind_kinds = frozenset(item.kind for item in self._behaviours if item.triggers & LOST)
        self._triggers = _bits(trigger for item in self._behaviours for trigger in item.behaviour.triggers)
        self._geometries: dict[tuple[int, int], CameraGeometry] = {}
        self._logged_failures: set[str] = set()

    def geometry(self, width: int, height: int) -> CameraGeometry:
        """The camera's geometry in pixels of frames of that size.

        Records before a camera's first picture have the size 0 and no boxes. Their unit is the frame's side.
        """
        width, height = max(width, 1), max(height, 1)
        if (width, height) not in self._geometries:
            self._geometries[width, height] = CameraGeometry(self.camera, width, height)
        return self._geometries[width, height]

    def is_idle(self, memories: dict[str, Any]) -> bool:
        """Whether no behaviour needs a record that triggers none."""
        if memories.keys() <= self.picture_kinds:
            return True
        return all(_is_idle(memory) or kind in self.picture_kinds for kind, memory in memories.items())

    def triggers_of(self, detections: Detections, picture_checked_at: float) -> int:
        """The triggers of a record that some behaviour here has, as bits; tracks come later.

        ``picture_checked_at`` is the capture time of the last check of the picture as a whole.
        """
        if detections.gap is not None:
            return LOST & self._triggers if detections.gap in BLIND else 0
        triggers = STILL if detections.scene.still else 0
        if detections.scene.flames:
            triggers |= FLAMES
        if len(detections.scores) > 1:
            triggers |= BOXES
        if not 0 <= detections.captured_at - picture_checked_at < PICTURE_S:
            triggers |= PICTURE
        return triggers & self._triggers

    def evaluate(
        self,
        memories: dict[str, Any],
        observation: Observation,
        triggers: int,
        kinds: frozenset[str] | None = None,
    ) -> Evaluation:
        """Evaluates the behaviours that the record triggers, and those whose memory is in use; of ``kinds`` only.

        A behaviour that raises or returns an invalid result starts again from a fresh memory, and its open events
        close. The other behaviours are not affected.
        """
        if observation.objects:
            triggers |= TRACKS
        if not memories.keys() <= self._kinds:  # a revision has disabled a behaviour
            memories = {kind: memory for kind, memory in memories.items() if kind in self._kinds}
        candidates = []
        changed: dict[str, Any] = {}
        failed: list[str] = []
        chosen = self._behaviours if kinds is None else [item for item in self._behaviours if item.kind in kinds]
        for behaviour, kind, own_triggers, fresh_memory in chosen:
            memory = memories.get(kind)
            if not triggers & own_triggers and (
                memory is None or own_triggers & PICTURE or triggers & LOST or _is_idle(memory)
            ):
                continue  # it is not triggered, and no memory of it is in use
            if memory is None:
                before: Any = fresh_memory
            else:  # after a decoding it consists of plain msgpack values
                before = memory if isinstance(memory, msgspec.Struct) else restore(memory, behaviour.Memory)
            after, found = self._step(behaviour, before, observation, failed)
            if found:
                candidates.append((behaviour, found))
            if after is not before or (memory is not None and before is not memory):
                changed[kind] = None if after == fresh_memory else after
        if changed:
            memories = {kind: memory for kind, memory in (memories | changed).items() if memory is not None}
        not_evaluated = self._not_evaluated(triggers) if kinds is None else self._kinds - kinds
        return Evaluation(memories, candidates, not_evaluated, failed)

    def _not_evaluated(self, triggers: int) -> Collection[str]:
        if triggers & LOST:
            return self._kinds - self.blind_kinds
        return () if triggers & PICTURE else self.picture_kinds

    def _step(
        self, behaviour: Behaviour[Any], memory: Any, observation: Observation, failed: list[str]
    ) -> tuple[Any, Sequence[Candidate]]:
        try:
            return _validated(behaviour, *behaviour.step(memory, observation))
        except Exception:  # a plug-in may raise anything
            kind = behaviour.kind
            failed.append(kind)
            if kind not in self._logged_failures:  # logged once; every failure is counted
                self._logged_failures.add(kind)
                log.exception(
                    "behaviour %s failed at camera %s, capture time %.3f: it starts again from a fresh memory",
                    kind,
                    self.camera.id,
                    observation.captured_at,
                )
            return behaviour.start(), ()


def _instance(behaviour: type[Behaviour[Any]], limits: Resolver[Any], camera: str) -> Behaviour[Any]:
    try:
        return behaviour(limits)
    except Exception as error:
        raise BehaviourError(f"behaviour {behaviour.kind} cannot be created for camera {camera}: {error}") from error


def _scheduled(behaviour: Behaviour[Any]) -> _ScheduledBehaviour:
    return _ScheduledBehaviour(behaviour, behaviour.kind, _bits(behaviour.triggers), behaviour.start())


def _bits(triggers: Iterable[str]) -> int:
    return sum(_BITS[trigger] for trigger in set(triggers))


def _validated(behaviour: Behaviour[Any], memory: Any, found: Sequence[Candidate]) -> tuple[Any, Sequence[Candidate]]:
    """A behaviour's result as it is; an invalid one is refused."""
    if not isinstance(memory, behaviour.Memory):
        raise TypeError(f"its memory is of type {type(memory).__name__}, not {behaviour.Memory.__name__}")
    found = tuple(found)
    if len(found) > 1 and len({candidate.key for candidate in found if isinstance(candidate, Candidate)}) < len(found):
        raise ValueError("two of its candidates have the same key")
    for candidate in found:
        if not isinstance(candidate, Candidate):
            raise TypeError(f"it returned a candidate of type {type(candidate).__name__}")
        times = candidate.since + candidate.until + candidate.cooldown_s
        if not math.isfinite(times + candidate.clarity + sum(candidate.box) + sum(candidate.first_point)):
            raise ValueError(f"candidate {candidate.key}: a time, a position or the clarity is not finite")
        if len(candidate.box) != 4 or candidate.severity not in SEVERITIES:
            wrong = f"box of {len(candidate.box)} numbers, severity {candidate.severity}"
            raise ValueError(f"candidate {candidate.key}: {wrong}")
    return memory, found


def _is_idle(memory: Any) -> bool:
    return getattr(memory, "idle", False)
