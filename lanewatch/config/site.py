"""The site file: a centre's cameras, their zones and schedules, and what is watched for where."""

from __future__ import annotations

import hashlib
from typing import Annotated, Literal

import msgspec
from pydantic import AwareDatetime, Field

from lanewatch.config.fields import DAYS as DAYS
from lanewatch.config.fields import ConfigModel, Id
from lanewatch.config.fields import Day as Day
from lanewatch.config.fields import LocalizedName as Name
from lanewatch.config.fields import Schedule as Schedule
from lanewatch.config.sequences import EventSequence as Composite

Fraction = Annotated[
    float, Field(ge=0, le=1, title="Fraction", description="0 is the frame's left or top, 1 its right or bottom.")
]
Point = tuple[Fraction, Fraction]
Polygon = Annotated[tuple[Point, ...], Field(min_length=3)]
Threshold = float | int | str | bool


class SamplingRate(ConfigModel):
    """How often a camera is looked at."""

    active: float = Field(5.0, gt=0, le=30, title="Active rate", description="Frames a second while something moves.")
    idle: float = Field(
        0.5,
        gt=0,
        le=30,
        title="Idle rate",
        description="Frames a second at most while nothing moves; key frames only.",
    )


class Zone(ConfigModel):
    """A part of a camera's picture in which something is watched for, or nothing is."""

    id: Id = Field(title="Id", description="Unique on its camera.")
    name: Name = Field(title="Name", description="Appears in the events' sentences.")
    kind: Literal["watch", "closed", "produce", "lane", "ignore"] = Field(
        title="Kind",
        description="watch: staying long is suspicious; closed: being there at all is, during its schedule; "
        "produce: a field, a drying place or a store, also watched; lane: where passing is normal; "
        "ignore: nothing is looked at.",
    )
    polygon: Polygon = Field(title="Polygon", description="Corners in fractions of the frame; not crossing itself.")
    direction: tuple[Point, Point] | None = Field(
        None,
        title="Direction",
        description="Of a lane: an arrow from its first point to its second, the way in which it may be taken; "
        "either way if absent.",
    )
    schedule: str | None = Field(
        None,
        title="Schedule",
        description="When the zone counts (a closed zone: when it is closed); always if absent.",
    )
    owner_hours: str | None = Field(
        None,
        title="Owner's hours",
        description="The schedule of the hours at which its owner is usually there: composites take nobody for a thief "
        "then. By day if absent.",
    )


class Line(ConfigModel):
    """A directed line that can be crossed, from its first point to its second."""

    id: Id = Field(title="Id", description="Unique on its camera, among the zones too.")
    name: Name = Field(title="Name", description="Appears in the events' sentences.")
    kind: Literal["line", "fence"] = Field(
        "line",
        title="Kind",
        description="line: stepping over it counts; fence: the foot of a fence or wall, and climbing over it counts.",
    )
    points: tuple[Point, Point] = Field(title="Points", description="Two points in fractions of the frame.")
    direction: Literal["both", "left_to_right", "right_to_left"] = Field(
        "both",
        title="Direction",
        description="Which crossings count, seen by one who walks from the first point to the second.",
    )
    schedule: str | None = Field(None, title="Schedule", description="When the line counts; always if absent.")


class Camera(ConfigModel):
    """A camera: where it is, where its pictures come from and what its picture is divided into."""

    id: Id = Field(title="Id", description="Unique in the site; the key of all of its records.")
    name: Name = Field(title="Name", description="What operators call it.")
    url: str = Field(
        min_length=1,
        repr=False,  # it may hold a password
        title="URL",
        description="rtsp://, http(s)://, a file or a folder of images; file:// takes ?loop=1, clock=ISO time, "
        "pace=live|fast, fps=, lead= (seconds at full speed first) "
        "and since=ISO time (played as if it had run since then). ${NAME} is taken from the "
        "environment, a path starts from the site file's folder.",
    )
    latitude: float = Field(ge=-90, le=90, title="Latitude", description="Degrees north; for the sun.")
    longitude: float = Field(ge=-180, le=180, title="Longitude", description="Degrees east; for the sun.")
    group: str = Field("", title="Group", description="The department or district that it belongs to.")
    time_zone: str | None = Field(
        None, title="Time zone", description="IANA name, if it is not the site's; for schedules."
    )
    rate: SamplingRate = Field(SamplingRate(), title="Rate", description="How often its picture is looked at.")
    width: int = Field(
        960,
        ge=160,
        le=3840,
        title="Width",
        description="Frames are scaled down to at most this width in pixels.",
    )
    zones: tuple[Zone, ...] = Field((), title="Zones", description="Parts of the picture with a meaning.")
    lines: tuple[Line, ...] = Field((), title="Lines", description="Lines that can be crossed.")
    masks: tuple[Polygon, ...] = Field(
        (), title="Privacy masks", description="Polygons blackened before a frame leaves the sampler."
    )

    @property
    def places(self) -> tuple[Zone | Line, ...]:
        """Zones and lines: all that has an id within the picture."""
        return (*self.zones, *self.lines)


Means = Literal["person", "bicycle", "car", "motorcycle", "bus", "truck"]
"""How somebody comes, in the detector's classes."""


class RegisteredVisit(ConfigModel):
    """A registered visit: somebody has said that he will be there."""

    who: str = Field(min_length=1, title="Who", description="As operators call them; appears in the event.")
    cameras: tuple[str, ...] = Field((), title="Cameras", description="Ids of cameras; all if empty.")
    zones: tuple[str, ...] = Field((), title="Zones", description="Ids of zones; all if empty.")
    by: tuple[Means, ...] = Field(
        ("car", "bus", "truck"),
        min_length=1,
        title="By",
        description="What they come with, person for those on foot. By night a detector takes a van for any of the "
        "usual three. Who comes with anything else in that time is not they.",
    )
    since: AwareDatetime = Field(title="Since", description="ISO time with its zone: 2026-10-03T20:00:00+09:00.")
    until: AwareDatetime = Field(title="Until", description="ISO time with its zone.")


class EmergencyBell(ConfigModel):
    """An emergency bell that people press when they need help."""

    id: Id = Field(title="Id", description="Unique in the site; the bell's controller calls it by this.")
    name: Name = Field(title="Name", description="Where it is, as operators call it.")
    latitude: float = Field(ge=-90, le=90, title="Latitude", description="Degrees north; for the nearest camera.")
    longitude: float = Field(ge=-180, le=180, title="Longitude", description="Degrees east; for the nearest camera.")
    camera: Id | None = Field(
        None, title="Camera", description="The camera that sees it; the nearest one of the site if absent."
    )


class ThresholdRule(ConfigModel):
    """Other thresholds for some zones, classes or times. Of all rules that match, the last one wins."""

    zones: tuple[str, ...] = Field((), title="Zones", description="Ids of zones or lines; all if empty.")
    cameras: tuple[str, ...] = Field((), title="Cameras", description="Ids of cameras; all if empty.")
    classes: tuple[str, ...] = Field((), title="Classes", description="Labels such as person or truck; all if empty.")
    schedule: str | None = Field(None, title="Schedule", description="When it holds; always if absent.")
    thresholds: dict[str, Threshold] = Field(title="Thresholds", description="The values that replace the usual ones.")


class BehaviourConfig(ConfigModel):
    """How one behaviour is watched for."""

    enabled: bool = Field(True, title="Enabled", description="False switches the behaviour off.")
    thresholds: dict[str, Threshold] = Field(
        {}, title="Thresholds", description="The usual values; each behaviour documents its own."
    )
    rules: tuple[ThresholdRule, ...] = Field((), title="Rules", description="Exceptions by zone, class and schedule.")


class DetectorConfig(ConfigModel):
    """The network that finds people and things."""

    name: str = Field(
        "nanodet-g",
        title="Name",
        description="A name that `lanewatch models` lists, or the path of an ultralytics model.",
    )
    device: str = Field("auto", title="Device", description="auto, cpu, cuda or cuda:N.")
    score: float = Field(
        0.2,
        gt=0,
        lt=1,
        title="Score",
        description="Boxes below it are not even recorded; tracks start higher.",
    )
    pose: str = Field(
        "movenet",
        title="Pose",
        description="What finds the joints of people who may lie, for falls: movenet (bundled), none, or the name or "
        "path of an ultralytics pose model.",
    )


class KafkaSecurity(ConfigModel):
    """How the stages prove to the broker who they are, and it to them."""

    protocol: Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"] = Field(
        "plaintext",
        title="Protocol",
        description="ssl and sasl_ssl encrypt; sasl_* ask for a user and password; ssl with our own certificate is "
        "mutual TLS.",
    )
    mechanism: Literal["SCRAM-SHA-256", "SCRAM-SHA-512", "PLAIN"] = Field(
        "SCRAM-SHA-512", title="Mechanism", description="How the password is proved, with sasl_*."
    )
    username: str | None = Field(None, title="User", description="With sasl_*; ${NAME} is taken from the environment.")
    password: str | None = Field(
        None, repr=False, title="Password", description="With sasl_*; ${NAME} is taken from the environment."
    )
    ca: str | None = Field(
        None, title="CA", description="PEM file of the authority that signed the broker's certificate."
    )
    certificate: str | None = Field(None, title="Certificate", description="PEM file of our own, for mutual TLS.")
    key: str | None = Field(None, title="Key", description="PEM file of its private key.")


class TopicRetention(ConfigModel):
    """How long a topic keeps its records: what comes first, minutes or bytes."""

    minutes: float = Field(gt=0, title="Minutes", description="Records older than this may go.")
    gigabytes: float = Field(gt=0, title="Gigabytes", description="Of all partitions together; the oldest go first.")


class KafkaConfig(ConfigModel):
    """The broker that joins the stages where they are processes of their own."""

    brokers: tuple[str, ...] = Field(
        ("127.0.0.1:9092",),
        min_length=1,
        title="Brokers",
        description="host:port of some of the cluster; LANEWATCH_KAFKA in the environment replaces them.",
    )
    prefix: str | None = Field(
        None,
        pattern=r"^[a-zA-Z0-9._-]{1,200}$",
        title="Prefix",
        description="Of the topics' names; lanewatch.ID, with the site's id, if absent.",
    )
    partitions: int = Field(
        24,
        ge=1,
        le=1000,
        title="Partitions",
        description="Of frames, detections, site and checkpoints: no stage can have more processes at work than this.",
    )
    replication: int = Field(1, ge=1, le=5, title="Replication", description="Copies of each topic; 3 in a cluster.")
    frames: TopicRetention = Field(
        TopicRetention(minutes=10, gigabytes=64), title="Frames", description="Pictures, from which evidence is cut."
    )
    detections: TopicRetention = Field(
        TopicRetention(minutes=1440, gigabytes=32),
        title="Detections",
        description="What a watcher can be replayed from.",
    )
    events: TopicRetention = Field(
        TopicRetention(minutes=10080, gigabytes=16), title="Events", description="Until every service has stored them."
    )
    security: KafkaSecurity = Field(KafkaSecurity(), title="Security", description="TLS and passwords.")


class Site(ConfigModel):
    """All that a centre tells Lanewatch."""

    version: Literal[1] = Field(1, title="Version", description="Of this file's format.")
    id: Id = Field("site", title="Id", description="Names the site in events and topics.")
    name: Name = Field(title="Name", description="The centre's name.")
    time_zone: str = Field("Asia/Seoul", title="Time zone", description="IANA name.")
    note: Name | None = Field(
        None,
        title="Note",
        description="Shown at the head of the console, such as that a demo's night is simulated.",
    )
    detector: DetectorConfig = Field(
        DetectorConfig(), title="Detector", description="Which network looks at the frames."
    )
    kafka: KafkaConfig = Field(KafkaConfig(), title="Kafka", description="The broker, where the stages are processes.")
    cameras: tuple[Camera, ...] = Field(min_length=1, title="Cameras", description="At least one.")
    bells: tuple[EmergencyBell, ...] = Field((), title="Bells", description="Emergency bells, whose press is an event.")
    schedules: dict[Id, Schedule] = Field({}, title="Schedules", description="Named times, used by zones and rules.")
    behaviours: dict[str, BehaviourConfig] = Field(
        {},
        title="Behaviours",
        description="What is watched for, by the behaviour's name; those not named use defaults.",
    )
    composites: tuple[Composite, ...] = Field(
        (), title="Composites", description="Happenings of several steps that the site describes by itself."
    )
    visits: tuple[RegisteredVisit, ...] = Field(
        (), title="Visits", description="Registered visits, which make composites in their zones harmless."
    )
    correlations: tuple[str, ...] | None = Field(
        None,
        title="Correlations",
        description="What is looked for in the events of all cameras together, by name; all there is if absent.",
    )

    def camera(self, camera_id: str) -> Camera:
        """The camera of that id.

        Raises:
            KeyError: the site has none.
        """
        for camera in self.cameras:
            if camera.id == camera_id:
                return camera
        raise KeyError(f"site {self.id} has no camera {camera_id!r}")

    @property
    def digest(self) -> str:
        """12 hex digits that change with what events depend on, and are carried by them.

        Where pictures come from and how they travel is left out: neither a new password nor another broker makes
        another site.
        """
        content = self.model_dump(mode="json", exclude={"kafka": True, "cameras": {"__all__": {"url"}}})
        canonical = msgspec.json.encode(content, order="deterministic")
        return hashlib.sha256(canonical).hexdigest()[:12]
