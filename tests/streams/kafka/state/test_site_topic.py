from __future__ import annotations

import logging
import time
from typing import Any

import msgspec
import pytest

from lanewatch import metrics
from lanewatch.config.site import Site
from streams.kafka.client.connection import Broker
from streams.kafka.client.errors import BrokerError
from streams.kafka.client.producers import ReliableProducer
from streams.kafka.client.topics import Topics
from streams.kafka.codec import KIND, Message
from streams.kafka.state import site_records
from streams.kafka.state.site_topic import KEY, SITE, SiteTopic
from tests.streams.kafka.site_factory import followed, site, until

CAMERAS = {"gate": "rtsp://${USER}:${PASSWORD}@10.0.0.1/1", "lane": "rtsp://10.0.0.2/1", "barn": "rtsp://10.0.0.3/1"}


def with_camera(before: Site, camera: str, url: str) -> Site:
    added = before.cameras[0].model_copy(update={"id": camera, "url": url})
    return before.model_copy(update={"cameras": (*before.cameras, added)})


def second_follower(present: Site) -> SiteTopic:
    return SiteTopic(Broker(present, "other", {}), Topics(present))


def send(present: Site, message: Message) -> None:
    sender = ReliableProducer(Broker(present, "stranger", {}))
    sender.send(Topics(present).site.name, 0, message)
    sender.flush(10)
    sender.close()


def test_all_followers_get_a_published_site(broker: str) -> None:
    first = site(CAMERAS, broker)
    with followed(first) as sites, second_follower(first) as other:
        sites.read()
        assert sites.empty
        sites.publish(first)
        assert other.wait().site_at(0.0) == first  # the URLs too, without the passwords
        assert other.partition_slots == sites.partition_slots == {"gate": 0, "lane": 2, "barn": 1}

        at = time.time() + 3600
        sites.publish(with_camera(first, "shop", "rtsp://10.0.0.4/1"), at)
        until(lambda: len(other.revisions.entries) == 2)
        assert [camera.id for camera in other.revisions.site_at(at - 1).cameras] == ["gate", "lane", "barn"]
        assert [camera.id for camera in other.revisions.site_at(at).cameras] == ["gate", "lane", "barn", "shop"]
        assert other.partition_slots["shop"] == 3
    with second_follower(first) as late:  # it reads what the topic has
        late.read()
        assert len(late.wait().entries) == 2
        assert late.partition_slots == {"gate": 0, "lane": 2, "barn": 1, "shop": 3}


def test_a_changed_url_is_in_later_revisions_too_and_the_previous_one_is_stored(broker: str) -> None:
    first = site(CAMERAS, broker)
    with followed(first) as sites:
        sites.publish(first)
        later = time.time() + 3600
        sites.publish(with_camera(first, "shop", "rtsp://10.0.0.4/1"), later)
        sites.change_url("lane", "rtsp://10.0.0.9/1")
        assert sites.revisions.site_at(time.time() - 60).camera("lane").url == "rtsp://10.0.0.2/1"
        assert sites.revisions.site_at(time.time()).camera("lane").url == "rtsp://10.0.0.9/1"
        assert sites.revisions.site_at(later).camera("lane").url == "rtsp://10.0.0.9/1"
        sites.publish(with_camera(first, "yard", "rtsp://10.0.0.5/1"), later + 1)
        assert sites.previous_url("lane") == "rtsp://10.0.0.2/1"
        assert sites.previous_url("gate") is None


def test_a_revision_that_is_no_longer_needed_is_removed_with_its_cameras(broker: str) -> None:
    first = site(CAMERAS, broker)
    clock = [1_000_000.0]
    with followed(first) as follower:
        follower.read()
    topics = Topics(first)
    with (
        SiteTopic(Broker(first, "test", {}), topics, now=lambda: clock[0]) as sites,
        second_follower(first) as other,
    ):
        sites.publish(first)
        clock[0] += 60.0
        sites.publish(first.model_copy(update={"cameras": first.cameras[:2]}))
        assert sites.partition_slots == {"gate": 0, "lane": 2, "barn": 1}  # barn's detections may be rescored
        clock[0] += first.kafka.detections.minutes * 60 + 1
        sites.publish(first.model_copy(update={"cameras": first.cameras[:1]}))
        assert sites.partition_slots == {"gate": 0, "lane": 2}
        until(lambda: other.partition_slots == {"gate": 0, "lane": 2})


def test_a_concurrent_publication_is_reported(broker: str, monkeypatch: pytest.MonkeyPatch) -> None:
    first = site(CAMERAS, broker)
    with followed(first) as sites, second_follower(first) as other:
        sites.publish(first)
        other.wait()
        encode = site_records.encode

        def slowly(record: site_records.SiteRecord) -> tuple[bytes, str]:
            """The other process publishes between this one's reading and its writing."""
            monkeypatch.setattr(site_records, "encode", encode)
            other.publish(with_camera(first, "shop", "rtsp://10.0.0.4/1"))
            return encode(record)

        monkeypatch.setattr(site_records, "encode", slowly)
        with pytest.raises(BrokerError, match=r"concurrent publication to .*publish again what is missing"):
            sites.publish(with_camera(first, "yard", "rtsp://10.0.0.5/1"))
        sites.publish(with_camera(first, "shop", "rtsp://10.0.0.4/1"))  # the next one has a base again
        assert [camera.id for camera in sites.revisions.latest.cameras] == ["gate", "lane", "barn", "shop"]


def test_two_processes_that_publish_the_first_site_at_once_agree(broker: str, monkeypatch: pytest.MonkeyPatch) -> None:
    first = site(CAMERAS, broker)
    with followed(first) as sites, second_follower(first) as other:
        encode = site_records.encode

        def slowly(record: site_records.SiteRecord) -> tuple[bytes, str]:
            monkeypatch.setattr(site_records, "encode", encode)
            other.publish(first)
            return encode(record)

        other.read()
        monkeypatch.setattr(site_records, "encode", slowly)
        sites.publish(first)
        assert sites.revisions.entries == other.revisions.entries
        assert len(sites.revisions.entries) == 1


@pytest.mark.parametrize(
    "part",
    [{"cameras": ()}, {"cameras": (msgspec.Raw(b"7"),)}, {"revisions": ()}],
    ids=["no camera", "camera 7", "empty"],
)
def test_a_malformed_site_leaves_the_previous_one_in_effect(
    part: dict[str, Any], broker: str, caplog: pytest.LogCaptureFixture
) -> None:
    first = site(CAMERAS, broker)
    with followed(first) as sites:
        sites.publish(first)
        record = site_records.from_revisions(sites.revisions.entries, sites.partition_slots, {}, None)
        broken = msgspec.structs.replace(record, **part)
        send(first, Message(KEY, site_records.encode(broken)[0], [(KIND, SITE)]))
        until(lambda: "the newest site is not used" in caplog.text)
        assert {camera.id for camera in sites.revisions.latest.cameras} == set(CAMERAS)
        more = first.model_copy(update={"name": first.name.model_copy(update={"en": "Later"})})
        sites.publish(more)
        until(lambda: sites.revisions.latest.name.en == "Later")


def test_a_site_that_is_not_valid_is_not_used_and_its_url_is_not_logged(
    broker: str, caplog: pytest.LogCaptureFixture
) -> None:
    first = site(CAMERAS, broker)
    with followed(first) as sites:
        sites.publish(first)
        record = site_records.from_revisions(sites.revisions.entries, sites.partition_slots, {}, None)
        camera = msgspec.json.decode(record.cameras[0]) | {"width": 5, "url": "rtsp://user:s3cret@10.0.0.1/1"}
        broken = msgspec.structs.replace(
            record, cameras=(msgspec.Raw(msgspec.json.encode(camera)), *record.cameras[1:])
        )
        send(first, Message(KEY, site_records.encode(broken)[0], [(KIND, SITE)]))
        until(lambda: "the newest site is not used: cameras.0.width" in caplog.text)
        assert "s3cret" not in caplog.text
        assert sites.revisions.latest == first
        sites.publish(with_camera(first, "shop", "rtsp://10.0.0.4/1"))
        until(lambda: sites.partition_slots == {"gate": 0, "lane": 2, "barn": 1, "shop": 3})


def test_a_site_of_another_release_is_reported_and_replaced(broker: str) -> None:
    first = site(CAMERAS, broker)
    with followed(first) as sites:
        sites.read()
        send(first, Message(KEY, b'{"revisions":[]}', [(KIND, b"site/1")]))
        with second_follower(first) as late:
            late.read()
            assert late.empty
            with pytest.raises(
                BrokerError, match=r"another release \(site/1, and this .* site/2\): `lanewatch publish"
            ):
                late.check_version()
        sites.publish(first)
        sites.check_version()
        assert sites.revisions.site_at(0.0) == first


def test_foreign_records_are_counted_and_skipped_with_their_offset(
    broker: str, caplog: pytest.LogCaptureFixture
) -> None:
    strange: list[tuple[bytes, bytes, list[tuple[str, bytes]], str]] = [
        (KEY, b"{}", [], "foreign"),
        (KEY, b"{}", [(KIND, b"site/9")], "version"),  # of a later release
        (KEY, b"{", [(KIND, SITE)], "unreadable"),  # truncated
        (b"\xff", b"{}", [(KIND, SITE)], "foreign"),
    ]
    first = site({"gate": "rtsp://10.0.0.1/1"}, broker, partitions=2)
    name = Topics(first).site.name
    reasons = {reason for _, _, _, reason in strange}
    metrics.reset_throttle(metrics.log("site"), [f"refused {reason}" for reason in reasons])
    before = {reason: refused(reason) for reason in reasons}
    with followed(first) as sites, caplog.at_level(logging.WARNING):
        sites.publish(first)
        for key, value, headers, _ in strange:
            send(first, Message(key, value, headers))
        sites.publish(with_camera(first, "lane", "rtsp://10.0.0.2/1"))  # its record is read after the strange ones
        assert set(sites.partition_slots) == {"gate", "lane"}
    counted = {reason: refused(reason) - count for reason, count in before.items()}
    assert counted == {"foreign": 2, "version": 1, "unreadable": 1}
    assert f"{name}-0 at offset 1: b'' with key b'@site', expected b'site/2'" in caplog.text
    assert f"{name}-0 at offset 2: b'site/9' with key b'@site', expected b'site/2'" in caplog.text
    assert f"{name}-0 at offset 3: the site cannot be read" in caplog.text


def refused(reason: str) -> float:
    return float(metrics.REFUSED.labels("site", reason)._value.get())


def test_each_listener_gets_every_change_though_another_listener_fails(broker: str) -> None:
    first = site({"gate": "rtsp://10.0.0.1/1"}, broker, partitions=2)
    heard: list[int] = []

    def fails(_: SiteTopic) -> None:
        raise ValueError("a listener's error")

    with followed(first) as sites:
        sites.listen(fails)
        sites.listen(lambda changed: heard.append(len(changed.revisions.entries)))
        sites.publish(first)
        sites.publish(with_camera(first, "lane", "rtsp://10.0.0.2/1"))
        until(lambda: heard == [1, 2])
    assert heard == [1, 2], "each change once, in order, and none after the end"
