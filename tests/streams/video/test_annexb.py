from __future__ import annotations

import re
from pathlib import Path

import av
import pytest
from av.bitstream import BitStreamFilterContext

from streams.video.annexb import annexb, is_annexb, parameter_sets


def test_equals_ffmpegs_filter(clip: Path) -> None:
    with av.open(str(clip)) as container:
        stream = container.streams.video[0]
        extradata = stream.codec_context.extradata or b""
        ours = {packet.pts: annexb(bytes(packet), extradata) for packet in container.demux(stream) if packet.size}
    with av.open(str(clip)) as container:
        stream = container.streams.video[0]
        convert = BitStreamFilterContext("h264_mp4toannexb", stream)
        for index, packet in enumerate(container.demux(stream)):
            if index == 40:
                break
            key, pts = packet.is_keyframe, packet.pts
            theirs = b"".join(bytes(out) for out in convert.filter(packet))
            expected = units(ours[pts])
            if key:  # the parameter sets come directly before the picture
                first = next(index for index, unit in enumerate(expected) if unit[0] & 0x1F == 5)
                expected[first:first] = units(parameter_sets(extradata))
            assert units(theirs) == expected


def units(data: bytes) -> list[bytes]:
    """A stream's NAL units. Start codes may have three or four bytes."""
    return re.split(b"\0\0\0\1|\0\0\1", data)[1:]


@pytest.mark.parametrize(("extradata", "expected"), [(b"", True), (b"\0\0\0\1g", True), (b"\1d\0(", False)])
def test_is_annexb(extradata: bytes, expected: bool) -> None:
    assert is_annexb(extradata) is expected


def test_truncated_data_is_an_error() -> None:
    with pytest.raises(ValueError, match="truncated"):
        annexb(b"\0\0\0\x20abc", b"\1d\0(\xff\xe1\0")
    with pytest.raises(ValueError, match="seven bytes"):
        parameter_sets(b"\1d\0(")
