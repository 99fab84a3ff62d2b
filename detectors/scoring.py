"""Scores that explain themselves: parts that add up, and the words of the sentence in Korean and English."""

from __future__ import annotations

from collections.abc import Iterable

from lanewatch.records import LABELS, PERSON, UNKNOWN, Factor
from lanewatch.sun import Condition

NIGHT = {"night": 0.15, "dusk": 0.05, "day": 0.0}
SURENESS = 0.15
"""The most that a detector's confidence adds: a part among others, since small, lying and dark people score low."""
UNSURE, SURE = 0.2, 0.7
"""Detector scores at which it adds nothing and all: below the first, boxes are not recorded at all."""
UNNAMED = -0.15
"""What moves and has no name counts, with less weight: shadows and branches are among it."""

LABEL_NAMES = {
    "unknown": ("미확인 물체", "unidentified object"),
    "person": ("사람", "person"),
    "bicycle": ("자전거", "bicycle"),
    "car": ("승용차", "car"),
    "motorcycle": ("오토바이", "motorcycle"),
    "bus": ("버스", "bus"),
    "truck": ("트럭", "truck"),
    "cat": ("고양이", "cat"),
    "dog": ("개", "dog"),
    "backpack": ("배낭", "backpack"),
    "handbag": ("손가방", "handbag"),
    "suitcase": ("여행 가방", "suitcase"),
}
WHEN: dict[Condition, tuple[str, str]] = {
    "night": ("야간에", "at night"),
    "dusk": ("박명 시간대에", "at twilight"),
    "day": ("주간에", "by day"),
}


def total_score(factors: Iterable[Factor]) -> float:
    """The score: the parts' sum, to three digits."""
    return round(sum(factor.value for factor in factors), 3)


def make_factor(name: str, value: float, **detail: float | str) -> Factor:
    """One part of a score, to three digits, so that what is shown adds up to what is shown.

    Counts become floats, as they are after a checkpoint.
    """
    numbers = {key: float(one) if isinstance(one, int) else one for key, one in detail.items()}
    return Factor(name, round(value, 3), numbers)


def common_factors(condition: Condition, label: int, confidence: float) -> tuple[Factor, ...]:
    """The parts that every behaviour has: the time of day, how sure the detector is, and that it has no name for it.

    Between -.15 and .30.

    Args:
        condition: of the sun at the camera.
        label: index into ``LABELS``.
        confidence: the detector's score over the track, 0-1.
    """
    share = min(max((confidence - UNSURE) / (SURE - UNSURE), 0.0), 1.0)
    parts = [
        make_factor("night", NIGHT[condition], condition=condition),
        make_factor("sureness", SURENESS * share, confidence=round(confidence, 3)),
    ]
    if label == UNKNOWN:
        parts.append(make_factor("unnamed", UNNAMED))
    elif label != PERSON:
        parts.append(make_factor("class", 0.0, label=LABELS[label]))
    return tuple(parts)


def subject(label: int) -> tuple[str, str]:
    """A class as the subject of a sentence: ("사람이", "Person")."""
    korean, english = LABEL_NAMES[LABELS[label]]
    return josa(korean, "이", "가"), english[0].upper() + english[1:]


def duration(seconds: float) -> tuple[str, str]:
    """("34초", "34 s"), or ("2분 14초", "2 min 14 s"); whole seconds, half of one below two."""
    if seconds < 2 and seconds != int(seconds):
        return f"{seconds:.1f}초", f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    if not minutes:
        return f"{rest}초", f"{rest} s"
    if not rest:
        return f"{minutes}분", f"{minutes} min"
    return f"{minutes}분 {rest}초", f"{minutes} min {rest} s"


_FINAL_DIGITS = frozenset("013678")  # 영 일 삼 육 칠 팔 end in a consonant
_FINAL_LETTERS = frozenset("lmnrLMNR")  # 엘 엠 엔 알


def josa(word: str, after_consonant: str, after_vowel: str) -> str:
    """The word with the Korean particle that its last sound asks for: josa("사람", "이", "가") is "사람이".

    Digits and Latin letters are judged by how they are read out; anything else counts as ending in a vowel.
    """
    last = word.rstrip("'\")”’ ")[-1:]
    if "가" <= last <= "힣":
        closed = (ord(last) - ord("가")) % 28 != 0
    else:
        closed = last in _FINAL_DIGITS or last in _FINAL_LETTERS
    return word + (after_consonant if closed else after_vowel)
