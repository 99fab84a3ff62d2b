"""Scores as sums of factors, and the parts of an event's sentence in Korean and English."""

from __future__ import annotations

from collections.abc import Iterable

from lanewatch.records import LABELS, PERSON, UNKNOWN, Factor
from lanewatch.sun import Condition

NIGHT = {"night": 0.15, "dusk": 0.05, "day": 0.0}
CONFIDENCE = 0.15
"""The most that a detector's confidence adds. It is small, since small, lying and dark people have low scores."""
CONFIDENCE_RANGE = 0.2, 0.7
"""Detector scores at which it adds nothing, and all. Boxes below the first are not recorded."""
UNNAMED = -0.15
"""Unnamed objects have less weight: some are shadows and branches."""

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
    """The score: the sum of the factors, to three digits."""
    return round(sum(factor.value for factor in factors), 3)


def make_factor(name: str, value: float, **detail: float | str) -> Factor:
    """One factor of a score, to three digits, so that the displayed factors add up to the displayed score.

    Counts become floats, as they are after a checkpoint.
    """
    detail = {key: float(number) if isinstance(number, int) else number for key, number in detail.items()}
    return Factor(name, round(value, 3), detail)


def common_factors(condition: Condition, label: int, confidence: float) -> tuple[Factor, ...]:
    """The factors of every behaviour: time of day, the detector's confidence, and the class; between -.15 and .30.

    ``confidence`` is the detector's score over the track, 0-1.
    """
    low, high = CONFIDENCE_RANGE
    share = min(max((confidence - low) / (high - low), 0.0), 1.0)
    factors = [
        make_factor("night", NIGHT[condition], condition=condition),
        make_factor("sureness", CONFIDENCE * share, confidence=round(confidence, 3)),
    ]
    if label == UNKNOWN:
        factors.append(make_factor("unnamed", UNNAMED))
    elif label != PERSON:
        factors.append(make_factor("class", 0.0, label=LABELS[label]))
    return tuple(factors)


def subject(label: int) -> tuple[str, str]:
    """A class as the subject of a sentence: ("사람이", "Person")."""
    korean, english = LABEL_NAMES[LABELS[label]]
    return josa(korean, "이", "가"), english[0].upper() + english[1:]


def duration(seconds: float) -> tuple[str, str]:
    """("34초", "34 s"), ("2분 14초", "2 min 14 s") or ("9시간", "9 h"); whole seconds, and tenths below two."""
    if seconds < 2 and seconds != int(seconds):
        return f"{seconds:.1f}초", f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [(hours, "시간", " h"), (minutes, "분", " min"), (rest, "초", " s")]
    shown = [part for part in parts if part[0]][:2] or parts[2:]
    return " ".join(f"{n}{unit}" for n, unit, _ in shown), " ".join(f"{n}{unit}" for n, _, unit in shown)


_FINAL_DIGITS = frozenset("013678")  # 영 일 삼 육 칠 팔 end in a consonant
_FINAL_LETTERS = frozenset("lmnrLMNR")  # 엘 엠 엔 알


def josa(word: str, after_consonant: str, after_vowel: str) -> str:
    """The word with the Korean particle that fits its last sound: josa("사람", "이", "가") is "사람이".

    Digits and Latin letters count by their Korean reading; anything else counts as ending in a vowel.
    """
    last = word.rstrip("'\")”’ ")[-1:]
    closed = (ord(last) - ord("가")) % 28 != 0 if "가" <= last <= "힣" else last in _FINAL_DIGITS | _FINAL_LETTERS
    return word + (after_consonant if closed else after_vowel)
