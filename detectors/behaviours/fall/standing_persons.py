"""People who stand, and those of them whose head has come down to the ground where they stood.

A person who falls towards the camera, or away from it, gives no long box. But the head comes down to the row of the
feet, or below it. So each standing person's own height and feet are remembered, and the boxes near them are compared
with both once the person does not stand any more. Boxes are compared and not tracks, since a fall ends most tracks.

The heights of the head are physical: on the ground it is at .2 of the standing height, of a person who squats, kneels
or sits on the ground at .5. The other constants were chosen with UP-Fall's camera 2, and hold on the other sets.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from detectors.behaviours.base import TOLERANCE_S
from detectors.behaviours.fall.lying_persons import (
    MAX_PERSONS,
    MAX_UNSEEN_S,
    MIN_COUNT,
    MIN_LENGTH,
    MIN_OVERLAP,
    MIN_RISEN_SCORE,
    MIN_UPRIGHT_SCORE,
    NEAR_GROUND,
    SAME_HEIGHT,
    LyingPerson,
    PersonBox,
    UprightPerson,
    is_slim,
    longer_side,
    sinks,
)
from lanewatch import boxes
from lanewatch.records import Box
from models.pose.candidates import MIN_SIDE

UP = 0.55
"""Height of the head, in own standing heights, from which a person stoops, squats or kneels, and does not lie."""
FEET_STAY = 0.3
"""How far a low box may be from where the feet stood, in standing heights."""
MIN_SIZE = 0.35
"""Longer side of a low box, in standing heights. Smaller boxes are bags, and people further away."""
MAX_SIZE = 1.35
"""The same at most. A person who lies towards the camera looks longer than standing."""
STANDS_S = 0.25
"""How long a person must have stood before."""
HEIGHT_S = 2.0
"""The time over which the largest height of the box is the own standing height. Who sinks gets no smaller by that."""
REACH = 0.4
"""How far a standing person may be from the last position, in heights, and more by ``SPEED``."""
SPEED = 1.5
"""How fast a standing person may walk on, in heights a second."""
MOVES = 0.3
"""Heights a second from which a person walks, whatever the shape of the box."""
FALLS_S = 0.5
"""Seconds from the first low box to the end of the fall's own movement."""
LOOK_S = 1.0
"""The time after which the pictures with a low head are counted. A person may be unobserved for as long."""
MIN_SHARE = 0.6
"""Share of the pictures with a low head, of those in which the person was observed low or up."""
MIN_OBSERVED = 1 / 3
"""The same of all pictures: who lies is detected in one of three. False boxes of a bright window come less often."""
INSIDE = 0.8
"""Share of a box inside a higher one from which it is a part of that person."""
MAX_BESIDE = 8
"""Low boxes that are remembered for each standing person: the latest."""
BORDER = 2.0
"""Pixels from the left or right border within which a box is cut: its middle is not the person's."""


class StandingPerson(msgspec.Struct, frozen=True):
    """A person who stands, or stood until ``seen_at``.

    ``heights`` are the box's largest heights of the last seconds with their times. ``beside`` are low boxes that were
    near the feet while the person stood: a bag, or what a detector takes for a person. ``lying`` is set once the head
    was near the ground, last at ``low_at``. There are ``pictures`` since then, and in ``times_up`` of them it was up.
    ``fallen`` says that it stays down.
    """

    since: float
    seen_at: float
    box: Box
    heights: tuple[tuple[float, float], ...]
    track: int
    beside: tuple[Box, ...] = ()
    lying: LyingPerson | None = None
    low_at: float = 0.0
    pictures: int = 0
    times_up: int = 0
    fallen: bool = False

    @property
    def height(self) -> float:
        """The own standing height, pixels."""
        return self.heights[0][1]

    @property
    def feet(self) -> tuple[float, float]:
        """The middle of the box's lower edge, pixels."""
        return (self.box[0] + self.box[2]) / 2, self.box[3]


class _Picture(NamedTuple):
    """What a picture shows near a person who does not stand any more."""

    low: list[PersonBox]
    up: bool
    now: float
    fall_s: float


def update_standing(
    standing: tuple[StandingPerson, ...],
    upright: Sequence[PersonBox],
    detected: Sequence[PersonBox],
    now: float,
    fall_s: float,
    width: int,
) -> tuple[StandingPerson, ...]:
    """The people who stand or stood after a picture.

    Args:
        upright: Its people whose boxes are higher than wide, the highest score first.
        detected: All of its boxes that may be a lying person: of people and animals, of any shape and score.
        now: Capture time, seconds UTC.
        fall_s: Seconds from standing to low at most.
        width: Of the picture, pixels.
    """
    standing = tuple(person for person in standing if _is_kept(person, now, fall_s))
    upright = [box for box in upright if box.score >= MIN_UPRIGHT_SCORE and not _is_cut(box.box, width)][:MAX_PERSONS]
    detected = [box for box in detected if not _is_cut(box.box, width)]
    risen = [box.box for box in upright if box.score >= MIN_RISEN_SCORE]
    upright = [box for box in upright if is_slim(box.box) and not _is_inside(box.box, upright)]
    matched = _matches(standing, upright, now)
    walkers = [(standing[number], upright[index]) for number, index in matched.items()]
    missing = [person for number, person in enumerate(standing) if number not in matched]
    result = [_standing_again(standing[number], upright[index], detected, now) for number, index in matched.items()]
    for person in missing:
        # A walker who was not seen when this person was may be the same one
        walks = any(old.seen_at < person.seen_at and _distance(person, box, now) is not None for old, box in walkers)
        if walks or _has_risen(person, risen):
            continue
        others = [box.box for old, box in walkers if old.since < person.seen_at - STANDS_S]
        low = [box for box in detected if _is_lying(box, person, others)]
        up = any(_is_up(box.box, person) or _walks(box, person, now) for box in detected)
        observed = _observed(person, _Picture([] if up else low, up, now, fall_s))
        if observed is not None:
            result.append(observed)
    taken = set(matched.values())
    free = [box for index, box in enumerate(upright) if index not in taken]
    result += _new_people(free, missing, [box.box for _, box in walkers], now)
    return tuple(sorted(result, key=_last_at)[-MAX_PERSONS:])


def _new_people(
    free: Sequence[PersonBox], missing: Sequence[StandingPerson], taken: list[Box], now: float
) -> Iterator[StandingPerson]:
    """The people of the remaining upright boxes: no parts of those who do not stand any more, and no second boxes."""
    for box in free:
        height = box.box[3] - box.box[1]
        if height < MIN_SIDE or any(_is_part(box.box, person) for person in missing):
            continue
        if not any(boxes.overlap_of_smaller(box.box, other) >= MIN_OVERLAP for other in taken):
            taken = [*taken, box.box]
            yield StandingPerson(now, now, box.box, ((now, height),), box.track)


def _is_kept(person: StandingPerson, now: float, fall_s: float) -> bool:
    if person.fallen:
        return now - _last_at(person) <= MAX_UNSEEN_S
    return 0 <= now - person.seen_at <= fall_s + LOOK_S


def _last_at(person: StandingPerson) -> float:
    return person.seen_at if person.lying is None else person.lying.until


def _is_inside(box: Box, others: Sequence[PersonBox]) -> bool:
    """Whether a box lies in a higher one: it is the upper body or the legs of that person."""
    height = box[3] - box[1]
    return any(
        other.box[3] - other.box[1] > height and boxes.overlap_of_smaller(box, other.box) >= INSIDE for other in others
    )


def _is_cut(box: Box, width: int) -> bool:
    return box[0] <= BORDER or box[2] >= width - BORDER


def _matches(standing: Sequence[StandingPerson], upright: Sequence[PersonBox], now: float) -> dict[int, int]:
    """The upright boxes of the people who still stand, by the person's number; own tracks, then the nearest first."""
    rows = {box.track: index for index, box in enumerate(upright) if box.track >= 0}
    matched: dict[int, int] = {}
    for number, person in enumerate(standing):
        index = rows.get(person.track)
        if index is not None and index not in matched.values() and _distance(person, upright[index], now) is not None:
            matched[number] = index
    taken = set(matched.values())
    for _, number, index in sorted(_possible_matches(standing, upright, matched, now)):
        if number not in matched and index not in taken:
            matched[number] = index
            taken.add(index)
    return matched


def _possible_matches(
    standing: Sequence[StandingPerson], upright: Sequence[PersonBox], matched: Mapping[int, int], now: float
) -> Iterator[tuple[float, int, int]]:
    """Distance, person and box of the others."""
    taken = set(matched.values())
    for number, person in enumerate(standing):
        if number in matched:
            continue
        for index, box in enumerate(upright):
            distance = None if index in taken else _distance(person, box, now)
            if distance is not None:
                yield distance, number, index


def _distance(person: StandingPerson, box: PersonBox, now: float) -> float | None:
    """Heights from where this person stood to an upright box; None if it cannot be this person standing."""
    (x, y), height = person.feet, person.height
    left, top, right, bottom = box.box
    if not SAME_HEIGHT * height <= bottom - top <= height / SAME_HEIGHT:
        return None
    distance = math.hypot((left + right) / 2 - x, bottom - y) / height
    within = distance <= REACH + SPEED * (now - person.seen_at)
    return distance if within and _may_stand(box, person) else None


def _may_stand(box: PersonBox, person: StandingPerson) -> bool:
    """Whether an upright box of the own height may be this person standing. Who was low has the head up again."""
    if person.lying is None:
        return not _is_low(box.box, person)
    return box.score >= MIN_RISEN_SCORE and person.feet[1] - box.box[1] >= SAME_HEIGHT * person.height


def _standing_again(
    person: StandingPerson, box: PersonBox, detected: Sequence[PersonBox], now: float
) -> StandingPerson:
    height = box.box[3] - box.box[1]
    larger = tuple(each for each in person.heights if now - each[0] <= HEIGHT_S and each[1] > height)
    person = StandingPerson(person.since, now, box.box, (*larger, (now, height)), box.track, person.beside)
    lowest_top = box.box[3] - NEAR_GROUND * person.height  # most boxes are higher: no call for those
    low = (other.box for other in detected if other.box[1] >= lowest_top and _is_low(other.box, person))
    new = tuple(each for each in low if not any(boxes.iou(each, known) >= MIN_OVERLAP for known in person.beside))
    return msgspec.structs.replace(person, beside=(*person.beside, *new)[-MAX_BESIDE:]) if new else person


def _is_low(box: Box, person: StandingPerson) -> bool:
    """Whether a box has its upper edge near the ground where this person stood."""
    x, ground = person.feet
    height = person.height
    return (
        -FEET_STAY * height <= ground - box[1] <= NEAR_GROUND * height
        and max(box[0] - x, x - box[2]) <= FEET_STAY * height
        and MIN_SIZE * height <= longer_side(box) <= MAX_SIZE * height
    )


def _is_lying(box: PersonBox, person: StandingPerson, others: Sequence[Box]) -> bool:
    """Whether a low box may be this person: nothing that was there before, and no part of the others who stand."""
    if not _is_low(box.box, person):
        return False
    tracked = box.track >= 0 and box.track != person.track and box.first_seen_at < person.seen_at
    return (
        not tracked
        and not any(boxes.iou(box.box, known) >= MIN_OVERLAP for known in person.beside)
        and not any(boxes.overlap_of_smaller(box.box, other) >= MIN_OVERLAP for other in others)
    )


def _walks(box: PersonBox, person: StandingPerson, now: float) -> bool:
    """Whether this person's track goes on, so that the box has another shape for another reason, or leaves below."""
    if box.track < 0 or box.track != person.track or person.lying is None:
        return False
    moves = now - person.lying.since >= FALLS_S and box.speed > MOVES * person.height
    return moves or sinks(box.box, person.lying.first_box)


def _has_risen(person: StandingPerson, upright: Sequence[Box]) -> bool:
    """Whether an upright box of a high score shows a lying person with the head above the ground again."""
    if person.lying is None:
        return False
    lying, above = person.lying.box, person.feet[1] - NEAR_GROUND * person.height
    return any(
        box[1] < above
        and box[3] - box[1] >= MIN_LENGTH * person.height
        and boxes.overlap_of_smaller(box, lying) >= MIN_OVERLAP
        for box in upright
    )


def _is_up(box: Box, person: StandingPerson) -> bool:
    """Whether a box shows this person on the feet or knees."""
    (x, ground), height = person.feet, person.height
    left, top, right, bottom = box
    return (
        ground - top >= UP * height
        and abs(bottom - ground) <= FEET_STAY * height
        and max(left - x, x - right) <= FEET_STAY * height
        and right - left <= bottom - top <= height / SAME_HEIGHT
    )


def _is_part(box: Box, person: StandingPerson) -> bool:
    """Whether an upright box may be a part of this person, who does not stand any more."""
    x, ground = person.feet
    height = person.height
    return (
        box[3] - box[1] < SAME_HEIGHT * height
        and abs((box[0] + box[2]) / 2 - x) <= height
        and abs(ground - box[1]) <= height
    )


def _observed(person: StandingPerson, picture: _Picture) -> StandingPerson | None:
    """A person who does not stand any more, after a picture; None for one who walked on."""
    low, up, now, fall_s = picture
    lying, low_at = person.lying, person.low_at
    stood = person.seen_at - person.since >= STANDS_S - TOLERANCE_S
    if low and stood and (lying is not None or now - person.seen_at <= fall_s):
        best = max(low, key=lambda box: longer_side(box.box))
        if lying is None:
            upright = UprightPerson(person.seen_at, person.box, person.track)
            lying = LyingPerson(now, now, 0, best.box, best.box, upright, best.label, best.score, head_down=True)
        lying = msgspec.structs.replace(lying, count=lying.count + 1, box=best.box, score=best.score)
        low_at = now
    if lying is None:
        return person
    pictures, times_up = person.pictures + 1, person.times_up + up
    if not up and now - low_at <= LOOK_S:
        lying = msgspec.structs.replace(lying, until=now)
    fallen = person.fallen
    if not fallen and now - lying.since >= LOOK_S - TOLERANCE_S:
        if lying.count < max(MIN_COUNT, MIN_SHARE * (lying.count + times_up), MIN_OBSERVED * pictures):
            return None
        fallen = True
    return msgspec.structs.replace(
        person, lying=lying, low_at=low_at, pictures=pictures, times_up=times_up, fallen=fallen
    )
