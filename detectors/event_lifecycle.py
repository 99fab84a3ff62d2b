"""An event's life: opened by a claim, revised as it grows, closed when nobody claims it, expired with its camera."""

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
"""Of the events' ids. Never to be changed: archives and verdicts refer to them."""

LOOK_AGAIN_S = 1.0
"""How often an open episode's score is computed anew: it takes longer than the fold itself."""
MATERIAL = 0.1
"""A change of the score that is published at once."""
UPDATE_S = 5.0
UPDATE_SHARE = 0.1
"""An open event is revised at least every 5 s, later every tenth of its length: 60 revisions in the first hour, 25
in each tenfold after it, however long somebody stays."""
CLEARER = 1.1
"""A frame must show it so much better to become the peak, or the peak would change at every step towards the camera."""


class OpenEvent(msgspec.Struct, frozen=True):
    """An event that is open.

    ``score``, ``factors``, ``sentence`` and ``thresholds`` are those of the last record that reached the thresholds, or
    at most a second older. So no revision shows a measure below its threshold. ``published_score`` is what subscribers
    were told last.
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
    """What has closed and is not raised again for a while."""

    kind: str
    key: str
    until: float


class EventStates(msgspec.Struct, frozen=True):
    """All that is open on one camera, and what rests. ``held_back`` counts the claims that fell into a rest."""

    open: tuple[OpenEvent, ...] = ()
    cooldowns: tuple[Cooldown, ...] = ()
    held_back: int = 0


class EventSource(NamedTuple):
    """What all events of one camera and run have in common."""

    run: str
    camera: str
    site: str


Claimed = Sequence[tuple[Behaviour[Any], Sequence[Candidate]]]


def update_events(
    episodes: EventStates, claimed: Claimed, view: Observation, origin: EventSource, spared: Collection[str] = ()
) -> tuple[EventStates, list[Event]]:
    """The episodes after a record, and the revisions of events that it causes.

    Args:
        episodes: before.
        claimed: by the behaviours that were asked.
        view: the record.
        origin: of the events.
        spared: kinds whose behaviours were not asked: what is open of them stays as it is.
    """
    now = view.captured_at
    before = {(one.kind, one.key): one for one in episodes.open}
    cooldowns = {(one.kind, one.key): one for one in episodes.cooldowns if one.until > now}
    held_back = episodes.held_back
    after: list[OpenEvent] = []
    events: list[Event] = []
    for behaviour, claims in claimed:
        for claim in claims:
            place = (behaviour.kind, claim.key)
            one = before.pop(place, None)
            if one is None and place in cooldowns:
                held_back += 1
                continue
            changed, state = _open(behaviour, claim, view, origin) if one is None else _go_on(one, claim, view, origin)
            after.append(changed)
            if state is not None:
                events.append(_event(changed, state, now, origin))
    for place, one in before.items():
        if one.kind in spared:
            after.append(one)
            continue
        events.append(_close(one, now, origin))
        if one.cooldown_s > 0:
            cooldowns[place] = Cooldown(one.kind, one.key, one.until + one.cooldown_s)
    return EventStates(tuple(after), tuple(cooldowns.values()), held_back), events


def expire_events(
    episodes: EventStates, now: float, origin: EventSource, spared: Collection[str] = ()
) -> tuple[EventStates, list[Event]]:
    """Ends what is open because the camera is not watched any more. When it ended nobody knows, and none says.

    An instant event was over when it was raised: it closes. Those of the ``spared`` kinds go on.
    """
    stay = tuple(one for one in episodes.open if one.kind in spared)
    events = [
        _close(one, now, origin) if one.instant else _event(_revised(one, now), "expired", now, origin)
        for one in episodes.open
        if one.kind not in spared
    ]
    return EventStates(open=stay, held_back=episodes.held_back), events


def make_event_id(origin: EventSource, kind: str, claim: Candidate) -> str:
    """An event's id, the same in every run over the same detections and with whichever thresholds.

    Camera, kind, zone, the first track's birth and where its foot was then; and the beginning of the happening,
    since one track may cross a line, or enter a zone, more than once.
    """
    born = claim.first_point
    name = "|".join(
        (
            origin.camera,
            kind,
            claim.zone,
            str(round(born.at * 1000)),
            f"{round(born.x)},{round(born.y)}",
            str(round(claim.since * 1000)),
        )
    )
    return str(uuid.uuid5(NAMESPACE, name))


def _open(
    behaviour: Behaviour[Any], claim: Candidate, view: Observation, origin: EventSource
) -> tuple[OpenEvent, State]:
    now = view.captured_at
    account = _account(behaviour.kind, claim, origin)
    total = scoring.total_score(account.factors)
    return OpenEvent(
        id=make_event_id(origin, behaviour.kind, claim),
        kind=behaviour.kind,
        key=claim.key,
        zone=claim.zone,
        started_at=now,
        since=claim.since,
        until=claim.until,
        published_at=now,
        published_score=total,
        checked_at=now,
        revision=_revision(now),
        severity=claim.severity,
        score=total,
        factors=account.factors,
        sentence=account.sentence,
        thresholds=claim.thresholds.numbers(),
        tracks=claim.tracks,
        peak=_peak(claim, view),
        clarity=claim.clarity,
        instant=claim.instant,
        cooldown_s=claim.cooldown_s,
        model=view.detections.model,
        condition=view.light,
        onvif=behaviour.onvif,
        kisa=behaviour.kisa,
    ), "open"


def _go_on(one: OpenEvent, claim: Candidate, view: Observation, origin: EventSource) -> tuple[OpenEvent, State | None]:
    now = view.captured_at
    if claim.clarity > one.clarity * CLEARER and claim.until == now:
        one = msgspec.structs.replace(one, peak=_peak(claim, view), clarity=claim.clarity)
    one = msgspec.structs.replace(one, until=claim.until, tracks=claim.tracks)
    graver = claim.severity > one.severity
    if not graver and (now - one.checked_at < LOOK_AGAIN_S or claim.until < now):
        return one, None
    one = msgspec.structs.replace(one, checked_at=now, severity=max(claim.severity, one.severity))
    if claim.thresholds_met:
        account = _account(one.kind, claim, origin)
        one = msgspec.structs.replace(
            one,
            score=scoring.total_score(account.factors),
            factors=account.factors,
            sentence=account.sentence,
            thresholds=claim.thresholds.numbers(),
        )
    due = now - one.published_at >= max(UPDATE_S, UPDATE_SHARE * (now - one.started_at))
    if not (graver or due or abs(one.score - one.published_score) >= MATERIAL):
        return one, None
    return msgspec.structs.replace(_revised(one, now), published_at=now, published_score=one.score), "updated"


def _account(kind: str, claim: Candidate, origin: EventSource) -> Explanation:
    """Why, in the behaviour's words; where it fails at them the event is raised all the same, and says so."""
    try:
        account = claim.explain()
        if not math.isfinite(scoring.total_score(account.factors)):
            raise ValueError("a part of the score is no number")
        return account
    except Exception:  # whatever a behaviour of somebody else raises
        log.exception("behaviour %s failed to say why, camera %s", kind, origin.camera)
        return Explanation(
            (), {"ko": f"{kind}: 이유를 설명할 수 없음", "en": f"{kind}: the behaviour failed to say why"}
        )


def _close(one: OpenEvent, now: float, origin: EventSource) -> Event:
    return _event(_revised(one, now), "closed", now, origin, ended_at=one.until)


def _revised(one: OpenEvent, now: float) -> OpenEvent:
    return msgspec.structs.replace(one, revision=max(_revision(now), one.revision + 1))


def _revision(now: float) -> int:
    return round(now * 1000)


def _peak(claim: Candidate, view: Observation) -> Peak:
    record = view.detections
    return Peak(record.slot, record.captured_at, claim.box, record.width, record.height)


def _event(one: OpenEvent, state: State, now: float, origin: EventSource, ended_at: float | None = None) -> Event:
    return Event(
        run=origin.run,
        id=one.id,
        camera=origin.camera,
        kind=one.kind,
        zone=one.zone,
        began_at=one.since,
        started_at=one.started_at,
        updated_at=now,
        ended_at=ended_at,
        revision=one.revision,
        state=state,
        severity=one.severity,
        score=one.score,
        factors=one.factors,
        thresholds=one.thresholds,
        sentence=one.sentence,
        tracks=one.tracks,
        peak=one.peak,
        model=one.model,
        site=origin.site,
        onvif=one.onvif,
        kisa=one.kisa,
        condition=one.condition,
    )
