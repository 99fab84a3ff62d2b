"""The site in its compacted topic: follows its revisions, and publishes new ones."""

from __future__ import annotations

import math
import random
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import closing

from kafka.consumer.fetcher import ConsumerRecord
from kafka.errors import KafkaError
from pydantic import ValidationError

from lanewatch import metrics
from lanewatch.config.revisions import SiteRevision, SiteRevisions
from lanewatch.config.site import Site
from streams.kafka.client.connection import Broker
from streams.kafka.client.errors import BrokerError
from streams.kafka.client.producers import ReliableProducer
from streams.kafka.client.topics import Topics
from streams.kafka.codec import KIND, CodecError, Message, kind_of
from streams.kafka.consumer.table_follower import TableFollower
from streams.kafka.state import site_records
from streams.kafka.state.site_records import SiteRecord

KEY = b"@site"
"""The only key of the topic, in partition 0. The other partitions are empty: samplers share cameras by them."""

SITE = b"site/2"
"""Version 1 had a record for each camera."""

PUBLISH_S = 20.0

REPUBLISH_S = 10.0
"""Between two attempts to write the last site to a topic that was created anew."""

_JITTER_S = 2.0
"""Every stage holds the site. The first attempts spread over this time, so most stages find that of another."""

_SEND_S = 5.0

log = metrics.log("site")

Listener = Callable[["SiteTopic"], None]


class SiteTopic(TableFollower):
    """The revisions of a site; a context manager that follows the topic in a thread.

    If the topic is created anew, the last site stays in effect, and is published again with its partition slots.
    If this user may not do so, the log says once a minute that `lanewatch publish` is needed.

    If the newest record is not valid, the revisions before it stay in effect. A foreign record is counted, logged with
    its topic, partition and offset, and skipped. The cameras' URLs are as published: a sampler replaces ``${NAME}``.

    Args:
        broker: The site's; its ``kafka`` part becomes the sites' own, because it is not published.
        now: Wall clock, seconds UTC.
    """

    def __init__(self, broker: Broker, topics: Topics, *, now: Callable[[], float] = time.time) -> None:
        super().__init__(broker, "site", topics.site.name)
        self._topics = topics
        self._now = now
        self._publishing = threading.Lock()
        self._listeners: list[Listener] = []
        self._record: SiteRecord | None = None
        self._digests: list[str] = []  # of all records so far
        self._conflicts: set[str] = set()
        self._applied: SiteRecord | None = None
        self._rejected: SiteRecord | None = None
        self._revisions: SiteRevisions | None = None
        self._other_version: str | None = None
        self._republish_at = math.inf

    @property
    def revisions(self) -> SiteRevisions:
        """All revisions that are still needed; raises ``BrokerError`` if no valid site has been published."""
        if self._revisions is None:
            raise BrokerError(self._missing)
        return self._revisions

    @property
    def _missing(self) -> str:
        return f"topic {self._topic} has no valid site: `lanewatch publish SITE` writes one"

    @property
    def partition_slots(self) -> dict[str, int]:
        """By camera of any revision; modulo the number of partitions it is the partition of the camera's records."""
        return {} if self._applied is None else self._applied.partition_slots

    @property
    def empty(self) -> bool:
        """Whether the topic has no site that this release reads. It is unknown before ``read``."""
        return self._record is None

    def check_version(self) -> None:
        """Raises ``BrokerError`` if the topic has a site of another release only."""
        if self.empty and self._other_version is not None:
            raise BrokerError(
                f"topic {self._topic} has a site of another release ({self._other_version}, and this "
                f"release reads {SITE.decode()}): `lanewatch publish SITE` replaces it"
            )

    def partition(self, camera: str) -> int:
        """The partition of a camera's records; raises ``KeyError`` if no revision has that camera."""
        return self.partition_slots[camera] % self._topics.partitions

    def previous_url(self, camera: str) -> str | None:
        """The URL of a camera before its present one; None if it has always had the same."""
        return None if self._applied is None else self._applied.previous_urls.get(camera)

    def listen(self, callback: Listener) -> None:
        """Calls a function after each change of ``revisions``, in the follower's thread."""
        self._listeners.append(callback)

    def wait(self, timeout_s: float = 30.0) -> SiteRevisions:
        """Waits for the first valid site; raises ``BrokerError`` if there is none in time."""
        self.wait_until(lambda: self._revisions is not None, timeout_s, self._missing)
        return self.revisions

    def publish(self, site: Site, valid_from: float | None = None) -> SiteRevision:
        """Publishes a site, and waits until it is in the topic.

        Args:
            site: Its cameras' URLs should have ``${NAME}`` in place of passwords.
            valid_from: Capture time from which it is in effect, seconds UTC. None: now; always for the first site.

        Raises:
            BrokerError: it could not be written, or another process published at the same time.
        """
        with self._publishing:
            self.read()
            if valid_from is None:
                valid_from = -math.inf if self._revisions is None else self._now()
            revision = SiteRevision(valid_from, site)
            self._publish([*self._published(), revision], {})
            return revision

    def change_url(self, camera: str, url: str) -> SiteRevision:
        """Gives a camera another URL now and in all revisions to come; the present URL stays in ``previous_url``.

        Raises:
            KeyError: the site has no such camera.
            BrokerError: it could not be written, or another process published at the same time.
        """
        with self._publishing:
            self.read()
            now = self._now()
            present = self.revisions.site_at(now)
            previous = present.camera(camera).url
            revision = SiteRevision(now, _with_url(present, camera, url))
            others = [
                SiteRevision(other.valid_from, _with_url(other.site, camera, url)) if other.valid_from > now else other
                for other in self._published()
            ]
            self._publish([*others, revision], {camera: previous})
            return revision

    def _published(self) -> tuple[SiteRevision, ...]:
        return () if self._revisions is None else self._revisions.entries

    def _publish(self, revisions: Iterable[SiteRevision], previous_urls: dict[str, str]) -> None:
        # Archived detections are rescored with the site of their capture time, as long as they are retained.
        since = self._now() - self._broker.kafka.detections.minutes * 60
        needed = site_records.needed_revisions(SiteRevisions(revisions).entries, since)
        cameras = [camera.id for revision in needed for camera in revision.site.cameras]
        present = self._record
        slots = site_records.assign_slots(cameras, present.partition_slots if present else {}, self._topics.partitions)
        urls = (present.previous_urls if present else {}) | previous_urls
        urls = {camera: url for camera, url in urls.items() if camera in slots}
        base = self._digests[-1] if self._digests else None
        record = site_records.from_revisions(needed, slots, urls, base)
        value, digest = site_records.encode(record)
        try:
            with closing(ReliableProducer(self._broker)) as sender:
                sender.send(self._topic, 0, Message(KEY, value, [(KIND, SITE)]))
                sender.flush(PUBLISH_S)
        except KafkaError as error:
            raise self._broker.to_broker_error(error) from error
        what = f"the new record was not read back from {self._topic}"
        self.wait_until(lambda: digest in self._digests, PUBLISH_S, what)
        if digest in self._conflicts:
            raise BrokerError(
                f"concurrent publication to {self._topic}: another process published at the same time, and "
                "this publication replaced that one; check the site, and publish again what is missing"
            )

    def _read_record(self, record: ConsumerRecord) -> None:
        kind = kind_of(record) or b""
        if kind != SITE or record.key != KEY:
            reason = "foreign"
            if kind != SITE and kind.startswith(b"site/"):
                self._other_version, reason = kind.decode(errors="replace"), "version"
            raise CodecError(record, f"{kind!r} with key {record.key!r}, expected {SITE!r} with {KEY!r}", reason)
        try:
            content, digest = site_records.decode(record.value)
        except ValueError as error:
            raise CodecError(record, f"the site cannot be read ({error})", "unreadable") from error
        if digest in self._digests:
            return  # a second reading after a reconnect, or the same site published by two processes
        if self._digests and content.base != self._digests[-1]:
            self._conflicts.add(digest)
        self._digests.append(digest)
        self._record = content

    def _recreated(self) -> None:
        self._digests.clear()
        self._conflicts.clear()
        if self._record is not None:
            self._republish_at = time.monotonic() + random.uniform(0, _JITTER_S)

    def _idle(self) -> None:
        if self._digests:
            self._republish_at = math.inf
        elif self._record is not None and time.monotonic() >= self._republish_at:
            self._republish_at = time.monotonic() + REPUBLISH_S
            self._republish(self._record)

    def _republish(self, record: SiteRecord) -> None:
        """Writes the last site to the topic, which was created anew and is empty."""
        value, _ = site_records.encode(record)
        try:
            with closing(ReliableProducer(self._broker)) as sender:
                sender.send(self._topic, 0, Message(KEY, value, [(KIND, SITE)])).get(_SEND_S)
        except KafkaError as error:
            text = (
                "topic %s was created anew and has no site. The last one stays in effect here. Run `lanewatch publish "
                "SITE` as the user that creates the topics: %r"
            )
            metrics.log_throttled(log, "republish", text, self._topic, error)
        else:
            log.warning("topic %s was created anew, the last site is published to it again", self._topic)

    def _apply(self) -> None:
        """Makes the newest record's revisions the site's, if they are valid."""
        record = self._record
        if record is None or record is self._applied or record is self._rejected:
            return
        try:
            revisions = site_records.to_revisions(record, self._broker.kafka)
        except ValidationError as error:  # printed whole, it would show the URLs
            first = error.errors()[0]
            self._reject(record, f"{'.'.join(str(step) for step in first['loc'])}: {first['msg']}")
            return
        except (ValueError, LookupError, TypeError) as error:
            self._reject(record, type(error).__name__)
            return
        self._applied, self._revisions = record, revisions
        for listener in list(self._listeners):
            try:
                listener(self)
            except Exception:  # a listener's error must not keep the change from the others
                log.exception("a listener failed at a change of the site")

    def _reject(self, record: SiteRecord, reason: str) -> None:
        self._rejected = record
        metrics.REFUSED.labels("site", "version").inc()
        log.error("topic %s: the newest site is not used: %s", self._topic, reason)


def _with_url(site: Site, camera_id: str, url: str) -> Site:
    cameras = tuple(
        camera.model_copy(update={"url": url}) if camera.id == camera_id else camera for camera in site.cameras
    )
    return site.model_copy(update={"cameras": cameras})
