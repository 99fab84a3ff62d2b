"""The words and the sums of scores."""

from __future__ import annotations

import pytest

from detectors import scoring
from lanewatch.records import LABELS, Factor
from lanewatch.sun import Condition


@pytest.mark.parametrize(
    ("word", "pair", "expected"),
    [
        ("사람", ("이", "가"), "사람이"),  # ends in a consonant
        ("승용차", ("이", "가"), "승용차가"),  # ends in a vowel
        ("트럭", ("을", "를"), "트럭을"),
        ("고양이", ("을", "를"), "고양이를"),
        ("3번 창고", ("은", "는"), "3번 창고는"),
        ("카메라 1", ("이", "가"), "카메라 1이"),  # read 일
        ("카메라 2", ("이", "가"), "카메라 2가"),  # read 이
        ("카메라 10", ("이", "가"), "카메라 10이"),  # read 십, ends in 0
        ("문 B", ("이", "가"), "문 B가"),
        ("CCTV-M", ("이", "가"), "CCTV-M이"),  # read 엠
        ("'마당'", ("이", "가"), "'마당'이"),  # quotes are not read
        ("", ("이", "가"), "가"),
    ],
)
def test_particles(word: str, pair: tuple[str, str], expected: str) -> None:
    assert scoring.josa(word, *pair) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.5, ("0.5초", "0.5 s")),
        (1.0, ("1초", "1 s")),
        (34, ("34초", "34 s")),
        (34.9, ("34초", "34 s")),
        (60, ("1분", "1 min")),
        (134, ("2분 14초", "2 min 14 s")),
        (3600, ("1시간", "1 h")),
        (5400, ("1시간 30분", "1 h 30 min")),
    ],
)
def test_durations(seconds: float, expected: tuple[str, str]) -> None:
    assert scoring.duration(seconds) == expected


def test_every_class_has_a_name_in_both_languages() -> None:
    assert set(scoring.LABEL_NAMES) == set(LABELS)
    assert scoring.subject(LABELS.index("truck")) == ("트럭이", "Truck")
    assert scoring.subject(LABELS.index("unknown")) == ("미확인 물체가", "Unidentified object")


@pytest.mark.parametrize(
    ("condition", "label", "confidence", "total"),
    [
        ("day", 1, 0.1, 0.0),  # an unsure person by day
        ("day", 1, 0.95, 0.15),
        ("night", 1, 0.95, 0.3),
        ("dusk", 1, 0.45, 0.125),  # half sure
        ("night", 0, 0.2, 0.0),  # without a name
        ("day", 6, 0.7, 0.15),  # a truck
    ],
)
def test_circumstances(condition: Condition, label: int, confidence: float, total: float) -> None:
    assert scoring.total_score(scoring.common_factors(condition, label, confidence)) == pytest.approx(total)


def test_the_total_is_what_the_shown_parts_add_up_to() -> None:
    parts = [scoring.make_factor(str(number), 0.1 + number / 3000) for number in range(7)]
    assert scoring.total_score(parts) == pytest.approx(sum(part.value for part in parts), abs=1e-9)
    assert parts[1] == Factor("1", 0.1, {})
