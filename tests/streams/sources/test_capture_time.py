from __future__ import annotations

import pytest

from streams.sources.capture_time import ArrivalClock, EpochCounter


@pytest.mark.parametrize(
    ("times", "breaks"),
    [
        ([10.0, 10.2, 10.4, 12.3], []),  # a hiccup of less than two seconds
        ([10.0, 10.2, 12.3], [2]),  # ahead
        ([10.0, 10.2, 10.1, 10.3], []),  # packets out of order
        ([10.0, 10.2, 4.0, 4.2], [2]),  # the clock was set back
        ([10.0, 4.0, 10.1], [1, 2]),  # and forth
    ],
)
def test_an_epoch_opens_where_time_does_not_go_on(times: list[float], breaks: list[int]) -> None:
    epochs = EpochCounter("cam")
    numbers = [epochs.update(at) for at in times]
    assert [i for i in range(1, len(numbers)) if numbers[i] != numbers[i - 1]] == breaks
    assert numbers == sorted(numbers)


def test_numbers_rise_over_restarts_of_the_process() -> None:
    before = EpochCounter("cam")
    before.update(1000.0)
    last = before.update(1500.0)
    assert EpochCounter("cam").update(1501.0) > last


def test_arrival_follows_the_stream_and_not_the_networks_jitter() -> None:
    clock = ArrivalClock()
    delays = [0.0, 0.3, 0.1, 0.9, 0.05, 0.0, 0.4] * 30
    told = [clock.capture_time(i * 0.2, 1000.0 + i * 0.2 + delay) for i, delay in enumerate(delays)]
    assert told == pytest.approx([1000.0 + i * 0.2 for i in range(len(delays))], abs=0.05)
    assert told == sorted(set(told))


def test_a_drifting_camera_is_followed() -> None:
    clock = ArrivalClock()
    told = [clock.capture_time(i * 0.2 * 0.9999, 1000.0 + i * 0.2) for i in range(50_000)]  # loses 1 s in 10,000
    assert told[-1] == pytest.approx(1000.0 + 49_999 * 0.2, abs=0.1)


def test_a_stream_that_was_cut_is_taken_as_it_is() -> None:
    clock = ArrivalClock()
    clock.capture_time(100.0, 1000.0)
    assert clock.capture_time(0.0, 1000.2) == pytest.approx(1000.2)  # the camera began to count anew
    assert clock.capture_time(0.2, 1000.4) == pytest.approx(1000.4)


@pytest.mark.parametrize(
    ("realtime", "expected"),
    [
        (990.0, 1000.0),  # the camera's clock is two seconds behind ours, and it is the one that counts
        (-1.0e9, 1002.0),  # never set: 1970 is not believed
        (None, 1002.0),
    ],
)
def test_the_cameras_own_clock_counts_if_it_is_sane(realtime: float | None, expected: float) -> None:
    assert ArrivalClock().capture_time(10.0, 1002.0, realtime) == pytest.approx(expected)


def test_the_cameras_own_clock_beside_ours() -> None:
    clock = ArrivalClock()
    clock.capture_time(10.0, 1000.0)
    assert clock.clock_s is None  # it has told no time
    assert clock.capture_time(11.0, 1001.2, 990.0) == pytest.approx(1001.0)
    assert clock.clock_s == pytest.approx(-0.2)  # the way over the network
    clock.capture_time(12.0, 1002.0, 0.0)
    assert clock.clock_s == pytest.approx(-990.0)
    clock.capture_time(13.0, 2_000_000.0, 0.0)  # it was never set: not believed, and told all the same
    assert clock.clock_s == pytest.approx(13.0 - 2_000_000.0)
