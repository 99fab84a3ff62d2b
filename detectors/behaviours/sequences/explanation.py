"""What a composite's event says of itself: the steps' parts of the score, and one sentence in each language."""

from __future__ import annotations

import math

from detectors import scoring
from detectors.behaviours.base import Explanation
from detectors.behaviours.sequences.zone_activity import ZoneActivity
from detectors.observation.observation import Observation
from lanewatch.config.sequences import Condition, EventSequence
from lanewatch.records import LABELS


def explain(composite: EventSequence, one: ZoneActivity, view: Observation) -> Explanation:
    """Why a story is suspicious."""
    factors = [
        scoring.make_factor(f"step_{number + 1}", step.score, what=step.what, at=round(at - one.since, 1))
        for number, (step, at) in enumerate(zip(composite.steps, one.steps, strict=False))
    ]
    factors += [
        scoring.make_factor("raised", composite.raisers[number].score, what=composite.raisers[number].what)
        for number in one.raised
    ]
    factors += scoring.common_factors(view.condition, one.representative.label, one.representative.score)
    left = sum(factor.value for factor in factors)
    for number in one.lowered:
        lowerer = composite.lowerers[number]
        value = max(lowerer.score, -left)  # a score is not below nothing
        left += value
        factors.append(scoring.make_factor("lowered", value, what=lowerer.what, **_visitor(one, view)))
    return Explanation(tuple(factors), _sentence(composite, one, view))


def _visitor(one: ZoneActivity, view: Observation) -> dict[str, str]:
    visit = view.registered(one.zone, one.means)
    return {} if visit is None else {"visitor": visit.who}


def _sentence(composite: EventSequence, one: ZoneActivity, view: Observation) -> dict[str, str]:
    when_ko, when_en = scoring.WHEN[view.condition]
    where_ko, where_en = "차로 밖에서", "off the lane"
    if one.zone:
        name = view.geometry.zone(one.zone).name
        where_ko, where_en = f"'{name.ko}' 구역에서", f"at '{name.en}'"
    signs = [*composite.steps[: len(one.steps)], *(composite.raisers[number] for number in one.raised)]
    told = list(dict.fromkeys(phrase for sign in signs for phrase in [_phrase(sign, one)] if phrase[0]))
    told_ko, told_en = ", ".join(ko for ko, _ in told), ", ".join(en for _, en in told)
    lowered_ko = " (신고되었거나 주인이 있을 시간)" if one.lowered else ""
    lowered_en = " (registered, or its owner's hours)" if one.lowered else ""
    return {
        "ko": f"{when_ko} {where_ko} {composite.name.ko}: {told_ko}{lowered_ko}",
        "en": f"{composite.name.en} {when_en} {where_en}: {told_en}{lowered_en}",
    }


def _phrase(sign: Condition, one: ZoneActivity) -> tuple[str, str]:
    """What a sign has come to by now, in the words of what was really seen: a step may be reached otherwise."""
    if sign.what in ("vehicle_stands", "on_foot"):
        return _beginning(one)
    if sign.what == "people_leave":
        return f"차에서 {one.crowd}명이 내림", f"{one.crowd} came out of it"
    if sign.what in ("trips", "visits", "stay"):
        times = max(one.trips, len(one.visits))
        long_ko, long_en = scoring.duration(math.floor(one.present_s))
        ways_ko, ways_en = (f"{times}회 드나들며 ", f"{times} trips, ") if times > 1 else ("", "")
        return f"{ways_ko}안에 {long_ko} 머무름", f"{ways_en}{long_en} inside"
    if sign.what == "thing_changes":
        return "물건이 놓이거나 없어짐", "something was left or is gone"
    if one.left_at is not None:
        return "차가 떠남", "the vehicle left"
    return "사람이 떠남", "they left"


def _beginning(one: ZoneActivity) -> tuple[str, str]:
    if one.stand is None:
        return "사람이 걸어서 들어옴", "somebody came on foot"
    korean, english = scoring.LABEL_NAMES[LABELS[one.stand.label]]
    long_ko, long_en = scoring.duration(math.floor(one.stand.stood_s))
    return f"{scoring.josa(korean, '이', '가')} {long_ko} 정차", f"a {english} stood for {long_en}"
