"""A site as records: one for each camera, and one that says which of them make up which revision of the site.

No broker can write two records at once, so a reader must be able to tell half a publication from a whole one: the
manifest names each camera's content by its digest, and a revision is used only when all of it is there. Camera records
are written before the manifest and hold both what the manifest before and the one to come need.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import msgspec

from lanewatch.config.revisions import SiteRevision, SiteRevisions
from lanewatch.config.site import Camera, KafkaConfig, Site

T = TypeVar("T")

Content = dict[str, Any]
"""A camera or a site as JSON has it."""


class CameraEntry(msgspec.Struct, frozen=True, array_like=True):
    """A camera of a revision: which content, and where its records go (``seat`` modulo the partitions)."""

    camera: str
    digest: str
    seat: int


class RevisionRecord(msgspec.Struct, frozen=True):
    """A revision of the site without its cameras' contents. ``valid_from`` None: it holds from ever."""

    valid_from: float | None
    site: Content
    cameras: tuple[CameraEntry, ...]


class Manifest(msgspec.Struct, frozen=True):
    """The revisions that are still needed, in the order of their beginning."""

    revisions: tuple[RevisionRecord, ...] = ()

    @property
    def seats(self) -> dict[str, int]:
        """Of every camera of any revision; a later one's word counts."""
        return {one.camera: one.seat for stated in self.revisions for one in stated.cameras}

    @property
    def digests(self) -> dict[str, set[str]]:
        """The contents that are needed of each camera."""
        needed: dict[str, set[str]] = {}
        for stated in self.revisions:
            for one in stated.cameras:
                needed.setdefault(one.camera, set()).add(one.digest)
        return needed


class CameraRecord(msgspec.Struct, frozen=True):
    """A camera's record: its contents by digest, and the URL that it had before the present one."""

    contents: dict[str, Content]
    former: str | None = None


def content_of(camera: Camera) -> tuple[str, Content]:
    """A camera's content and its digest, URL included."""
    content = camera.model_dump(mode="json")
    canonical = msgspec.json.encode(content, order="deterministic")
    return hashlib.sha256(canonical).hexdigest()[:16], content


def state(
    revisions: Iterable[SiteRevision], seats: Mapping[str, int]
) -> tuple[Manifest, dict[str, dict[str, Content]]]:
    """The manifest of some revisions, and the contents that it names, by camera and digest."""
    stated: list[RevisionRecord] = []
    contents: dict[str, dict[str, Content]] = {}
    for revision in revisions:
        entries = []
        for camera in revision.site.cameras:
            digest, content = content_of(camera)
            contents.setdefault(camera.id, {})[digest] = content
            entries.append(CameraEntry(camera.id, digest, seats[camera.id]))
        whole = revision.site.model_dump(mode="json", exclude={"cameras", "kafka"})
        valid_from = None if math.isinf(revision.valid_from) else revision.valid_from
        stated.append(RevisionRecord(valid_from, whole, tuple(entries)))
    return Manifest(tuple(stated)), contents


def assemble(
    manifest: Manifest, held: Mapping[str, Iterable[CameraRecord]], kafka: KafkaConfig
) -> SiteRevisions | None:
    """The revisions that a manifest names; None while a content is still missing.

    Raises:
        pydantic.ValidationError: what was published is no site of this release.
    """
    if not manifest.revisions:
        return None
    revisions = []
    for stated in manifest.revisions:
        cameras = [_find(entry, held.get(entry.camera, ())) for entry in stated.cameras]
        if None in cameras:
            return None
        site = Site.model_validate(stated.site | {"cameras": cameras}).model_copy(update={"kafka": kafka})
        revisions.append(SiteRevision(-math.inf if stated.valid_from is None else stated.valid_from, site))
    return SiteRevisions(revisions)


def _find(entry: CameraEntry, held: Iterable[CameraRecord]) -> Content | None:
    return next((one.contents[entry.digest] for one in held if entry.digest in one.contents), None)


def needed_revisions(revisions: Iterable[SiteRevision], since: float) -> list[SiteRevision]:
    """The revisions that hold at ``since`` or later, capture time; the one that holds then is the first."""
    every = sorted(revisions, key=lambda one: one.valid_from)
    first = max((index for index, one in enumerate(every) if one.valid_from <= since), default=0)
    return every[first:]


def assign_slots(cameras: Iterable[str], seats: Mapping[str, int], partitions: int) -> dict[str, int]:
    """A seat for each camera: the one that it has, or a free one whose partition has the fewest cameras.

    Of those it takes the one that halves what is left, and halves it again (van der Corput's order): groups give their
    members runs of neighbouring partitions, and each run is to have its part of a few cameras too. The same cameras in
    the same order get the same seats whoever publishes them.
    """
    wanted = list(dict.fromkeys(cameras))
    given = {camera: seats[camera] for camera in wanted if camera in seats}
    load = Counter(dict.fromkeys(range(partitions), 0))
    load.update(seat % partitions for seat in given.values())
    taken = set(given.values())
    order = _halving(partitions)
    for camera in wanted:
        if camera in given:
            continue
        partition = min(order, key=load.__getitem__)
        seat = partition
        while seat in taken:
            seat += partitions
        given[camera] = seat
        taken.add(seat)
        load[partition] += 1
    return given


def _halving(partitions: int) -> list[int]:
    """All partitions: the first, the one in the middle, those in the middles of both halves, and so on."""
    width = (partitions - 1).bit_length()
    turned = [sum((number >> bit & 1) << (width - 1 - bit) for bit in range(width)) for number in range(1 << width)]
    return list(dict.fromkeys(one * partitions >> width for one in turned))
