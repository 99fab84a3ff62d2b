"""Fall: a person stood a moment ago, lies now, and stays down. See docs/behaviours.md for the definition.

Low means a box wider than high, or a leaning torso where the detect worker requested keypoints. The box misses people
who fall across the picture and are half hidden; the torso's angle misses those who fall along the line of sight.
"""

from __future__ import annotations

from typing import Literal

import msgspec
from pydantic import Field

from detectors import scoring
from detectors.behaviours.base import TOLERANCE_S, BaseBehaviour, Candidate, Explanation, Result, cooldown_field
from detectors.behaviours.fall import lying_persons, overhead_view, standing_persons
from detectors.behaviours.fall.lying_persons import LyingPerson, PersonRows, UprightPerson
from detectors.behaviours.fall.overhead_view import TrackedWalker
from detectors.behaviours.fall.standing_persons import StandingPerson
from detectors.observation.observation import Observation
from detectors.observation.tracked_objects import TrackPoint
from detectors.thresholds import Thresholds
from lanewatch.config.fields import LocalizedName
from lanewatch.records import PERSON

FALL_SCORE = 0.45
"""Score at the threshold by day, without the detector's confidence."""
DOWN_SCORE = 0.15
"""More until dispatch is suggested, in proportion to the time down."""
UPRIGHT_INTERVAL_S = 0.25
"""How often a picture is looked at while no person is low: a quarter of the time of the quickest fall."""


class FallThresholds(Thresholds):
    """When being down is a fall."""

    fall_s: float = Field(1.5, ge=0.5, le=5, title="Within")
    """Seconds from upright to low. Raising it finds slow falls, and raises more events of people who lie down."""
    down_s: float = Field(1.0, ge=0.5, le=600, title="Stays down")
    """Seconds for which the person must stay down. Raising it excludes people who get up again, and raises later
    events."""
    dispatch_s: float = Field(10.0, ge=1, le=3600, title="Dispatch after")
    """Seconds down after which dispatch is suggested. Raising it suggests it less often."""
    cooldown_s: float = cooldown_field(10.0, "the same fall")


class FallMemory(msgspec.Struct, frozen=True):
    """The people who were upright lately, those who are low, those of them who fell, and the walks seen from above.

    ``standing`` are the people whose own height is known, ``looked_at`` is the time of the last picture that was looked
    at.
    """

    upright: tuple[UprightPerson, ...] = ()
    lying: tuple[LyingPerson, ...] = ()
    fallen: tuple[LyingPerson, ...] = ()
    walkers: tuple[TrackedWalker, ...] = ()
    standing: tuple[StandingPerson, ...] = ()
    looked_at: float = 0.0


EMPTY = FallMemory()


class Fall(BaseBehaviour[FallThresholds, FallMemory]):
    """A person has fallen and stays down. One event for each fall."""

    kind = "fall"
    name = LocalizedName(ko="쓰러짐", en="Fall")
    kisa = "Falldown"
    triggers = frozenset({"tracks", "boxes"})
    Thresholds = FallThresholds
    Memory = FallMemory

    def step(self, memory: FallMemory, observation: Observation) -> Result[FallMemory]:
        if observation.has_frame:
            rows = lying_persons.split_by_posture(observation)
            if (rows.all or memory is not EMPTY) and self._is_due(memory, observation.captured_at, rows):
                memory = self._updated(memory, observation, rows)
        return memory, [self._candidate(person, observation) for person in memory.fallen]

    def _is_due(self, memory: FallMemory, now: float, rows: PersonRows) -> bool:
        """Whether a picture is looked at: each one while a person is low, else every quarter of a second."""
        if rows.low or memory.lying or not 0 <= now - memory.looked_at < UPRIGHT_INTERVAL_S:
            return True
        return any(person.lying is not None for person in memory.standing)

    def _updated(self, memory: FallMemory, observation: Observation, rows: PersonRows) -> FallMemory:
        now = observation.captured_at
        fall_s = self._limits.resolve(observation, "", PERSON).fall_s
        detected = lying_persons.person_boxes(observation, rows.all)
        upright_boxes = [box for box in detected if box.row in rows.upright]
        low_boxes = [box for box in detected if box.row in rows.low]
        lying = lying_persons.update_lying(memory.lying, low_boxes, upright_boxes, memory.upright, now, fall_s)
        upright = lying_persons.update_upright(memory.upright, upright_boxes, now, fall_s)
        walkers = overhead_view.update_walkers(memory.walkers, observation)
        width = observation.geometry.width
        standing = standing_persons.update_standing(memory.standing, upright_boxes, detected, now, fall_s, width)
        if not (upright or lying or walkers or standing or memory.fallen):
            return EMPTY
        from_above = [walker.lying for walker in walkers if walker.lying is not None]
        heads_down = [person.lying for person in standing if person.fallen and person.lying is not None]
        fallen = self._update_fallen(memory.fallen, (*lying, *from_above, *heads_down), observation)
        return FallMemory(upright, lying, fallen, walkers, standing, now)

    def _update_fallen(
        self, fallen: tuple[LyingPerson, ...], lying: tuple[LyingPerson, ...], observation: Observation
    ) -> tuple[LyingPerson, ...]:
        """The earlier falls while a person lies there, and the people who have been down for long enough now."""
        now = observation.captured_at
        result = []
        for person in fallen:
            present = [other for other in lying if other.until == now and lying_persons.is_same_person(person, other)]
            if present:
                person = msgspec.structs.replace(
                    person,
                    until=now,
                    box=present[0].box,
                    score=present[0].score,
                    turned=person.turned or any(other.turned for other in present),
                    head_down=person.head_down or any(other.head_down for other in present),
                )
            if now - person.until <= lying_persons.MAX_UNSEEN_S:
                result.append(person)
        for person in lying:
            if person.upright is not None and person.count >= lying_persons.MIN_COUNT:
                limits = self._limits.resolve(observation, _zone_of(person, observation), PERSON)
                long_enough = person.down_s >= limits.down_s - TOLERANCE_S
                if long_enough and not any(lying_persons.is_same_person(person, other) for other in result):
                    result.append(person)
        return tuple(result)

    def _candidate(self, person: LyingPerson, observation: Observation) -> Candidate:
        zone = _zone_of(person, observation)
        limits = self._limits.resolve(observation, zone, PERSON)
        upright = person.upright or UprightPerson(person.since, person.first_box, -1)
        left, _, right, bottom = upright.box
        return Candidate(
            key=f"{round(person.since * 1000)}",
            zone=zone,
            since=person.since,
            until=person.until,
            tracks=() if upright.track < 0 else (upright.track,),
            first_point=TrackPoint((left + right) / 2, bottom, upright.at),
            box=person.box,
            clarity=person.score * lying_persons.longer_side(person.box),
            severity=_severity(person, limits),
            thresholds=limits,
            explain=lambda: _explain(person, observation, limits),
            thresholds_met=person.down_s >= limits.down_s - TOLERANCE_S,
            cooldown_s=limits.cooldown_s,
        )


def _severity(person: LyingPerson, limits: FallThresholds) -> Literal[1, 2, 3]:
    """1 for a head above the ground, as on a bed; 3 for two kinds of evidence, once the person is down for long."""
    if not person.head_down:
        return 1
    return 3 if person.turned and person.down_s >= limits.dispatch_s else 2


def _zone_of(person: LyingPerson, observation: Observation) -> str:
    """The zone in which the person went down. The person may crawl out of it."""
    left, _, right, bottom = person.first_box
    return observation.geometry.zone_at((left + right) / 2, bottom)


def _explain(person: LyingPerson, observation: Observation, limits: FallThresholds) -> Explanation:
    score = FALL_SCORE + DOWN_SCORE * min(person.down_s / limits.dispatch_s, 1.0)
    factors = (
        scoring.make_factor("down", score, seconds=round(person.down_s, 1), threshold_s=limits.down_s),
        *scoring.common_factors(observation.condition, PERSON, person.score),
    )
    when_ko, when_en = scoring.WHEN[observation.condition]
    who_ko, who_en = scoring.subject(PERSON)
    down_ko, down_en = scoring.duration(max(person.down_s, limits.down_s))
    sentence = {
        "ko": f"{when_ko} {who_ko} 쓰러져 {down_ko} 동안 일어나지 않음 (기준 {limits.down_s:g}초)",
        "en": f"{who_en} fell and has been down for {down_en} {when_en} (threshold {limits.down_s:g} s)",
    }
    return Explanation(factors, sentence)
