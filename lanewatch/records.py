"""The records that flow between the stages: frozen, versioned and small.

Time is capture time everywhere: seconds since the Unix epoch, UTC, as float64. A slot is the instant of the UTC
sampling grid that a frame stands for, in whole milliseconds, so that (camera, slot) is the same key whichever
sampler took the frame and whatever its rate. Boxes are ``xyxy`` in pixels of the frame that is named beside them.
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
"""(H, W, 3) uint8, BGR, as OpenCV has it."""

Box = tuple[float, float, float, float]
Label = NewType("Label", int)
"""An index into ``LABELS``."""

VERSION = 1

LABELS = (
    "unknown",  # it moved, and no detector named it
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
"""What Lanewatch can tell apart, whichever network told it. Appended to, never reordered: archives hold indices."""

UNKNOWN, PERSON = Label(0), Label(1)

Profile = Literal["day", "night", "infrared"]
Light = Literal["day", "dusk", "night", "infrared"]
"""By the sun at the camera, unless the camera sees by infrared."""
Gap = Literal["idle", "lost", "ended", "unreadable", "shed", "failed"]
"""Why a record has no picture behind it: a tick of a still camera, a camera out of reach, the end of a recording,
a frame that could not be decoded, one dropped under load, one that the detector failed on."""
BLIND = frozenset({"lost", "unreadable", "shed", "failed"})
"""Gaps at which nobody knows what happens in front of the camera; at "idle" nothing does."""
State = Literal["open", "updated", "closed", "expired"]


class StillRegion(msgspec.Struct, frozen=True):
    """Something that differs from the background and stays.

    Attributes:
        box: Where it is, pixels of the frame.
        still_since: When it was first seen at rest, capture time.
        added: Where its outline is, -1 to 1: above 0 the picture has it, so that something came; below 0 the
            background has it, so that something that had been learned went; 0 where neither is known.
    """

    box: Box
    still_since: float
    added: float = 0.0


class Flame(msgspec.Struct, frozen=True):
    """Something that has the colour of fire or of smoke, flickers and grows.

    Attributes:
        box: Where it is, pixels of the frame.
        kind: What it looks like.
        since: When it was first seen, capture time.
        flicker: Share of its pixels that came or went in the last second, 0-1.
        growth: Its area over that in its first second.
        share: Of the box, how much has the colour.
    """

    box: Box
    kind: Literal["fire", "smoke"]
    since: float = 0.0
    flicker: float = 0.0
    growth: float = 1.0
    share: float = 0.0


class SceneMeasurements(msgspec.Struct, frozen=True):
    """What only the sampler can see, since it alone has a camera's pixels in order.

    Attributes:
        moved: Boxes of what moved, pixels of the frame.
        still: What appeared and stays.
        flames: What may be fire or smoke.
        brightness: Mean luma, 0-255.
        chroma: Mean distance of the colours from the picture's own tint, 0-128; near 0 under infrared light.
        contrast: Standard deviation of luma.
        sharpness: Variance of the Laplacian of the gate's picture.
        familiar: How like the outlines are to those of the last ten minutes in the same kind of light, -1 to 1; None
            until they are known.
        shift: Movement of the whole picture against the background, in fractions of its width and height.
        frozen: The picture is identical to the one before, to the bit; ``frozen_s``: for how long it has been so.
        clock_s: The camera's own clock less ours; None where it doesn't tell the time, and of recordings.
        warm: The background has been learned; before that ``moved`` and ``still`` are empty.
    """

    moved: tuple[Box, ...] = ()
    still: tuple[StillRegion, ...] = ()
    flames: tuple[Flame, ...] = ()
    brightness: float = 0.0
    chroma: float = 0.0
    contrast: float = 0.0
    sharpness: float = 0.0
    familiar: float | None = None
    shift: tuple[float, float] = (0.0, 0.0)
    frozen: bool = False
    frozen_s: float = 0.0
    clock_s: float | None = None
    warm: bool = False


class Crop(msgspec.Struct, frozen=True, eq=False):
    """A part of the picture at the camera's native resolution, because something small moved in it."""

    box: Box  # where it lies, in pixels of the frame
    image: Image


class EncodedFrame(msgspec.Struct, frozen=True, eq=False):
    """A frame's pixels as they travel between processes: JPEG files, the whole picture and its crops."""

    jpeg: bytes
    crops: tuple[tuple[Box, bytes], ...] = ()

    @property
    def size(self) -> int:
        """Bytes in all."""
        return len(self.jpeg) + sum(len(jpeg) for _, jpeg in self.crops)


class Frame(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """One sampled picture of a camera, or a pixel-less tick (no picture, and ``gap`` says why).

    Masks are already applied. In one process the pixels are kept (``image``, ``crops``); JPEG (``packed``) is made when
    a frame leaves the process, and decoded where it is looked at (``streams.video.jpeg``).
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
    """What a detector saw in one frame; empty with a ``gap`` where no picture was scored.

    Attributes:
        xyxy: (N, 4) float32, pixels of a frame of ``width`` x ``height``.
        scores: (N,) float32 in [0, 1].
        labels: (N,) uint8, indices into ``LABELS``.
        appearance: (N, K) uint8, a small colour descriptor (K may be 0).
        keypoints: (N, 17, 3) float32 x, y in pixels and a score, COCO order; zeros where none were asked for.
        pose_requested: (N,) bool, whether keypoints were asked for.
        received_at: when the sampler had the frame, wall clock; for latency only, never for judgement.
    """

    camera: str
    epoch: int
    slot: int
    captured_at: float
    received_at: float
    width: int
    height: int
    xyxy: Float32
    scores: Float32
    labels: UInt8
    appearance: UInt8 = msgspec.field(name="look")
    keypoints: Float32 | None = None
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
        """The record of a frame in which nothing was seen, or of one that was not looked at (``gap``)."""
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
    """How far a camera has been judged: its last record, and how many pictures came since this was last told.

    ``captured_at`` and ``received_at`` are that record's; ``gap`` is why it had no picture, if it had none.
    """

    captured_at: float
    received_at: float
    gap: Gap | None = None
    pictures: int = 0


class Factor(msgspec.Struct, frozen=True):
    """One part of a score. The parts add up to the score; ``detail`` holds what the sentence needs."""

    name: str
    value: float
    detail: dict[str, float | str] = {}


class Peak(msgspec.Struct, frozen=True):
    """The frame in which an event is seen best."""

    slot: int
    captured_at: float
    box: Box
    width: int
    height: int


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """A suspicious happening on one camera, in one of its revisions.

    ``(run, id, revision)`` is its key. ``id`` is minted at the opening and carried in the fold's state;
    ``revision`` is the capture time of the change in milliseconds; ``ended_at`` is never invented: an event
    whose camera went away is ``expired`` and has none.

    Attributes:
        began_at: when what it is about began, such as a loiterer's entry into the zone.
        started_at: when its definition was met, which is when the alarm was raised: a loiterer's thirtieth second.
        ended_at: when it was last seen to be so.
        score: 0-1, the sum of the factors' values.
        severity: 1 watch, 2 alert, 3 dispatch suggested.
        thresholds: the ones that applied, by name.
        sentence: why, in one sentence, by language (``ko``, ``en``).
        onvif: the ONVIF topic of the kind; ``kisa``: the class of KISA's list, where there is one.
        condition: the light at its opening, by which figures are split.
        parts: the ids of the events that this one is made of, of several cameras or nights.
    """

    run: str
    id: str
    camera: str
    kind: str
    zone: str
    began_at: float
    started_at: float
    updated_at: float
    ended_at: float | None
    revision: int
    state: State
    severity: int
    score: float
    factors: tuple[Factor, ...]
    thresholds: dict[str, float]
    sentence: dict[str, str]
    tracks: tuple[int, ...]
    peak: Peak
    model: str
    site: str
    onvif: str = ""
    kisa: str = ""
    condition: Light | Literal[""] = ""
    parts: tuple[str, ...] = ()
    version: int = VERSION


def _to_wire(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return (value.dtype.str, value.shape, value.tobytes())
    raise TypeError(f"a record cannot hold a {type(value).__name__}")


def _from_wire(kind: type, value: Any) -> Any:
    dtype, shape, data = value
    return np.frombuffer(data, dtype=np.dtype(dtype)).reshape(shape)


def encode(record: msgspec.Struct) -> bytes:
    """A record, or any part of the fold's state, as msgpack."""
    return msgspec.msgpack.encode(record, enc_hook=_to_wire)


def decode(data: bytes, kind: type[T]) -> T:
    """The record back from msgpack.

    Raises:
        msgspec.ValidationError: the bytes are no such record.
    """
    return msgspec.msgpack.decode(data, type=kind, dec_hook=_from_wire)


def restore(value: Any, kind: type[T]) -> T:
    """A part of a record that was decoded without its type (lists, dicts) in the type that it had.

    Raises:
        msgspec.ValidationError: it is none of that type.
    """
    return msgspec.convert(value, type=kind, dec_hook=_from_wire)
