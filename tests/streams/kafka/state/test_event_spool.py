"""Events that wait on disk: in order, over a restart, within a bound."""

from __future__ import annotations

from pathlib import Path

from streams.kafka.codec import Message
from streams.kafka.state.event_spool import EventSpool


def message(number: int) -> Message:
    return Message(b"lane", b"%d" % number, [("ce_id", b"%d" % number)])


def test_what_was_put_comes_out_in_order_also_after_a_restart(tmp_path: Path) -> None:
    with EventSpool(tmp_path, "w") as spool:
        spool.put([message(1), message(2)])
        spool.put([message(3)])
    with EventSpool(tmp_path, "w") as spool:
        assert len(spool) == 3
        assert [one.message for one in spool.head(2)] == [message(1), message(2)]
        spool.take(spool.head(2)[-1].number)
        spool.put([message(4)])
        assert [one.message for one in spool.head(9)] == [message(3), message(4)]


def test_two_processes_of_one_name_have_a_spool_each(tmp_path: Path) -> None:
    with EventSpool(tmp_path, "w") as first, EventSpool(tmp_path, "w") as second:
        first.put([message(1)])
        assert not len(second)
        assert first.path != second.path


def test_it_says_when_it_is_full(tmp_path: Path) -> None:
    with EventSpool(tmp_path, "w", most_bytes=100) as spool:
        for number in range(10):
            spool.put([message(number)])
        assert spool.full
    with EventSpool(tmp_path, "w", most_bytes=10_000) as spool:
        spool.take(spool.head(99)[-1].number)
        assert not spool.full
        assert not len(spool)
