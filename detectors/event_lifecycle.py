"""An event's life: a candidate opens it and updates it; it closes without one, and expires with its camera."""

from __future__ import annotations

import math
import uuid
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import msgspec

from detectors import scoring
from detectors.behaviours.base import Behaviour, Candidate, Explanation
from detectors.observation.observation import Observation
from lanewatch import metrics
from lanewatch.records import Event, Factor, Light, Peak, State

log = metrics.log("watch")

NAMESPACE = uuid.UUID("5f0a3a0e-6a0b-5c53-9d0e-3f4b1f7f2c11")
"""Of the events' ids. Never change it: archives and verdicts refer to them."""

RESCORE_S = 1.0
"""How often the score of an open event is computed anew. This takes longer than the rest of the fold."""
SCORE_CHANGE = 0.1
"""A change of the score that is published at once."""
UPDATE_S = 5.0
UPDATE_SHARE = 0.1
"""An open event is updated at least every 5 s, and later every tenth of its length. That gives 60 revisions in the
first hour, and 25 in each tenfold of time after it."""
PEAK_GAIN = 1.1
"""A frame must be clearer by this factor to become the peak. Otherwise each step towards the camera would change it."""


class OpenEvent(msgspec.Struct, frozen=True):
    """An event that is open.

    ``score``, ``factors``, ``sentence`` and ``thresholds`` are computed at most once a second, and only from records
    that reach the thresholds. So no revision shows a measure below its threshold.
    """

    id: str
    kind: str
    key: str
    zone: str
    started_at: float
    since: float
    until: float
    published_at: float
    published_score: float
    checked_at: float
    revision: int
    severity: int
    score: float
    factors: tuple[Factor, ...]
    sentence: dict[str, str]
    thresholds: dict[str, float]
    tracks: tuple[int, ...]
    peak: Peak
    clarity: float
    instant: bool
    cooldown_s: float
    model: str
    condition: Light
    onvif: str
    kisa: str


class Cooldown(msgspec.Struct, frozen=True):
    """An event that closed; the same kind and key is not raised again until then."""

    kind: str
    key: str
    until: float


class EventStates(msgspec.Struct, frozen=True):
    """One camera's open events and cooldowns. ``held_back`` counts the candidates that fell into a cooldown."""

    open: tuple[OpenEvent, ...] = ()
    cooldowns: tuple[Cooldown, ...] = ()
    held_back: int = 0


class EventSource(NamedTuple):
    """The fields that all events of one camera and run have in common."""

    run: str
    camera: str
    site: str


Candidates = Sequence[tuple[Behaviour[Any], Sequence[Candidate]]]


def update_events(
    states: EventStates,
    candidates: Candidates,
    observation: Observation,
    source: EventSource,
    not_evaluated: Collection[str] = (),
) -> tuple[EventStates, list[Event]]:
    """The states after a record, and the event revisions that it causes.

    The open events of kinds that were ``not_evaluated`` stay as they are.
    """
    now = observation.captured_at
    # Step 1: cooldowns end
    unmatched = {(event.kind, event.key): event for event in states.open}
    cooldowns = {(item.kind, item.key): item for item in states.cooldowns if item.until > now}
    held_back = states.held_back
    still_open: list[OpenEvent] = []
    revisions: list[Event] = []
    # Step 2: each candidate updates its open event, or opens one unless there is a cooldown
    for behaviour, found in candidates:
        for candidate in found:
            key = (behaviour.kind, candidate.key)
            event = unmatched.pop(key, None)
            if event is None and key in cooldowns:
                held_back += 1
                continue
            state: State | None
            if event is None:
                event, state = _opened(behaviour, candidate, observation, source), "open"
            else:
                event, state = _updated(event, candidate, observation, source)
            still_open.append(event)
            if state is not None:
                revisions.append(_revision(event, state, now, source))
    # Step 3: events without a candidate close
    for key, event in unmatched.items():
        if event.kind in not_evaluated:
            still_open.append(event)
            continue
        revisions.append(_closed(event, now, source))
        if event.cooldown_s > 0:
            cooldowns[key] = Cooldown(event.kind, event.key, event.until + event.cooldown_s)
    return EventStates(tuple(still_open), tuple(cooldowns.values()), held_back), revisions


def expire_events(
    states: EventStates, now: float, source: EventSource, kept_kinds: Collection[str] = ()
) -> tuple[EventStates, list[Event]]:
    """Ends open events because the camera is no longer observed. Their end is unknown, so they get none.

    An instant event was over when it was raised: it closes. Events of ``kept_kinds`` stay open. Cooldowns end.
    """
    kept = tuple(event for event in states.open if event.kind in kept_kinds)
    revisions = [
        _closed(event, now, source) if event.instant else _revision(_numbered(event, now), "expired", now, source)
        for event in states.open
        if event.kind not in kept_kinds
    ]
    return EventStates(open=kept, held_back=states.held_back), revisions


def make_event_id(source: EventSource, kind: str, candidate: Candidate) -> str:
    """An event's id, the same in every run over the same detections and under any thresholds.

    The candidate's begin is part of it, because one track may cross a line, or enter a zone, more than once.
    """
    x, y, at = candidate.first_point
    first_point = f"{round(at * 1000)}|{round(x)},{round(y)}"
    parts = f"{source.camera}|{kind}|{candidate.zone}|{first_point}|{round(candidate.since * 1000)}"
    return str(uuid.uuid5(NAMESPACE, parts))


def _opened(
    behaviour: Behaviour[Any], candidate: Candidate, observation: Observation, source: EventSource
) -> OpenEvent:
    now = observation.captured_at
    explanation = _explanation(behaviour.kind, candidate, source)
    score = scoring.total_score(explanation.factors)
    return OpenEvent(
        id=make_event_id(source, behaviour.kind, candidate),
        kind=behaviour.kind,
        key=candidate.key,
        zone=candidate.zone,
        started_at=now,
        since=candidate.since,
        until=candidate.until,
        published_at=now,
        published_score=score,
        checked_at=now,
        revision=round(now * 1000),
        severity=candidate.severity,
        score=score,
        factors=explanation.factors,
        sentence=explanation.sentence,
        thresholds=candidate.thresholds.numbers(),
        tracks=candidate.tracks,
        peak=_peak(candidate, observation),
        clarity=candidate.clarity,
        instant=candidate.instant,
        cooldown_s=candidate.cooldown_s,
        model=observation.detections.model,
        condition=observation.light,
        onvif=behaviour.onvif,
        kisa=behaviour.kisa,
    )


def _updated(
    event: OpenEvent, candidate: Candidate, observation: Observation, source: EventSource
) -> tuple[OpenEvent, State | None]:
    """The open event after a candidate, and "updated" if this is published."""
    now = observation.captured_at
    if candidate.clarity > event.clarity * PEAK_GAIN and candidate.until == now:
        event = msgspec.structs.replace(event, peak=_peak(candidate, observation), clarity=candidate.clarity)
    event = msgspec.structs.replace(event, until=candidate.until, tracks=candidate.tracks)
    more_severe = candidate.severity > event.severity
    if not more_severe and (now - event.checked_at < RESCORE_S or candidate.until < now):
        return event, None
    event = msgspec.structs.replace(event, checked_at=now, severity=max(candidate.severity, event.severity))
    if candidate.thresholds_met:
        explanation = _explanation(event.kind, candidate, source)
        event = msgspec.structs.replace(
            event,
            score=scoring.total_score(explanation.factors),
            factors=explanation.factors,
            sentence=explanation.sentence,
            thresholds=candidate.thresholds.numbers(),
        )
    due = now - event.published_at >= max(UPDATE_S, UPDATE_SHARE * (now - event.started_at))
    if not (more_severe or due or abs(event.score - event.published_score) >= SCORE_CHANGE):
        return event, None
    event = msgspec.structs.replace(_numbered(event, now), published_at=now, published_score=event.score)
    return event, "updated"


def _explanation(kind: str, candidate: Candidate, source: EventSource) -> Explanation:
    """The behaviour's explanation. If it fails, the event is raised all the same, with a sentence that says so."""
    try:
        explanation = candidate.explain()
        if not math.isfinite(scoring.total_score(explanation.factors)):
            raise ValueError("a factor of the score is not finite")
        return explanation
    except Exception:  # a plug-in may raise anything
        log.exception("behaviour %s failed to explain a candidate, camera %s", kind, source.camera)
        ko, en = f"{kind}: 이유를 설명할 수 없음", f"{kind}: the behaviour failed to say why"
        return Explanation((), {"ko": ko, "en": en})


def _closed(event: OpenEvent, now: float, source: EventSource) -> Event:
    return _revision(_numbered(event, now), "closed", now, source, ended_at=event.until)


def _numbered(event: OpenEvent, now: float) -> OpenEvent:
    """The event with the next revision number: it rises even if the clock was set back."""
    return msgspec.structs.replace(event, revision=max(round(now * 1000), event.revision + 1))


def _peak(candidate: Candidate, observation: Observation) -> Peak:
    record = observation.detections
    return Peak(record.slot, record.captured_at, candidate.box, record.width, record.height)


def _revision(event: OpenEvent, state: State, now: float, source: EventSource, ended_at: float | None = None) -> Event:
    return Event(
        run=source.run,
        id=event.id,
        camera=source.camera,
        kind=event.kind,
        zone=event.zone,
        began_at=event.since,
        started_at=event.started_at,
        updated_at=now,
        ended_at=ended_at,
        revision=event.revision,
        state=state,
        severity=event.severity,
        score=event.score,
        factors=event.factors,
        thresholds=event.thresholds,
        sentence=event.sentence,
        tracks=event.tracks,
        peak=event.peak,
        model=event.model,
        site=source.site,
        onvif=event.onvif,
        kisa=event.kisa,
        condition=event.condition,
    )
