"""Close contact: two people who came from apart meet at one place and stay in it.

Lengths are in sizes, the root of the larger box's area: seen from above, a box's height is not informative. The
detector's boxes are compared, because the tracker's own are smoothed. Such contacts occur in CAVIAR's two fights, and
in none of its nine other clips.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from detectors.observation.observation import Observation
from detectors.observation.tracked_objects import TrackedObject
from lanewatch import boxes
from lanewatch.records import PERSON, Box

MAX_DISTANCE = 1.0
"""Sizes between the centers of a pair that is measured. People who came together were never farther apart."""
CONTACT_DISTANCE = 0.4
"""Sizes between the centers of two people in contact: they are in one place."""
MIN_SCORE = 0.5
"""Detector score that both need in each frame. The box of a person half behind another has .2 to .4, and jitters."""
CONTACT_S = 0.8
"""How long a contact must last. The change rate of the outlines is the mean over the same time."""
SPAN_S = 0.4
"""The time over which outlines are compared, or one step of a camera with a lower rate. Jitter does not grow with it.
Over .2 s, it reaches .85 (the demo's clip), and a fight at five frames a second .76. Over .4 s: .42 and .60."""
MAX_STEP_S = 0.5
"""The longest time between two frames over which outlines are compared."""
FAR = 2.0
"""Body heights from which two people are not measured: no size is as long."""
MAX_PEOPLE = 16
"""People of a frame, the highest scores first, so that a crowd costs no more than a tenth of a millisecond."""
SLACK_S = 0.01


class ChangeSample(NamedTuple):
    """The rate at which outlines changed, logarithms a second, up to a time, and the time since the frame before."""

    at: float
    rate: float
    duration_s: float


class PairFrame(NamedTuple):
    """The boxes of two people in a frame, and whether they are in contact: both scores high, and in one place."""

    at: float
    first: Box
    second: Box
    in_contact: bool


class ContactPair(msgspec.Struct, frozen=True):
    """Two people who are no farther apart than ``MAX_DISTANCE``. ``tracks``: the older one first.

    ``came_from_apart``: both were tracked before they were near each other. ``since``: since when they have been in
    contact in every frame that showed both. The frames are of ``SPAN_S``, the samples of ``CONTACT_S`` of the contact.
    """

    tracks: tuple[int, int]
    came_from_apart: bool
    since: float | None = None
    frames: tuple[PairFrame, ...] = ()
    samples: tuple[ChangeSample, ...] = ()

    @property
    def outline_change_rate(self) -> float:
        """|d ln width| + |d ln height| a second, averaged; 0 until the contact has lasted long enough."""
        if self.since is None or self.frames[-1].at - self.since < CONTACT_S - SLACK_S:
            return 0.0
        return mean_rate(self.samples, max(CONTACT_S, sum(sample.duration_s for sample in self.samples)))

    @property
    def box(self) -> Box:
        """Around both, in the last frame."""
        return boxes.enclosing(self.frames[-1][1:3])


class CloseContacts(msgspec.Struct, frozen=True):
    """The tracks that have been observed and are still alive, and the pairs that are near each other."""

    known: tuple[int, ...] = ()
    pairs: tuple[ContactPair, ...] = ()

    def strongest(self, now: float) -> ContactPair | None:
        """The pair in contact, observed within ``CONTACT_S``, whose outlines change fastest."""
        contacts = [pair for pair in self.pairs if pair.outline_change_rate and now - pair.frames[-1].at <= CONTACT_S]
        return max(contacts, key=lambda pair: pair.outline_change_rate, default=None)


def update_contacts(contacts: CloseContacts, observation: Observation) -> CloseContacts:
    """The pairs after a record; the same object if no person came or left and none are near each other."""
    if not observation.has_frame or not (observation.objects or contacts.known):
        return contacts
    alive = [track.id for track in observation.objects]
    people = [track for track in observation.objects if track.label == PERSON and track.credible]
    people = [track for track in people if track.detection >= 0]
    if len(people) > MAX_PEOPLE:
        people = sorted(people, key=lambda track: -track.score)[:MAX_PEOPLE]
    pairs = {pair.tracks: pair for pair in contacts.pairs if pair.tracks[0] in alive and pair.tracks[1] in alive}
    for number, track in enumerate(people):
        for other in people[:number]:
            far = _is_far(track, other)
            if far and not pairs:
                continue
            first, second = (track, other) if track.id < other.id else (other, track)
            key, frame = (first.id, second.id), None if far else _pair_frame(observation, first, second)
            if frame is None:
                pairs.pop(key, None)
                continue
            pair = pairs.get(key) or ContactPair(key, first.id in contacts.known and second.id in contacts.known)
            pairs[key] = _updated(pair, frame) if pair.came_from_apart else pair
    seen = [track.id for track in people]
    known = tuple([track for track in alive if track in seen or track in contacts.known])
    if known == contacts.known and not pairs and not contacts.pairs:
        return contacts
    return CloseContacts(known, tuple(pairs.values()))


def outline_change(before: Box, after: Box) -> float:
    """How much an outline has changed, |d ln width| + |d ln height|."""
    (a, b, c, d), (left, top, right, bottom) = before, after
    return abs(math.log((right - left) / (c - a))) + abs(math.log((bottom - top) / (d - b)))


def mean_rate(samples: Iterable[ChangeSample], over_s: float) -> float:
    """The mean rate over a time; the part of it without samples counts as rest."""
    return sum(sample.rate * sample.duration_s for sample in samples) / over_s


def _is_far(track: TrackedObject, other: TrackedObject) -> bool:
    """Whether two people are so far apart that their distance need not be measured."""
    reach = FAR * (track.height if track.height > other.height else other.height)
    return abs(track.x - other.x) > reach or abs(track.y - other.y) > reach


def _pair_frame(observation: Observation, first: TrackedObject, second: TrackedObject) -> PairFrame | None:
    """The detector's boxes of two people, if they are near each other."""
    (a, b, c, d), (left, top, right, bottom) = observation.detections.xyxy[[first.detection, second.detection]].tolist()
    sides = c - a, d - b, right - left, bottom - top
    if min(sides) < 1:
        return None
    size = math.sqrt(max(sides[0] * sides[1], sides[2] * sides[3]))
    distance = math.hypot(a + c - left - right, b + d - top - bottom) / 2 / size
    if distance > MAX_DISTANCE:
        return None
    in_contact = distance <= CONTACT_DISTANCE and min(first.score, second.score) >= MIN_SCORE
    return PairFrame(observation.captured_at, (a, b, c, d), (left, top, right, bottom), in_contact)


def _updated(pair: ContactPair, frame: PairFrame) -> ContactPair:
    now = frame.at
    since = None
    if frame.in_contact:
        since = now if pair.since is None else pair.since
    frames = tuple(past for past in pair.frames if now - past.at <= SPAN_S + SLACK_S) or pair.frames[-1:]
    samples: tuple[ChangeSample, ...] = ()
    if since is not None:
        samples = tuple(sample for sample in pair.samples if now - sample.at < CONTACT_S - SLACK_S)
        if frames and now - frames[-1].at <= MAX_STEP_S:
            past = frames[0]
            change = (outline_change(past.first, frame.first) + outline_change(past.second, frame.second)) / 2
            rate = change / max(now - past.at, SPAN_S)
            samples = (*samples, ChangeSample(now, rate, now - pair.frames[-1].at))
    recent = tuple(past for past in frames if now - past.at < SPAN_S - SLACK_S)
    return ContactPair(pair.tracks, pair.came_from_apart, since, (*recent, frame), samples)
