"""Falls seen from above: a person walks, stops, covers more of the picture than before, and rests.

"Up" differs over the picture, so a box's change against the track's own past is compared, and not its shape. The
constants were chosen on the only fall available (CAVIAR's labels) and ten other clips. Only that fall is found. It is
found mirrored, turned, at .8 to 1.25 times its speed, at 5 to 25 frames a second, and with 2 and 5 % of jitter.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median

import msgspec

from detectors.behaviours.fall.lying_persons import MAX_PERSONS, MIN_COUNT, LyingPerson, UprightPerson
from detectors.observation.observation import Observation
from detectors.observation.tracked_objects import TrackedObject
from lanewatch.boxes import center_distance
from lanewatch.records import PERSON, Box

SAMPLE_INTERVAL_S = 0.5
"""How often a box is sampled. Shapes of walkers swing with their strides; medians over some samples do not."""
REST_S = 5.0
"""How long the person must rest. A person who stops to read a sign, greet or tie a shoe moves on or moves about."""
WALK_S = 2.5
"""How long the person must have walked before."""
KNOWN_S = 2.0
"""How long the person must have been tracked before that. A person who enters through a door or at the border grows."""
STILL_WITHIN = 0.35
"""How far from the middle of the rest the person may be, and must have been before: roots of the box's area."""
MIN_GROWTH = 1.35
"""Multiple of the area that the person covered while walking. The one fall is found with 1.3 to 1.4 only."""
MIN_SHAPE_CHANGE = 0.2
"""By how much the logarithm of width over height has changed since, in either direction."""
MAX_UNSEEN_S = 1.0
"""A person who is unobserved for longer is removed."""


class BoxSample(msgspec.Struct, frozen=True, array_like=True):
    """A person's box at a time."""

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


class TrackedWalker(msgspec.Struct, frozen=True):
    """A track's last samples, and its lying state if it has gone down."""

    track: int
    samples: tuple[BoxSample, ...]
    lying: LyingPerson | None = None


def update_walkers(walkers: tuple[TrackedWalker, ...], observation: Observation) -> tuple[TrackedWalker, ...]:
    """The walkers after a frame; the same tuple until the next sample is due."""
    now = observation.captured_at
    newest = max((walker.samples[-1].at for walker in walkers), default=-math.inf)
    if 0 <= now - newest < SAMPLE_INTERVAL_S:
        return walkers
    before = {walker.track: walker for walker in walkers}
    result = [
        _sampled(before.pop(track.id, None), track, now)
        for track in observation.objects
        if track.seen and track.credible and track.label == PERSON
    ]
    result += [walker for walker in before.values() if 0 <= now - walker.samples[-1].at <= MAX_UNSEEN_S]
    return tuple(result[-MAX_PERSONS:])


def _sampled(walker: TrackedWalker | None, track: TrackedObject, now: float) -> TrackedWalker:
    walker = walker or TrackedWalker(track.id, ())
    sample, lying = BoxSample(now, track.box), walker.lying
    samples = (*(old for old in walker.samples if now - old.at <= REST_S + WALK_S), sample)
    if lying is not None:
        stays = center_distance(track.box, lying.first_box) <= STILL_WITHIN * math.sqrt(sample.area)
        lying = msgspec.structs.replace(lying, until=now, box=track.box, score=track.score) if stays else None
    elif now - track.first_point.at >= REST_S + WALK_S + KNOWN_S:
        lying = _detect_fall(samples, track, now)
    return TrackedWalker(track.id, samples, lying)


def _detect_fall(samples: Sequence[BoxSample], track: TrackedObject, now: float) -> LyingPerson | None:
    # Step 1: enough samples of a walk and of a rest after it
    rest = [sample for sample in samples if now - sample.at <= REST_S]
    walk = list(samples[: len(samples) - len(rest)])
    if len(walk) < MIN_COUNT or len(rest) < MIN_COUNT or rest[-1].at - rest[0].at < REST_S - 2 * SAMPLE_INTERVAL_S:
        return None
    # Step 2: most people walk, so there is no position from which both ends of the rest are in reach
    areas = [sample.area for sample in rest]
    if center_distance(rest[0].box, rest[-1].box) > 2 * STILL_WITHIN * math.sqrt(max(areas)):
        return None
    # Step 3: larger, and of another shape
    area = median(areas)
    if area < MIN_GROWTH * median([sample.area for sample in walk]):
        return None
    change = abs(median([sample.shape for sample in rest]) - median([sample.shape for sample in walk]))
    if change < MIN_SHAPE_CHANGE:
        return None
    # Step 4: at rest, and away from the walk's first position
    middle = min(rest, key=lambda sample: sum(center_distance(sample.box, other.box) for other in rest))
    reach = STILL_WITHIN * math.sqrt(area)
    if center_distance(walk[0].box, middle.box) <= reach:
        return None
    if any(center_distance(sample.box, middle.box) > reach for sample in rest):
        return None
    upright = UprightPerson(walk[-1].at, walk[-1].box, track.id)
    # The growth stands for the head: it is one kind of evidence, so that dispatch is not suggested
    since, box = rest[0].at, middle.box
    return LyingPerson(since, now, MIN_COUNT, track.box, box, upright, track.label, track.score, head_down=True)
