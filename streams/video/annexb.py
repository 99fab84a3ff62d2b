"""H.264 packets in one form: start codes, parameter sets in the stream (ITU-T H.264 annex B)."""

from __future__ import annotations

START = b"\0\0\0\1"


def is_annexb(extradata: bytes) -> bool:
    """Whether a stream with this extradata has start codes; MP4 and MKV have lengths instead (ISO 14496-15)."""
    return not extradata or extradata.startswith((START, START[1:]))


def parameter_sets(extradata: bytes) -> bytes:
    """The stream's SPS and PPS with start codes, from either form of extradata.

    Raises:
        ValueError: the extradata is torn.
    """
    if is_annexb(extradata):
        return extradata
    if len(extradata) < 7:
        raise ValueError("H.264 extradata of less than seven bytes")
    sets, at = b"", 5
    for mask in (0x1F, 0xFF):  # the number of SPS is in five bits, of PPS in eight
        count, at = extradata[at] & mask, at + 1
        for _ in range(count):
            size = int.from_bytes(extradata[at : at + 2], "big")
            sets, at = sets + START + extradata[at + 2 : at + 2 + size], at + 2 + size
    return sets


def annexb(data: bytes, extradata: bytes) -> bytes:
    """A packet's data with start codes.

    Raises:
        ValueError: a length in it points beyond its end.
    """
    if is_annexb(extradata):
        return data
    prefix, at, units = (extradata[4] & 3) + 1, 0, []
    while at < len(data):
        size = int.from_bytes(data[at : at + prefix], "big")
        at += prefix + size
        if at > len(data):
            raise ValueError("an H.264 unit is cut short")
        units.append(START + data[at - size : at])
    return b"".join(units)
