"""A site as one record: all revisions that are still needed, compressed, with the cameras' partition slots.

One record holds everything, so a publication is complete or absent. 3,500 cameras with four zones each take 0.9 MB;
the topic accepts 4 MB.
"""

from __future__ import annotations

import hashlib
import math
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from lanewatch.config.revisions import SiteRevision, SiteRevisions
from lanewatch.config.site import KafkaConfig, Site


class RevisionContent(msgspec.Struct, frozen=True):
    """A revision of the site.

    Attributes:
        valid_from: Capture time from which it is in effect, seconds UTC; None: always.
        site: As JSON, without its cameras.
        cameras: Indices in ``SiteRecord.cameras``.
    """

    valid_from: float | None
    site: dict[str, Any]
    cameras: tuple[int, ...]


class SiteRecord(msgspec.Struct, frozen=True):
    """The value of the record.

    Attributes:
        base: Digest of the record that this one continues; None for the first one.
        revisions: In the order of ``valid_from``.
        cameras: Every camera of any revision as JSON, URL included; revisions share an unchanged camera.
        partition_slots: By camera id; modulo the number of partitions it is the camera's partition.
        previous_urls: By camera id, the URL before the present one, if there was one.
    """

    base: str | None
    revisions: tuple[RevisionContent, ...]
    cameras: tuple[msgspec.Raw, ...]
    partition_slots: dict[str, int]
    previous_urls: dict[str, str]


def encode(record: SiteRecord) -> tuple[bytes, str]:
    """The record's value, and its digest: equal records have equal digests."""
    data = msgspec.json.encode(record)
    return zlib.compress(data), hashlib.sha256(data).hexdigest()


def decode(value: bytes) -> tuple[SiteRecord, str]:
    """The inverse of ``encode``; raises ``ValueError`` if the value is not a site record."""
    try:
        data = zlib.decompress(value)
        return msgspec.json.decode(data, type=SiteRecord), hashlib.sha256(data).hexdigest()
    except (zlib.error, TypeError, msgspec.DecodeError) as error:
        raise ValueError(str(error)) from error


def from_revisions(
    revisions: Iterable[SiteRevision], slots: dict[str, int], previous_urls: dict[str, str], base: str | None
) -> SiteRecord:
    """The record of some revisions, with the slots and previous URLs of their cameras."""
    contents: list[RevisionContent] = []
    index: dict[bytes, int] = {}
    for revision in revisions:
        cameras = [msgspec.json.encode(camera.model_dump(mode="json")) for camera in revision.site.cameras]
        indices = tuple(index.setdefault(camera, len(index)) for camera in cameras)
        site = revision.site.model_dump(mode="json", exclude={"cameras", "kafka"})
        valid_from = None if math.isinf(revision.valid_from) else revision.valid_from
        contents.append(RevisionContent(valid_from, site, indices))
    return SiteRecord(base, tuple(contents), tuple(map(msgspec.Raw, index)), slots, previous_urls)


def to_revisions(record: SiteRecord, kafka: KafkaConfig) -> SiteRevisions:
    """The revisions of a record; ``kafka`` becomes the sites' own, because it is not published.

    Raises:
        pydantic.ValidationError: the content is not valid in this release.
        ValueError, LookupError, TypeError: it is no content of any release.
    """
    cameras = [msgspec.json.decode(camera) for camera in record.cameras]
    revisions = []
    for content in record.revisions:
        site = Site.model_validate(content.site | {"cameras": [cameras[index] for index in content.cameras]})
        valid_from = -math.inf if content.valid_from is None else content.valid_from
        revisions.append(SiteRevision(valid_from, site.model_copy(update={"kafka": kafka})))
    return SiteRevisions(revisions)


def needed_revisions(revisions: Iterable[SiteRevision], since: float) -> list[SiteRevision]:
    """The revisions in effect at ``since`` or later, capture time. The first one is in effect at ``since``."""
    ordered = sorted(revisions, key=lambda revision: revision.valid_from)
    first = max((index for index, revision in enumerate(ordered) if revision.valid_from <= since), default=0)
    return ordered[first:]


def assign_slots(cameras: Iterable[str], slots: Mapping[str, int], partitions: int) -> dict[str, int]:
    """A partition slot for each camera: its present one, or a free one of the partition with the fewest cameras.

    Among equally loaded partitions the order is van der Corput's: the first, the middle, the middles of both halves
    and so on. A consumer group gives its members runs of neighbouring partitions, so each member gets its part of a
    few cameras. The result depends only on the arguments, so that two publishers agree.
    """
    wanted = list(dict.fromkeys(cameras))
    assigned = {camera: slots[camera] for camera in wanted if camera in slots}
    load = Counter(dict.fromkeys(range(partitions), 0))
    load.update(slot % partitions for slot in assigned.values())
    used = set(assigned.values())
    order = _van_der_corput(partitions)
    for camera in wanted:
        if camera in assigned:
            continue
        partition = min(order, key=load.__getitem__)
        slot = partition
        while slot in used:
            slot += partitions
        assigned[camera] = slot
        used.add(slot)
        load[partition] += 1
    return assigned


def _van_der_corput(partitions: int) -> list[int]:
    width = (partitions - 1).bit_length()
    reversed_bits = [
        sum((number >> bit & 1) << (width - 1 - bit) for bit in range(width)) for number in range(1 << width)
    ]
    return list(dict.fromkeys(number * partitions >> width for number in reversed_bits))
