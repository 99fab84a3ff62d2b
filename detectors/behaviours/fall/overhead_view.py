"""Who went down before a camera that looks from above: walked, stopped, covers more of the picture now, and rests.

Seen obliquely from above one who stands is foreshortened and one who lies isn't; which way is up differs over the
picture, and walkers may lie sideways in it. So that the shape says nothing, and the change against the track's own past
and staying there say all. Who comes nearer grows too, but as much in width as in height.

The constants were chosen on one fall, the only one at hand (CAVIAR's labels), and on its ten other clips: it is found,
and nothing else, mirrored, turned, at .8 to 1.25 times its speed, at 5 to 25 frames a second, with boxes that jitter by
2 and 5 %, and the others backwards as well. Of the three that decide, growth may be 1.3 to 1.4 and the change of shape
.2 before one of these fails; that is narrow, and falls of other people before other cameras may well be missed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median

import msgspec

from detectors.behaviours.fall.lying_persons import LOOKS, MOST, LyingPerson, UprightPerson
from detectors.observation.observation import Observation
from detectors.observation.tracked_objects import TrackedObject
from lanewatch.records import PERSON, Box

EVERY_S = 0.5
"""How often it is looked: shapes of walkers swing with their strides, medians over some looks don't."""
REST_S = 5.0
"""For which he must rest: who stops to read a sign, to greet or to tie a shoe moves on or moves about."""
BEFORE_S = 2.5
"""Over which he must have walked before."""
KNOWN_S = 2.0
"""For which he must have been followed before that: who comes in through a door or over the border grows as well."""
STILL = 0.35
"""Of his size, the root of his box's area, how far from the middle of his rest he may be seen, and must have been."""
GREW = 1.35
"""Times the area that he covered while he walked."""
RESHAPED = 0.2
"""By how much the logarithm of width over height has changed since, either way."""
FRESH_S = 1.0
"""One who hasn't been seen for so long is forgotten."""


class BoxSample(msgspec.Struct, frozen=True, array_like=True):
    """One look at somebody: when, and his box."""

    at: float
    box: Box

    @property
    def area(self) -> float:
        """Square pixels, at least 1."""
        return max((self.box[2] - self.box[0]) * (self.box[3] - self.box[1]), 1.0)

    @property
    def shape(self) -> float:
        """The logarithm of width over height."""
        return math.log(max(self.box[2] - self.box[0], 1.0) / max(self.box[3] - self.box[1], 1.0))

    @property
    def middle(self) -> tuple[float, float]:
        """Of the box."""
        return (self.box[0] + self.box[2]) / 2, (self.box[1] + self.box[3]) / 2


class TrackedWalker(msgspec.Struct, frozen=True):
    """One track's last looks, and that it has gone down."""

    track: int
    looks: tuple[BoxSample, ...]
    down: LyingPerson | None = None


def update_walkers(walkers: tuple[TrackedWalker, ...], view: Observation) -> tuple[TrackedWalker, ...]:
    """The walkers after a look; the very same tuple where it is too early for the next one."""
    now = view.captured_at
    newest = max((one.looks[-1].at for one in walkers), default=-math.inf)
    if 0 <= now - newest < EVERY_S:
        return walkers
    before = {one.track: one for one in walkers}
    result = [
        _look(before.pop(one.id, None), one, now)
        for one in view.objects
        if one.seen and one.credible and one.label == PERSON
    ]
    result += [one for one in before.values() if 0 <= now - one.looks[-1].at <= FRESH_S]
    return tuple(result[-MOST:])


def _look(walker: TrackedWalker | None, one: TrackedObject, now: float) -> TrackedWalker:
    kept = walker.looks if walker is not None else ()
    looks = (*(look for look in kept if now - look.at <= REST_S + BEFORE_S), BoxSample(now, one.box))
    down = walker.down if walker is not None else None
    if down is not None:
        stays = _apart(looks[-1], BoxSample(now, down.place)) <= STILL * math.sqrt(looks[-1].area)
        down = msgspec.structs.replace(down, until=now, box=one.box, score=one.score) if stays else None
    elif now - one.born.at >= REST_S + BEFORE_S + KNOWN_S:
        down = _down(looks, one, now)
    return TrackedWalker(one.id, looks, down)


def _down(looks: Sequence[BoxSample], one: TrackedObject, now: float) -> LyingPerson | None:
    rest = [look for look in looks if now - look.at <= REST_S]
    walk = list(looks[: len(looks) - len(rest)])
    if len(walk) < LOOKS or len(rest) < LOOKS or rest[-1].at - rest[0].at < REST_S - 2 * EVERY_S:
        return None
    areas = [look.area for look in rest]
    if _apart(rest[0], rest[-1]) > 2 * STILL * math.sqrt(max(areas)):
        return None  # as most, who walk: there is no place from which both can be in reach
    area = median(areas)
    if area < GREW * median([look.area for look in walk]):
        return None
    reshaped = abs(median([look.shape for look in rest]) - median([look.shape for look in walk]))
    if reshaped < RESHAPED:
        return None
    middle = min(rest, key=lambda look: sum(_apart(look, other) for other in rest))
    reach = STILL * math.sqrt(area)
    if _apart(walk[0], middle) <= reach or any(_apart(look, middle) > reach for look in rest):
        return None
    stood = UprightPerson(walk[-1].at, walk[-1].box, one.id)
    return LyingPerson(rest[0].at, now, LOOKS, one.box, middle.box, stood, one.label, one.score)


def _apart(look: BoxSample, other: BoxSample) -> float:
    return math.dist(look.middle, other.middle)
