"""The tracker is a pure fold, and its state survives a checkpoint at any record."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import numba.core.dispatcher
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lanewatch.records import LABELS, Detections, decode, encode
from models.tracking import jit
from models.tracking.tracker import Tracker, TrackerSettings, TrackerState, Tracks
from tests.models.tracking.walkers import BLUE, RED, Sight, make_record

places = st.sampled_from([150.0, 180.0, 220.0, 500.0, 540.0, 900.0, 985.0])
sights = st.builds(
    Sight,
    x=places,
    y=st.sampled_from([300.0, 310.0, 420.0, 590.0]),
    look=st.sampled_from([RED, BLUE, (0, 0, 0, 0)]),
    score=st.sampled_from([0.15, 0.3, 0.6, 0.7, 0.7]),
    label=st.sampled_from(["person", "person", "unknown", "car", "backpack"]),
    tall=st.sampled_from([0.0, 60.0, 100.0, 110.0]),
    wide=st.sampled_from([0.4, 1.5]),
)
ticks = st.sampled_from(["idle", "lost", "shed"])
streams = st.lists(st.tuples(st.sampled_from([0.0, 0.07, 0.2, 0.5, 2.0, 70.0]), st.lists(sights, max_size=6) | ticks))


def records(stream: Sequence[tuple[float, list[Sight] | str]]) -> list[Detections]:
    """The records of drawn steps of time."""
    now, result = 0.0, []
    for passed, seen in stream:
        now += passed
        result.append(make_record(now, [], seen) if isinstance(seen, str) else make_record(now, seen))  # type: ignore[arg-type]
    return result


def same(first: TrackerState | Tracks, second: TrackerState | Tracks) -> bool:
    return encode(first) == encode(second)


@settings(max_examples=150)
@given(streams)
def test_a_state_is_not_changed_and_gives_the_same_again(stream: list[tuple[float, list[Sight] | str]]) -> None:
    tracker = Tracker()
    state = tracker.start()
    for record in records(stream):
        before, boxes = encode(state), encode(record)
        after, tracks = tracker.update(state, record)
        again, tracks_again = Tracker().update(state, record)
        assert encode(state) == before
        assert encode(record) == boxes
        assert same(after, again)
        assert same(tracks, tracks_again)
        state = after


@settings(max_examples=150)
@given(streams)
def test_a_checkpoint_at_every_record_changes_nothing(stream: list[tuple[float, list[Sight] | str]]) -> None:
    tracker = Tracker()
    state = restored = tracker.start()
    for record in records(stream):
        state, tracks = tracker.update(state, record)
        restored, restored_tracks = tracker.update(
            decode(encode(restored), TrackerState), decode(encode(record), Detections)
        )
        assert same(state, restored)
        assert same(tracks, restored_tracks)


@settings(max_examples=150)
@given(streams)
def test_what_comes_out_holds_together(stream: list[tuple[float, list[Sight] | str]]) -> None:
    tracker = Tracker()
    state, highest = tracker.start(), 0
    for record in records(stream):
        state, tracks = tracker.update(state, record)
        lengths = {len(getattr(tracks, field)) for field in Tracks.__struct_fields__}
        assert lengths == {len(tracks)}
        assert (np.diff(tracks.ids) > 0).all()
        assert state.next_id >= max(highest, 1 + max(state.ids.tolist(), default=0))
        assert all(np.isfinite(part).all() for part in (tracks.xyxy, tracks.foot, tracks.height, tracks.velocity))
        assert (tracks.height > 0).all()
        assert (tracks.labels < len(LABELS)).all()
        assert (tracks.seen == (tracks.detection >= 0)).all()
        matched = tracks.detection[tracks.seen]
        assert len(set(matched.tolist())) == len(matched)
        assert not (tracks.seen.any() and record.gap)
        highest = state.next_id


def test_the_state_is_small() -> None:
    tracker = Tracker()
    state = tracker.start()
    for number in range(50):
        people = [Sight(60 + 90 * n, 400, look=(n, 9, 99, 0)) for n in range(10)]
        state, _ = tracker.update(state, make_record(number / 5, people))
    assert len(state.ids) == 10
    assert len(encode(state)) < 10 * 600


def test_a_state_cannot_be_assigned_to() -> None:
    with pytest.raises(AttributeError):
        Tracker().start().clock = 1.0  # type: ignore[misc]


def test_a_kernel_is_compiled_without_a_writable_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_folder(self: object, *_: object) -> None:
        raise RuntimeError("cannot cache function 'double': no locator available for file 'here'")

    monkeypatch.setattr(numba.core.dispatcher.Dispatcher, "enable_caching", no_folder)

    @jit.compiled_cached
    def double(value: float) -> float:
        return 2 * value

    assert double(2.0) == 4.0


def test_the_kernel_on_disk_belongs_to_all_of_its_sources() -> None:
    # each module that has compiled parts is in the list that the key is made from
    folder = Path(jit.__file__).parent
    using = {path.name for path in folder.glob("*.py") if "import compiled" in path.read_text()}
    assert {"assignment.py", "motion_model.py"} <= using <= set(jit.SOURCES)


def test_invalid_settings_are_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"match_thresh": 0.8}, TrackerSettings)
