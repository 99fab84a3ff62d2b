from __future__ import annotations

import pytest

from streams.sources.capture_time import ArrivalClock, EpochCounter


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
