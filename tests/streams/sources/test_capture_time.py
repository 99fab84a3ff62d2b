from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanewatch.records import MAX_CLOCK_ERROR_S
from streams.sources.capture_time import MAX_STEP_S, REORDER_S, ArrivalClock, EpochCounter


@pytest.mark.parametrize(
    ("times", "breaks"),
    [
        ([10.0, 10.2, 10.4, 12.3], []),  # a gap of less than two seconds
        ([10.0, 10.2, 12.3], [2]),  # ahead
        ([10.0, 10.2, 10.1, 10.3], []),  # packets out of order
        ([10.0, 10.2, 4.0, 4.2], [2]),  # the clock was set back
        ([10.0, 4.0, 10.1], [1, 2]),  # and forward again
    ],
)
def test_an_epoch_starts_where_capture_time_jumps(times: list[float], breaks: list[int]) -> None:
    epochs = EpochCounter("cam")
    numbers = [epochs.update(at) for at in times]
    assert [i for i in range(1, len(numbers)) if numbers[i] != numbers[i - 1]] == breaks
    assert numbers == sorted(numbers)


def test_numbers_rise_over_restarts_of_the_process() -> None:
    before = EpochCounter("cam")
    before.update(1000.0)
    last = before.update(1500.0)
    assert EpochCounter("cam").update(1501.0) > last


def test_capture_time_follows_the_stream_without_network_jitter() -> None:
    clock = ArrivalClock()
    delays = [0.0, 0.3, 0.1, 0.9, 0.05, 0.0, 0.4] * 30
    times = [clock.capture_time(i * 0.2, 1000.0 + i * 0.2 + delay) for i, delay in enumerate(delays)]
    assert times == pytest.approx([1000.0 + i * 0.2 for i in range(len(delays))], abs=0.05)
    assert times == sorted(set(times))


def test_a_drifting_camera_is_followed() -> None:
    clock = ArrivalClock()
    times = [clock.capture_time(i * 0.2 * 0.9999, 1000.0 + i * 0.2) for i in range(50_000)]  # loses 1 s in 10,000
    assert times[-1] == pytest.approx(1000.0 + 49_999 * 0.2, abs=0.1)


def test_a_stream_that_was_cut_gets_a_new_offset() -> None:
    clock = ArrivalClock()
    clock.capture_time(100.0, 1000.0)
    assert clock.capture_time(0.0, 1000.2) == pytest.approx(1000.2)  # stream time restarts at 0
    assert clock.capture_time(0.2, 1000.4) == pytest.approx(1000.4)


@pytest.mark.parametrize(
    ("realtime", "expected"),
    [
        (990.0, 1000.0),  # the camera's clock, two seconds behind ours, is used
        (990.0 + 9 * 3600, 1002.0),  # set to local time
        (-1.0e9, 1002.0),  # never set: 1970 is not used
        (None, 1002.0),
    ],
)
def test_the_cameras_clock_is_used_if_it_is_plausible(realtime: float | None, expected: float) -> None:
    assert ArrivalClock().capture_time(10.0, 1002.0, realtime) == pytest.approx(expected)


def test_the_difference_of_the_cameras_clock_to_ours() -> None:
    clock = ArrivalClock()
    clock.capture_time(10.0, 1000.0)
    assert clock.clock_s is None  # not reported
    assert clock.capture_time(11.0, 1001.2, 990.0) == pytest.approx(1001.0)
    assert clock.clock_s == pytest.approx(-0.2)  # network delay
    clock.capture_time(12.0, 1002.0, 0.0)
    assert clock.clock_s == pytest.approx(-990.0)
    clock.capture_time(13.0, 2_000_000.0, 0.0)  # never set: not used, but reported
    assert clock.clock_s == pytest.approx(13.0 - 2_000_000.0)


MAX_DELAY_S = 0.9
"""Of the network, in the properties below."""
TIME_ZONES_S = [hours * 3600.0 for hours in (-12, -9, -1, 0.5, 1, 5.75, 9, 14)]  # a time zone, or summer time
YEARS_S = [years * 31_556_952.0 for years in (-56, -1, 1, 18)]  # never set: 1970; another epoch: 2044


@dataclass(frozen=True)
class Arrived:
    """A packet as it comes: its time in the stream, the host's clock, and the camera's clock by RTCP, if any."""

    stream_s: float
    arrived_at: float
    realtime_s: float | None


@st.composite
def arrivals(
    draw: st.DrawFn, errors_s: st.SearchStrategy[float | None], steps_s: st.SearchStrategy[float]
) -> list[Arrived]:
    """A stream of up to 80 packets, now and then with another error of the camera's clock, or a step of the host's."""
    stream_s, true_at, host_s = draw(st.floats(0.0, 1e5)), 1_800_000_000.0, 0.0
    error_s = draw(errors_s)
    result = []
    for _ in range(draw(st.integers(2, 80))):
        step_s = draw(st.sampled_from([0.04, 0.2, 0.5]))
        stream_s, true_at = stream_s + step_s, true_at + step_s
        if draw(st.integers(0, 9)) == 0:
            error_s = draw(errors_s)
        if draw(st.integers(0, 19)) == 0:
            host_s += draw(steps_s)
        arrived_at = true_at + host_s + draw(st.floats(0.0, MAX_DELAY_S))
        result.append(Arrived(stream_s, arrived_at, None if error_s is None else true_at - stream_s + error_s))
    return result


def capture_times(packets: Sequence[Arrived], *, rtcp: bool = True) -> list[float]:
    clock = ArrivalClock()
    return [
        clock.capture_time(packet.stream_s, packet.arrived_at, packet.realtime_s if rtcp else None)
        for packet in packets
    ]


ANY_ERROR_S = st.one_of(st.none(), st.floats(-130.0, 130.0), st.sampled_from([*TIME_ZONES_S, *YEARS_S, -1.0, 1.0]))
HOST_STEPS_S = st.one_of(st.floats(-5.0, 5.0), st.sampled_from([-3600.0, 3600.0, -1.0, 1.0]))


@given(arrivals(ANY_ERROR_S, HOST_STEPS_S))
def test_no_clock_moves_a_picture_farther_than_the_bound(packets: list[Arrived]) -> None:
    """RTCP missing or jumping, time zones, leap seconds, steps of the host's clock: the rules' hours still hold."""
    for packet, captured_at in zip(packets, capture_times(packets), strict=True):
        assert abs(captured_at - packet.arrived_at) <= MAX_CLOCK_ERROR_S + REORDER_S


@given(arrivals(ANY_ERROR_S, HOST_STEPS_S))
def test_capture_time_only_rises_within_an_epoch(packets: list[Arrived]) -> None:
    epochs = EpochCounter("cam")
    seen: dict[int, float] = {}
    numbers = []
    for captured_at in capture_times(packets):
        numbers.append(epochs.update(captured_at))
        assert captured_at >= seen.get(numbers[-1], captured_at) - REORDER_S
        assert captured_at <= seen.get(numbers[-1], captured_at) + MAX_STEP_S
        seen[numbers[-1]] = max(captured_at, seen.get(numbers[-1], captured_at))
    assert numbers == sorted(numbers)


@given(arrivals(st.sampled_from([*TIME_ZONES_S, *YEARS_S]), HOST_STEPS_S.filter(lambda step_s: abs(step_s) < 100)))
def test_a_clock_off_by_a_time_zone_or_years_changes_nothing(packets: list[Arrived]) -> None:
    assert capture_times(packets) == capture_times(packets, rtcp=False)


@given(arrivals(st.none(), HOST_STEPS_S))
def test_without_rtcp_capture_follows_arrival_after_a_step_of_the_hosts_clock(packets: list[Arrived]) -> None:
    for packet, captured_at in zip(packets, capture_times(packets), strict=True):
        assert abs(captured_at - packet.arrived_at) <= MAX_STEP_S + 2 * MAX_DELAY_S


@given(arrivals(st.floats(-100.0, 100.0), st.just(0.0)))
def test_within_the_bound_the_cameras_clock_is_used(packets: list[Arrived]) -> None:
    """Except for packets slightly out of order, whose time stands still."""
    for packet, captured_at in zip(packets, capture_times(packets), strict=True):
        assert packet.realtime_s is not None
        reported = packet.realtime_s + packet.stream_s
        assert reported <= captured_at <= reported + REORDER_S + 0.1
