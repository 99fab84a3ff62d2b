"""The site as the compacted topic holds it: its revisions, followed as they come, and published."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType

import msgspec
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
from streams.kafka.codec import KIND, CodecError, Message
from streams.kafka.consumer.table_follower import TableFollower
from streams.kafka.state import site_records as records
from streams.kafka.state.site_records import CameraRecord, Manifest

MANIFEST = "@site"
"""The manifest's key: no camera's id begins with an @."""

SITE = b"site/1"

PUBLISH_S = 20.0

log = metrics.log("site")

Listener = Callable[["SiteTopic"], None]


class SiteTopic:
    """A site's revisions; a context manager that follows the topic in a thread of its own.

    A revision is used once all of it is there; until then, and where it is broken, the ones before it hold. What is
    none of ours is counted, said with topic, partition and offset, and skipped. The cameras' URLs are as they were
    published: their ``${NAME}`` are for the sampler to replace.

    Args:
        broker: where; its ``kafka`` part becomes the sites' own, for it is not published.
        topics: whose ``site`` it is.
        now: wall clock, seconds UTC.
    """

    def __init__(self, broker: Broker, topics: Topics, *, now: Callable[[], float] = time.time) -> None:
        self._broker = broker
        self._topics = topics
        self._now = now
        self._publishing = threading.Lock()
        self._follower = TableFollower(broker, "site", topics.site.name, topics.partitions, self._take, self._settle)
        self._listeners: list[Listener] = []
        self._held: dict[tuple[str, int], CameraRecord] = {}
        self._manifest = Manifest()
        self._used = Manifest()
        self._refused: Manifest | None = None
        self._revisions: SiteRevisions | None = None

    def __enter__(self) -> SiteTopic:
        self._follower.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._follower.__exit__(kind, error, trace)

    @property
    def revisions(self) -> SiteRevisions:
        """What holds when.

        Raises:
            BrokerError: no complete site has been published.
        """
        if self._revisions is None:
            raise BrokerError(self._missing)
        return self._revisions

    @property
    def _missing(self) -> str:
        return f"topic {self._topics.site.name} has no complete site: `lanewatch publish SITE` writes one"

    @property
    def seats(self) -> dict[str, int]:
        """Of each camera of any revision: modulo the number of partitions it is where the camera's records are."""
        return self._used.seats

    @property
    def empty(self) -> bool:
        """Whether no site has ever been published. Before ``read`` it is not known."""
        return not self._manifest.revisions

    def partition(self, camera: str) -> int:
        """Where a camera's records are.

        Raises:
            KeyError: no revision has that camera.
        """
        return self.seats[camera] % self._topics.partitions

    def former(self, camera: str) -> str | None:
        """The URL that a camera had before its present one; None if it never had another."""
        seat = self._used.seats.get(camera)
        held = None if seat is None else self._held.get((camera, seat % self._topics.partitions))
        return None if held is None else held.former

    def listen(self, callback: Listener) -> None:
        """Has a function called after each change of ``revisions``, from this log's own thread."""
        self._listeners.append(callback)

    def read(self, timeout_s: float = 30.0) -> None:
        """Waits until all is read that was in the topic when this log began to follow it.

        Raises:
            BrokerError: it took longer, or the broker refuses.
        """
        self._follower.read(timeout_s)

    def wait(self, timeout_s: float = 30.0) -> SiteRevisions:
        """Waits for the first complete revision.

        Raises:
            BrokerError: none came in time, or the broker refuses.
        """
        self._follower.wait_until(lambda: self._revisions is not None, timeout_s, self._missing)
        return self.revisions

    def publish(self, site: Site, valid_from: float | None = None) -> SiteRevision:
        """Makes a site hold from a capture time on, and waits until it is there.

        Args:
            site: its cameras' URLs should hold no password, but ``${NAME}``.
            valid_from: seconds UTC; None: from now on, for the very first site from ever.

        Raises:
            BrokerError: it could not be written, or another publication got between.
        """
        with self._publishing:
            self.read()
            if valid_from is None:
                valid_from = -math.inf if self.empty else self._now()
            revision = SiteRevision(valid_from, site)
            self._publish([*self._present(), revision])
            return revision

    def redirect(self, camera: str, url: str) -> SiteRevision:
        """Gives a camera another URL from now on, in every revision that is still to come too; keeps the present one.

        Raises:
            KeyError: the site has no such camera.
            BrokerError: it could not be written, or another publication got between.
        """
        with self._publishing:
            self.read()
            now = self._now()
            holds = self.revisions.at(now)
            before = holds.camera(camera).url
            turned = SiteRevision(now, _redirected(holds, camera, url))
            coming = [
                SiteRevision(one.valid_from, _redirected(one.site, camera, url) if one.valid_from > now else one.site)
                for one in self._present()
            ]
            self._publish([*coming, turned], {camera: before})
            return turned

    def _present(self) -> tuple[SiteRevision, ...]:
        return () if self._revisions is None else self._revisions.all

    def _publish(self, revisions: Iterable[SiteRevision], former: Mapping[str, str] = {}) -> None:
        # Detections are kept for so long, and whoever judges them again judges them by the site of their time.
        since = self._now() - self._broker.kafka.detections.minutes * 60
        kept = records.needed_revisions(SiteRevisions(revisions).all, since)
        cameras = [camera.id for revision in kept for camera in revision.site.cameras]
        seats = records.assign_slots(cameras, self._manifest.seats, self._topics.partitions)
        coming, contents = records.state(kept, seats)
        sender = ReliableProducer(self._broker)
        try:
            for camera, seat in seats.items():
                self._send_camera(sender, camera, seat % self._topics.partitions, contents[camera], former.get(camera))
            sender.flush(PUBLISH_S)
            self._send(sender, 0, MANIFEST, coming)
            sender.flush(PUBLISH_S)
            what = f"another publication to {self._topics.site.name} got between; publish again"
            self._follower.wait_until(lambda: self._used == coming, PUBLISH_S, what)
            for camera, partition in list(self._held):
                if camera not in seats:
                    self._send(sender, partition, camera, None)
            sender.flush(PUBLISH_S)
        except KafkaError as error:
            raise self._broker.explained(error) from error
        finally:
            sender.close()

    def _send_camera(
        self,
        sender: ReliableProducer,
        camera: str,
        partition: int,
        contents: dict[str, records.Content],
        former: str | None,
    ) -> None:
        held = self._held.get((camera, partition), CameraRecord({}))
        needed = self._manifest.digests.get(camera, set())
        both = {digest: one for digest, one in held.contents.items() if digest in needed} | contents
        coming = CameraRecord(both, former or held.former)
        if coming != held:
            self._send(sender, partition, camera, coming)

    def _send(self, sender: ReliableProducer, partition: int, key: str, value: CameraRecord | Manifest | None) -> None:
        data = None if value is None else msgspec.json.encode(value)
        sender.send(self._topics.site.name, partition, Message(key.encode(), data, [(KIND, SITE)]))

    def _take(self, record: ConsumerRecord) -> None:
        key = _key(record)
        if key == MANIFEST:
            self._manifest = _decoded(record, Manifest) if record.value is not None else Manifest()
        elif record.value is None:
            self._held.pop((key, record.partition), None)
        else:
            self._held[key, record.partition] = _decoded(record, CameraRecord)

    def _settle(self) -> None:
        """Uses the manifest that is there if all that it names is."""
        manifest = self._manifest
        if manifest == self._used or manifest == self._refused:
            return
        contents: dict[str, list[CameraRecord]] = {}
        for (camera, _), held in list(self._held.items()):
            contents.setdefault(camera, []).append(held)
        try:
            revisions = records.assemble(manifest, contents, self._broker.kafka)
        except ValidationError as error:
            self._refused = manifest
            metrics.REFUSED.labels("site", "version").inc()
            first = error.errors()[0]
            where = ".".join(str(step) for step in first["loc"])
            log.error("topic %s: the newest site is not used: %s: %s", self._topics.site.name, where, first["msg"])
            return
        if revisions is None:
            return
        self._used, self._revisions = manifest, revisions
        for listener in list(self._listeners):
            try:
                listener(self)
            except Exception:  # one who listens must not keep the others from hearing
                log.exception("a change of the site could not be taken up")


def _redirected(site: Site, camera: str, url: str) -> Site:
    cameras = tuple(one.model_copy(update={"url": url}) if one.id == camera else one for one in site.cameras)
    return site.model_copy(update={"cameras": cameras})


def _key(record: ConsumerRecord) -> str:
    kind = dict(record.headers).get(KIND)
    if kind != SITE:
        reason = "version" if (kind or b"").startswith(b"site/") else "foreign"
        raise CodecError(record, f"{kind!r} where {SITE.decode()} belongs", reason)
    try:
        return str(record.key.decode())
    except (AttributeError, UnicodeDecodeError) as error:
        raise CodecError(record, f"a part of a site without a key ({error})", "unreadable") from error


def _decoded(record: ConsumerRecord, kind: type[records.T]) -> records.T:
    try:
        return msgspec.json.decode(record.value, type=kind)
    except msgspec.DecodeError as error:
        raise CodecError(record, f"a part of a site cannot be read ({error})", "unreadable") from error
