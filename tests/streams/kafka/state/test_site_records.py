from __future__ import annotations

import math
import random
from collections import Counter

import pytest

from lanewatch.config.fields import LocalizedName
from lanewatch.config.revisions import SiteRevision
from lanewatch.config.site import Zone
from streams.kafka.client.topics import MAX_FRAME_BYTES
from streams.kafka.state import site_records
from tests.streams.kafka.site_factory import site


def test_cameras_are_spread_evenly_and_keep_their_slots() -> None:
    slots = site_records.assign_slots([f"cam-{number}" for number in range(10)], {}, 4)
    assert sorted(Counter(slot % 4 for slot in slots.values()).values()) == [2, 2, 3, 3]
    assert len(set(slots.values())) == 10
    fewer = {camera: slot for camera, slot in slots.items() if slot % 4 != 1}
    again = site_records.assign_slots([*fewer, "new-1", "new-2"], fewer, 4)
    assert {camera: again[camera] for camera in fewer} == fewer
    assert [again["new-1"] % 4, again["new-2"] % 4] == [1, 1]


@pytest.mark.parametrize(("cameras", "partitions", "members"), [(4, 24, 2), (4, 8, 2), (6, 24, 3), (12, 24, 4)])
def test_every_member_of_a_group_gets_some_of_a_few_cameras(cameras: int, partitions: int, members: int) -> None:
    """A group gives its members runs of neighbouring partitions."""
    slots = site_records.assign_slots([f"cam-{number}" for number in range(cameras)], {}, partitions)
    shares = Counter(slot % partitions * members // partitions for slot in slots.values())
    assert len(shares) == members
    assert max(shares.values()) - min(shares.values()) <= 2


def test_two_publishers_of_the_same_cameras_assign_the_same_slots() -> None:
    names = ["b", "a", "c"]
    assert (
        site_records.assign_slots(names, {}, 2) == site_records.assign_slots(names, {}, 2) == {"b": 0, "a": 1, "c": 2}
    )


def test_revisions_survive_encoding_and_share_unchanged_cameras() -> None:
    first = site({"one": "rtsp://${USER}@a/1", "two": "rtsp://b/2"}, "127.0.0.1:1")
    second = first.model_copy(update={"cameras": first.cameras[1:]})
    revisions = [SiteRevision(-math.inf, first), SiteRevision(100.0, second)]
    record = site_records.from_revisions(revisions, {"one": 0, "two": 1}, {"two": "rtsp://old/2"}, "base")
    assert len(record.cameras) == 2
    value, digest = site_records.encode(record)
    decoded, decoded_digest = site_records.decode(value)
    assert (decoded, decoded_digest) == (record, digest)
    restored = site_records.to_revisions(decoded, first.kafka)
    assert [revision.valid_from for revision in restored.entries] == [-math.inf, 100.0]
    assert (restored.site_at(99.0), restored.site_at(100.0)) == (first, second)


@pytest.mark.parametrize("value", [b"", b"{}", None, b"x\x9c\xab\xae\x05\x00\x01\x75\x00\xf9"])
def test_a_value_that_is_not_a_site_record_is_refused(value: bytes | None) -> None:
    with pytest.raises(ValueError, match=r"."):
        site_records.decode(value)  # type: ignore[arg-type]


def test_a_site_of_3500_cameras_fits_one_record() -> None:
    """With four zones and two masks a camera, at random places, the most that compression can not shorten."""
    numbers = random.Random(1)

    def polygon(corners: int) -> tuple[tuple[float, float], ...]:
        return tuple((round(numbers.random(), 4), round(numbers.random(), 4)) for _ in range(corners))

    template = site({"one": "rtsp://x/1"}, "127.0.0.1:1")
    cameras = tuple(
        template.cameras[0].model_copy(
            update={
                "id": f"cam-{number:04}",
                "url": f"rtsp://${{USER}}:${{PASSWORD}}@10.0.{numbers.randrange(256)}.{numbers.randrange(256)}/1",
                "latitude": round(numbers.uniform(33, 39), 6),
                "longitude": round(numbers.uniform(126, 130), 6),
                "zones": tuple(
                    Zone(
                        id=f"z{index}",
                        name=LocalizedName(ko=f"구역 {number}", en=f"Zone {number}"),
                        kind="watch",
                        polygon=polygon(6),
                    )
                    for index in range(4)
                ),
                "masks": (polygon(5), polygon(4)),
            }
        )
        for number in range(3500)
    )
    whole = template.model_copy(update={"cameras": cameras})
    slots = site_records.assign_slots([camera.id for camera in cameras], {}, 24)
    first = site_records.from_revisions([SiteRevision(-math.inf, whole)], slots, {}, None)
    later = [SiteRevision(float(number), whole) for number in range(20)]
    many = site_records.from_revisions([SiteRevision(-math.inf, whole), *later], slots, {}, None)
    assert len(site_records.encode(first)[0]) < MAX_FRAME_BYTES / 3
    assert len(site_records.encode(many)[0]) < MAX_FRAME_BYTES / 2


@pytest.mark.parametrize(
    ("since", "expected"),
    [
        (50.0, [-math.inf, 100.0, 200.0]),  # the first is still in effect
        (100.0, [100.0, 200.0]),  # the second is in effect from this very moment
        (150.0, [100.0, 200.0]),
        (999.0, [200.0]),
    ],
)
def test_the_revision_in_effect_and_later_ones_are_needed(since: float, expected: list[float]) -> None:
    present = site({"one": "rtsp://a/1"}, "127.0.0.1:1")
    revisions = [SiteRevision(at, present) for at in (200.0, -math.inf, 100.0)]
    assert [revision.valid_from for revision in site_records.needed_revisions(revisions, since)] == expected
