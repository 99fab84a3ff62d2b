"""Alarms are compared with the events of a simulated lane."""

from __future__ import annotations

from benchmarks.acts.produce_theft import compare
from streams.simulator.truth import SimulatedEvent


def event(pattern: str, begin: float, end: float, *, theft: bool = True) -> SimulatedEvent:
    kind = "produce_theft" if theft else "harmless"
    return SimulatedEvent(kind, pattern, "field", begin, begin + 10, begin, end, end - 60)


TRUTH = (
    event("truck", 100, 300),
    event("on_foot", 280, 500),
    event("taxi", 600, 700, theft=False),
)


def test_a_theft_is_found_once_and_an_alarm_for_another_act_is_false() -> None:
    outcome = compare(TRUTH, [150.0, 160.0, 290.0, 650.0, 900.0])
    assert outcome.found == [("truck", 40.0), ("on_foot", 0.0)]
    assert outcome.again == 1
    assert outcome.false == ["taxi", "nothing"]


def test_an_alarm_before_it_began_or_a_minute_after_it_is_false_and_leaves_a_miss() -> None:
    outcome = compare(TRUTH[:1], [99.0, 301.0])
    assert outcome.found == [("truck", None)]
    assert outcome.false == ["nothing", "nothing"]
