"""Fall: somebody stood a moment ago, lies now, and stays down.

The definition is physical (``detectors.behaviours.fall.lying_persons``): within ``fall_s`` somebody upright has become low, long and lower than
he was, at the place where he stood, and nobody who could be him walks on; he stays there for ``down_s``. Low is by the
box (wider than high), or by the torso's angle where the detect worker asked for joints: the box misses who falls across
the picture and is half hidden, the torso who falls along the line of sight. Who sits down, bends or crouches stays as
wide as high at most, and who lies down takes his time or gets up again. Seen from above, where up is anywhere, one has
gone down who stops, covers more of the picture than while he walked, and rests (``detectors.behaviours.fall.overhead_view``). The instant is
the one of KISA's class ``Falldown``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import msgspec
from pydantic import Field

from detectors import scoring, thresholds
from detectors.behaviours.base import Candidate, Explanation, Trigger
from detectors.behaviours.fall import lying_persons, overhead_view
from detectors.behaviours.fall.lying_persons import LyingPerson, UprightPerson
from detectors.behaviours.fall.overhead_view import TrackedWalker
from detectors.observation.observation import Observation
from detectors.observation.tracked_objects import TrackPoint
from detectors.thresholds import Resolver, Thresholds
from lanewatch.config.fields import LocalizedName
from lanewatch.records import PERSON

FELL = 0.45
"""Score of one who has just been down for long enough by day, the detector's confidence aside."""
STAYS = 0.15
"""More for staying down until dispatch is suggested, in proportion."""
NOTED_S = 0.25
"""How often the upright are noted while nobody is low: a quarter of the time that the quickest fall takes."""
TOLERANCE_S = 1e-3


class FallThresholds(Thresholds):
    """When being down is a fall."""

    fall_s: float = Field(
        1.5,
        ge=0.5,
        le=5,
        title="Within",
        description="Seconds from upright to low. Raising it finds who slumps slowly, and raises more who lie down.",
    )
    down_s: float = Field(
        1.0,
        ge=0.5,
        le=600,
        title="Stays down",
        description="Seconds for which he must stay down. Raising it leaves out who gets up again, and raises later.",
    )
    dispatch_s: float = Field(
        10.0,
        ge=1,
        le=3600,
        title="Dispatch after",
        description="Seconds down after which dispatch is suggested. Raising it suggests it less often.",
    )
    cooldown_s: float = Field(
        10.0,
        ge=0,
        le=3600,
        title="Cool-down",
        description="Seconds after the end in which the same fall is not raised again.",
    )


class FallMemory(msgspec.Struct, frozen=True):
    """Who was upright of late, who is low, and who of them has fallen."""

    stood: tuple[UprightPerson, ...] = ()
    downs: tuple[LyingPerson, ...] = ()
    fallen: tuple[LyingPerson, ...] = ()
    walkers: tuple[TrackedWalker, ...] = ()


class Fall:
    """Somebody has fallen and stays down. One event for each fall."""

    kind: ClassVar[str] = "fall"
    name: ClassVar[LocalizedName] = LocalizedName(ko="쓰러짐", en="Fall")
    onvif: ClassVar[str] = ""
    kisa: ClassVar[str] = "Falldown"
    places: ClassVar[frozenset[str]] = frozenset()
    triggers: ClassVar[frozenset[Trigger]] = frozenset({"tracks", "boxes"})
    Thresholds: ClassVar[type[thresholds.Thresholds]] = FallThresholds
    Memory: ClassVar[type[msgspec.Struct]] = FallMemory

    def __init__(self, limits: Resolver[FallThresholds]) -> None:
        self._limits = limits

    def start(self) -> FallMemory:
        """Nobody has been seen."""
        return FallMemory()

    def step(self, memory: FallMemory, view: Observation) -> tuple[FallMemory, Sequence[Candidate]]:
        """Who is upright and who is down after a record; a claim for each who fell and stays down."""
        now = view.captured_at
        if view.has_frame:
            who = lying_persons.split_by_posture(view)
            low, noted = bool(who.low), memory.stood and 0 <= now - memory.stood[-1].at < NOTED_S
            if low or memory.downs or not noted:
                memory = self._look(memory, view, who)
        return memory, [self._claim(one, view) for one in memory.fallen]

    def _look(self, memory: FallMemory, view: Observation, who: lying_persons.PersonRows) -> FallMemory:
        """After a look at which somebody is low or was, or the upright are noted."""
        now = view.captured_at
        fall_s = self._limits.at(view, "", PERSON).fall_s
        upright = lying_persons.person_boxes(view, who.upright)
        low = lying_persons.update_lying(
            memory.downs, lying_persons.person_boxes(view, who.low), upright, memory.stood, now, fall_s
        )
        stood = lying_persons.remember_upright(memory.stood, upright, now, fall_s)
        walkers = overhead_view.update_walkers(memory.walkers, view)
        if not (stood or low or walkers) and memory == FallMemory():
            return memory
        slumped = [one.down for one in walkers if one.down is not None]
        return FallMemory(stood, low, self._fallen(memory.fallen, (*low, *slumped), view), walkers)

    def _fallen(
        self, fallen: tuple[LyingPerson, ...], low: tuple[LyingPerson, ...], view: Observation
    ) -> tuple[LyingPerson, ...]:
        """Those from before as long as somebody is low there, and those who have been down for long enough now."""
        now = view.captured_at
        result = []
        for one in fallen:
            still = next((other for other in low if other.until == now and lying_persons.same_person(one, other)), None)
            if still is not None:
                one = msgspec.structs.replace(one, until=now, box=still.box, score=still.score)
            if now - one.until <= lying_persons.FORGET_S:
                result.append(one)
        for one in low:
            if one.stood is not None and one.looks >= lying_persons.LOOKS:
                limits = self._limits.at(view, _zone(one, view), PERSON)
                lasts = one.until - one.since >= limits.down_s - TOLERANCE_S
                if lasts and not any(lying_persons.same_person(one, other) for other in result):
                    result.append(one)
        return tuple(result)

    def _claim(self, down: LyingPerson, view: Observation) -> Candidate:
        zone = _zone(down, view)
        limits = self._limits.at(view, zone, PERSON)
        stood = down.stood or UprightPerson(down.since, down.place, -1)
        left, _, right, bottom = stood.box
        return Candidate(
            key=f"{round(down.since * 1000)}",
            zone=zone,
            since=down.since,
            until=down.until,
            tracks=() if stood.track < 0 else (stood.track,),
            born=TrackPoint((left + right) / 2, bottom, stood.at),
            box=down.box,
            clarity=down.score * lying_persons.longer_side(down.box),
            severity=3 if down.until - down.since >= limits.dispatch_s else 2,
            thresholds=limits,
            explain=lambda: _account(down, view, limits),
            reached=down.until - down.since >= limits.down_s - TOLERANCE_S,
            cooldown_s=limits.cooldown_s,
        )


def _zone(down: LyingPerson, view: Observation) -> str:
    """Of the place where he went down; he may crawl out of it."""
    left, _, right, bottom = down.place
    return view.geometry.at((left + right) / 2, bottom)


def _account(down: LyingPerson, view: Observation, limits: FallThresholds) -> Explanation:
    down_s = down.until - down.since
    share = min(down_s / limits.dispatch_s, 1.0)
    factors = [
        scoring.make_factor("down", FELL + STAYS * share, seconds=round(down_s, 1), threshold_s=limits.down_s),
        *scoring.common_factors(view.condition, PERSON, down.score),
    ]
    when_ko, when_en = scoring.WHEN[view.condition]
    who_ko, who_en = scoring.subject(PERSON)
    stay_ko, stay_en = scoring.duration(max(down_s, limits.down_s))
    sentence = {
        "ko": f"{when_ko} {who_ko} 쓰러져 {stay_ko} 동안 일어나지 않음 (기준 {limits.down_s:g}초)",
        "en": f"{who_en} fell and has been down for {stay_en} {when_en} (threshold {limits.down_s:g} s)",
    }
    return Explanation(tuple(factors), sentence)
