from __future__ import annotations

import math
from collections import Counter

import pytest

from lanewatch.config.revisions import SiteRevision
from streams.kafka.state import site_records
from streams.kafka.state.site_records import CameraRecord
from tests.streams.kafka.site_factory import site


def test_cameras_are_spread_evenly_and_keep_their_seats() -> None:
    seats = site_records.assign_slots([f"cam-{number}" for number in range(10)], {}, 4)
    assert sorted(Counter(seat % 4 for seat in seats.values()).values()) == [2, 2, 3, 3]
    assert len(set(seats.values())) == 10
    fewer = {camera: seat for camera, seat in seats.items() if seat % 4 != 1}
    again = site_records.assign_slots([*fewer, "new-1", "new-2"], fewer, 4)
    assert {camera: again[camera] for camera in fewer} == fewer
    assert [again["new-1"] % 4, again["new-2"] % 4] == [1, 1]


@pytest.mark.parametrize(("cameras", "partitions", "members"), [(4, 24, 2), (4, 8, 2), (6, 24, 3), (12, 24, 4)])
def test_a_few_cameras_are_everybodys(cameras: int, partitions: int, members: int) -> None:
    """A group gives its members runs of neighbouring partitions."""
    seats = site_records.assign_slots([f"cam-{number}" for number in range(cameras)], {}, partitions)
    shares = Counter(seat % partitions * members // partitions for seat in seats.values())
    assert len(shares) == members
    assert max(shares.values()) - min(shares.values()) <= 2


def test_two_who_publish_the_same_cameras_give_the_same_seats() -> None:
    names = ["b", "a", "c"]
    assert (
        site_records.assign_slots(names, {}, 2) == site_records.assign_slots(names, {}, 2) == {"b": 0, "a": 1, "c": 2}
    )


def test_a_revision_comes_back_as_it_was_and_only_when_all_of_it_is_there() -> None:
    first = site({"one": "rtsp://${USER}@a/1", "two": "rtsp://b/2"}, "127.0.0.1:1")
    second = site({"one": "rtsp://c/3"}, "127.0.0.1:1", prefix=first.kafka.prefix or "")
    revisions = [SiteRevision(-math.inf, first), SiteRevision(100.0, second)]
    whole, contents = site_records.state(revisions, {"one": 0, "two": 1})
    held = {camera: [CameraRecord(some)] for camera, some in contents.items()}
    came = site_records.assemble(whole, held, first.kafka)
    assert came is not None
    assert [one.valid_from for one in came.all] == [-math.inf, 100.0]
    assert (came.at(99.0), came.at(100.0)) == (first, second)
    assert site_records.assemble(whole, {"one": held["one"]}, first.kafka) is None
    half = {camera: content for camera, content in contents["one"].items() if content["url"] != "rtsp://c/3"}
    assert site_records.assemble(whole, held | {"one": [CameraRecord(half)]}, first.kafka) is None


@pytest.mark.parametrize(
    ("since", "kept"),
    [
        (50.0, [-math.inf, 100.0, 200.0]),  # the first still holds
        (100.0, [100.0, 200.0]),  # the second holds from this very moment
        (150.0, [100.0, 200.0]),
        (999.0, [200.0]),
    ],
)
def test_what_holds_and_what_comes_is_kept(since: float, kept: list[float]) -> None:
    one = site({"one": "rtsp://a/1"}, "127.0.0.1:1")
    revisions = [SiteRevision(at, one) for at in (200.0, -math.inf, 100.0)]
    assert [revision.valid_from for revision in site_records.needed_revisions(revisions, since)] == kept
