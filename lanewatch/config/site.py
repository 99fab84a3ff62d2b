"""The fields of the site file: cameras, zones, schedules, behaviours and the Kafka broker."""

from __future__ import annotations

import hashlib
from typing import Annotated, Literal

import msgspec
from pydantic import AwareDatetime, Field

from lanewatch.config.fields import ConfigModel, Id, LocalizedName, Schedule
from lanewatch.config.sequences import EventSequence

Fraction = Annotated[
    float, Field(ge=0, le=1, title="Fraction", description="0 is the frame's left or top, 1 its right or bottom.")
]
Point = tuple[Fraction, Fraction]
Polygon = Annotated[tuple[Point, ...], Field(min_length=3)]
Threshold = float | int | str | bool


class SamplingRate(ConfigModel):
    """How often a camera is sampled."""

    active: float = Field(5.0, gt=0, le=30, title="Active rate", description="Frames a second during motion.")
    idle: float = Field(
        0.5, gt=0, le=30, title="Idle rate", description="Frames a second at most without motion; key frames only."
    )


class Zone(ConfigModel):
    """A polygon in a camera's picture in which behaviours are evaluated, or nothing is."""

    id: Id = Field(title="Id", description="Unique on its camera.")
    name: LocalizedName = Field(title="Name", description="Appears in the events' sentences.")
    kind: Literal["watch", "closed", "produce", "lane", "ignore"] = Field(
        title="Kind",
        description="watch: a long stay is suspicious; closed: any presence is, during its schedule; "
        "produce: as watch, for a field, a drying place or a store; lane: passing is normal; "
        "ignore: no detections are used.",
    )
    polygon: Polygon = Field(title="Polygon", description="Corners in fractions of the frame; not crossing itself.")
    direction: tuple[Point, Point] | None = Field(
        None,
        title="Direction",
        description="Of a lane: an arrow from its first point to its second, the permitted direction; "
        "both directions if absent.",
    )
    schedule: str | None = Field(
        None, title="Schedule", description="When the zone counts (a closed zone: when it is closed); always if absent."
    )
    owner_hours: str | None = Field(
        None,
        title="Owner's hours",
        description="The schedule when its owner is usually there; it mitigates sequences. By day if absent.",
    )


class Line(ConfigModel):
    """A directed line, from its first point to its second, whose crossing can be an event."""

    id: Id = Field(title="Id", description="Unique on its camera, among the zones too.")
    name: LocalizedName = Field(title="Name", description="Appears in the events' sentences.")
    kind: Literal["line", "fence"] = Field(
        "line",
        title="Kind",
        description="line: stepping over it counts; fence: the foot of a fence or wall, and climbing over it counts.",
    )
    points: tuple[Point, Point] = Field(title="Points", description="Two points in fractions of the frame.")
    direction: Literal["both", "left_to_right", "right_to_left"] = Field(
        "both",
        title="Direction",
        description="Which crossings count, as seen when walking from the first point to the second.",
    )
    schedule: str | None = Field(None, title="Schedule", description="When the line counts; always if absent.")


class Camera(ConfigModel):
    """A camera: its position, its video source, and the places in its picture."""

    id: Id = Field(title="Id", description="Unique in the site; the key of all of its records.")
    name: LocalizedName = Field(title="Name", description="Its name for operators.")
    url: str = Field(
        min_length=1,
        repr=False,  # it may hold a password
        title="URL",
        description="rtsp://, http(s)://, a file or a folder of images; file:// takes ?loop=1, clock=ISO time, "
        "pace=live|fast, fps=, lead= (seconds at full speed first) and since=ISO time (played as if it had run since "
        "then). ${NAME} is replaced from the environment. A path starts from the site file's folder.",
    )
    latitude: float = Field(ge=-90, le=90, title="Latitude", description="Degrees north; for the sun.")
    longitude: float = Field(ge=-180, le=180, title="Longitude", description="Degrees east; for the sun.")
    group: str = Field("", title="Group", description="Its department or district.")
    time_zone: str | None = Field(
        None, title="Time zone", description="IANA name for its schedules; the site's if absent."
    )
    rate: SamplingRate = Field(SamplingRate(), title="Rate", description="How often it is sampled.")
    width: int = Field(
        960, ge=160, le=3840, title="Width", description="Frames are scaled down to at most this width in pixels."
    )
    zones: tuple[Zone, ...] = Field((), title="Zones", description="Polygons in the picture.")
    lines: tuple[Line, ...] = Field((), title="Lines", description="Lines that can be crossed.")
    masks: tuple[Polygon, ...] = Field(
        (), title="Privacy masks", description="Polygons blackened before a frame leaves the sampler."
    )

    @property
    def places(self) -> tuple[Zone | Line, ...]:
        """Its zones and lines."""
        return (*self.zones, *self.lines)


Means = Literal["person", "bicycle", "car", "motorcycle", "bus", "truck"]
"""How visitors come, as classes of the detector."""


class RegisteredVisit(ConfigModel):
    """An announced visit."""

    who: str = Field(
        min_length=1, title="Who", description="The visitors, as operators call them; appears in the event."
    )
    cameras: tuple[str, ...] = Field((), title="Cameras", description="Ids of cameras; all if empty.")
    zones: tuple[str, ...] = Field((), title="Zones", description="Ids of zones; all if empty.")
    by: tuple[Means, ...] = Field(
        ("car", "bus", "truck"),
        min_length=1,
        title="By",
        description="What the visitors come with; person is on foot. By night a detector confuses car, bus and truck. "
        "The visit does not cover people who come with anything else.",
    )
    since: AwareDatetime = Field(title="Since", description="ISO time with its zone: 2026-10-03T20:00:00+09:00.")
    until: AwareDatetime = Field(title="Until", description="ISO time with its zone.")


class EmergencyBell(ConfigModel):
    """A public emergency bell."""

    id: Id = Field(title="Id", description="Unique in the site; the bell's controller sends it.")
    name: LocalizedName = Field(title="Name", description="Its place, for operators.")
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
    thresholds: dict[str, Threshold] = Field(title="Thresholds", description="The values that replace the defaults.")


class BehaviourConfig(ConfigModel):
    """The settings of one behaviour."""

    enabled: bool = Field(True, title="Enabled", description="False switches the behaviour off.")
    thresholds: dict[str, Threshold] = Field(
        {}, title="Thresholds", description="Values for the whole site; each behaviour documents its own."
    )
    rules: tuple[ThresholdRule, ...] = Field((), title="Rules", description="Exceptions by zone, class and schedule.")


class DetectorConfig(ConfigModel):
    """The networks that detect objects and estimate poses."""

    name: str = Field(
        "nanodet-g",
        title="Name",
        description="A name that `lanewatch models` lists, or the path of an ultralytics model.",
    )
    device: str = Field("auto", title="Device", description="auto, cpu, cuda or cuda:N.")
    score: float = Field(
        0.2, gt=0, lt=1, title="Score", description="Boxes below it are not recorded; tracks start higher."
    )
    pose: str = Field(
        "movenet",
        title="Pose",
        description="The network for the keypoints of people who may lie, for falls: movenet (bundled), none, "
        "or the name or path of an ultralytics pose model.",
    )


class KafkaSecurity(ConfigModel):
    """Encryption and authentication between the stages and the broker."""

    protocol: Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"] = Field(
        "plaintext",
        title="Protocol",
        description="ssl and sasl_ssl encrypt; sasl_* need a user and a password; ssl with our own certificate is "
        "mutual TLS.",
    )
    mechanism: Literal["SCRAM-SHA-256", "SCRAM-SHA-512", "PLAIN"] = Field(
        "SCRAM-SHA-512", title="Mechanism", description="How the password is proved, with sasl_*."
    )
    username: str | None = Field(
        None, title="User", description="With sasl_*; ${NAME} is replaced from the environment."
    )
    password: str | None = Field(
        None, repr=False, title="Password", description="With sasl_*; ${NAME} is replaced from the environment."
    )
    ca: str | None = Field(
        None, title="CA", description="PEM file of the authority that signed the broker's certificate."
    )
    certificate: str | None = Field(None, title="Certificate", description="PEM file of our own, for mutual TLS.")
    key: str | None = Field(None, title="Key", description="PEM file of its private key.")


class TopicRetention(ConfigModel):
    """The retention of a topic: minutes or gigabytes, whichever limit is reached first."""

    minutes: float = Field(gt=0, title="Minutes", description="Older records may be deleted.")
    gigabytes: float = Field(
        gt=0, title="Gigabytes", description="Of all partitions together; the oldest records are deleted first."
    )


class KafkaConfig(ConfigModel):
    """The broker that connects the stages if they run as separate processes."""

    brokers: tuple[str, ...] = Field(
        ("127.0.0.1:9092",),
        min_length=1,
        title="Brokers",
        description="host:port of some brokers of the cluster; LANEWATCH_KAFKA in the environment replaces them.",
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
        description="Of frames, detections, site and checkpoints: the limit for active processes of a stage.",
    )
    replication: int = Field(1, ge=1, le=5, title="Replication", description="Copies of each topic; 3 in a cluster.")
    frames: TopicRetention = Field(
        TopicRetention(minutes=10, gigabytes=64), title="Frames", description="The source of evidence."
    )
    detections: TopicRetention = Field(
        TopicRetention(minutes=1440, gigabytes=32),
        title="Detections",
        description="A watcher can be replayed from these.",
    )
    events: TopicRetention = Field(
        TopicRetention(minutes=10080, gigabytes=16),
        title="Events",
        description="Needed until every service has stored them.",
    )
    security: KafkaSecurity = Field(KafkaSecurity(), title="Security", description="TLS and passwords.")


class Site(ConfigModel):
    """The content of a site file."""

    version: Literal[1] = Field(1, title="Version", description="Of this file's format.")
    id: Id = Field("site", title="Id", description="Names the site in events and topics.")
    name: LocalizedName = Field(title="Name", description="The centre's name.")
    time_zone: str = Field("Asia/Seoul", title="Time zone", description="IANA name.")
    note: LocalizedName | None = Field(
        None, title="Note", description="Shown at the top of the console, for example that a demo's night is simulated."
    )
    detector: DetectorConfig = Field(DetectorConfig(), title="Detector", description="The networks for all cameras.")
    kafka: KafkaConfig = Field(
        KafkaConfig(), title="Kafka", description="The broker, if the stages run as separate processes."
    )
    cameras: tuple[Camera, ...] = Field(min_length=1, title="Cameras", description="At least one.")
    bells: tuple[EmergencyBell, ...] = Field((), title="Bells", description="Emergency bells; a press is an event.")
    schedules: dict[Id, Schedule] = Field(
        {}, title="Schedules", description="Named times, used by zones, lines and rules."
    )
    behaviours: dict[str, BehaviourConfig] = Field(
        {}, title="Behaviours", description="Settings by the behaviour's name; the others use defaults."
    )
    composites: tuple[EventSequence, ...] = Field(
        (), title="Composites", description="Sequences of several steps that this site describes."
    )
    visits: tuple[RegisteredVisit, ...] = Field(
        (), title="Visits", description="Announced visits, which mitigate sequences in their zones."
    )
    correlations: tuple[str, ...] | None = Field(
        None, title="Correlations", description="Kinds of events that span cameras; all kinds if absent."
    )

    def camera(self, camera_id: str) -> Camera:
        """The camera with an id; a ``KeyError`` if there is none."""
        for camera in self.cameras:
            if camera.id == camera_id:
                return camera
        raise KeyError(f"site {self.id} has no camera {camera_id!r}")

    @property
    def digest(self) -> str:
        """12 hex digits that identify the settings on which events depend; each event has them.

        The cameras' URLs and the Kafka part are left out, so a new password or another broker does not change it.
        """
        content = self.model_dump(mode="json", exclude={"kafka": True, "cameras": {"__all__": {"url"}}})
        canonical = msgspec.json.encode(content, order="deterministic")
        return hashlib.sha256(canonical).hexdigest()[:12]
