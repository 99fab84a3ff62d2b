"""Converts H.264 packets to Annex B form: start codes, parameter sets in the stream (ITU-T H.264 annex B).

PyAV's filter ``h264_mp4toannexb`` does not fit here: it needs the open stream that a packet came from. Evidence is cut
from packets whose stream is closed. Without it the filter changes nothing, and the remuxed clips have no pictures.
"""

from __future__ import annotations

START_CODE = b"\0\0\0\1"


def is_annexb(extradata: bytes) -> bool:
    """Whether a stream with this extradata has start codes; MP4 and MKV have lengths instead (ISO 14496-15)."""
    return not extradata or extradata.startswith((START_CODE, START_CODE[1:]))


def parameter_sets(extradata: bytes) -> bytes:
    """The stream's SPS and PPS with start codes, from either form of extradata. Raises ``ValueError`` if truncated."""
    if is_annexb(extradata):
        return extradata
    if len(extradata) < 7:
        raise ValueError("H.264 extradata has less than seven bytes")
    sets, position = b"", 5
    for count_mask in (0x1F, 0xFF):  # the number of SPS has five bits, that of PPS eight
        count, position = extradata[position] & count_mask, position + 1
        for _ in range(count):
            size = int.from_bytes(extradata[position : position + 2], "big")
            sets += START_CODE + extradata[position + 2 : position + 2 + size]
            position += 2 + size
    return sets


def annexb(data: bytes, extradata: bytes) -> bytes:
    """A packet's data with start codes. Raises ``ValueError`` if a NAL unit is truncated."""
    if is_annexb(extradata):
        return data
    prefix, position, units = (extradata[4] & 3) + 1, 0, []
    while position < len(data):
        size = int.from_bytes(data[position : position + prefix], "big")
        position += prefix + size
        if position > len(data):
            raise ValueError("an H.264 NAL unit is truncated")
        units.append(START_CODE + data[position - size : position])
    return b"".join(units)
