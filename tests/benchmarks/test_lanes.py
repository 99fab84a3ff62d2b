"""How alarms are compared with what happened on a simulated lane."""

from __future__ import annotations

from benchmarks.acts.lanes import compare
from streams.simulator.truth import SimulatedEvent


def happening(pattern: str, begin: float, end: float, *, theft: bool = True) -> SimulatedEvent:
    kind = "produce_theft" if theft else "harmless"
    return SimulatedEvent(kind, pattern, "field", begin, begin + 10, begin, end, end - 60)


TRUTH = (
    happening("truck", 100, 300),
    happening("on_foot", 280, 500),
    happening("taxi", 600, 700, theft=False),
)


def test_each_theft_is_found_once_and_what_is_no_theft_is_false() -> None:
    found = compare(TRUTH, [150.0, 160.0, 290.0, 650.0, 900.0])
    assert found.found == [("truck", 40.0), ("on_foot", 0.0)]
    assert found.again == 1
    assert found.false == ["taxi", "nothing"]


def test_an_alarm_before_it_began_or_a_minute_after_it_is_false_and_leaves_a_miss() -> None:
    found = compare(TRUTH[:1], [99.0, 301.0])
    assert found.found == [("truck", None)]
    assert found.false == ["nothing", "nothing"]
