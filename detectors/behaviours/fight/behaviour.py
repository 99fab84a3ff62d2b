"""Fight: people close to each other move, and change their outlines, faster than people who walk, stand or talk.

The measure is the *outline change rate*, the threshold ``unrest``: |d ln width| + |d ln height| plus the motion against
all other people, in body heights, a second. Two people in close contact need a lower rate
(``detectors.behaviours.fight.close_contact``). See docs/behaviours.md.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from statistics import median
from typing import NamedTuple

import msgspec
from msgspec.structs import replace
from pydantic import Field

from detectors import scoring
from detectors.behaviours.base import BaseBehaviour, Candidate, Explanation, Result, cooldown_field
from detectors.behaviours.common.explanations import excess
from detectors.behaviours.fight import close_contact
from detectors.behaviours.fight.close_contact import ChangeSample, CloseContacts, outline_change, update_contacts
from detectors.observation.observation import Observation
from detectors.observation.tracked_objects import TrackPoint
from detectors.thresholds import Thresholds
from lanewatch.boxes import iou
from lanewatch.config.fields import LocalizedName
from lanewatch.records import PERSON, Box

EVIDENCE_S = 1.0
"""The time over which the rate is averaged. Time without a sample counts as rest."""
EVIDENCE_FRAMES = 10
"""The least number of frames in that time. With fewer, jitter alone makes a fight: at 2 to 4 fps, pets09-s2l1 and
aboda-video4 reach 2.0 in a second's frames and 1.4 in ten."""
SPAN_S = 0.2
"""The time over which boxes are compared, or one step of a camera with a lower rate. Shorter intervals are scaled to
it, so that a detector's jitter gives no higher rate."""
MAX_STEP_S = 0.5
"""The longest time between two frames over which boxes are compared: at 2 fps a fight's movements are not visible."""
MAX_SIZE_RATIO = 1.6
"""Two people are at one place if one box is at most so many times as long as the other. Else one is far behind."""
SAME_PERSON_IOU = 0.3
"""Intersection over union from which two boxes of successive frames are one person's."""
MIN_SIDE = 4.0
"""Pixels of a box's shorter side. The outline of a smaller person is all jitter."""
MAX_PEOPLE = 48
"""Boxes that are compared, the highest scores first, so that a crowd costs no more than a millisecond."""
CONTINUES_AT = 0.5
"""An event continues while the rate is at least this share of the threshold: fights have pauses."""

FIGHT_SCORE = 0.35
"""Score at the threshold by day, without the detector's confidence."""
FASTER_SCORE = 0.3
"""More at twice the threshold, in proportion."""
SLACK_S = 0.01
GROUP_NAMES = ("가까이 있는 사람들이 격하게 움직임", "People close to each other move violently")
CONTACT_NAMES = ("두 사람이 맞붙어 격하게 움직임", "Two people hold each other and move violently")


class FightThresholds(Thresholds):
    """When people's movement may be a fight. docs/behaviours.md says how the defaults were measured."""

    unrest: float = Field(2.3, ge=0.1, le=20, title="Unrest")
    """Movement of people close to each other: the change of their outlines, logarithms of width and height, and their
    motion, body heights, a second. Raising it raises fewer events of busy places, and misses fights."""
    clinched: float = Field(0.5, ge=0.1, le=20, title="Unrest of a clinch")
    """Change of the outlines of two people who came from apart and are in one place, logarithms of width and height a
    second. Raising it raises fewer events of people who embrace, and misses fights."""
    within: float = Field(1.0, ge=0.2, le=5, title="Within")
    """Body heights between two people who may fight. Raising it includes people who only walk side by side."""
    cooldown_s: float = cooldown_field(10.0)


class PeopleFrame(msgspec.Struct, frozen=True):
    """The boxes of people in a frame."""

    at: float
    boxes: tuple[Box, ...]


class FightEvidence(NamedTuple):
    """Evidence for a fight at a record: the rate of a close contact or of all people, since when, and whose box."""

    close_contact: bool
    outline_change_rate: float
    since: float
    box: Box | None

    def threshold(self, limits: FightThresholds) -> float:
        """The rate that it takes."""
        return limits.clinched if self.close_contact else limits.unrest

    def strength(self, limits: FightThresholds) -> float:
        """The rate in multiples of its threshold."""
        return self.outline_change_rate / self.threshold(limits)


class FightEpisode(msgspec.Struct, frozen=True):
    """A fight in progress. ``strongest`` is the strongest evidence since its opening."""

    since: float
    zone: str
    first_point: TrackPoint
    box: Box
    strongest: FightEvidence


class FightMemory(msgspec.Struct, frozen=True):
    """The boxes of the last ``SPAN_S``, the samples of the last second, the close contacts, and the present fight."""

    frames: tuple[PeopleFrame, ...] = ()
    samples: tuple[ChangeSample, ...] = ()
    contacts: CloseContacts = CloseContacts()
    episode: FightEpisode | None = None


class Fight(BaseBehaviour[FightThresholds, FightMemory]):
    """People fight. One event at a camera at a time, also if people join."""

    kind = "fight"
    name = LocalizedName(ko="싸움 의심", en="Possible fight")
    kisa = "Violence"
    triggers = frozenset({"boxes"})
    Thresholds = FightThresholds
    Memory = FightMemory

    def step(self, memory: FightMemory, observation: Observation) -> Result[FightMemory]:
        contacts = update_contacts(memory.contacts, observation)
        fastest, frames, samples = self._compare(memory, observation)
        if not frames and not contacts.pairs:
            unchanged = contacts is memory.contacts and not (memory.frames or memory.samples or memory.episode)
            return memory if unchanged else FightMemory(contacts=contacts), ()
        evidence = _evidence(samples, fastest, contacts, observation.captured_at)
        episode = memory.episode or self._opened(evidence, observation)
        if episode is None:
            return FightMemory(frames, samples, contacts), ()
        limits = self._limits.resolve(observation, episode.zone, PERSON)
        strongest = max(evidence, key=lambda each: each.strength(limits), default=None)
        if strongest is None or strongest.strength(limits) < CONTINUES_AT:
            return FightMemory(frames, samples, contacts), ()
        if strongest.box is not None:
            episode = replace(episode, box=strongest.box)
        if strongest.strength(limits) > episode.strongest.strength(limits):
            episode = replace(episode, strongest=strongest)
        candidate = _candidate(episode, strongest, observation, limits)
        return FightMemory(frames, samples, contacts, episode), (candidate,)

    def _compare(
        self, memory: FightMemory, observation: Observation
    ) -> tuple[Box | None, tuple[PeopleFrame, ...], tuple[ChangeSample, ...]]:
        """The box that changes fastest, and the frames and samples after a record; none if no people are close."""
        people = person_boxes(observation) if observation.has_frame else []
        close = close_people(people, self._limits.resolve(observation, "", PERSON).within)
        if not close and not memory.frames and not memory.samples:
            return None, (), ()
        now = observation.captured_at
        fastest, samples = _sampled(memory, people, close, now)
        if not close and not any(sample.rate for sample in samples):
            return None, (), ()
        frames = memory.frames
        if observation.has_frame:
            recent = (frame for frame in frames if now - frame.at < SPAN_S - SLACK_S)
            frames = (*recent, PeopleFrame(now, tuple(people)))
        return fastest, frames, samples

    def _opened(self, evidence: Sequence[FightEvidence], observation: Observation) -> FightEpisode | None:
        """The fight that the first sufficient evidence opens, by the thresholds of its place."""
        for each in evidence:
            if each.box is not None:
                left, _, right, bottom = each.box
                first_point = TrackPoint((left + right) / 2, bottom, observation.captured_at)
                zone = observation.geometry.zone_at(first_point.x, first_point.y)
                if each.strength(self._limits.resolve(observation, zone, PERSON)) >= 1:
                    return FightEpisode(each.since, zone, first_point, each.box, each)
        return None


def person_boxes(observation: Observation) -> list[Box]:
    """The boxes of people in a record, at most ``MAX_PEOPLE``; none if it has a single box."""
    record = observation.detections
    if len(record.scores) < 2:
        return []
    rows = [row for row, label in enumerate(record.labels.tolist()) if label == PERSON]
    if len(rows) > MAX_PEOPLE:
        scores = record.scores.tolist()
        rows = sorted(rows, key=lambda row: -scores[row])[:MAX_PEOPLE]
    xyxy = record.xyxy.tolist()
    return [(a, b, c, d) for a, b, c, d in (xyxy[row] for row in rows) if c - a >= MIN_SIDE and d - b >= MIN_SIDE]


def close_people(people: Sequence[Box], within: float) -> set[int]:
    """The indices of the boxes with another one within so many body heights. The height is the box's longer side."""
    close: set[int] = set()
    # Twice the centers, since x and y are sums of two edges
    bodies = [(a + c, b + d, max(c - a, d - b)) for a, b, c, d in people]
    for i, (x, y, height) in enumerate(bodies):
        known = i in close
        for j in range(i):
            if known and j in close:
                continue
            other_x, other_y, other_height = bodies[j]
            longer, shorter = (height, other_height) if height > other_height else (other_height, height)
            alike = longer <= MAX_SIZE_RATIO * shorter
            if alike and math.hypot(x - other_x, y - other_y) < 2 * within * longer:
                known = True
                close.add(i)
                close.add(j)
    return close


def outline_changes(before: Sequence[Box], people: Sequence[Box], close: set[int]) -> dict[int, float]:
    """How much the close people have changed and moved, by their index in ``people``.

    |d ln width| + |d ln height| + the motion of the center against the median of all people, body heights. A person
    without a box before is left out.
    """
    changed: dict[int, tuple[float, float, float, float]] = {}
    for i, j in _matches(before, people):
        (a, b, c, d), (left, top, right, bottom) = before[i], people[j]
        height = math.sqrt(max(c - a, d - b) * max(right - left, bottom - top))
        motion = (left + right - a - c) / 2, (top + bottom - b - d) / 2
        changed[j] = (outline_change(before[i], people[j]), *motion, height)
    if not any(j in close for j in changed):
        return {}
    all_x, all_y = (median(values[axis] for values in changed.values()) for axis in (1, 2))
    return {
        j: change + math.hypot(x - all_x, y - all_y) / height
        for j, (change, x, y, height) in changed.items()
        if j in close
    }


def mean_rate(samples: Sequence[ChangeSample]) -> float:
    """The outline change rate over the last second, or the last ten frames."""
    return close_contact.mean_rate(samples, _evidence_s(samples))


def _evidence_s(samples: Sequence[ChangeSample]) -> float:
    """The time over which the rate is averaged at the camera's frame rate."""
    if not samples:
        return EVIDENCE_S
    return max(EVIDENCE_S, EVIDENCE_FRAMES * sum(sample.duration_s for sample in samples) / len(samples))


def _sampled(
    memory: FightMemory, people: Sequence[Box], close: set[int], now: float
) -> tuple[Box | None, tuple[ChangeSample, ...]]:
    """The box that changes fastest, and the samples of the last second with this frame's."""
    window_s = _evidence_s(memory.samples) - SLACK_S
    samples = tuple(sample for sample in memory.samples if now - sample.at < window_s)
    if not memory.frames or not people:
        return None, samples
    last = memory.frames[-1]
    if now - last.at > MAX_STEP_S:
        return None, samples
    past = next((frame for frame in memory.frames if now - frame.at <= SPAN_S + SLACK_S), last)
    changes = outline_changes(past.boxes, people, close)
    if not changes:
        return None, (*samples, ChangeSample(now, 0.0, now - last.at))
    rate = median(changes.values()) / max(now - past.at, SPAN_S)
    fastest = max(changes, key=lambda row: changes[row])
    return people[fastest], (*samples, ChangeSample(now, rate, now - last.at))


def _evidence(
    samples: Sequence[ChangeSample], fastest: Box | None, contacts: CloseContacts, now: float
) -> list[FightEvidence]:
    evidence = []
    rate = mean_rate(samples)
    if rate:
        since = min((sample.at - sample.duration_s for sample in samples if sample.rate), default=now)
        evidence.append(FightEvidence(False, rate, since, fastest))
    pair = contacts.strongest(now)
    if pair is not None and pair.since is not None:
        evidence.append(FightEvidence(True, pair.outline_change_rate, pair.since, pair.box))
    return evidence


def _matches(before: Sequence[Box], people: Sequence[Box]) -> Iterator[tuple[int, int]]:
    """Pairs of boxes of the same person, largest overlap first."""
    pairs = []
    for i, box in enumerate(before):
        left, top, right, bottom = box
        for j, other in enumerate(people):
            # Most boxes are far from each other: no call for those
            if other[0] < right and other[2] > left and other[1] < bottom and other[3] > top:
                overlap = iou(box, other)
                if overlap > SAME_PERSON_IOU:
                    pairs.append((overlap, i, j))
    pairs.sort(reverse=True)
    matched_before: set[int] = set()
    matched: set[int] = set()
    for _, i, j in pairs:
        if i not in matched_before and j not in matched:
            matched_before.add(i)
            matched.add(j)
            yield i, j


def _candidate(
    episode: FightEpisode, evidence: FightEvidence, observation: Observation, limits: FightThresholds
) -> Candidate:
    left, top, right, bottom = episode.box
    people = (track for track in observation.objects if track.label == PERSON)
    return Candidate(
        key="fight",
        zone=episode.zone,
        since=episode.since,
        until=observation.captured_at,
        tracks=tuple(person.id for person in people if iou(person.box, episode.box) > SAME_PERSON_IOU),
        first_point=episode.first_point,
        box=episode.box,
        clarity=evidence.outline_change_rate * max(right - left, bottom - top),
        severity=1,
        thresholds=limits,
        explain=lambda: _explain(episode, observation, limits),
        thresholds_met=episode.strongest.strength(limits) >= 1,
        cooldown_s=limits.cooldown_s,
    )


def _explain(episode: FightEpisode, observation: Observation, limits: FightThresholds) -> Explanation:
    evidence = episode.strongest
    rate, threshold = evidence.outline_change_rate, evidence.threshold(limits)
    confidence = float(observation.detections.scores.max()) if len(observation.detections) else 0.0
    score = FIGHT_SCORE + FASTER_SCORE * excess(rate, threshold, 1.0)
    lasted_s = round(observation.captured_at - episode.since, 1)
    factors = (
        scoring.make_factor("unrest", score, unrest=round(rate, 2), threshold=threshold, seconds=lasted_s),
        *scoring.common_factors(observation.condition, PERSON, confidence),
    )
    when_ko, when_en = scoring.WHEN[observation.condition]
    name_ko, name_en = CONTACT_NAMES if evidence.close_contact else GROUP_NAMES
    sentence = {
        "ko": f"{when_ko} {name_ko}: 싸움 의심 (격렬도 {rate:.2f}, 기준 {threshold:g})",
        "en": f"{name_en} {when_en}: possible fight (unrest {rate:.2f}, threshold {threshold:g})",
    }
    return Explanation(factors, sentence)
