"""The records that flow between the stages: frozen, versioned and small.

Times are capture time unless stated otherwise: seconds since the Unix epoch, UTC, as float64. A slot is an instant of
the UTC sampling grid, in whole milliseconds. A frame stands for one slot, so (camera, slot) is the same key for every
sampler and at any rate. Boxes are ``xyxy`` in pixels of a frame whose width and height are in the same record.
"""

from __future__ import annotations

from typing import Any, Literal, NewType, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
UInt8 = NDArray[np.uint8]
Int64 = NDArray[np.int64]
Bool = NDArray[np.bool_]
Image = NDArray[np.uint8]
"""(H, W, 3) uint8, BGR as in OpenCV."""

Box = tuple[float, float, float, float]
Label = NewType("Label", int)
"""An index into ``LABELS``."""

VERSION = 1

LABELS = (
    "unknown",  # motion without a class
    "person",
    "bicycle",
    "car",
    "motorcycle",
    "bus",
    "truck",
    "cat",
    "dog",
    "backpack",
    "handbag",
    "suitcase",
)
"""The classes of all networks. New ones are appended and none is moved, because archives contain the indices."""

UNKNOWN, PERSON = Label(0), Label(1)

Profile = Literal["day", "night", "infrared"]
Light = Literal["day", "dusk", "night", "infrared"]
"""By the sun's elevation at the camera, unless the camera sees by infrared."""
Gap = Literal[
    "idle",  # a tick of a camera without motion
    "lost",  # the camera is out of reach
    "ended",  # the recording is over
    "unreadable",  # the frame could not be decoded
    "shed",  # the frame was dropped under load
    "failed",  # the detector failed on the frame
]
"""Why a record has no picture."""
MAX_CLOCK_ERROR_S = 120.0
"""A camera's clock is used for capture times if its error is less. A clock set by NTP or by hand is right to seconds.
One that is off by a time zone, or was never set, would move schedules, night and evidence; then arrival time counts."""

BLIND = frozenset({"lost", "unreadable", "shed", "failed"})
"""Gaps without observation. At ``idle`` the camera is observed, and nothing moves."""
State = Literal["open", "updated", "closed", "expired"]


class StillRegion(msgspec.Struct, frozen=True):
    """A region that differs from the background and does not move, such as a parked car."""

    box: Box  # pixels of the frame
    still_since: float  # capture time of its first observation at rest
    # where its outline is, -1 to 1. Above 0 it is in the picture: an object was added. Below 0 it is in the
    # background: an object was removed. 0 if unknown.
    added: float = 0.0


class Flame(msgspec.Struct, frozen=True):
    """A region with the colour of fire or smoke that flickers and grows."""

    box: Box  # pixels of the frame
    kind: Literal["fire", "smoke"]  # by its colour
    since: float = 0.0  # capture time of its first observation
    flicker: float = 0.0  # share of its pixels that appeared or disappeared in the last second, 0-1
    growth: float = 1.0  # its area divided by its area in the first second
    share: float = 0.0  # share of the box that has the colour, 0-1


class SceneMeasurements(msgspec.Struct, frozen=True):
    """What only the sampler can measure, because it has all of a camera's pixels in order."""

    moved: tuple[Box, ...] = ()  # boxes of motion, pixels of the frame
    still: tuple[StillRegion, ...] = ()  # stationary regions
    flames: tuple[Flame, ...] = ()  # possible fire or smoke
    brightness: float = 0.0  # mean luma, 0-255
    chroma: float = 0.0  # mean distance of the colours from the picture's own tint, 0-128; near 0 under infrared light
    contrast: float = 0.0  # standard deviation of luma
    sharpness: float = 0.0  # variance of the Laplacian of the motion gate's picture
    # similarity of the outlines to those of the last ten minutes in the same kind of light, -1 to 1; None until
    # those are known.
    familiar: float | None = None
    # movement of the whole picture against the background, in fractions of its width and height.
    shift: tuple[float, float] = (0.0, 0.0)
    frozen: bool = False  # whether the picture is bit-identical to the previous one
    frozen_s: float = 0.0  # for how many seconds it has been
    # the camera's clock minus ours, seconds; None for recordings and for cameras that send no time.
    clock_s: float | None = None
    warm: bool = False  # whether the background is learned; until then `moved` and `still` are empty


class Crop(msgspec.Struct, frozen=True, eq=False):
    """A part of the picture at the camera's native resolution, because something small moved in it."""

    box: Box  # pixels of the frame
    image: Image


class EncodedFrame(msgspec.Struct, frozen=True, eq=False):
    """A frame's pixels between processes: the whole picture and each crop as JPEG."""

    jpeg: bytes
    crops: tuple[tuple[Box, bytes], ...] = ()

    @property
    def size(self) -> int:
        """Total bytes."""
        return len(self.jpeg) + sum(len(jpeg) for _, jpeg in self.crops)


class Frame(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """One sampled picture of a camera, or a tick without a picture, whose ``gap`` gives the reason.

    Privacy masks are already applied. Within one process the pixels are in ``image`` and ``crops``. Between processes
    they are JPEG in ``packed`` (see ``streams.video.jpeg``).
    """

    camera: str
    epoch: int
    slot: int
    captured_at: float
    received_at: float
    width: int
    height: int
    image: Image | None = None
    crops: tuple[Crop, ...] = ()
    packed: EncodedFrame | None = None
    profile: Profile = "day"
    scene: SceneMeasurements = SceneMeasurements()
    gap: Gap | None = None


class Detections(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """The detections of one frame; empty, with a ``gap``, if no picture was processed."""

    camera: str
    epoch: int
    slot: int
    captured_at: float
    received_at: float  # when the sampler had the frame, wall clock; only for measuring latency
    width: int
    height: int
    xyxy: Float32  # (N, 4) float32, pixels of a frame of `width` x `height`
    scores: Float32  # (N,) float32 in [0, 1]
    labels: UInt8  # (N,) uint8, indices into `LABELS`
    appearance: UInt8 = msgspec.field(name="look")  # (N, K) uint8, a small colour descriptor (K may be 0)
    # (N, 17, 3) float32 x, y in pixels and a score, COCO order; zeros if none were requested.
    keypoints: Float32 | None = None
    # (N,) bool, whether keypoints were requested.
    pose_requested: Bool | None = msgspec.field(default=None, name="asked")
    profile: Profile = "day"
    scene: SceneMeasurements = SceneMeasurements()
    model: str = ""
    gap: Gap | None = None
    version: int = VERSION

    def __len__(self) -> int:
        return len(self.scores)

    @classmethod
    def empty(cls, frame: Frame, *, model: str = "", gap: Gap | None = None, look: int = 0) -> Detections:
        """The record of a frame without detections, or not processed (``gap``); ``look`` is a descriptor's length."""
        return cls(
            camera=frame.camera,
            epoch=frame.epoch,
            slot=frame.slot,
            captured_at=frame.captured_at,
            received_at=frame.received_at,
            width=frame.width,
            height=frame.height,
            xyxy=np.zeros((0, 4), np.float32),
            scores=np.zeros(0, np.float32),
            labels=np.zeros(0, np.uint8),
            appearance=np.zeros((0, look), np.uint8),
            profile=frame.profile,
            scene=frame.scene,
            model=model,
            gap=gap or frame.gap,
        )


class Watermark(msgspec.Struct, frozen=True):
    """How far the watch stage has processed a camera."""

    captured_at: float  # capture time of the camera's last record
    received_at: float  # when the sampler had it, wall clock
    gap: Gap | None = None  # why it has no picture, if it has none
    pictures: int = 0  # pictures of the camera since its previous watermark
    clock_s: float | None = None  # as ``SceneMeasurements.clock_s`` of that record


class Factor(msgspec.Struct, frozen=True):
    """One part of a score. The factors of an event add up to its score. ``detail`` has the values for its sentence."""

    name: str
    value: float
    detail: dict[str, float | str] = {}


class Peak(msgspec.Struct, frozen=True):
    """The frame in which an event is seen best; ``box`` is in pixels of its ``width`` x ``height``."""

    slot: int
    captured_at: float
    box: Box
    width: int
    height: int


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One revision of a suspicious activity at one camera. ``(run, id, revision)`` is its key."""

    run: str
    id: str  # made once, when the event opens; it stays the same in all revisions
    camera: str
    kind: str
    zone: str
    began_at: float  # when the activity began, such as a loiterer's entry into the zone
    started_at: float  # when its definition was met and the alarm was raised, such as a loiterer's thirtieth second
    updated_at: float  # when this revision was made
    # when the activity was last observed. None while it continues. An event whose camera is lost is `expired` and
    # has no end, because the end was not observed.
    ended_at: float | None
    revision: int  # the capture time of the change, milliseconds
    state: State
    severity: int  # 1 watch, 2 alert, 3 dispatch suggested
    score: float  # 0-1, the sum of the factors' values
    factors: tuple[Factor, ...]
    thresholds: dict[str, float]  # the thresholds that applied, by name
    sentence: dict[str, str]  # the reason in one sentence, by language (`ko`, `en`)
    tracks: tuple[int, ...]
    peak: Peak
    model: str
    site: str
    onvif: str = ""  # the kind's ONVIF topic, if there is one
    kisa: str = ""  # the kind's class in KISA's list, if there is one
    condition: Light | Literal[""] = ""  # the light when the event opened; evaluation splits its figures by it
    parts: tuple[str, ...] = ()  # the ids of the events, of several cameras or nights, that this one consists of
    version: int = VERSION


def _to_wire(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return (value.dtype.str, value.shape, value.tobytes())
    raise TypeError(f"a record cannot hold a {type(value).__name__}")


def _from_wire(kind: type, value: Any) -> Any:
    dtype, shape, data = value
    return np.frombuffer(data, dtype=np.dtype(dtype)).reshape(shape)


def encode(record: msgspec.Struct) -> bytes:
    """A record, or any part of a stage's state, as msgpack."""
    return msgspec.msgpack.encode(record, enc_hook=_to_wire)


def decode(data: bytes, kind: type[T]) -> T:
    """A record from msgpack; a ``msgspec.ValidationError`` if the bytes are not one of that type."""
    return msgspec.msgpack.decode(data, type=kind, dec_hook=_from_wire)


def restore(value: Any, kind: type[T]) -> T:
    """Converts a part of a record that was decoded without its type (as lists and dicts) to its type.

    A value that does not fit raises ``msgspec.ValidationError``.
    """
    return msgspec.convert(value, type=kind, dec_hook=_from_wire)
