from __future__ import annotations

import logging
import time

import msgspec
import pytest

from lanewatch import metrics
from lanewatch.config.revisions import SiteRevision
from lanewatch.config.site import Site
from streams.kafka.client.connection import Broker
from streams.kafka.client.errors import BrokerError
from streams.kafka.client.producers import ReliableProducer
from streams.kafka.client.topics import Topics
from streams.kafka.codec import KIND, Message
from streams.kafka.state import site_records
from streams.kafka.state.site_topic import MANIFEST, SITE, SiteTopic
from tests.streams.kafka.site_factory import followed, site, until

CAMERAS = {"gate": "rtsp://${USER}:${PASSWORD}@10.0.0.1/1", "lane": "rtsp://10.0.0.2/1", "barn": "rtsp://10.0.0.3/1"}


def with_camera(before: Site, camera: str, url: str) -> Site:
    added = before.cameras[0].model_copy(update={"id": camera, "url": url})
    return before.model_copy(update={"cameras": (*before.cameras, added)})


def another(log: SiteTopic, of: Site) -> SiteTopic:
    return SiteTopic(Broker(of, "other", {}), Topics(of))


def test_what_is_published_is_had_by_all_who_follow(broker: str) -> None:
    first = site(CAMERAS, broker)
    with followed(first) as log, another(log, first) as other:
        log.read()
        assert log.empty
        log.publish(first)
        assert other.wait().at(0.0) == first  # the URLs too, and nobody's password in them
        assert other.seats == log.seats == {"gate": 0, "lane": 2, "barn": 1}

        at = time.time() + 3600
        log.publish(with_camera(first, "shop", "rtsp://10.0.0.4/1"), at)
        until(lambda: len(other.revisions.all) == 2)
        assert [camera.id for camera in other.revisions.at(at - 1).cameras] == ["gate", "lane", "barn"]
        assert [camera.id for camera in other.revisions.at(at).cameras] == ["gate", "lane", "barn", "shop"]
        assert other.seats["shop"] == 3
    with another(log, first) as late:  # it reads what is left of the log
        assert len(late.wait().all) == 2
        assert late.seats == {"gate": 0, "lane": 2, "barn": 1, "shop": 3}


def test_another_url_from_now_on_is_in_what_comes_later_too_and_the_old_one_is_kept(broker: str) -> None:
    first = site(CAMERAS, broker)
    with followed(first) as log:
        log.publish(first)
        later = time.time() + 3600
        log.publish(with_camera(first, "shop", "rtsp://10.0.0.4/1"), later)
        log.redirect("lane", "rtsp://10.0.0.9/1")
        assert log.revisions.at(time.time() - 60).camera("lane").url == "rtsp://10.0.0.2/1"
        assert log.revisions.at(time.time()).camera("lane").url == "rtsp://10.0.0.9/1"
        assert log.revisions.at(later).camera("lane").url == "rtsp://10.0.0.9/1"
        assert log.former("lane") == "rtsp://10.0.0.2/1"
        assert log.former("gate") is None


def test_a_revision_that_nobody_needs_is_forgotten_with_the_cameras_that_only_it_had(broker: str) -> None:
    first = site(CAMERAS, broker)
    clock = [1_000_000.0]
    with followed(first) as usual:
        usual.read()
    topics = Topics(first)
    with SiteTopic(Broker(first, "test", {}), topics, now=lambda: clock[0]) as log, another(log, first) as other:
        log.publish(first)
        clock[0] += 60.0
        log.publish(first.model_copy(update={"cameras": first.cameras[:2]}))
        assert log.seats == {"gate": 0, "lane": 2, "barn": 1}  # detections of barn may be judged again
        clock[0] += first.kafka.detections.minutes * 60 + 1
        log.publish(first.model_copy(update={"cameras": first.cameras[:1]}))
        assert log.seats == {"gate": 0, "lane": 2}
        until(lambda: ("barn", 1) not in log._held)
        until(lambda: other.seats == {"gate": 0, "lane": 2})


def test_half_a_publication_is_not_used(broker: str) -> None:
    first = site(CAMERAS, broker)
    with followed(first) as log:
        log.publish(first)
        second = with_camera(first, "shop", "rtsp://10.0.0.4/1")
        seats = log.seats | {"shop": 3}
        coming, contents = site_records.state([*log.revisions.all, SiteRevision(5.0, second)], seats)
        sender = ReliableProducer(Broker(first, "half", {}))
        name = Topics(first).site.name
        sender.send(name, 0, Message(MANIFEST.encode(), msgspec.json.encode(coming), [(KIND, SITE)]))
        sender.flush(10)
        until(lambda: log._manifest == coming)
        assert log.revisions.latest == first
        with another(log, first) as late:
            late.read()
            with pytest.raises(BrokerError, match=r"has no complete site.*lanewatch publish"):
                late.wait(0.3)
        value = msgspec.json.encode(site_records.CameraRecord(contents["shop"]))
        sender.send(name, 3, Message(b"shop", value, [(KIND, SITE)]))
        sender.flush(10)
        sender.close()
        until(lambda: log.revisions.latest == second)


def test_foreign_records_are_counted_and_skipped_with_their_place(
    broker: str, caplog: pytest.LogCaptureFixture
) -> None:
    strange: list[tuple[bytes, bytes, list[tuple[str, bytes]], str]] = [
        (b"gate", b"{}", [], "foreign"),
        (b"gate", b"{}", [(KIND, b"site/9")], "version"),  # of a release to come
        (b"gate", b"{", [(KIND, SITE)], "unreadable"),  # cut off
        (b"\xff", b"{}", [(KIND, SITE)], "unreadable"),
    ]
    first = site({"gate": "rtsp://10.0.0.1/1"}, broker, partitions=2)
    name = Topics(first).site.name
    metrics.reset_throttle(metrics.log("site"), [f"refused {reason}" for _, _, _, reason in strange])
    before = {reason: refused(reason) for _, _, _, reason in strange}
    with followed(first) as log, caplog.at_level(logging.WARNING):
        log.publish(first)
        sender = ReliableProducer(Broker(first, "stranger", {}))
        for key, value, headers, _ in strange:
            sender.send(name, 1, Message(key, value, headers)).get(10)
        sender.close()
        log.publish(with_camera(first, "lane", "rtsp://10.0.0.2/1"))  # its record is read after the strangers'
        assert set(log.seats) == {"gate", "lane"}
    assert {reason: refused(reason) - count for reason, count in before.items()} == {
        "foreign": 1,
        "version": 1,
        "unreadable": 2,
    }
    assert f"{name}-1 at offset 0: None where site/1 belongs" in caplog.text
    assert f"{name}-1 at offset 1: b'site/9' where site/1 belongs" in caplog.text
    assert f"{name}-1 at offset 2: a part of a site cannot be read" in caplog.text


def refused(reason: str) -> float:
    return float(metrics.REFUSED.labels("site", reason)._value.get())


def test_who_listens_hears_of_every_change_and_one_who_fails_keeps_nobody_else_from_it(broker: str) -> None:
    first = site({"gate": "rtsp://10.0.0.1/1"}, broker, partitions=2)
    heard: list[int] = []

    def fails(_: SiteTopic) -> None:
        raise ValueError("whoever this is")

    with followed(first) as log:
        log.listen(fails)
        log.listen(lambda changed: heard.append(len(changed.revisions.all)))
        log.publish(first)
        log.publish(with_camera(first, "lane", "rtsp://10.0.0.2/1"))
        until(lambda: heard == [1, 2])
    assert heard == [1, 2], "each change once, in order, and none after the log has ended"
