"""The table of events, in English and Korean."""

from __future__ import annotations

import pytest

from detectors.event_table import opened, table
from lanewatch.text_table import width
from tests.api.conftest import make_site
from tests.api.event_factory import make_event

EVENTS = [
    make_event("e-1"),
    make_event("e-2", kind="line_crossing", camera="gate", zone="", sentence={"ko": "통과", "en": "Crossed"}),
    make_event("e-3", kind="outage", zone="", sentence={"ko": "장애", "en": "Down"}),
    make_event("e-4", kind="of_a_plug_in", zone="", sentence={"ko": "기타", "en": "Other"}),
]


def test_korean_has_korean_headings_and_kinds() -> None:
    head, *rows = table(EVENTS, make_site(), "ko").splitlines()
    assert head.split() == ["발생", "카메라", "이벤트", "위치", "심각도", "점수", "이유"]
    for row, kind in zip(rows, ("배회", "경계선 통과", "카메라 동시 장애", "of_a_plug_in"), strict=True):
        assert f"  {kind}  " in row


@pytest.mark.parametrize("language", ["en", "ko"])
def test_columns_are_aligned_with_wide_letters(language: str) -> None:
    lines = table(EVENTS, make_site(), language).splitlines()
    score = {"en": "score", "ko": "점수"}[language]
    starts = [width(lines[0].split(score)[0])]
    starts += [width(line.split("0.70")[0]) for line in lines[1:]]
    assert len(set(starts)) == 1


def test_english_has_the_ids_of_the_kinds() -> None:
    assert [line.split()[3] for line in table(EVENTS, make_site(), "en").splitlines()[1:]] == [
        "loitering",
        "line_crossing",
        "outage",
        "of_a_plug_in",
    ]


def test_the_line_of_a_new_event_is_in_the_language() -> None:
    assert opened(EVENTS[0], make_site(), "ko").split("  ")[1:] == ["골목", "배회", "마당"]
