"""Who is followed as whom: made-up walkers at several frame rates."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np
import pytest

from lanewatch.records import LABELS, PERSON, UNKNOWN, Gap
from models.tracking.tracker import Tracker, TrackerSettings
from tests.models.tracking.walkers import (
    BLUE,
    RED,
    START,
    TALL,
    Scene,
    Sight,
    follow,
    frames,
    ids,
    make_record,
    nearest_track,
)

STEP = 80.0
"""A walker's pixels a second: .8 body heights."""


def walker(speed: float, look: tuple[int, ...] = RED, x: float = 100.0, y: float = 400.0) -> Scene:
    return lambda t: [Sight(x + speed * t, y, look)]


def combined(scene: Scene, other: Scene) -> Scene:
    return lambda t: [*scene(t), *other(t)]


def between(scene: Scene, start: float, end: float) -> Scene:
    """The scene without boxes from ``start`` until before ``end``."""
    return lambda t: [] if start <= t < end else scene(t)


@pytest.mark.parametrize("fps", [15.0, 7.0, 5.0, 3.5, 2.33, 1.0, 0.5])
@pytest.mark.parametrize("speed", [0.0, STEP, -0.6 * STEP])
def test_a_walker_is_one_person_from_the_second_hit_on(fps: float, speed: float) -> None:
    history = follow(frames(walker(speed, x=450), fps, 6))
    assert [len(tracks) for tracks in history] == [0] + [1] * (len(history) - 1)
    assert ids(history) == {1}
    assert history[-1].born_at[0] == START
    assert history[-1].born_foot[0] == pytest.approx((450, 400))


@pytest.mark.parametrize("fps", [15.0, 7.0, 5.0, 3.5])
def test_a_runner_is_one_person(fps: float) -> None:
    assert ids(follow(frames(walker(250.0), fps, 3))) == {1}


@pytest.mark.parametrize("fps", [7.0, 5.0, 3.5, 2.33, 1.0])
def test_people_who_meet_and_walk_on_keep_their_ids_by_position_and_appearance(fps: float) -> None:
    # they share a place at 5 s, where the nearer hides the other for .8 s
    right, left = walker(STEP, RED, x=100), walker(-STEP, BLUE, x=900, y=410)
    history = follow(frames(combined(between(right, 4.6, 5.4), left), fps, 9))
    before, after = history[int(fps * 2)], history[-1]
    end = round(9 * fps) / fps
    assert (
        nearest_track(before, 260, 400)
        == nearest_track(after, 100 + STEP * end, 400)
        != nearest_track(after, 900 - STEP * end, 410)
    )
    assert len(ids(history)) == 2


@pytest.mark.parametrize("fps", [7.0, 3.5, 2.33])
def test_people_who_turn_round_together_are_distinguished_by_appearance(fps: float) -> None:
    # side by side until 3 s, then one is where the other is expected: place alone would swap them
    def there_and_back(start: float, sign: float, look: tuple[int, ...]) -> Scene:
        return lambda t: [Sight(start + sign * STEP * (t if t < 3 else 6 - t), 400, look)]

    history = follow(frames(combined(there_and_back(230, 1, RED), there_and_back(770, -1, BLUE)), fps, 6))
    assert nearest_track(history[int(fps)], 300, 400) == nearest_track(history[-1], 230, 400)
    assert len(ids(history)) == 2


@pytest.mark.parametrize("fps", [7.0, 5.0, 2.33, 1.0])
@pytest.mark.parametrize("hidden_s", [0.5, 1.0, 2.0])
def test_a_post_occludes_a_person_for_a_while(fps: float, hidden_s: float) -> None:
    history = follow(frames(between(walker(STEP / 2), 3, 3 + hidden_s), fps, 8))
    assert ids(history) == {1}
    assert history[-1].born_at[0] == START


def test_a_person_who_comes_back_too_late_gets_a_new_id() -> None:
    history = follow(frames(between(walker(0), 3, 8), 5, 12))
    assert ids(history) == {1, 2}


def test_found_again_where_the_track_was_not_expected_the_old_id_goes_on() -> None:
    # walks on behind something, stands there and comes back .6 body heights off: the second hit tells who it is
    def scene(t: float) -> Sequence[Sight]:
        return [Sight(100 + 2 * STEP * t, 400)] if t < 2 else [Sight(390, 400)] if t >= 4 else []

    history = follow(frames(scene, 5, 8))
    assert ids(history) == {1}


@pytest.mark.parametrize(
    ("look", "expected"),
    [
        (RED, {1, 2}),  # though it looks the same
        (BLUE, {1, 2}),
    ],
)
@pytest.mark.parametrize("fps", [7.0, 5.0, 2.33])
def test_a_box_that_teleports_is_not_the_same(fps: float, look: tuple[int, ...], expected: set[int]) -> None:
    history = follow(frames(lambda t: [Sight(150 if t < 2 else 650, 400, RED if t < 2 else look)], fps, 5))
    assert ids(history) == expected


@pytest.mark.parametrize("gap", ["idle", "lost", "unreadable", "shed", "failed"])
def test_a_record_without_a_picture_is_no_miss(gap: Gap) -> None:
    seen = frames(walker(0), 5, 2)
    ticks = [make_record(3.0 + n, [], gap) for n in range(8)]
    history = follow([*seen, *ticks, make_record(11, [Sight(100, 400)])])
    assert [len(tracks) for tracks in history[len(seen) :]] == [1] * 9  # no track is missed without a picture
    assert not history[-2].seen.any()
    assert history[-2].seen_at[0] == START + 2
    assert ids(history) == {1}


def test_time_passes_without_a_picture() -> None:
    history = follow([*frames(walker(STEP), 5, 2), make_record(2.5, [], "idle")])
    assert history[-1].xyxy[0, 2] - history[-2].xyxy[0, 2] == pytest.approx(0.5 * STEP, rel=0.1)


def test_no_track_is_remembered_for_ever_without_a_picture() -> None:
    history = follow(
        [*frames(walker(0), 5, 2), make_record(90, [], "lost"), *(make_record(91 + n, []) for n in range(2))]
    )
    assert not len(history[-1])


@pytest.mark.parametrize(
    ("score", "alive"),
    [
        (0.7, True),
        (0.3, True),  # weak boxes keep a track
        (0.15, False),  # below what is kept
    ],
)
def test_low_scores_keep_a_track(score: float, alive: bool) -> None:
    history = follow(frames(lambda t: [Sight(300, 400, score=0.7 if t < 2 else score)], 5, 3.2))
    assert bool(len(history[-1]) and history[-1].seen.all()) is alive


def test_low_scores_start_no_track_and_continue_none_for_ever() -> None:
    assert not ids(follow(frames(lambda _: [Sight(300, 400, score=0.5)], 5, 10)))
    history = follow(frames(lambda t: [Sight(300, 400, score=0.7 if t < 2 else 0.5)], 5, 10))
    assert len(history[15])
    assert not len(history[-1])


def test_a_single_hit_is_no_track() -> None:
    assert not ids(follow(frames(lambda t: [Sight(300, 400)] if 1 <= t < 1.2 else [], 5, 4)))


def test_a_weak_box_is_believed_near_by_only() -> None:
    history = follow(frames(lambda t: [Sight(300, 400)] if t < 2 else [Sight(340, 400, score=0.4)], 5, 2.4))
    assert not history[-1].seen.any()


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (("car", "truck"), {"car"}),  # a vehicle that the detector calls now this, now that
        (("person", "car"), {"person", "car"}),  # a person gone and a car come in his place are two
        (("dog", "person"), {"dog", "person"}),
    ],
)
def test_labels_that_detectors_confuse_are_one_track(labels: tuple[str, str], expected: set[str]) -> None:
    def scene(t: float) -> Sequence[Sight]:
        first = t < 2 or (labels[1] == "truck" and round(5 * t) % 3 > 0)
        return [Sight(300, 400, label=labels[0] if first else labels[1])]

    history = follow(frames(scene, 5, 5))
    assert {LABELS[label] for tracks in history for label in tracks.labels} == expected
    assert len(ids(history)) == len(expected)


def test_a_person_before_a_car_is_two() -> None:
    def scene(t: float) -> Sequence[Sight]:
        return [Sight(300 + STEP * t, 400), Sight(500, 390, BLUE, 0.8, "car", 120, 2.5)]

    history = follow(frames(scene, 5, 6))
    assert ids(history) == {1, 2}
    assert all(len(tracks) == 2 for tracks in history[1:])


def test_unnamed_motion_is_a_track_from_the_third_hit_and_gets_its_name_later() -> None:
    def scene(t: float) -> Sequence[Sight]:
        named = t >= 2
        return [Sight(300 + STEP * t, 400, score=0.7 if named else 0.15, label="person" if named else "unknown")]

    history = follow(frames(scene, 5, 4))
    assert [len(tracks) for tracks in history[:3]] == [0, 0, 1]
    assert [tracks.labels[0] for tracks in (history[2], history[-1])] == [UNKNOWN, PERSON]
    assert ids(history) == {1}


def test_a_missed_person_is_continued_by_unnamed_motion() -> None:
    def scene(t: float) -> Sequence[Sight]:
        missed = 2 <= t < 3
        return [Sight(300, 400, score=0.15 if missed else 0.7, label="unknown" if missed else "person")]

    history = follow(frames(scene, 5, 4))
    assert all(tracks.seen.all() and tracks.labels[0] == PERSON for tracks in history[1:])
    assert ids(history) == {1}


NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(
    ("box", "score"),
    [
        ((300, 400, 300, 500), 0.9),  # no width
        ((300, 400, 340, 400), 0.9),  # no height
        ((340, 500, 300, 400), 0.9),  # corners the wrong way round
        ((NAN, 400, 340, 500), 0.9),
        ((300, 400, 340, NAN), 0.9),
        ((300, 400, INF, 500), 0.9),
        ((-INF, 400, INF, 500), 0.9),
        ((300, 400, 340, 500), NAN),
        ((300, 400, 340, 500), INF),
        ((300, 400, 340, 500), -0.5),
    ],
)
def test_an_invalid_box_is_ignored(box: tuple[float, ...], score: float) -> None:
    def with_invalid_box(n: int) -> object:
        whole = make_record(n / 5, [Sight(320, 500), Sight(700, 400, BLUE)])
        whole.xyxy[0], whole.scores[0] = box, score
        return whole

    history = follow([with_invalid_box(n) for n in range(10)])  # type: ignore[misc]
    assert ids(history) == {1}
    assert history[-1].detection.tolist() == [1]
    assert np.isfinite(history[-1].xyxy).all()


def test_a_part_of_a_box_starts_no_track() -> None:
    # whole person, and his upper half again
    history = follow(frames(lambda _: [Sight(300, 400), Sight(300, 350, score=0.6, tall=50, wide=0.7)], 5, 4))
    assert ids(history) == {1}


def test_a_track_that_leaves_over_the_border_ends_at_once_and_is_not_continued() -> None:
    def scene(t: float) -> Sequence[Sight]:
        if t < 3:
            return [Sight(980 - STEP * (3 - t), 400)]
        return [Sight(980 - STEP * (t - 4), 400)] if t >= 4 else []

    history = follow(frames(scene, 5, 7))
    assert not len(history[15])
    assert ids(history) == {1, 2}


def test_a_person_who_stands_at_the_border_has_not_left() -> None:
    scene = between(lambda _: [Sight(300, 599)], 3, 4.2)
    history = follow(frames(scene, 5, 7))
    assert len(history[16])
    assert ids(history) == {1}


@pytest.mark.parametrize("fps", [15.0, 5.0, 3.5])
def test_the_foot_point_does_not_lag_behind_a_steady_walker(fps: float) -> None:
    history = follow(frames(walker(STEP), fps, 5))
    expected = 100 + STEP * round(5 * fps) / fps
    assert history[-1].foot[0] == pytest.approx((expected, 400), abs=0.03 * TALL)
    assert history[-1].velocity[0] == pytest.approx((STEP, 0), abs=0.1 * TALL)


@pytest.mark.parametrize("fps", [15.0, 7.0])
def test_the_foot_point_is_steadier_than_the_boxes(fps: float) -> None:
    draw = np.random.default_rng(8)
    at = np.array([(100 + 0.4 * STEP * n / fps, 400) for n in range(round(20 * fps))])
    jitter = draw.normal(0, 0.05 * TALL, at.shape)
    history = follow([make_record(n / fps, [Sight(*place)]) for n, place in enumerate(at + jitter)])
    errors = np.array([tracks.foot[0] for tracks in history[10:]]) - at[10:]
    assert errors.std() < 0.75 * jitter.std()


def test_a_person_with_occluded_legs_has_the_true_foot_point() -> None:
    # from 3 s on another person stands in front, and the detector's box has only the visible part
    def scene(t: float) -> Sequence[Sight]:
        if t < 3:
            return [Sight(300, 400)]
        return [Sight(300, 360, tall=60, wide=0.66), Sight(310, 450, BLUE, tall=110)]

    history = follow(frames(scene, 5, 4.4))
    first = history[-1].ids.tolist().index(1)
    assert history[-1].seen[first]
    assert history[-1].foot[first, 1] == pytest.approx(400, abs=0.08 * TALL)
    assert history[-1].xyxy[first, 3] > 375


@pytest.mark.parametrize(
    ("change", "followed"),
    [
        ({}, True),
        ({"start_score": 0.75}, False),  # sure boxes only
        ({"start_score": 0.65}, True),
    ],
)
def test_what_a_setting_does(change: dict[str, float], followed: bool) -> None:
    assert bool(ids(follow(frames(walker(STEP), 5, 3), TrackerSettings(**change)))) is followed


def test_coasting_lasts_as_long_as_set() -> None:
    records = [*frames(walker(0), 5, 4.2), *(make_record(4.2 + n / 5, []) for n in range(1, 11))]
    for coast_s, looks in ((0.5, 2), (1.0, 5), (0.0, 0)):
        history = follow(records, TrackerSettings(coast_s=coast_s))
        assert [len(tracks) for tracks in history[-10:]] == [1] * looks + [0] * (10 - looks), coast_s


@pytest.mark.parametrize(("seen_s", "looks"), [(0.4, 0), (1.2, 1), (2.4, 2)])
def test_a_track_that_was_seen_briefly_is_predicted_briefly(seen_s: float, looks: int) -> None:
    """It may be a false box: it is predicted for a quarter of the time for which it was seen."""
    records = [*frames(walker(0), 5, seen_s), *(make_record(seen_s + n / 5, []) for n in range(1, 6))]
    history = follow(records)
    assert [len(tracks) for tracks in history[-5:]] == [1] * looks + [0] * (5 - looks)


def test_ids_rise_and_are_never_used_again() -> None:
    visits: Scene = lambda t: [Sight(300, 400)] if t % 10 < 3 else []  # noqa: E731
    assert sorted(ids(follow(frames(visits, 5, 44)))) == [1, 2, 3, 4, 5]


def test_tracks_have_the_index_of_their_box() -> None:
    def scene(t: float) -> Sequence[Sight]:
        people = [Sight(300, 400), Sight(700, 400, BLUE, 0.8)]
        return people if round(5 * t) % 2 else people[::-1]

    for number, tracks in enumerate(follow(frames(scene, 5, 3))[1:], 1):
        boxes = frames(scene, 5, 3)[number]
        assert sorted(tracks.detection.tolist()) == [0, 1]
        assert np.allclose(tracks.scores, boxes.scores[tracks.detection])
        assert np.allclose(tracks.xyxy, boxes.xyxy[tracks.detection], atol=1e-3)
        assert (tracks.appearance == boxes.appearance[tracks.detection]).all()


def test_only_capture_time_counts() -> None:
    records = frames(walker(STEP), 5, 3)
    late = [msgspec.structs.replace(record, received_at=1e9 * n, slot=0, epoch=n) for n, record in enumerate(records)]
    for tracks, other in zip(follow(records), follow(late), strict=True):
        assert (tracks.xyxy == other.xyxy).all()
        assert (tracks.ids == other.ids).all()


def test_a_clock_that_stands_still_or_goes_back_is_no_time() -> None:
    history = follow([make_record(t, [Sight(300, 400)]) for t in (0.0, 0.2, 0.4, 0.4, 0.1, 0.6)])
    assert ids(history) == {1}
    assert np.isfinite(history[-1].foot).all()


def test_tracking_without_appearances_and_over_a_change_of_descriptor() -> None:
    assert ids(follow(frames(walker(STEP), 5, 4, look=0))) == {1}
    halves = [*frames(walker(0), 5, 2, look=0), *(make_record(2 + n / 5, [Sight(100, 400)]) for n in range(1, 10))]
    assert ids(follow(halves)) == {1}


def test_an_empty_camera_costs_no_tracks() -> None:
    tracker = Tracker()
    state, tracks = tracker.update(tracker.start(), make_record(0, []))
    assert len(tracks) == 0
    assert tracks.xyxy.shape == (0, 4)
    assert state.next_id == 1
