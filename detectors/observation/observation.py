"""The input of a behaviour at each record: tracked objects, the camera's geometry, and the schedules of that time."""

from __future__ import annotations

from functools import cached_property

from detectors.observation.camera_geometry import CameraGeometry
from detectors.observation.tracked_objects import TrackedObject
from lanewatch.config.fields import Schedule
from lanewatch.config.schedules import CameraSchedules
from lanewatch.config.site import RegisteredVisit
from lanewatch.records import Detections, Float32, Light, UInt8
from lanewatch.sun import Condition
from models.tracking.tracker import Tracks


class Observation:
    """One record of one camera, as the behaviours see it. It never changes, and has no wall-clock time.

    Attributes:
        captured_at: Capture time, seconds UTC.
        elapsed_s: Since the last record of any kind; 0 at the first.
        began_at: Capture time of the first picture since the camera was last interrupted; None before it.
        has_frame: Whether a picture was detected; False at the ticks of a camera without motion: tracks stay unchanged.
        tracks: The tracker's arrays, for computations on all tracks at once.
        objects: The same tracks, one by one.
    """

    def __init__(
        self,
        detections: Detections,
        tracks: Tracks,
        objects: tuple[TrackedObject, ...],
        geometry: CameraGeometry,
        schedules: CameraSchedules,
        elapsed_s: float,
        began_at: float | None = None,
    ) -> None:
        self.detections = detections
        self.captured_at = detections.captured_at
        self.has_frame = detections.gap is None
        self.tracks = tracks
        self.objects = objects
        self.geometry = geometry
        self.elapsed_s = elapsed_s
        self.began_at = began_at
        self._schedules = schedules

    def holds(self, schedule: str | Schedule | None) -> bool:
        """Whether a schedule holds now: one of the site's by name, or a schedule itself."""
        return schedule is None or self._schedules.holds(schedule, self.captured_at)

    def registered(self, zone: str, by: str) -> RegisteredVisit | None:
        """The registered visit to a zone at this time by a class of vehicle, if there is one."""
        return self._schedules.registered_visit(zone, self.captured_at, by)

    def pose(self, track: TrackedObject) -> Float32 | None:
        """A track's (17, 3) keypoints: x, y in pixels and a score, COCO order; None if they were not estimated."""
        record = self.detections
        if record.keypoints is None or track.detection < 0:
            return None
        if record.pose_requested is not None and not record.pose_requested[track.detection]:
            return None
        pose: Float32 = record.keypoints[track.detection]
        return pose

    def appearance(self, track: TrackedObject) -> UInt8:
        """A track's (K,) running colour descriptor, for ``models.appearance.similarity``."""
        descriptor: UInt8 = self.tracks.appearance[track.row]
        return descriptor

    @cached_property
    def light(self) -> Light:
        """Day, dusk or night at the camera, or infrared if it sees by that."""
        if self.detections.profile == "infrared":
            return "infrared"
        return self._schedules.condition(self.captured_at)

    @cached_property
    def condition(self) -> Condition:
        """Day, dusk or night at the camera; infrared counts as night, whatever the sun."""
        return "night" if self.light == "infrared" else self.light
