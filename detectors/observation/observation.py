"""What a behaviour is shown at each record: who is followed, where, and what holds at that time."""

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
    """One record of one camera, as the behaviours see it. Nothing in it changes, and nothing in it is wall clock.

    Attributes:
        captured_at: Capture time, seconds UTC.
        elapsed_s: Since the record before, whichever it was; 0 at the first.
        has_frame: A picture was scored; False at the ticks of a still camera, at which everybody stays as they were.
        detections: The whole record, with ``scene``, ``profile`` and keypoints.
        tracks: The tracker's arrays, for those who compute on all of them at once.
        objects: The same, one after the other.
        geometry: The camera's geometry in pixels.
    """

    def __init__(
        self,
        detections: Detections,
        tracks: Tracks,
        followed: tuple[TrackedObject, ...],
        ground: CameraGeometry,
        schedules: CameraSchedules,
        elapsed_s: float,
    ) -> None:
        self.detections = detections
        self.captured_at = detections.captured_at
        self.has_frame = detections.gap is None
        self.tracks = tracks
        self.objects = followed
        self.geometry = ground
        self.elapsed_s = elapsed_s
        self._schedules = schedules

    def holds(self, schedule: str | Schedule | None) -> bool:
        """Whether a schedule holds now: one of the site's, or one that is written out."""
        return schedule is None or self._schedules.holds(schedule, self.captured_at)

    def registered(self, zone: str, by: str) -> RegisteredVisit | None:
        """The visit to a zone by that means, a class of the detector, that is registered for now, if there is one."""
        return self._schedules.registered_visit(zone, self.captured_at, by)

    def pose(self, one: TrackedObject) -> Float32 | None:
        """Somebody's (17, 3) keypoints, x and y in pixels and a score, COCO order; None where none were asked for."""
        record = self.detections
        if record.keypoints is None or one.detection < 0:
            return None
        if record.pose_requested is not None and not record.pose_requested[one.detection]:
            return None
        pose: Float32 = record.keypoints[one.detection]
        return pose

    def appearance(self, one: TrackedObject) -> UInt8:
        """Somebody's (K,) running colour descriptor, for ``models.appearance.similarity``."""
        look: UInt8 = self.tracks.appearance[one.row]
        return look

    @cached_property
    def light(self) -> Light:
        """Day, dusk or night at the camera, or that it sees by infrared."""
        if self.detections.profile == "infrared":
            return "infrared"
        return self._schedules.condition(self.captured_at)

    @cached_property
    def condition(self) -> Condition:
        """Day, dusk or night at the camera; night too where the camera sees by infrared, whatever the sun does."""
        return "night" if self.light == "infrared" else self.light
