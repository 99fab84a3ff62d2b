"""The explanation of a sequence's event: the score of each step, and one sentence in each language."""

from __future__ import annotations

import math

from detectors import scoring
from detectors.behaviours.base import Explanation
from detectors.behaviours.sequences.zone_activity import ZoneActivity
from detectors.observation.observation import Observation
from lanewatch.config.sequences import Condition, EventSequence


def explain(sequence: EventSequence, activity: ZoneActivity, observation: Observation) -> Explanation:
    """The factors and the sentence of an activity."""
    factors = [
        scoring.make_factor(f"step_{number + 1}", step.score, what=step.what, at=round(at - activity.since, 1))
        for number, (step, at) in enumerate(zip(sequence.steps, activity.step_times, strict=False))
    ]
    escalations = [sequence.raisers[number] for number in activity.escalations]
    factors += [scoring.make_factor("raised", escalation.score, what=escalation.what) for escalation in escalations]
    representative = activity.representative
    factors += scoring.common_factors(observation.condition, representative.label, representative.score)
    total = sum(factor.value for factor in factors)
    visit = observation.registered(activity.zone, activity.arrival_class) if activity.mitigations else None
    visitor = {} if visit is None else {"visitor": visit.who}
    for number in activity.mitigations:
        mitigation = sequence.lowerers[number]
        value = max(mitigation.score, -total)  # a score is not negative
        total += value
        factors.append(scoring.make_factor("lowered", value, what=mitigation.what, **visitor))
    conditions = [*sequence.steps[: len(activity.step_times)], *escalations]
    return Explanation(tuple(factors), _sentence(sequence, conditions, activity, observation))


def _sentence(
    sequence: EventSequence, conditions: list[Condition], activity: ZoneActivity, observation: Observation
) -> dict[str, str]:
    when_ko, when_en = scoring.WHEN[observation.condition]
    where_ko, where_en = "차로 밖에서", "off the lane"
    if activity.zone:
        name = observation.geometry.zone(activity.zone).name
        where_ko, where_en = f"'{name.ko}' 구역에서", f"at '{name.en}'"
    phrases = dict.fromkeys(_phrase(condition, activity) for condition in conditions)
    steps_ko, steps_en = ", ".join(ko for ko, _ in phrases), ", ".join(en for _, en in phrases)
    mitigation_ko = " (신고되었거나 주인이 있을 시간)" if activity.mitigations else ""
    mitigation_en = " (registered, or its owner's hours)" if activity.mitigations else ""
    return {
        "ko": f"{when_ko} {where_ko} {sequence.name.ko}: {steps_ko}{mitigation_ko}",
        "en": f"{sequence.name.en} {when_en} {where_en}: {steps_en}{mitigation_en}",
    }


def _phrase(condition: Condition, activity: ZoneActivity) -> tuple[str, str]:
    """What was observed for a condition so far. A step may have been reached by one of its alternatives."""
    if condition.what in ("vehicle_stands", "on_foot"):
        if activity.vehicle is None:
            return "사람이 걸어서 들어옴", "a person came on foot"
        korean, english = scoring.LABEL_NAMES[activity.arrival_class]
        stop_ko, stop_en = scoring.duration(math.floor(activity.vehicle.stopped_s))
        return f"{scoring.josa(korean, '이', '가')} {stop_ko} 정차", f"a {english} stood for {stop_en}"
    if condition.what == "people_leave":
        count = activity.occupant_count
        return f"차에서 {count}명이 내림", f"{count} {'person' if count == 1 else 'people'} got out of it"
    if condition.what in ("trips", "visits", "stay"):
        times = max(activity.trips, len(activity.visits_s))
        stay_ko, stay_en = scoring.duration(math.floor(activity.present_s))
        trips_ko, trips_en = (f"{times}회 드나들며 ", f"{times} trips, ") if times > 1 else ("", "")
        return f"{trips_ko}안에 {stay_ko} 머무름", f"{trips_en}{stay_en} inside"
    if condition.what == "thing_changes":
        return "물건이 놓이거나 없어짐", "an object was left or is gone"
    return ("차가 떠남", "the vehicle left") if activity.left_at is not None else ("사람이 떠남", "the people left")
