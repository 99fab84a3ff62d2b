"""JPEG encoding and decoding of frames."""

from __future__ import annotations

import cv2
import msgspec
import numpy as np
import pytest

from lanewatch import metrics
from lanewatch.records import Crop, EncodedFrame, Frame, Image
from streams.video import jpeg


def test_decoded_pixels_are_nearly_the_same() -> None:
    sent = frame(image=smooth(48, 64), crops=(Crop((1.0, 2.0, 17.0, 18.0), smooth(32, 32)),))
    packed = jpeg.pack(sent)
    assert packed.image is None
    assert packed.crops == ()
    assert packed.packed is not None
    assert packed.packed.jpeg[:2] == b"\xff\xd8"
    assert packed.packed.size == len(packed.packed.jpeg) + len(packed.packed.crops[0][1])
    back = jpeg.unpack(packed)
    assert back.packed is None
    assert back.image is not None
    assert sent.image is not None
    assert cv2.PSNR(back.image, sent.image) > 35
    assert [crop.box for crop in back.crops] == [(1.0, 2.0, 17.0, 18.0)]
    assert cv2.PSNR(back.crops[0].image, sent.crops[0].image) > 35
    unchanged = ("camera", "epoch", "slot", "captured_at", "received_at", "width", "height", "scene", "gap")
    assert all(getattr(back, name) == getattr(sent, name) for name in unchanged)


def test_a_tick_is_unchanged() -> None:
    tick = frame(gap="idle")
    assert jpeg.pack(tick) is tick
    assert jpeg.unpack(tick) is tick


@pytest.mark.parametrize(
    "data",
    [
        b"no picture",
        b"\xff\xd8",  # only the start marker
        b"",
    ],
)
def test_an_invalid_jpeg_is_an_unreadable_frame_and_counted(data: bytes) -> None:
    camera = f"broken-{len(data)}"
    back = jpeg.unpack(frame(camera=camera, packed=EncodedFrame(data)))
    assert back.gap == "unreadable"
    assert back.image is None
    assert back.packed is None
    assert metrics.DROPPED.labels("detect", camera, "unreadable")._value.get() == 1


def test_an_invalid_crop_is_removed() -> None:
    whole = jpeg.pack(frame(image=smooth(16, 16))).packed
    assert whole is not None
    back = jpeg.unpack(frame(packed=EncodedFrame(whole.jpeg, (((0, 0, 8, 8), b"?"), ((0, 0, 16, 16), whole.jpeg)))))
    assert [crop.box for crop in back.crops] == [(0, 0, 16, 16)]
    assert back.gap is None


def test_an_empty_image_cannot_be_encoded() -> None:
    with pytest.raises((ValueError, cv2.error)):
        jpeg.pack(frame(image=np.zeros((0, 0, 3), np.uint8)))


def smooth(height: int, width: int) -> Image:
    """A picture without noise."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows * 4 % 200, columns * 3 % 200, (rows + columns) % 200], -1).astype(np.uint8)


def frame(
    camera: str = "gate", image: Image | None = None, crops: tuple[Crop, ...] = (), **other: EncodedFrame | str
) -> Frame:
    """A frame of 64 x 48."""
    made = Frame(camera=camera, epoch=1, slot=5, captured_at=1.0, received_at=2.0, width=64, height=48)
    return msgspec.structs.replace(made, image=image, crops=crops, **other)
