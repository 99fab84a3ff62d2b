from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from typing import Any

import pytest

from streams.sources.url import LiveAnchor, SourceError, SourceUrl, redact

SEOUL_2AM = datetime(2026, 1, 14, 17, 0, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("rtsp://user:pass@10.0.0.1/1", "rtsp://***@10.0.0.1/1"),
        ("rtsp://user:p@ss@10.0.0.1/1", "rtsp://***@10.0.0.1/1"),  # an @ within the password
        ("rtsp://user@10.0.0.1/1", "rtsp://***@10.0.0.1/1"),  # a user alone
        ("rtsp://10.0.0.1/1", "rtsp://10.0.0.1/1"),  # nothing to hide
        ("http://cam/video?user=a&pwd=geheim&x=1", "http://cam/video?user=***&pwd=***&x=***"),  # in the query
        ("http://cam/v?access_token=abc&y=2", "http://cam/v?access_token=***&y=***"),  # a token
        ("rtsp://cam/user=a_password=geheim_channel=1.sdp?real_stream", "rtsp://cam/***?real_stream"),  # in the path
        ("http://cam/get.cgi?loginpas=geheim&p=1", "http://cam/get.cgi?loginpas=***&p=***"),
        ("rtsp://user:two words@10.0.0.1/1 refused", "rtsp://*** refused"),  # not percent-encoded
        ("rtsp://user:a/b?c@10.0.0.1/1", "rtsp://***"),
        ("rtsp://10.0.0.1/Streaming/Channels/101", "rtsp://10.0.0.1/Streaming/Channels/101"),
        ("file:///clips/password.mp4?clock=1", "file:///clips/password.mp4?clock=1"),  # no network address
        (
            "refused: 'rtsp://a:b@c/d' and 'http://e:f@g'",
            "refused: 'rtsp://***@c/d' and 'http://***@g'",
        ),  # in a message
    ],
)
def test_redact(text: str, expected: str) -> None:
    assert redact(text) == expected


@pytest.mark.parametrize(
    ("url", "expected", "outcome"),
    [
        ("rtsp://u:p@cam/1", {"kind": "rtsp", "live": True}, nullcontext()),
        ("http://cam/mjpg/video.mjpg", {"kind": "http", "live": True}, nullcontext()),
        ("https://store/clips/a.mp4?x=1", {"kind": "http", "live": False}, nullcontext()),  # a file over HTTP
        ("/clips/a.mp4", {"kind": "file", "live": False, "loop": False, "clock": None}, nullcontext()),
        ("file:///clips/a%20b.mp4", {"kind": "file", "target": "/clips/a b.mp4"}, nullcontext()),
        ("/clips/100%25.mp4", {"target": "/clips/100%25.mp4"}, nullcontext()),  # a plain path is not decoded
        (
            "file:///a.mp4?loop=1&clock=2026-01-15T02:00:00+09:00&pace=live&fps=7",
            {"loop": True, "clock": SEOUL_2AM, "live": True, "fps": 7.0},
            nullcontext(),
        ),
        ("file:///a.mp4?clock=2026-01-15T02:00:00", {"clock": SEOUL_2AM}, nullcontext()),  # in the site's time zone
        (
            "file:///a.mp4?since=2026-01-15T02:00:00&pace=live",
            {"since": SEOUL_2AM, "anchor": LiveAnchor(SEOUL_2AM, SEOUL_2AM)},
            nullcontext(),
        ),
        ("file:///a.mp4?since=2026-01-15T02:00:00&pace=fast", {"anchor": None}, nullcontext()),  # played at full speed
        ("file:///a.mp4?since=now", {}, pytest.raises(SourceError, match="since=now; write it like")),
        ("ftp://cam/1", {}, pytest.raises(SourceError, match="cannot open ftp")),
        ("file:///a.mp4?pace=live&lead=12", {"live": False, "paced": True, "lead": 12.0}, nullcontext()),
        ("file:///a.mp4?lead=-1", {}, pytest.raises(SourceError, match="lead=-1; use seconds above 0")),
        ("file:///a.mp4?speed=2", {}, pytest.raises(SourceError, match="unknown option 'speed'")),
        ("file:///a.mp4?pace=slow", {}, pytest.raises(SourceError, match="live or fast")),
        ("file:///a.mp4?clock=noon", {}, pytest.raises(SourceError, match="2026-01-15T02:00:00")),
        ("file:///a.mp4?fps=0", {}, pytest.raises(SourceError, match="above 0")),
        ("file:///a.mp4?fps=many", {}, pytest.raises(SourceError, match="above 0")),
    ],
)
def test_parse(url: str, expected: dict[str, Any], outcome: AbstractContextManager[Any]) -> None:
    with outcome:
        address = SourceUrl.parse(url, time_zone="Asia/Seoul")
        assert {name: getattr(address, name) for name in expected} == expected
